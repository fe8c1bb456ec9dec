//! Layers on tables: lists of tensors, as `ConcatTable` and `ParallelTable` yield them.

use std::ops::Range;

use super::{parted, shape_of};
use retrograd::nn::Stateless;
use retrograd::tree::Static;
use retrograd::{Error, INFER, Shape, Tensor, tree};

/// A cotangent of a broadcast operand: summed over the axes along which the operand was repeated.
fn fitted(dy: &Tensor, shape: Shape) -> Tensor {
    let full = shape_of(dy);
    if dy.error().is_some() || full == shape {
        return dy.clone();
    }
    let Some(more) = full.rank().checked_sub(shape.rank()) else {
        return Tensor::invalid(Error::msg(format!(
            "a gradient of shape {full} for an element of shape {shape}"
        )));
    };
    let repeated = |axis: usize| axis < more || (shape[axis - more] == 1 && full[axis] != 1);
    let axes: Vec<isize> =
        (0..full.rank()).filter(|&axis| repeated(axis)).map(|axis| axis as isize).collect();
    dy.sum_dim(axes).reshape(shape)
}

/// [`fitted`] to the operand itself; one that is invalid says why.
fn fitted_to(x: &Tensor, dy: &Tensor) -> Tensor {
    if x.error().is_some() { x.clone() } else { fitted(dy, x.shape()) }
}

/// The elements of a table of two, or invalid tensors that say how many there are.
fn pair(name: &str, x: &[Tensor]) -> [Tensor; 2] {
    match x {
        [a, b] => [a.clone(), b.clone()],
        _ => [0, 1].map(|_| not_two(name, x.len())),
    }
}

fn not_two(name: &str, length: usize) -> Tensor {
    Tensor::invalid(Error::msg(format!("{name}: a table of {length} tensors, expected 2")))
}

/// The gradients of a [`pair`]'s elements; of a table of another length each is the first, which says why.
fn of_pair(x: &[Tensor], [da, db]: [Tensor; 2]) -> Vec<Tensor> {
    if x.len() == 2 { vec![fitted_to(&x[0], &da), fitted_to(&x[1], &db)] } else { vec![da; x.len()] }
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
        (sum, Static(x.iter().map(shape_of).collect()))
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
    type Saved = Static<Vec<Shape>>;
    fn forward(&self, x: &Vec<Tensor>) -> (Tensor, Static<Vec<Shape>>) {
        let [a, b] = pair("CSubTable", x);
        (a - b, Static(x.iter().map(shape_of).collect()))
    }
    fn backward(&self, Static(shapes): &Static<Vec<Shape>>, dy: &Tensor) -> Vec<Tensor> {
        match shapes[..] {
            [a, b] => vec![fitted(dy, a), fitted(&-dy, b)],
            _ => vec![not_two("CSubTable", shapes.len()); shapes.len()],
        }
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
        for x in x.iter().take(x.len().saturating_sub(1)) {
            before.push(before[before.len() - 1].clone() * x);
        }
        let mut behind: Option<Tensor> = None;
        let mut dx = Vec::new();
        for (x, before) in x.iter().zip(before).rev() {
            let others = match &behind {
                Some(behind) => before * behind,
                None => before,
            };
            dx.push(fitted_to(x, &others));
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
        let da = dy / &b;
        let db = -(&da * a / b);
        of_pair(x, [da, db])
    }
}

/// The cotangents of the elements that were chosen at each place; several share evenly.
fn chosen(x: &[Tensor], y: &Tensor, dy: &Tensor) -> Vec<Tensor> {
    // What is invalid has no dtype to ask for.
    if let Some(invalid) = [y, dy].into_iter().find(|y| y.error().is_some()) {
        return vec![invalid.clone(); x.len()];
    }
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
    type Saved = Static<Vec<Shape>>;
    fn forward(&self, x: &Vec<Tensor>) -> (Tensor, Static<Vec<Shape>>) {
        (Tensor::cat(x, self.0), Static(x.iter().map(shape_of).collect()))
    }
    fn backward(&self, Static(shapes): &Static<Vec<Shape>>, dy: &Tensor) -> Vec<Tensor> {
        parted(dy, shapes, self.0)
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
    /// The input, if it has no slices to make one of.
    type Saved = Option<Tensor>;
    fn forward(&self, x: &Tensor) -> (Vec<Tensor>, Option<Tensor>) {
        let slices = x.unbind(self.0);
        let empty = slices.is_empty().then(|| x.clone());
        (slices, empty)
    }
    fn backward(&self, empty: &Option<Tensor>, dy: &Vec<Tensor>) -> Tensor {
        match empty {
            Some(x) => x.zeros_like(),
            None => Tensor::stack(dy, self.0),
        }
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
        (x.get(self.0).cloned().unwrap_or_else(|| self.beyond(x.len())), x.clone())
    }
    fn backward(&self, x: &Vec<Tensor>, dy: &Tensor) -> Vec<Tensor> {
        let mut dx: Vec<Tensor> = x.iter().map(Tensor::zeros_like).collect();
        match dx.get_mut(self.0) {
            Some(chosen) => *chosen = dy.clone(),
            None => dx.fill(self.beyond(x.len())),
        }
        dx
    }
}

impl SelectTable {
    /// What there is of a table that has no such element.
    fn beyond(self, length: usize) -> Tensor {
        let message = format!("SelectTable: element {} of a table of {length} tensors", self.0);
        Tensor::invalid(Error::msg(message))
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
        // Of a table without these elements, a table of one that says so.
        let part = x.get(self.places()).map_or_else(|| vec![self.beyond(x.len())], <[Tensor]>::to_vec);
        (part, x.clone())
    }
    fn backward(&self, x: &Vec<Tensor>, dy: &Vec<Tensor>) -> Vec<Tensor> {
        let mut dx: Vec<Tensor> = x.iter().map(Tensor::zeros_like).collect();
        match dx.get_mut(self.places()) {
            Some(part) if part.len() == dy.len() => part.clone_from_slice(dy),
            Some(_) => {
                let message = format!("NarrowTable: {} gradients for {} elements", dy.len(), self.length);
                dx.fill(Tensor::invalid(Error::msg(message)));
            }
            None => dx.fill(self.beyond(x.len())),
        }
        dx
    }
}

impl NarrowTable {
    fn places(self) -> Range<usize> {
        self.start..self.start.saturating_add(self.length)
    }

    /// What there is of a table that has not so many elements.
    fn beyond(self, length: usize) -> Tensor {
        let NarrowTable { start, length: wanted } = self;
        let message =
            format!("NarrowTable: {wanted} elements from {start} on, of a table of {length} tensors");
        Tensor::invalid(Error::msg(message))
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
        let missing = || Tensor::invalid(Error::msg("FlattenTable: a gradient is missing"));
        let mut dy = dy.iter().cloned();
        let mut next = |_: usize| dy.next().unwrap_or_else(missing);
        lengths.0.iter().map(|&length| (0..length).map(&mut next).collect()).collect()
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
        (transposed_if(self.transpose_a, &a).matmul(&transposed_if(self.transpose_b, &b)), x.clone())
    }
    fn backward(&self, x: &Vec<Tensor>, dy: &Tensor) -> Vec<Tensor> {
        let [a, b] = pair("Mm", x);
        let da = dy.matmul(&transposed_if(!self.transpose_b, &b));
        let db = transposed_if(!self.transpose_a, &a).matmul(dy);
        of_pair(x, [transposed_if(self.transpose_a, &da), transposed_if(self.transpose_b, &db)])
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
        (transposed_if(self.transpose, &m).matmul(&v.unsqueeze(-1)).squeeze(-1), x.clone())
    }
    fn backward(&self, x: &Vec<Tensor>, dy: &Tensor) -> Vec<Tensor> {
        let [m, v] = pair("Mv", x);
        let dm = dy.unsqueeze(-1) * v.unsqueeze(-2);
        let dv = transposed_if(!self.transpose, &m).matmul(&dy.unsqueeze(-1)).squeeze(-1);
        of_pair(x, [transposed_if(self.transpose, &dm), dv])
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
        of_pair(x, [&dy * b, &dy * a])
    }
}

/// A mixture of experts' outputs: `sum_i g[:, i] e[i]`, for weights `g` of shape `[batch, n]` and `n` experts of one
/// shape `[batch, ..]`.
///
/// Gradient: `dg[:, i] = dy . e[i]`, `de[i] = g[:, i] dy`.
///
/// Torch: `nn.MixtureTable`.
#[derive(Clone, Copy, Debug)]
pub struct MixtureTable;

/// The weight of an expert for each example, with as many axes as `like`.
fn weight(g: &Tensor, i: usize, like: &Tensor) -> Tensor {
    let mut shape = vec![1; like.rank()];
    shape[0] = g.size(0);
    g.narrow(1, i, 1).reshape(&shape[..])
}

/// Why weights and experts do not fit, if so.
fn misfit(g: &Tensor, experts: &[Tensor]) -> Option<Tensor> {
    if let Some(invalid) = experts.iter().chain([g]).find(|x| x.error().is_some()) {
        return Some(invalid.clone());
    }
    let refused = |what: String| Some(Tensor::invalid(Error::msg(format!("MixtureTable: {what}"))));
    if g.rank() != 2 || g.size(1) != experts.len() {
        return refused(format!("weights of shape {} for {} experts", g.shape(), experts.len()));
    }
    let shapes: Vec<Shape> = experts.iter().map(Tensor::shape).collect();
    let batch = g.size(0);
    if shapes.iter().any(|shape| *shape != shapes[0] || shape.first().map(|&n| n as usize) != Some(batch)) {
        return refused(format!("experts of shapes {shapes:?}, expected one shape [{batch}, ..]"));
    }
    shapes.is_empty().then(|| empty("MixtureTable"))
}

impl Stateless for MixtureTable {
    type Input = (Tensor, Vec<Tensor>);
    type Output = Tensor;
    type Saved = (Tensor, Vec<Tensor>);
    fn forward(&self, (g, experts): &(Tensor, Vec<Tensor>)) -> (Tensor, (Tensor, Vec<Tensor>)) {
        let y = misfit(g, experts).unwrap_or_else(|| {
            let weighed = experts.iter().enumerate().map(|(i, e)| weight(g, i, e) * e);
            weighed.reduce(|sum, e| sum + e).expect("an empty table does not fit")
        });
        (y, (g.clone(), experts.clone()))
    }
    fn backward(&self, (g, experts): &(Tensor, Vec<Tensor>), dy: &Tensor) -> (Tensor, Vec<Tensor>) {
        if let Some(invalid) = misfit(g, experts) {
            return (invalid.clone(), vec![invalid; experts.len()]);
        }
        let rows = |e: &Tensor| (dy * e).reshape([g.size(0), INFER]).sum_dim(1);
        let dg: Vec<Tensor> = experts.iter().map(rows).collect();
        (Tensor::stack(&dg, 1), experts.iter().enumerate().map(|(i, e)| weight(g, i, e) * dy).collect())
    }
}
