//! Holding operations to their laws: what the library's own primitives are tested with, for yours.

use std::fmt::Display;

use crate::autodiff::level::bind_many;
use crate::error::{Error, ErrorKind, Result};
use crate::ops::{Custom, CustomOp, declared};
use crate::tensor::{Rng, Tensor};
use crate::{vjp, vmap};

mod module;
#[cfg(any(test, feature = "samples"))]
mod rows;
#[cfg(any(test, feature = "samples"))]
mod survey;

pub use module::{criterion, module, module_at};

#[cfg(any(test, feature = "samples"))]
#[doc(hidden)]
pub use rows::{Row, rows};
#[cfg(any(test, feature = "samples"))]
#[doc(hidden)]
pub use survey::{Order, Survey};

/// Checks an operation of your own on f64 inputs: the shape rule against what `forward` returns; `jvp`, if it is
/// there, against central differences; `vjp` against `jvp` or differences (`<vjp(w), v> = <w, jvp(v)>`); vmap
/// against a loop; a second run against the first.
///
/// ```
/// # use retrograd::{CustomOp, Result, Spec, Tensor, check};
/// #[derive(Debug)]
/// struct Double;
/// impl CustomOp for Double {
///     fn name(&self) -> &'static str {
///         "double"
///     }
///     fn infer(&self, x: &[Spec]) -> Result<Vec<Spec>> {
///         Ok(vec![x[0]])
///     }
///     fn forward(&self, x: &[Tensor]) -> Result<Vec<Tensor>> {
///         Ok(vec![&x[0] * 2.0])
///     }
///     fn vjp(&self, _: &[Tensor], _: &[Tensor], dy: &[Tensor]) -> Result<Vec<Option<Tensor>>> {
///         Ok(vec![Some(&dy[0] * 3.0)]) // wrong
///     }
/// }
/// let error = check::laws(Double, &[Tensor::from([1.0, 2.0])]).unwrap_err();
/// assert!(error.to_string().contains("vjp"));
/// ```
///
/// # Errors
/// The first law that does not hold, with the values that show it.
pub fn laws(op: impl CustomOp, inputs: &[Tensor]) -> Result<()> {
    let op = Custom(declared(op));
    // All outputs as one vector, so that one function serves the checks.
    let f = |x: &[Tensor]| {
        let y = bind_many(&op, &x.iter().collect::<Vec<_>>());
        let flat: Vec<Tensor> = y.iter().map(|y| y.f64().reshape([crate::INFER])).collect();
        Tensor::cat(&flat, 0)
    };
    let function = Function { f: &f, inputs };
    function.repeats()?;
    function.vjp_agrees_with_differences()?;
    function.vmap_is_a_loop()
}

/// A function of tensors, on inputs to try it on; the floating-point ones are differentiated.
struct Function<'a> {
    f: &'a dyn Fn(&[Tensor]) -> Tensor,
    inputs: &'a [Tensor],
}

fn failed(law: &str, what: impl Display) -> Error {
    Error::plain(ErrorKind::Derivative, format!("law broken: {law}: {what}"))
}

fn values(x: &Tensor) -> Result<Vec<f64>> {
    x.to_vec::<f64>()
}

/// Allowed deviation between two ways to compute the same in f64, relative to the greatest magnitude.
const ROUNDING: f64 = 1e-11;
/// Of a central difference: `h^2` truncation and `1/h` rounding at the step below.
const DIFFERENCE: f64 = 1e-6;
const STEP: f64 = 6e-6;
fn close(law: &str, got: &Tensor, expected: &Tensor, tolerance: f64) -> Result<()> {
    if let Some(error) = got.error().or(expected.error()) {
        return Err(failed(law, error));
    }
    if got.spec() != expected.spec() {
        return Err(failed(law, format!("{} instead of {}", got.spec(), expected.spec())));
    }
    let (a, b) = (values(got)?, values(expected)?);
    let scale = b.iter().filter(|v| v.is_finite()).fold(1.0f64, |m, v| m.max(v.abs()));
    let off =
        |(a, b): (&f64, &f64)| !(a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance * scale);
    match a.iter().zip(&b).position(off) {
        None => Ok(()),
        Some(at) => Err(failed(law, format!("element {at}: {:e} instead of {:e}", a[at], b[at]))),
    }
}

fn inner(a: &[Tensor], b: &[Tensor]) -> Result<f64> {
    let mut sum = 0.0;
    for (a, b) in a.iter().zip(b) {
        sum += values(a)?.iter().zip(values(b)?).map(|(a, b)| a * b).sum::<f64>();
    }
    Ok(sum)
}

impl Function<'_> {
    fn call(&self) -> Tensor {
        (self.f)(self.inputs)
    }

    /// Which inputs are differentiated.
    fn floats(&self) -> Vec<usize> {
        (0..self.inputs.len()).filter(|&i| self.inputs[i].spec().dtype.is_float()).collect()
    }

    /// The function of its floating-point inputs alone.
    fn of_floats(&self, floats: &[Tensor]) -> Tensor {
        let mut all = self.inputs.to_vec();
        for (i, x) in self.floats().into_iter().zip(floats) {
            all[i] = x.clone();
        }
        (self.f)(&all)
    }

    fn float_inputs(&self) -> Vec<Tensor> {
        self.floats().into_iter().map(|i| self.inputs[i].clone()).collect()
    }

    fn repeats(&self) -> Result<()> {
        let (a, b) = (self.call(), self.call());
        let bits = |x: &Tensor| values(x).map(|v| v.iter().map(|v| v.to_bits()).collect::<Vec<_>>());
        if bits(&a)? == bits(&b)? { Ok(()) } else { Err(failed("the same twice", "two runs differ")) }
    }

    /// All examples at once = one after the other, for all inputs batched and for each alone.
    fn vmap_is_a_loop(&self) -> Result<()> {
        const EXAMPLES: usize = 3;
        let n = self.inputs.len();
        let alone = (0..n).map(|i| (0..n).map(|j| i == j).collect::<Vec<_>>());
        for batched in std::iter::once(vec![true; n]).chain(alone) {
            let example = |k: usize| -> Vec<Tensor> {
                let shifted = |(i, x): (usize, &Tensor)| if batched[i] { variation(x, k) } else { x.clone() };
                self.inputs.iter().enumerate().map(shifted).collect()
            };
            let examples: Vec<Vec<Tensor>> = (0..EXAMPLES).map(example).collect();
            let column = |i: usize| examples.iter().map(|x| x[i].clone()).collect::<Vec<_>>();
            let stacked: Vec<Tensor> =
                (0..n).filter(|&i| batched[i]).map(|i| Tensor::stack(&column(i), 0)).collect();
            let f = |x: &Vec<Tensor>| {
                let mut x = x.iter();
                let all = self.inputs.iter().zip(&batched).map(|(own, &batched)| match batched {
                    true => x.next().expect("one for each batched input").clone(),
                    false => own.clone(),
                });
                (self.f)(&all.collect::<Vec<_>>())
            };
            let looped: Vec<Tensor> = examples.iter().map(|x| (self.f)(x)).collect();
            let mapped = vmap(f).call(&stacked, ()).map_err(|error| failed("vmap = loop", error))?;
            close("vmap = loop", &mapped, &Tensor::stack(&looped, 0), ROUNDING)?;
        }
        Ok(())
    }

    fn directions(&self, seed: u64) -> Vec<Tensor> {
        let mut rng = Rng::seed(seed);
        self.float_inputs().iter().map(|x| in_eighths(rng.randn(x.shape()).f64())).collect()
    }

    /// The central difference along `v`.
    fn difference(&self, v: &[Tensor]) -> Result<Tensor> {
        let x = self.float_inputs();
        let moved = |by: f64| -> Vec<Tensor> { x.iter().zip(v).map(|(x, v)| x + v * by).collect() };
        let difference = self.of_floats(&moved(STEP)) - self.of_floats(&moved(-STEP));
        match difference.error() {
            Some(error) => Err(error.clone()),
            None => Ok(difference / (2.0 * STEP)),
        }
    }

    fn vjp_agrees_with_differences(&self) -> Result<()> {
        let (x, v) = (self.float_inputs(), self.directions(11));
        let f = |x: &Vec<Tensor>| self.of_floats(x);
        let (y, pull) = vjp(f).call(&x, ())?;
        let w = in_eighths(Rng::seed(12).randn(y.shape()).f64());
        let dx = pull.call(&w)?;
        let dy = self.difference(&v)?;
        let (left, right) = (inner(&dx, &v)?, inner(&[w], &[dy])?);
        if (left - right).abs() > DIFFERENCE * (1.0 + left.abs().max(right.abs())) {
            return Err(failed("<vjp(w), v> = <w, difference along v>", format!("{left:e} and {right:e}")));
        }
        Ok(())
    }
}

/// Another example like `x`: other numbers, still inside the function's domain; indices stay in range.
fn variation(x: &Tensor, k: usize) -> Tensor {
    match x.spec().dtype.is_float() {
        true => x * (1.0 + 0.1 * k as f64),
        false if x.rank() > 0 && k > 0 => x.flip([0]),
        false => x.clone(),
    }
}

/// The numbers cut to whole eighths: few bits, so that they survive a cast to 16-bit floats.
fn in_eighths(x: Tensor) -> Tensor {
    (x * 8.0).floor() / 8.0
}
