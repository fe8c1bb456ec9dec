//! Layers side by side: how an input becomes theirs, and their outputs one.

use std::fmt::{self, Debug};
use std::sync::Arc;

use retrograd::nn::{Ctx, DynModule, Module};
use retrograd::tree::AnyTree;
use retrograd::{Error, Rng, Shape, Tensor, Tree, tree};

/// How an input becomes those of `n` layers, and the transpose of that.
pub trait Split: Clone + Debug + Send + Sync + 'static {
    /// The whole input.
    type Whole: Tree;
    /// The name of the container that does so and joins outputs in a table, or in one tensor.
    const NAMES: [&'static str; 2];
    /// The inputs of `n` layers; where there are not so many, invalid tensors that say so.
    fn split(&self, whole: &Self::Whole, n: usize) -> Vec<Tensor>;
    /// The gradient of the whole input, given those of the layers'.
    fn gathered(&self, parts: Vec<Tensor>) -> Self::Whole;
}

/// How the outputs of layers become one, and the transpose of that.
pub trait Join: Clone + Debug + Send + Sync + 'static {
    /// The whole output.
    type Whole: Tree;
    /// Which of [`Split::NAMES`].
    const NAME: usize;
    /// The output.
    fn join(&self, parts: Vec<Tensor>) -> Self::Whole;
    /// The gradients of the layers' outputs, which have these shapes, given that of the whole; where it does not fit,
    /// invalid tensors that say so.
    fn parted(&self, whole: &Self::Whole, shapes: &[Shape]) -> Vec<Tensor>;
}

/// The same input for all.
#[derive(Clone, Debug)]
pub struct Shared;

/// The elements of a table, one each.
#[derive(Clone, Debug)]
pub struct Table;

/// Slices along an axis, one each, without that axis.
#[derive(Clone, Debug)]
pub struct Slices(pub(super) isize);

/// One tensor, joined along an axis.
#[derive(Clone, Debug)]
pub struct Along(pub(super) isize);

impl Split for Shared {
    type Whole = Tensor;
    const NAMES: [&'static str; 2] = ["ConcatTable", "Concat"];
    fn split(&self, whole: &Tensor, n: usize) -> Vec<Tensor> {
        vec![whole.clone(); n]
    }
    fn gathered(&self, parts: Vec<Tensor>) -> Tensor {
        parts.into_iter().reduce(|sum, part| sum + part).unwrap_or_else(no_layers)
    }
}

impl Split for Table {
    type Whole = Vec<Tensor>;
    const NAMES: [&'static str; 2] = ["ParallelTable", "ParallelTable"];
    fn split(&self, whole: &Vec<Tensor>, n: usize) -> Vec<Tensor> {
        if whole.len() != n {
            let message = format!("ParallelTable: a table of {} tensors for {n} layers", whole.len());
            return vec![Tensor::invalid(Error::msg(message)); n];
        }
        whole.clone()
    }
    fn gathered(&self, parts: Vec<Tensor>) -> Vec<Tensor> {
        parts
    }
}

impl Split for Slices {
    type Whole = Tensor;
    const NAMES: [&'static str; 2] = ["Parallel", "Parallel"];
    fn split(&self, whole: &Tensor, n: usize) -> Vec<Tensor> {
        let slices = whole.unbind(self.0);
        match slices.as_slice() {
            // Why there are none, such as an axis that the input does not have.
            [one] if one.error().is_some() => vec![one.clone(); n],
            all if all.len() != n => {
                let message = format!("Parallel: {} slices along axis {} for {n} layers", all.len(), self.0);
                vec![Tensor::invalid(Error::msg(message)); n]
            }
            _ => slices,
        }
    }
    fn gathered(&self, parts: Vec<Tensor>) -> Tensor {
        Tensor::stack(&parts, self.0)
    }
}

impl Join for Table {
    type Whole = Vec<Tensor>;
    const NAME: usize = 0;
    fn join(&self, parts: Vec<Tensor>) -> Vec<Tensor> {
        parts
    }
    fn parted(&self, whole: &Vec<Tensor>, shapes: &[Shape]) -> Vec<Tensor> {
        if whole.len() != shapes.len() {
            let message = format!("a table of {} gradients for {} outputs", whole.len(), shapes.len());
            return vec![Tensor::invalid(Error::msg(message)); shapes.len()];
        }
        whole.clone()
    }
}

impl Join for Along {
    type Whole = Tensor;
    const NAME: usize = 1;
    fn join(&self, parts: Vec<Tensor>) -> Tensor {
        Tensor::cat(&parts, self.0)
    }
    fn parted(&self, whole: &Tensor, shapes: &[Shape]) -> Vec<Tensor> {
        super::parted(whole, shapes, self.0)
    }
}

#[track_caller]
fn no_layers() -> Tensor {
    Tensor::invalid(Error::msg("a container without layers has no output: `add` one"))
}

/// Layers side by side; its names are [`Concat`], [`ConcatTable`], [`Parallel`] and [`ParallelTable`].
#[derive(Clone)]
pub struct Branches<S, J> {
    layers: Vec<Arc<dyn DynModule>>,
    split: S,
    join: J,
}

/// All layers are given the same input, and their outputs joined along an axis.
///
/// Gradient: `dx` is the sum of those of the layers.
///
/// PyTorch: none. Torch: `nn.Concat`.
///
/// ```
/// use retrograd::nn::{Concat, Linear, functionalize_with_state, Ctx};
/// use retrograd::{Rng, Tensor};
/// let both = Concat::new(-1).add(Linear::new(3, 2)).add(Linear::new(3, 4));
/// let (f, params, state) = functionalize_with_state(both, &mut Rng::seed(1));
/// assert_eq!(f(&params, &state, &Tensor::ones([5, 3]), &mut Ctx::eval()).0.shape(), [5, 6]);
/// ```
pub type Concat = Branches<Shared, Along>;

/// All layers are given the same input, and their outputs are a table.
///
/// Torch: `nn.ConcatTable`.
pub type ConcatTable = Branches<Shared, Table>;

/// Each layer is given a slice of the input along one axis (which it does not see), and their outputs are joined along
/// another.
///
/// Torch: `nn.Parallel`.
pub type Parallel = Branches<Slices, Along>;

/// Each layer is given an element of a table, and their outputs are a table.
///
/// Torch: `nn.ParallelTable`.
pub type ParallelTable = Branches<Table, Table>;

impl Concat {
    /// No layers yet; outputs are joined along `axis`, which may be negative.
    pub fn new(axis: isize) -> Concat {
        Branches { layers: Vec::new(), split: Shared, join: Along(axis) }
    }
}

impl ConcatTable {
    /// No layers yet.
    pub fn new() -> ConcatTable {
        Branches { layers: Vec::new(), split: Shared, join: Table }
    }
}

impl Parallel {
    /// No layers yet; inputs are slices along the first of these axes, outputs are joined along the second.
    pub fn new(input_axis: isize, output_axis: isize) -> Parallel {
        Branches { layers: Vec::new(), split: Slices(input_axis), join: Along(output_axis) }
    }
}

impl ParallelTable {
    /// No layers yet.
    pub fn new() -> ParallelTable {
        Branches { layers: Vec::new(), split: Table, join: Table }
    }
}

impl Default for ConcatTable {
    fn default() -> ConcatTable {
        ConcatTable::new()
    }
}

impl Default for ParallelTable {
    fn default() -> ParallelTable {
        ParallelTable::new()
    }
}

impl<S: Split, J: Join> Debug for Branches<S, J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", S::NAMES[J::NAME])?;
        f.debug_list().entries(&self.layers).finish()
    }
}

impl<S, J> Branches<S, J> {
    /// The same with one layer more, from tensor to tensor.
    #[expect(clippy::should_implement_trait, reason = "Torch's name; nothing is summed")]
    pub fn add<M: Module<Input = Tensor, Output = Tensor>>(mut self, layer: M) -> Self {
        self.layers.push(Arc::new(Arc::new(layer)));
        self
    }

    /// The layers.
    pub fn layers(&self) -> &[Arc<dyn DynModule>] {
        &self.layers
    }
}

/// What the layers saved, and the shapes of their outputs.
#[derive(Clone, Debug, Tree)]
pub struct SavedBranches {
    layers: Vec<AnyTree>,
    #[tree(static)]
    shapes: Vec<Shape>,
}

impl<S: Split, J: Join> Branches<S, J> {
    fn inputs(&self, input: &S::Whole) -> Vec<AnyTree> {
        self.split.split(input, self.layers.len()).into_iter().map(AnyTree::new).collect()
    }

    fn joined(&self, parts: Vec<Tensor>) -> J::Whole {
        match parts.is_empty() {
            true => tree::map(&self.join.join(vec![Tensor::from(0.0)]), |_| no_layers()),
            false => self.join.join(parts),
        }
    }
}

/// The tensor that a layer returned: `add` takes no others.
#[track_caller]
fn tensor(x: AnyTree) -> Tensor {
    x.take().unwrap_or_else(Tensor::invalid)
}

impl<S: Split, J: Join> Module for Branches<S, J> {
    type Params = Vec<AnyTree>;
    type State = Vec<AnyTree>;
    type Input = S::Whole;
    type Output = J::Whole;
    type Saved = SavedBranches;

    fn name(&self) -> &'static str {
        S::NAMES[J::NAME]
    }

    fn params(&self, rng: &mut Rng) -> Vec<AnyTree> {
        self.layers.iter().map(|layer| layer.params(rng)).collect()
    }

    fn state(&self) -> Vec<AnyTree> {
        self.layers.iter().map(|layer| layer.state()).collect()
    }

    fn forward(
        &self,
        params: &Vec<AnyTree>,
        state: &Vec<AnyTree>,
        input: &S::Whole,
        ctx: &mut Ctx,
    ) -> (J::Whole, SavedBranches, Vec<AnyTree>) {
        super::same_length(self.name(), &self.layers, params, state);
        let (mut outputs, mut saved, mut next) = (Vec::new(), Vec::new(), Vec::new());
        for (i, x) in self.inputs(input).iter().enumerate() {
            let (y, kept, changed) = self.layers[i].forward(&params[i], &state[i], x, ctx);
            outputs.push(tensor(y));
            saved.push(kept);
            next.push(changed);
        }
        let shapes = outputs.iter().map(super::shape_of).collect();
        (self.joined(outputs), SavedBranches { layers: saved, shapes }, next)
    }

    fn backward(
        &self,
        params: &Vec<AnyTree>,
        saved: &SavedBranches,
        dy: &J::Whole,
    ) -> (Vec<AnyTree>, S::Whole) {
        let parts = self.join.parted(dy, &saved.shapes).into_iter().enumerate();
        let (dp, dx): (Vec<AnyTree>, Vec<AnyTree>) = parts
            .map(|(i, dy)| self.layers[i].backward(&params[i], &saved.layers[i], &AnyTree::new(dy)))
            .unzip();
        (dp, self.split.gathered(dx.into_iter().map(tensor).collect()))
    }

    fn backward_params(&self, params: &Vec<AnyTree>, saved: &SavedBranches, dy: &J::Whole) -> Vec<AnyTree> {
        let parts = self.join.parted(dy, &saved.shapes).into_iter().enumerate();
        let dp = |(i, dy): (usize, Tensor)| {
            self.layers[i].backward_params(&params[i], &saved.layers[i], &AnyTree::new(dy))
        };
        parts.map(dp).collect()
    }

    fn backward_input(&self, params: &Vec<AnyTree>, saved: &SavedBranches, dy: &J::Whole) -> S::Whole {
        let parts = self.join.parted(dy, &saved.shapes).into_iter().enumerate();
        let dx = |(i, dy): (usize, Tensor)| {
            tensor(self.layers[i].backward_input(&params[i], &saved.layers[i], &AnyTree::new(dy)))
        };
        self.split.gathered(parts.map(dx).collect())
    }

    fn is_foreign(&self) -> bool {
        self.layers.iter().any(|layer| layer.is_foreign())
    }

    fn apply(
        this: &Arc<Self>,
        params: &Vec<AnyTree>,
        state: &Vec<AnyTree>,
        input: &S::Whole,
        ctx: &mut Ctx,
    ) -> (J::Whole, Vec<AnyTree>) {
        super::same_length(this.name(), &this.layers, params, state);
        let (mut outputs, mut next) = (Vec::new(), Vec::new());
        for (i, x) in this.inputs(input).iter().enumerate() {
            let (y, changed) = this.layers[i].apply(&params[i], &state[i], x, ctx);
            outputs.push(tensor(y));
            next.push(changed);
        }
        (this.joined(outputs), next)
    }
}
