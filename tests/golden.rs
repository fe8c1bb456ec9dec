//! Every public function agrees with JAX: its value, pull-back, push-forward and second derivative, in f64.
//!
//! `golden/cases/*.json` are made by `golden/make.py`; [`FAMILIES`] says how each of their names is called here.

#[path = "golden/call/mod.rs"]
mod call;
#[path = "golden/read.rs"]
mod read;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use call::{Attrs, FAMILIES, Row};
use read::{Kind, Stored, Tolerance, Values, compare};
use retrograd::{Result, Tensor, grad_only, jvp, vjp};
use serde::Deserialize;

/// One call: inputs, outputs, and for the float ones the derivatives along fixed directions. What has no
/// derivative has `None` in its place.
#[derive(Debug, Deserialize)]
struct Case {
    #[serde(rename = "fn")]
    function: String,
    case: String,
    inputs: Vec<Stored>,
    #[serde(default)]
    attrs: Attrs,
    outputs: Vec<Stored>,
    /// Cotangents of the outputs, and the pull-back at them.
    #[serde(default)]
    w: Vec<Option<Values>>,
    #[serde(default)]
    vjp: Vec<Option<Values>>,
    /// Tangents of the inputs, and the push-forward along them.
    #[serde(default)]
    v: Vec<Option<Values>>,
    #[serde(default)]
    jvp: Vec<Option<Values>>,
    /// Directions u, and the gradient in each input of `sum_i <vjp_i(x; w), u_i>`.
    #[serde(default)]
    u: Vec<Option<Values>>,
    #[serde(default)]
    second: Vec<Option<Values>>,
}

#[derive(Debug, Deserialize)]
struct File {
    cases: Vec<Case>,
}

/// All cases, each with the row that says how its function is called.
fn cases() -> Vec<(Case, Row)> {
    let family = |(json, table): &(&str, call::Table)| {
        let file: File = serde_json::from_str(json).expect("a file of cases");
        let row = |case: Case| {
            let found = table.iter().find(|(name, _)| *name == case.function);
            let row = found.unwrap_or_else(|| panic!("no row calls `{}`", case.function)).1;
            (case, row)
        };
        file.cases.into_iter().map(row).collect::<Vec<_>>()
    };
    FAMILIES.iter().flat_map(family).collect()
}

impl Case {
    fn floats(&self) -> Vec<Tensor> {
        self.inputs.iter().filter(|x| x.dtype.dtype().is_float()).map(Stored::tensor).collect()
    }

    /// The function of the float inputs alone; the others stay as they are.
    fn function(&self, row: Row) -> impl Fn(&Vec<Tensor>) -> Vec<Tensor> {
        let inputs: Vec<(bool, Tensor)> =
            self.inputs.iter().map(|x| (x.dtype.dtype().is_float(), x.tensor())).collect();
        move |floats| {
            let mut floats = floats.iter();
            let take = |(float, x): &(bool, Tensor)| match float {
                true => floats.next().expect("as many as there are float inputs").clone(),
                false => x.clone(),
            };
            let inputs: Vec<Tensor> = inputs.iter().map(take).collect();
            row.outputs(&inputs, &self.attrs)
        }
    }

    /// The function's float outputs alone.
    fn float_function(&self, row: Row) -> impl Fn(&Vec<Tensor>) -> Vec<Tensor> {
        let f = self.function(row);
        let float: Vec<bool> = self.outputs.iter().map(|y| y.dtype.dtype().is_float()).collect();
        move |floats| f(floats).into_iter().zip(&float).filter(|(_, float)| **float).map(|(y, _)| y).collect()
    }

    /// One bound for all derivatives of a case: a tangent in f32 rounds what comes after it.
    fn derivative_tolerance(&self) -> Tolerance {
        let f32 = self.inputs.iter().chain(&self.outputs).any(|x| x.dtype == Kind::F32);
        Tolerance::of(if f32 { Kind::F32 } else { Kind::F64 })
    }
}

/// The directions in `values` as tensors like `of`.
fn directions(of: &[Stored], values: &[Option<Values>]) -> Vec<Tensor> {
    of.iter().zip(values).filter_map(|(x, values)| Some(x.with(values.as_ref()?))).collect()
}

/// Compares each tensor with the present ones of `want`.
fn agree(got: &[Tensor], of: &[Stored], want: &[Option<Values>], tolerance: Tolerance) -> Result<(), String> {
    let want: Vec<_> = of.iter().zip(want).filter_map(|(x, w)| Some((x, w.as_ref()?))).collect();
    if got.len() != want.len() {
        return Err(format!("{} tensors, want {}", got.len(), want.len()));
    }
    for (i, (got, (like, values))) in got.iter().zip(want).enumerate() {
        compare(got, like, values, tolerance).map_err(|e| format!("[{i}] {e}"))?;
    }
    Ok(())
}

fn value(case: &Case, row: Row) -> Result<(), String> {
    let got = case.function(row)(&case.floats());
    for (i, (got, want)) in got.iter().zip(&case.outputs).enumerate() {
        compare(got, want, &want.data, Tolerance::of(want.dtype)).map_err(|e| format!("[{i}] {e}"))?;
    }
    (got.len() == case.outputs.len()).then_some(()).ok_or(format!("{} outputs", got.len()))
}

fn pull_back(case: &Case, row: Row) -> Result<(), String> {
    let f = case.float_function(row);
    let w = directions(&case.outputs, &case.w);
    let run = || -> Result<Vec<Tensor>> { vjp(&f).call(&case.floats(), ())?.1.call(&w) };
    agree(&run().map_err(|e| e.to_string())?, &case.inputs, &case.vjp, case.derivative_tolerance())
}

fn push_forward(case: &Case, row: Row) -> Result<(), String> {
    let f = case.float_function(row);
    let v = directions(&case.inputs, &case.v);
    let (_, dy) = jvp(&f).call(&case.floats(), &v, ()).map_err(|e| e.to_string())?;
    agree(&dy, &case.outputs, &case.jvp, case.derivative_tolerance())
}

fn second_derivative(case: &Case, row: Row) -> Result<(), String> {
    let f = case.float_function(row);
    let (w, u) = (directions(&case.outputs, &case.w), directions(&case.inputs, &case.u));
    let contracted = |x: &Vec<Tensor>| -> Result<Tensor> {
        let dx = vjp(&f).call(x, ())?.1.call(&w)?;
        Ok(dx.iter().zip(&u).fold(Tensor::from(0.0f64), |total, (dx, u)| total + (dx * u).sum().f64()))
    };
    let got = grad_only(&contracted).call(&case.floats(), ()).map_err(|e| e.to_string())?;
    agree(&got, &case.inputs, &case.second, case.derivative_tolerance())
}

/// Checks every case that has what `wanted` looks for, and lists all that fail.
fn check(part: &str, wanted: impl Fn(&Case) -> bool, agrees: impl Fn(&Case, Row) -> Result<(), String>) {
    let mut failures = Vec::new();
    let cases: Vec<(Case, Row)> = cases().into_iter().filter(|(case, _)| wanted(case)).collect();
    for (case, row) in &cases {
        let outcome = catch_unwind(AssertUnwindSafe(|| agrees(case, *row)));
        let reason = match outcome {
            Ok(Ok(())) => continue,
            Ok(Err(reason)) => reason,
            Err(_) => "panicked".to_owned(),
        };
        failures.push(format!("{}, {}: {part} {reason}", case.function, case.case));
    }
    let (n, of) = (failures.len(), cases.len());
    assert!(n == 0, "{n} of {of} cases fail:\n{}", failures.join("\n"));
}

#[test]
fn every_row_has_a_case() {
    let cases = cases();
    let named: BTreeSet<&str> = cases.iter().map(|(case, _)| &*case.function).collect();
    let rows = || FAMILIES.iter().flat_map(|(_, table)| table.iter().map(|(name, _)| *name));
    assert_eq!(rows().collect::<BTreeSet<_>>().len(), rows().count(), "a name has two rows");
    assert_eq!(named, rows().collect());
}

#[test]
fn values_agree() {
    check("value", |_| true, value);
}

#[test]
fn pull_backs_agree() {
    check("vjp", |case| !case.vjp.is_empty(), pull_back);
}

#[test]
fn push_forwards_agree() {
    check("jvp", |case| !case.jvp.is_empty(), push_forward);
}

#[test]
fn second_derivatives_agree() {
    check("second", |case| !case.second.is_empty(), second_derivative);
}
