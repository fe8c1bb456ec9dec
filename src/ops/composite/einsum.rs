//! Sums of products in Einstein's notation, made of matrix products, elementwise products and sums.
//!
//! Every operand first loses what it alone can do without: diagonals are taken and axes that nobody else has are
//! summed. Then two operands at a time are contracted, in the order that costs least, until one is left.

mod equation;
mod order;

use std::borrow::Borrow;

use crate::autodiff::level::{misuse, origin, serving};
use crate::error::Misfit;
use crate::exec::Region;
use crate::ops::pointwise::{Domain, mixed_dtypes};
use crate::tensor::{AxisSet, MAX_RANK, Tensor};
use equation::{Equation, Label, Labels};
use order::Network;

/// Up to this many terms a batch of inner products is faster as an elementwise product and a sum than as a matrix
/// product each: 4,096 of them take 12 us instead of 96 with 8 terms of f32, as much with 16, and more with 32.
const SHORT_INNER_PRODUCT: usize = 16;

impl Tensor {
    /// A sum of products in Einstein's notation. Each operand's axes are named by letters, operands are separated
    /// by commas; axes of one name go together, and names that the result lacks are summed over.
    ///
    /// - `ij,jk->ik` is the product of two matrices, `bij,bjk->bik` one for each `b`, `i,j->ij` an outer product.
    /// - Without `->` the result has the letters that appear once, in the order of the alphabet (capitals first).
    /// - A letter twice in one operand takes its diagonal: `ii->i`, and `ii->` is the trace.
    /// - `...` stands for any further axes, which broadcast. A result that is written out has it too.
    /// - Axes of length 1 repeat, named ones as well (as in NumPy and PyTorch). Whitespace does not count.
    ///
    /// The result has the operands' dtype, which is one; integers wrap, bool is refused. Any number of operands is
    /// contracted two at a time: up to eight in the order with the fewest multiplications, more in an order found
    /// greedily. No operand, result or product of some operands may have more than [`MAX_RANK`] axes.
    ///
    /// Gradient: that of an operand is the einsum of `dy` and the other operands.
    ///
    /// PyTorch: `torch.einsum`. JAX: `jnp.einsum`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let (a, b) = (Tensor::from([[1.0, 2.0], [3.0, 4.0]]), Tensor::from([[1.0, 0.0], [1.0, 1.0]]));
    /// assert_eq!(Tensor::einsum("ij,kj->ik", &[&a, &b]).to_vec::<f64>()?, [1.0, 3.0, 3.0, 7.0]);
    /// assert_eq!(Tensor::einsum("ii->", &[&a]).item::<f64>()?, 5.0);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn einsum(equation: &str, operands: &[impl Borrow<Tensor>]) -> Tensor {
        let operands: Vec<&Tensor> = operands.iter().map(Borrow::borrow).collect();
        if let Some(invalid) = operands.iter().find(|x| x.error().is_some()) {
            return (*invalid).clone();
        }
        let text: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
        // All its parts belong to the caller's line.
        let done = serving(origin(), || contracted(&understood(&text, &operands)?, &operands));
        match done {
            Ok(result) => result,
            Err(mut misfit) => {
                misfit.message = format!("`{text}`: {}", misfit.message);
                misuse("einsum", &operands, misfit)
            }
        }
    }
}

/// The equation, if it fits the operands.
fn understood(text: &str, operands: &[&Tensor]) -> Result<Equation, Box<Misfit>> {
    let Some(first) = operands.first() else {
        return Err(Misfit::shape("needs at least one operand"));
    };
    let dtype = first.spec().dtype;
    if let Some(other) = operands.iter().map(|x| x.spec().dtype).find(|&other| other != dtype) {
        return Err(mixed_dtypes(dtype, other));
    }
    Domain::Numbers.check(dtype)?;
    let shapes: Vec<_> = operands.iter().map(|x| x.spec().shape).collect();
    Equation::parse(text, &shapes)
}

/// An operand on its way: a tensor, and the distinct names of its axes.
struct Factor {
    x: Tensor,
    labels: Vec<Label>,
}

fn contracted(equation: &Equation, operands: &[&Tensor]) -> Result<Tensor, Box<Misfit>> {
    let output: Labels = equation.output.iter().copied().collect();
    if output.len() > MAX_RANK {
        return Err(too_many("the result", output.len()));
    }
    let named = operands.iter().zip(&equation.operands);
    let mut factors: Vec<Factor> =
        named.map(|(x, labels)| Factor::new(x, labels, &equation.lengths)).collect();
    for at in 0..factors.len() {
        let others = factors.iter().enumerate().filter(|(i, _)| *i != at);
        let elsewhere = others.fold(output, |all, (_, factor)| all.union(factor.set()));
        let alone = factors[at].set().without(elsewhere);
        factors[at].sum(alone);
    }
    let network =
        Network { operands: factors.iter().map(Factor::set).collect(), output, lengths: &equation.lengths };
    for (a, b) in network.order() {
        let (b, a) = (factors.remove(b), factors.remove(a));
        let rest = factors.iter().fold(output, |all, factor| all.union(factor.set()));
        let kept = a.set().union(b.set()).common(rest);
        if kept.len() > MAX_RANK {
            return Err(too_many("a product of operands", kept.len()));
        }
        // The last product may as well come out in the order that is asked for.
        let wanted = if factors.is_empty() { &equation.output[..] } else { &[] };
        factors.push(Pair { a, b, kept, lengths: &equation.lengths }.contracted(wanted));
    }
    let last = factors.pop().expect("there is at least one operand");
    Ok(last.in_order(&equation.output))
}

fn too_many(what: &str, axes: usize) -> Box<Misfit> {
    Misfit::shape(format!("{what} would have {axes} axes, a tensor has at most {MAX_RANK}"))
}

impl Factor {
    /// The operand with diagonals taken, and without axes of length 1 that repeat.
    fn new(x: &Tensor, labels: &[Label], lengths: &[usize; Label::COUNT]) -> Factor {
        let mut factor = Factor { x: x.clone(), labels: labels.to_vec() };
        while let Some((a, b)) = factor.twins() {
            let label = factor.labels.remove(b);
            factor.labels.remove(a);
            factor.x = factor.x.diagonal_of(a, b);
            factor.labels.push(label);
        }
        let repeats = |(axis, label): (usize, &Label)| {
            let repeats = lengths[label.index()] != 1 && factor.x.spec().shape[axis] == 1;
            repeats.then_some(axis)
        };
        if factor.x.error().is_none() {
            let axes: AxisSet = factor.labels.iter().enumerate().filter_map(repeats).collect();
            factor.x = factor.x.reshape(axes.remove_from(&factor.x.spec().shape));
            factor.labels = factor.without(axes);
        }
        factor
    }

    /// The first two axes of one name.
    fn twins(&self) -> Option<(usize, usize)> {
        let earlier = |b: usize| self.labels[..b].iter().position(|&label| label == self.labels[b]);
        (1..self.labels.len()).find_map(|b| Some((earlier(b)?, b)))
    }

    fn without(&self, axes: AxisSet) -> Vec<Label> {
        let kept = self.labels.iter().enumerate().filter(|(axis, _)| !axes.contains(*axis));
        kept.map(|(_, &label)| label).collect()
    }

    fn set(&self) -> Labels {
        self.labels.iter().copied().collect()
    }

    /// Sums the axes of these names.
    fn sum(&mut self, labels: Labels) {
        if labels.is_empty() || self.x.error().is_some() {
            return;
        }
        let dtype = self.x.spec().dtype;
        let axes: AxisSet = (0..self.labels.len()).filter(|&a| labels.contains(self.labels[a])).collect();
        // Small integers are summed as i64 and wrap as their own products do.
        self.x = self.x.sum_axes(axes).to_dtype(dtype);
        self.labels = self.without(axes);
    }

    /// The tensor with its axes in the order of `labels`, which are its own.
    fn in_order(&self, labels: &[Label]) -> Tensor {
        if self.x.error().is_some() || self.labels == labels {
            return self.x.clone();
        }
        let place = |label| self.labels.iter().position(|own| own == label).expect("one of its own");
        self.x.permute_axes(&labels.iter().map(place).collect::<Vec<_>>())
    }
}

/// Two operands, and the names that their product keeps.
struct Pair<'a> {
    a: Factor,
    b: Factor,
    kept: Labels,
    lengths: &'a [usize; Label::COUNT],
}

impl Pair<'_> {
    /// The product, its axes in the order of `wanted` where that costs nothing.
    fn contracted(self, wanted: &[Label]) -> Factor {
        let (a, b) = (self.a.set(), self.b.set());
        let shared = a.common(b);
        let inner = shared.without(self.kept);
        if inner.is_empty() {
            return self.product(wanted);
        }
        let batch = shared.common(self.kept);
        let rest = a.union(b).without(shared);
        if rest.is_empty() && !batch.is_empty() && self.length(inner) <= SHORT_INNER_PRODUCT {
            let order: Vec<Label> = batch.iter().chain(inner.iter()).collect();
            let mut product = self.product(&order);
            product.sum(inner);
            return product;
        }
        // The operand whose own axes come first in the result goes to the left.
        let first = wanted.iter().find(|&&label| rest.contains(label));
        match first {
            Some(&label) if b.contains(label) => {
                Pair { a: self.b, b: self.a, ..self }.matrix_product(batch, inner)
            }
            _ => self.matrix_product(batch, inner),
        }
    }

    fn length(&self, labels: Labels) -> usize {
        labels.iter().map(|label| self.lengths[label.index()]).product()
    }

    /// The elementwise product, with the axes `wanted`, or those of `a` before the others of `b`.
    fn product(&self, wanted: &[Label]) -> Factor {
        let mut order = wanted.to_vec();
        if order.is_empty() {
            order.extend(&self.a.labels);
            order.extend(self.b.labels.iter().filter(|label| !self.a.labels.contains(label)));
        }
        let aligned = |factor: &Factor| {
            let own: Vec<Label> =
                order.iter().copied().filter(|label| factor.labels.contains(label)).collect();
            let present = |label: &Label| if own.contains(label) { self.lengths[label.index()] } else { 1 };
            factor.in_order(&own).reshape(order.iter().map(present).collect::<Vec<_>>())
        };
        Factor { x: aligned(&self.a) * aligned(&self.b), labels: order }
    }

    /// A matrix product for each position of the batch: rows are the axes of `a` alone, columns those of `b` alone.
    fn matrix_product(&self, batch: Labels, inner: Labels) -> Factor {
        let of = |factor: &Factor, set: Labels| -> Vec<Label> {
            factor.labels.iter().copied().filter(|&label| set.contains(label)).collect()
        };
        let own = |factor: &Factor| of(factor, factor.set().without(batch.union(inner)));
        let (rows, columns) = (own(&self.a), own(&self.b));
        // Merged axes in the order of the larger operand, which then is more often read in place.
        let larger = if rows.len() >= columns.len() { &self.a } else { &self.b };
        let (batch, inner) = (of(larger, batch), of(larger, inner));
        let lengths =
            |labels: &[Label]| labels.iter().map(|l| self.lengths[l.index()]).collect::<Vec<usize>>();
        let merged = |labels: &[Label]| lengths(labels).iter().product::<usize>();
        // Two axes are the matrix'; where the batch leaves no room for them, it is one axis.
        let lead = if batch.len() + 2 <= MAX_RANK { lengths(&batch) } else { vec![merged(&batch)] };
        let matrices = |factor: &Factor, rows: &[Label], columns: &[Label]| {
            let ordered = factor.in_order(&[&batch[..], rows, columns].concat());
            ordered.reshape([&lead[..], &[merged(rows), merged(columns)]].concat())
        };
        let product = matrices(&self.a, &rows, &inner).matmul(&matrices(&self.b, &inner, &columns));
        let labels = [batch, rows, columns].concat();
        Factor { x: product.reshape(lengths(&labels)), labels }
    }
}

impl Tensor {
    /// The diagonal of axes `a < b`, which go, as a new last axis: a view where the two lie behind one another.
    #[track_caller]
    pub(crate) fn diagonal_of(&self, a: usize, b: usize) -> Tensor {
        if self.error().is_some() {
            return self.clone();
        }
        let shape = self.spec().shape;
        let (rows, columns) = (shape.dim(a), shape.dim(b));
        let rest: Vec<usize> = (0..shape.rank()).filter(|&axis| axis != a && axis != b).collect();
        let order: Vec<usize> = rest.iter().copied().chain([a, b]).collect();
        let lead = rest.iter().map(|&axis| shape.dim(axis));
        let flat: Vec<usize> = lead.chain([rows.saturating_mul(columns)]).collect();
        let flat = self.permute_axes(&order).reshape(flat);
        if flat.error().is_some() {
            return flat;
        }
        // Each position of the diagonal is one row and one column after the one before.
        let mut region = Region { start: vec![0; flat.rank()], step: vec![1; flat.rank()] };
        region.step[rest.len()] = columns as i64 + 1;
        flat.slice_region(region, flat.spec().shape.with_dim(rest.len(), rows.min(columns)))
    }
}
