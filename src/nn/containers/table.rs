//! Layers on tables: lists of tensors, as `ConcatTable` and `ParallelTable` yield them.

use retrograd::nn::Stateless;
use retrograd::tree::Static;
use retrograd::{Error, INFER, Shape, Tensor, tree};

/// A cotangent of a broadcast operand: summed over the axes along which the operand was repeated.
fn fitted(dy: &Tensor, shape: Shape) -> Tensor {
    let full = dy.shape();
    if full == shape {
        return dy.clone();
    }
    let more = full.rank() - shape.rank();
    let repeated = |axis: usize| axis < more || (shape[axis - more] == 1 && full[axis] != 1);
    let axes: Vec<isize> =
        (0..full.rank()).filter(|&axis| repeated(axis)).map(|axis| axis as isize).collect();
    dy.sum_dim(axes).reshape(shape)
}

/// The only elements of a table of two.
fn pair<'a>(name: &str, x: &'a [Tensor]) -> [&'a Tensor; 2] {
    match x {
        [a, b] => [a, b],
        _ => Error::msg(format!("{name}: a table of {} tensors, expected 2", x.len())).raise(),
    }
}

/// The sum of all elements of a table, broadcast.
///
/// Gradient: `dx[i] = dy`.
///
/// Torch: `nn.CAddTable`.
///
/// ```
/// use retrograd::nn::{CAddTable, ConcatTable, Linear, Sequential, Ctx, functionalize_with_state};
/// use retrograd::{Rng, Tensor};
/// let sum = Sequential::new()
///     .add(ConcatTable::new().add(Linear::new(3, 2)).add(Linear::new(3, 2)))
///     .add(CAddTable);
/// let (f, params, state) = functionalize_with_state(sum, &mut Rng::seed(1));
/// assert_eq!(f(&params, &state, &Tensor::ones([5, 3]), &mut Ctx::eval()).0.shape(), [5, 2]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct CAddTable;

impl Stateless for CAddTable {
    type Input = Vec<Tensor>;
    type Output = Tensor;
    type Saved = Static<Vec<Shape>>;
    fn forward(&self, x: &Vec<Tensor>) -> (Tensor, Static<Vec<Shape>>) {
        let sum = x.iter().cloned().reduce(|sum, x| sum + x).unwrap_or_else(|| empty("CAddTable"));
        (sum, Static(x.iter().map(Tensor::shape).collect()))
    }
    fn backward(&self, shapes: &Static<Vec<Shape>>, dy: &Tensor) -> Vec<Tensor> {
        shapes.0.iter().map(|&shape| fitted(dy, shape)).collect()
    }
}

#[track_caller]
fn empty(name: &str) -> Tensor {
    Tensor::invalid(Error::msg(format!("{name}: an empty table")))
}

/// The first element of a table less the second, broadcast.
///
/// Gradient: `dx[0] = dy`, `dx[1] = -dy`.
///
/// Torch: `nn.CSubTable`.
#[derive(Clone, Copy, Debug)]
pub struct CSubTable;

impl Stateless for CSubTable {
    type Input = Vec<Tensor>;
    type Output = Tensor;
    type Saved = Static<[Shape; 2]>;
    fn forward(&self, x: &Vec<Tensor>) -> (Tensor, Static<[Shape; 2]>) {
        let [a, b] = pair("CSubTable", x);
        (a - b, Static([a.shape(), b.shape()]))
    }
    fn backward(&self, Static([a, b]): &Static<[Shape; 2]>, dy: &Tensor) -> Vec<Tensor> {
        vec![fitted(dy, *a), fitted(&-dy, *b)]
    }
}

/// The product of all elements of a table, broadcast.
///
/// Gradient: `dx[i] = dy` times the product of the others.
///
/// Torch: `nn.CMulTable`.
#[derive(Clone, Copy, Debug)]
pub struct CMulTable;

impl Stateless for CMulTable {
    type Input = Vec<Tensor>;
    type Output = Tensor;
    type Saved = Vec<Tensor>;
    fn forward(&self, x: &Vec<Tensor>) -> (Tensor, Vec<Tensor>) {
        (x.iter().cloned().reduce(|y, x| y * x).unwrap_or_else(|| empty("CMulTable")), x.clone())
    }
    fn backward(&self, x: &Vec<Tensor>, dy: &Tensor) -> Vec<Tensor> {
        // dy times all before, from the left; then times all behind, from the right: no division, which would fail at
        // zeros.
        let mut before = vec![dy.clone()];
        for x in &x[..x.len() - 1] {
            before.push(before[before.len() - 1].clone() * x);
        }
        let mut behind: Option<Tensor> = None;
        let mut dx = Vec::new();
        for (x, before) in x.iter().zip(before).rev() {
            let others = match &behind {
                Some(behind) => before * behind,
                None => before,
            };
            dx.push(fitted(&others, x.shape()));
            behind = Some(behind.map_or_else(|| x.clone(), |behind| behind * x));
        }
        dx.reverse();
        dx
    }
}

/// The first element of a table over the second, broadcast.
///
/// Gradient: `dx[0] = dy / x[1]`, `dx[1] = -dy x[0] / x[1]^2`.
///
/// Torch: `nn.CDivTable`.
#[derive(Clone, Copy, Debug)]
pub struct CDivTable;

impl Stateless for CDivTable {
    type Input = Vec<Tensor>;
    type Output = Tensor;
    type Saved = Vec<Tensor>;
    fn forward(&self, x: &Vec<Tensor>) -> (Tensor, Vec<Tensor>) {
        let [a, b] = pair("CDivTable", x);
        (a / b, x.clone())
    }
    fn backward(&self, x: &Vec<Tensor>, dy: &Tensor) -> Vec<Tensor> {
        let [a, b] = pair("CDivTable", x);
        let da = dy / b;
        let db = -(&da * a / b);
        vec![fitted(&da, a.shape()), fitted(&db, b.shape())]
    }
}

/// The cotangents of the elements that were chosen at each place; several share evenly.
fn chosen(x: &[Tensor], y: &Tensor, dy: &Tensor) -> Vec<Tensor> {
    let is: Vec<Tensor> = x.iter().map(|x| x.eq(y).to_dtype(dy.dtype())).collect();
    let share = is.iter().cloned().reduce(|sum, is| sum + is).map(|count| dy / count);
    share.map_or_else(Vec::new, |share| is.into_iter().map(|is| is * &share).collect())
}

/// The greatest element of a table at each place, of tensors of one shape.
///
/// Gradient: `dy` where the element is the greatest; several share evenly.
///
/// Torch: `nn.CMaxTable`.
#[derive(Clone, Copy, Debug)]
pub struct CMaxTable;

impl Stateless for CMaxTable {
    type Input = Vec<Tensor>;
    type Output = Tensor;
    type Saved = (Vec<Tensor>, Tensor);
    fn forward(&self, x: &Vec<Tensor>) -> (Tensor, (Vec<Tensor>, Tensor)) {
        let y = Tensor::stack(x, 0).amax_dim(0);
        (y.clone(), (x.clone(), y))
    }
    fn backward(&self, (x, y): &(Vec<Tensor>, Tensor), dy: &Tensor) -> Vec<Tensor> {
        chosen(x, y, dy)
    }
}

/// The least element of a table at each place, of tensors of one shape.
///
/// Gradient: `dy` where the element is the least; several share evenly.
///
/// Torch: `nn.CMinTable`.
#[derive(Clone, Copy, Debug)]
pub struct CMinTable;

impl Stateless for CMinTable {
    type Input = Vec<Tensor>;
    type Output = Tensor;
    type Saved = (Vec<Tensor>, Tensor);
    fn forward(&self, x: &Vec<Tensor>) -> (Tensor, (Vec<Tensor>, Tensor)) {
        let y = Tensor::stack(x, 0).amin_dim(0);
        (y.clone(), (x.clone(), y))
    }
    fn backward(&self, (x, y): &(Vec<Tensor>, Tensor), dy: &Tensor) -> Vec<Tensor> {
        chosen(x, y, dy)
    }
}

/// A table as one tensor, joined along an axis.
///
/// Gradient: the parts of `dy`.
///
/// Torch: `nn.JoinTable`.
#[derive(Clone, Copy, Debug)]
pub struct JoinTable(pub isize);

impl Stateless for JoinTable {
    type Input = Vec<Tensor>;
    type Output = Tensor;
    type Saved = Static<Vec<usize>>;
    fn forward(&self, x: &Vec<Tensor>) -> (Tensor, Static<Vec<usize>>) {
        let length = |x: &Tensor| {
            let rank = x.rank().max(1) as isize;
            x.shape().get(self.0.rem_euclid(rank) as usize).map_or(0, |&length| length as usize)
        };
        (Tensor::cat(x, self.0), Static(x.iter().map(length).collect()))
    }
    fn backward(&self, lengths: &Static<Vec<usize>>, dy: &Tensor) -> Vec<Tensor> {
        dy.split(lengths.0.clone(), self.0)
    }
}

/// The slices of a tensor along an axis, without it, as a table.
///
/// Gradient: `dx` is the slices of `dy`, stacked.
///
/// Torch: `nn.SplitTable`.
#[derive(Clone, Copy, Debug)]
pub struct SplitTable(pub isize);

impl Stateless for SplitTable {
    type Input = Tensor;
    type Output = Vec<Tensor>;
    type Saved = ();
    fn forward(&self, x: &Tensor) -> (Vec<Tensor>, ()) {
        (x.unbind(self.0), ())
    }
    fn backward(&self, (): &(), dy: &Vec<Tensor>) -> Tensor {
        Tensor::stack(dy, self.0)
    }
}

/// One element of a table, counted from 0.
///
/// Gradient: `dy` for that element, zero for the others.
///
/// Torch: `nn.SelectTable`.
#[derive(Clone, Copy, Debug)]
pub struct SelectTable(pub usize);

impl Stateless for SelectTable {
    type Input = Vec<Tensor>;
    type Output = Tensor;
    type Saved = Vec<Tensor>;
    fn forward(&self, x: &Vec<Tensor>) -> (Tensor, Vec<Tensor>) {
        let y = x.get(self.0).cloned().unwrap_or_else(|| {
            let message = format!("SelectTable: element {} of a table of {} tensors", self.0, x.len());
            Tensor::invalid(Error::msg(message))
        });
        (y, x.clone())
    }
    fn backward(&self, x: &Vec<Tensor>, dy: &Tensor) -> Vec<Tensor> {
        let mut dx: Vec<Tensor> = x.iter().map(Tensor::zeros_like).collect();
        dx[self.0] = dy.clone();
        dx
    }
}

/// Some elements of a table in a row, as a table.
///
/// Gradient: those of `dy` for these elements, zero for the others.
///
/// Torch: `nn.NarrowTable`.
#[derive(Clone, Copy, Debug)]
pub struct NarrowTable {
    /// The first element, counted from 0.
    pub start: usize,
    /// How many.
    pub length: usize,
}

impl Stateless for NarrowTable {
    type Input = Vec<Tensor>;
    type Output = Vec<Tensor>;
    type Saved = Vec<Tensor>;
    fn forward(&self, x: &Vec<Tensor>) -> (Vec<Tensor>, Vec<Tensor>) {
        match x.get(self.start..self.start.saturating_add(self.length)) {
            Some(part) => (part.to_vec(), x.clone()),
            None => {
                let NarrowTable { start, length } = self;
                let message = format!(
                    "NarrowTable: {length} elements from {start} on, of a table of {} tensors",
                    x.len()
                );
                Error::msg(message).raise()
            }
        }
    }
    fn backward(&self, x: &Vec<Tensor>, dy: &Vec<Tensor>) -> Vec<Tensor> {
        let mut dx: Vec<Tensor> = x.iter().map(Tensor::zeros_like).collect();
        dx[self.start..self.start + self.length].clone_from_slice(dy);
        dx
    }
}

/// A table of tables as one table.
///
/// Torch: `nn.FlattenTable`.
#[derive(Clone, Copy, Debug)]
pub struct FlattenTable;

impl Stateless for FlattenTable {
    type Input = Vec<Vec<Tensor>>;
    type Output = Vec<Tensor>;
    type Saved = Static<Vec<usize>>;
    fn forward(&self, x: &Vec<Vec<Tensor>>) -> (Vec<Tensor>, Static<Vec<usize>>) {
        (tree::leaves(x), Static(x.iter().map(Vec::len).collect()))
    }
    fn backward(&self, lengths: &Static<Vec<usize>>, dy: &Vec<Tensor>) -> Vec<Vec<Tensor>> {
        let mut dy = dy.iter().cloned();
        lengths.0.iter().map(|&length| dy.by_ref().take(length).collect()).collect()
    }
}

/// The product of two matrices, or of two batches of them; either may be transposed first.
///
/// Gradient: `da = dy b^T`, `db = a^T dy`, transposed again where the operand was.
///
/// PyTorch: `torch.matmul`. Torch: `nn.MM`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mm {
    /// Whether the first is transposed.
    pub transpose_a: bool,
    /// Whether the second is.
    pub transpose_b: bool,
}

fn transposed_if(transpose: bool, x: &Tensor) -> Tensor {
    if transpose { x.t() } else { x.clone() }
}

impl Stateless for Mm {
    type Input = Vec<Tensor>;
    type Output = Tensor;
    type Saved = Vec<Tensor>;
    fn forward(&self, x: &Vec<Tensor>) -> (Tensor, Vec<Tensor>) {
        let [a, b] = pair("Mm", x);
        (transposed_if(self.transpose_a, a).matmul(&transposed_if(self.transpose_b, b)), x.clone())
    }
    fn backward(&self, x: &Vec<Tensor>, dy: &Tensor) -> Vec<Tensor> {
        let [a, b] = pair("Mm", x);
        let da = dy.matmul(&transposed_if(!self.transpose_b, b));
        let db = transposed_if(!self.transpose_a, a).matmul(dy);
        let (da, db) = (transposed_if(self.transpose_a, &da), transposed_if(self.transpose_b, &db));
        vec![fitted(&da, a.shape()), fitted(&db, b.shape())]
    }
}

/// The product of a matrix and a vector, or of batches of them; the matrix may be transposed first.
///
/// Gradient: `dm = dy v^T` (transposed again), `dv = m^T dy`.
///
/// PyTorch: `torch.mv`. Torch: `nn.MV`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mv {
    /// Whether the matrix is transposed.
    pub transpose: bool,
}

impl Stateless for Mv {
    type Input = Vec<Tensor>;
    type Output = Tensor;
    type Saved = Vec<Tensor>;
    fn forward(&self, x: &Vec<Tensor>) -> (Tensor, Vec<Tensor>) {
        let [m, v] = pair("Mv", x);
        (transposed_if(self.transpose, m).matmul(&v.unsqueeze(-1)).squeeze(-1), x.clone())
    }
    fn backward(&self, x: &Vec<Tensor>, dy: &Tensor) -> Vec<Tensor> {
        let [m, v] = pair("Mv", x);
        let dm = dy.unsqueeze(-1) * v.unsqueeze(-2);
        let dv = transposed_if(!self.transpose, m).matmul(&dy.unsqueeze(-1)).squeeze(-1);
        vec![fitted(&transposed_if(self.transpose, &dm), m.shape()), fitted(&dv, v.shape())]
    }
}

/// The dot products of two tables' rows: the sum of products along the last axis.
///
/// Gradient: `da = dy b`, `db = dy a`.
///
/// PyTorch: `torch.linalg.vecdot`. Torch: `nn.DotProduct`.
#[derive(Clone, Copy, Debug)]
pub struct DotProduct;

impl Stateless for DotProduct {
    type Input = Vec<Tensor>;
    type Output = Tensor;
    type Saved = Vec<Tensor>;
    fn forward(&self, x: &Vec<Tensor>) -> (Tensor, Vec<Tensor>) {
        let [a, b] = pair("DotProduct", x);
        ((a * b).sum_dim(-1), x.clone())
    }
    fn backward(&self, x: &Vec<Tensor>, dy: &Tensor) -> Vec<Tensor> {
        let [a, b] = pair("DotProduct", x);
        let dy = dy.unsqueeze(-1);
        vec![fitted(&(&dy * b), a.shape()), fitted(&(&dy * a), b.shape())]
    }
}

/// A mixture of experts' outputs: `sum_i g[:, i] e[i]`, for weights `g` of shape `[batch, n]` and `n` experts of shape
/// `[batch, ..]`.
///
/// Gradient: `dg[:, i] = dy . e[i]`, `de[i] = g[:, i] dy`.
///
/// Torch: `nn.MixtureTable`.
#[derive(Clone, Copy, Debug)]
pub struct MixtureTable;

/// The weight of an expert for each example, with as many axes as `like`.
fn weight(g: &Tensor, i: usize, like: &Tensor) -> Tensor {
    let mut shape = vec![1; like.rank().max(1)];
    shape[0] = g.shape()[0] as usize;
    g.narrow(1, i, 1).reshape(&shape[..])
}

impl Stateless for MixtureTable {
    type Input = (Tensor, Vec<Tensor>);
    type Output = Tensor;
    type Saved = (Tensor, Vec<Tensor>);
    fn forward(&self, (g, experts): &(Tensor, Vec<Tensor>)) -> (Tensor, (Tensor, Vec<Tensor>)) {
        if g.rank() != 2 || g.shape()[1] as usize != experts.len() {
            let message =
                format!("MixtureTable: weights of shape {} for {} experts", g.shape(), experts.len());
            return (Tensor::invalid(Error::msg(message)), (g.clone(), experts.clone()));
        }
        let weighed = experts.iter().enumerate().map(|(i, e)| weight(g, i, e) * e);
        (
            weighed.reduce(|sum, e| sum + e).unwrap_or_else(|| empty("MixtureTable")),
            (g.clone(), experts.clone()),
        )
    }
    fn backward(&self, (g, experts): &(Tensor, Vec<Tensor>), dy: &Tensor) -> (Tensor, Vec<Tensor>) {
        let rows = |e: &Tensor| (dy * e).reshape([e.shape()[0] as usize, INFER]).sum_dim(1);
        let dg: Vec<Tensor> = experts.iter().map(rows).collect();
        (Tensor::stack(&dg, 1), experts.iter().enumerate().map(|(i, e)| weight(g, i, e) * dy).collect())
    }
}
