//! Holding operations to their laws: what the library's own primitives are tested with, for yours.

use std::fmt::Display;

use crate::autodiff::level::bind_many;
use crate::error::{Error, ErrorKind, Result};
use crate::exec::cpu::program::Program;
use crate::graph;
use crate::ops::samples::{Sample, samples};
use crate::ops::{Custom, CustomOp, declared};
use crate::tensor::{DType, Rng, Spec, Tensor};
use crate::{jvp, vjp, vmap};

mod module;
mod survey;

pub use module::{criterion, module, module_at};

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
    let function = Function { f: &f, inputs, smooth: true };
    function.repeats()?;
    function.vjp_agrees_with_differences()?;
    function.vmap_is_a_loop()
}

/// A row of the library's own samples.
#[doc(hidden)]
#[derive(Debug)]
pub struct Row(Sample);

/// Every operation's samples; `tests/laws.rs` checks them, `cargo xtask operations` lists what they tell.
#[doc(hidden)]
pub fn rows() -> Vec<Row> {
    samples().into_iter().map(Row).collect()
}

impl std::fmt::Debug for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let specs: Vec<&Spec> = self.inputs.iter().map(Tensor::spec).collect();
        write!(f, "{} on {specs:?}", self.name)
    }
}

impl Row {
    /// The name of the method that it is a row of, or of a primitive that no method stands for.
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// Holds the row to every law.
    ///
    /// # Errors
    /// The first that does not hold.
    pub fn check(&self) -> Result<()> {
        let f = |x: &[Tensor]| (self.0.f)(x);
        let function = Function { f: &f, inputs: &self.0.inputs, smooth: self.0.smooth };
        function.repeats()?;
        function.layout_does_not_matter()?;
        function.derivatives(2)?;
        function.f32_is_close()?;
        if !self.0.symbolic {
            return Ok(());
        }
        function.is_its_trace()?;
        function.vmap_is_a_loop()?;
        function.holds_at_the_edges()
    }
}

/// A function of tensors, on inputs to try it on; the floating-point ones are differentiated.
struct Function<'a> {
    f: &'a dyn Fn(&[Tensor]) -> Tensor,
    inputs: &'a [Tensor],
    smooth: bool,
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
/// Of f32 arithmetic against f64.
const SINGLE: f64 = 2e-4;

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

    /// Direct = reference interpreter of the trace = the trace replayed; inferred specs are the actual ones.
    fn is_its_trace(&self) -> Result<()> {
        let specs: Vec<Spec> = self.inputs.iter().map(|x| *x.spec()).collect();
        let graph = graph::trace(&specs, |x| Ok(vec![(self.f)(x)]))?;
        graph.verify().map_err(|message| failed("a trace verifies", format!("{message}\n{graph}")))?;
        let direct = self.call();
        close("direct = reference interpreter", &direct, &graph.interpret(self.inputs)?[0], ROUNDING)?;
        close("direct = replayed trace", &direct, &graph.replay(self.inputs)?[0], 0.0)?;
        self.is_its_program()
    }

    /// Direct = compiled, and compiled without passes; both again in the memory that a first run left behind.
    fn is_its_program(&self) -> Result<()> {
        let specs: Vec<Spec> = self.inputs.iter().map(|x| *x.spec()).collect();
        let graph = match graph::trace(&specs, |x| Ok(vec![(self.f)(x)])) {
            // A function that asks for a value is never compiled.
            Err(error) if error.kind() == ErrorKind::Value => return Ok(()),
            graph => graph?,
        };
        let (plain, direct) = (Program::new(graph.clone(), 0), self.call());
        let compiled = graph::compile(graph.clone(), graph::Wanted::default(), 0);
        let donating =
            graph::compile(graph, graph::Wanted { small: true, ..Default::default() }, specs.len());
        let inputs: Vec<&Tensor> = self.inputs.iter().collect();
        for _ in 0..2 {
            close("direct = compiled without passes", &direct, &plain.run(&inputs, &[])?[0], ROUNDING)?;
            close("direct = compiled", &direct, &compiled.run(&inputs, &[])?[0], ROUNDING)?;
            let given: Vec<Tensor> = self.inputs.iter().map(copied).collect();
            let given: Vec<&Tensor> = given.iter().collect();
            let over = donating.run(&given, &[])?;
            close("direct = compiled over its inputs", &direct, &over[0], ROUNDING)?;
        }
        Ok(())
    }

    /// Strided, offset and broadcast inputs give the same bits as gap-free ones.
    fn layout_does_not_matter(&self) -> Result<()> {
        let expected = self.call();
        let strided = |x: &Tensor| {
            let axes: Vec<usize> = (0..x.spec().shape.rank()).rev().collect();
            let turned = x.permute_axes(&axes);
            // A gap-free copy of the transpose, transposed back.
            Tensor::cat(&[turned.clone(), turned], 0).narrow(0, 0, x.size(-1)).permute_axes(&axes)
        };
        let laid: Vec<Tensor> =
            self.inputs.iter().map(|x| if x.rank() > 0 { strided(x) } else { x.clone() }).collect();
        close("strided inputs", &(self.f)(&laid), &expected, ROUNDING)?;
        let equal: Vec<Tensor> = self.inputs.iter().map(repeated).collect();
        let copied: Vec<Tensor> = equal.iter().map(copied).collect();
        close("broadcast inputs", &(self.f)(&equal), &(self.f)(&copied), ROUNDING)
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

    /// Functions that keep the shape of their inputs obey the laws on single numbers and on nothing too. (Others have
    /// such inputs among their rows.)
    fn holds_at_the_edges(&self) -> Result<()> {
        let shape = self.inputs[0].shape();
        let alike = |x: &Tensor| x.spec().dtype.is_float() && x.shape() == shape;
        if shape.rank() == 0 || !self.inputs.iter().all(alike) || self.call().shape() != shape {
            return Ok(());
        }
        let nothing: Vec<Tensor> = self.inputs.iter().map(|x| x.narrow(0, 0, 0)).collect();
        let numbers: Vec<Tensor> =
            self.inputs.iter().map(|x| x.reshape([crate::INFER]).narrow(0, 0, 1).reshape(())).collect();
        for inputs in [nothing, numbers] {
            // A function along an axis has none in a single number, and says so.
            if (self.f)(&inputs).error().is_some() {
                continue;
            }
            let function = Function { f: self.f, inputs: &inputs, smooth: self.smooth };
            function.is_its_trace()?;
            function.vmap_is_a_loop()?;
            function.derivatives(2)?;
        }
        Ok(())
    }

    fn directions(&self, seed: u64) -> Vec<Tensor> {
        let mut rng = Rng::seed(seed);
        self.float_inputs().iter().map(|x| in_eighths(rng.randn(x.shape()).f64())).collect()
    }

    /// jvp against differences, vjp against jvp; then the same of the vjp as a function, up to `order`.
    fn derivatives(&self, order: usize) -> Result<()> {
        let (x, v) = (self.float_inputs(), self.directions(11));
        let y = self.call();
        if let Some(error) = y.error() {
            return Err(failed("the function works", error));
        }
        if x.is_empty() || !y.spec().dtype.is_float() {
            return Ok(());
        }
        let f = |x: &Vec<Tensor>| self.of_floats(x);
        let (_, dy) = jvp(f).call(&x, &v, ())?;
        if self.smooth {
            close("jvp = central difference", &dy, &self.difference(&v)?, DIFFERENCE)?;
        }
        let w = in_eighths(Rng::seed(12).randn(y.shape()).f64());
        let (_, pull) = vjp(f).call(&x, ())?;
        let dx = pull.call(&w)?;
        let (left, right) = (inner(&dx, &v)?, inner(std::slice::from_ref(&w), std::slice::from_ref(&dy))?);
        if (left - right).abs() > 1e-9 * (1.0 + left.abs().max(right.abs())) {
            return Err(failed("<vjp(w), v> = <w, jvp(v)>", format!("{left:e} and {right:e}")));
        }
        if order < 2 {
            return Ok(());
        }
        let slope = |x: &[Tensor]| {
            let dx =
                vjp(f).call(&x[..x.len() - 1].to_vec(), ()).and_then(|(_, pull)| pull.call(&x[x.len() - 1]));
            match dx {
                Ok(dx) => Tensor::cat(&dx.iter().map(|dx| dx.reshape([dx.numel()])).collect::<Vec<_>>(), 0),
                Err(error) => Tensor::invalid(error),
            }
        };
        let inputs: Vec<Tensor> = x.into_iter().chain([w]).collect();
        let slope = Function { f: &slope, inputs: &inputs, smooth: self.smooth };
        slope.is_its_program().map_err(|error| error.context("of the derivative"))?;
        slope.derivatives(order - 1).map_err(|error| error.context("of the derivative"))
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

    /// Value and vjp in f32 are those in f64, to f32's precision.
    fn f32_is_close(&self) -> Result<()> {
        let single = |x: &Tensor| if x.spec().dtype == DType::F64 { x.f32() } else { x.clone() };
        // Both from the same numbers: f64 inputs are rounded first.
        let narrow: Vec<Tensor> = self.inputs.iter().map(single).collect();
        let wide: Vec<Tensor> =
            narrow.iter().map(|x| if x.spec().dtype == DType::F32 { x.f64() } else { x.clone() }).collect();
        let (y, expected) = ((self.f)(&narrow), (self.f)(&wide));
        close("f32 = f64", &y.f64(), &expected.f64(), SINGLE)?;
        if self.floats().is_empty() || y.spec().dtype != DType::F32 {
            return Ok(());
        }
        let cotangents = |inputs: &[Tensor]| -> Result<Vec<Tensor>> {
            let function = Function { f: self.f, inputs, smooth: self.smooth };
            let (y, pull) =
                vjp(|x: &Vec<Tensor>| function.of_floats(x)).call(&function.float_inputs(), ())?;
            pull.call(&y.ones_like())
        };
        for (got, expected) in cotangents(&narrow)?.iter().zip(&cotangents(&wide)?) {
            close("vjp in f32 = in f64", &got.f64(), expected, SINGLE)?;
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

/// The first slice of `x` in place of all others, by strides of zero.
fn repeated(x: &Tensor) -> Tensor {
    if x.rank() == 0 || x.numel() == 0 {
        return x.clone();
    }
    x.narrow(0, 0, 1).broadcast_to(x.shape())
}

/// The same elements in memory of their own.
fn copied(x: &Tensor) -> Tensor {
    if x.rank() == 0 { x.clone() } else { Tensor::cat(std::slice::from_ref(x), 0) }
}
