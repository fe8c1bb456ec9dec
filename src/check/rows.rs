//! The library's own operations, held to their laws on the rows of `src/ops/samples/`.

use super::{DIFFERENCE, Function, ROUNDING, close, failed, in_eighths, inner};
use crate::error::{ErrorKind, Result};
use crate::exec::cpu::program::Program;
use crate::graph;
use crate::ops::samples::{Sample, samples};
use crate::tensor::{DType, Rng, Spec, Tensor};
use crate::{jvp, vjp};

/// Of f32 arithmetic against f64.
const SINGLE: f64 = 2e-4;

/// A row of the library's own samples.
#[doc(hidden)]
#[derive(Debug)]
pub struct Row(pub(super) Sample);

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
        let function = Function { f: &f, inputs: &self.0.inputs };
        function.repeats()?;
        function.layout_does_not_matter()?;
        function.derivatives(2, self.0.smooth)?;
        function.f32_is_close()?;
        if !self.0.symbolic {
            return Ok(());
        }
        function.is_its_trace()?;
        function.vmap_is_a_loop()?;
        function.holds_at_the_edges(self.0.smooth)
    }
}

impl Function<'_> {
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

    /// Functions that keep the shape of their inputs obey the laws on single numbers and on nothing too. (Others have
    /// such inputs among their rows.)
    fn holds_at_the_edges(&self, smooth: bool) -> Result<()> {
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
            let function = Function { f: self.f, inputs: &inputs };
            function.is_its_trace()?;
            function.vmap_is_a_loop()?;
            function.derivatives(2, smooth)?;
        }
        Ok(())
    }

    /// jvp against differences where the function is smooth, vjp against jvp; then the same of the vjp as a function, up
    /// to `order`.
    fn derivatives(&self, order: usize, smooth: bool) -> Result<()> {
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
        if smooth {
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
        let slope = Function { f: &slope, inputs: &inputs };
        slope.is_its_program().map_err(|error| error.context("of the derivative"))?;
        slope.derivatives(order - 1, smooth).map_err(|error| error.context("of the derivative"))
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
            let function = Function { f: self.f, inputs };
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
