//! Fused kernels, one step after the other.

use super::{List, from_numbers, map, reduce};
use crate::error::Result;
use crate::exec::Kernel;
use crate::exec::fused::{Extent, Fused, Step, Value, What};
use crate::tensor::{AxisSet, DType, Number, Shape, Spec, Tensor};

pub(super) fn compute(fused: &Fused, x: &[&Tensor], specs: &[Spec]) -> Result<Vec<Tensor>> {
    let mut operands = x.iter().map(|x| x.to_vec_of_numbers());
    let mut values: Vec<Vec<Number>> = Vec::new();
    for step in fused.steps() {
        let numbers = match &step.what {
            What::Input => operands.next().expect("an operand for each input"),
            // As many as who reads it wants.
            What::Literal(_) => Vec::new(),
            _ => computed(fused, step, &values),
        };
        values.push(rounded(step.dtype, &numbers));
    }
    let output = |(value, spec): (&Value, &Spec)| from_numbers(*spec, &values[value.index()]);
    Ok(fused.outputs().iter().zip(specs).map(output).collect())
}

fn list(dims: &[usize], dtype: DType, values: Vec<Number>) -> List {
    let shape = Shape::checked(dims).expect("the space is that of a tensor");
    List { spec: Spec::new(shape, dtype), values }
}

fn rounded(dtype: DType, values: &[Number]) -> Vec<Number> {
    from_numbers(list(&[values.len()], dtype, Vec::new()).spec, values).to_vec_of_numbers()
}

fn computed(fused: &Fused, step: &Step, values: &[Vec<Number>]) -> Vec<Number> {
    let space = fused.space();
    let count = space.count(step.extent);
    let input = |at: usize, count: usize| {
        let value = step.inputs[at];
        let input = fused.step(value);
        let numbers = match input.what {
            What::Literal(bits) => vec![input.dtype.number(&bits); count],
            _ => values[value.index()].clone(),
        };
        list(&[count], input.dtype, numbers)
    };
    let y = list(&[count], step.dtype, Vec::new()).spec;
    match &step.what {
        What::Map(op) => {
            let x: Vec<List> = (0..step.inputs.len()).map(|at| input(at, count)).collect();
            let specs: Vec<&Spec> = x.iter().map(|x| &x.spec).collect();
            match op.lower(&specs) {
                Kernel::Map(body) => map(body, &x, y),
                kernel => unreachable!("{kernel:?} is no Map"),
            }
        }
        What::Cast => input(0, count).values,
        What::Fold(fold) => {
            let x = input(0, space.len());
            let x = list(&[space.rows, space.inner], x.spec.dtype, x.values);
            let axes = match step.extent {
                Extent::Rows => AxisSet::one(1),
                Extent::Columns => AxisSet::one(0),
                _ => AxisSet::all(2),
            };
            reduce(*fold, axes, &x, Spec::new(axes.remove_from(&x.spec.shape), step.dtype))
        }
        What::Spread => {
            let x = input(0, space.rows).values;
            x.iter().flat_map(|&number| vec![number; space.inner]).collect()
        }
        What::Input | What::Literal(_) => unreachable!("not computed"),
    }
}
