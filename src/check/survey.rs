//! What a row tells of its operation: the dtypes it works on, whether it has derivatives, and the primitives that it
//! is made of. `cargo xtask operations` makes the catalogue of operations from it.

use std::collections::BTreeSet;

use super::rows::Row;
use super::{Function, inner};
use crate::error::Result;
use crate::graph::{self, Graph};
use crate::tensor::{DType, Rng, Spec, Tensor};
use crate::{jvp, vjp};

/// How often an operation can be differentiated.
#[doc(hidden)]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Order {
    /// The result is no floating-point number, or follows from none.
    None,
    /// The derivative is zero wherever the row is.
    Zero,
    /// There is a first derivative, which has none itself.
    First,
    /// The derivative is made of operations that have derivatives.
    Any,
}

/// What a row tells of its operation.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Survey {
    /// The dtypes of data that it accepts, in declaration order.
    pub dtypes: Vec<DType>,
    /// How often it can be differentiated.
    pub order: Order,
    /// The names of the primitives that it and its derivative consist of.
    pub primitives: BTreeSet<&'static str>,
}

impl Row {
    /// What the row tells of its operation.
    ///
    /// # Errors
    /// If the row does not work at all.
    pub fn survey(&self) -> Result<Survey> {
        let f = |x: &[Tensor]| (self.0.f)(x);
        let function = Function { f: &f, inputs: &self.0.inputs };
        let order = function.order()?;
        if !self.0.symbolic {
            let works = |&dtype: &DType| f(&function.inputs_in(dtype)).error().is_none();
            let dtypes = DType::ALL.into_iter().filter(works).collect();
            return Ok(Survey { dtypes, order, primitives: BTreeSet::new() });
        }
        Ok(Survey { dtypes: function.dtypes(), order, primitives: function.primitives(order)? })
    }
}

impl Function<'_> {
    /// The inputs, data in another dtype: data are the floating-point inputs, all if there is none.
    fn inputs_in(&self, dtype: DType) -> Vec<Tensor> {
        let floats = self.floats();
        let cast = |(i, x): (usize, &Tensor)| {
            if floats.is_empty() || floats.contains(&i) { x.to_dtype(dtype) } else { x.clone() }
        };
        self.inputs.iter().enumerate().map(cast).collect()
    }

    fn trace(&self, specs: &[Spec]) -> Result<Graph> {
        graph::trace(specs, |x| Ok(vec![(self.f)(x)]))
    }

    /// Traced, not run, so that what numbers become in another dtype does not matter (a small one an integer zero,
    /// which nothing is divided by).
    fn dtypes(&self) -> Vec<DType> {
        let specs = |dtype| -> Vec<Spec> { self.inputs_in(dtype).iter().map(|x| *x.spec()).collect() };
        DType::ALL.into_iter().filter(|&dtype| self.trace(&specs(dtype)).is_ok()).collect()
    }

    fn order(&self) -> Result<Order> {
        let (x, y) = (self.float_inputs(), self.call());
        if let Some(error) = y.error() {
            return Err(error.clone());
        }
        if x.is_empty() || !y.spec().dtype.is_float() {
            return Ok(Order::None);
        }
        let w = Rng::seed(12).randn(y.shape()).to_dtype(y.dtype());
        let dx = self.pulled(&x, &w)?;
        // Squares, so that nothing cancels.
        if inner(&dx, &dx)? == 0.0 {
            return Ok(Order::Zero);
        }
        let again = jvp(|x: &Vec<Tensor>| self.pulled(x, &w)).call(&x, &self.directions(11), ());
        Ok(if again.is_ok() { Order::Any } else { Order::First })
    }

    /// The cotangents of the floating-point inputs.
    fn pulled(&self, x: &Vec<Tensor>, w: &Tensor) -> Result<Vec<Tensor>> {
        let (_, pull) = vjp(|x: &Vec<Tensor>| self.of_floats(x)).call(x, ())?;
        pull.call(w)
    }

    fn primitives(&self, order: Order) -> Result<BTreeSet<&'static str>> {
        let specs: Vec<Spec> = self.inputs.iter().map(|x| *x.spec()).collect();
        let mut names = self.trace(&specs)?.operations();
        if order != Order::None {
            let w = *self.call().spec();
            let floats: Vec<Spec> = self.float_inputs().iter().map(|x| *x.spec()).chain([w]).collect();
            let backward = graph::trace(&floats, |x| {
                let (w, x) = x.split_last().expect("the cotangent is the last");
                self.pulled(&x.to_vec(), w)
            })?;
            names.extend(backward.operations());
        }
        Ok(names)
    }
}

impl Graph {
    /// The names of its operations.
    fn operations(&self) -> BTreeSet<&'static str> {
        self.steps.iter().map(|step| step.op.name()).collect()
    }
}
