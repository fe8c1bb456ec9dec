//! Criterions made of criterions.

use std::fmt::{self, Debug};
use std::marker::PhantomData;
use std::sync::Arc;

use retrograd::nn::Criterion;
use retrograd::tree::AnyTree;
use retrograd::{Error, Tensor, Tree, tree};

/// A criterion of which the types of input and target are not known: what [`ParallelCriterion`] holds. Every
/// [`Criterion`] in an `Arc` is one.
///
/// # Panics
/// Each method unwinds with an error, which `call` of a transform returns as `Err`, if a tree is of another type than
/// the criterion's.
pub trait DynCriterion: Debug + Send + Sync + 'static {
    /// As [`Criterion::name`].
    fn name(&self) -> &'static str;
    /// As [`Criterion::forward`].
    fn forward(&self, input: &AnyTree, target: &AnyTree) -> (Tensor, AnyTree);
    /// As [`Criterion::backward`].
    fn backward(&self, saved: &AnyTree, grad_output: &Tensor) -> AnyTree;
    /// As [`Criterion::is_foreign`].
    fn is_foreign(&self) -> bool;
}

/// What was to be of a criterion's type.
#[track_caller]
fn part<'a, T: Tree>(criterion: &str, what: &str, tree: &'a AnyTree) -> &'a T {
    match tree.get() {
        Ok(tree) => tree,
        Err(error) => error.context(format!("{criterion}, {what}")).raise(),
    }
}

impl<C: Criterion> DynCriterion for Arc<C> {
    fn name(&self) -> &'static str {
        C::name(self)
    }

    fn forward(&self, input: &AnyTree, target: &AnyTree) -> (Tensor, AnyTree) {
        let name = C::name(self);
        let (loss, saved) = C::forward(self, part(name, "input", input), part(name, "target", target));
        (loss, AnyTree::new(saved))
    }

    fn backward(&self, saved: &AnyTree, grad_output: &Tensor) -> AnyTree {
        AnyTree::new(C::backward(self, part(C::name(self), "saved values", saved), grad_output))
    }

    fn is_foreign(&self) -> bool {
        C::is_foreign(self)
    }
}

/// Criterions, each on an input and a target of its own: the sum of their losses, each times a weight.
///
/// Inputs and targets are lists with an element for each criterion, of any types. Each criterion's loss is a number.
///
/// Gradient: that of each criterion, times its weight.
///
/// PyTorch: none. Torch: `nn.ParallelCriterion`.
///
/// ```
/// use retrograd::nn::{CrossEntropyLoss, MseLoss, ParallelCriterion, criterion_function};
/// use retrograd::{Tensor, tree::AnyTree};
/// let both = ParallelCriterion::new().add(MseLoss::default(), 0.5).add(CrossEntropyLoss::default(), 1.0);
/// let loss = criterion_function(both);
/// let inputs = vec![AnyTree::new(Tensor::from([1.0, 3.0])), AnyTree::new(Tensor::from([[0.0, 0.0]]))];
/// let targets = vec![AnyTree::new(Tensor::from([1.0, 1.0])), AnyTree::new(Tensor::from([1i64]))];
/// assert_eq!(loss(&inputs, &targets).item::<f64>()?, 0.5 * 2.0 + 2f64.ln());
/// # Ok::<(), retrograd::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ParallelCriterion {
    criterions: Vec<(Arc<dyn DynCriterion>, f64)>,
}

impl ParallelCriterion {
    /// No criterions: a loss of 0.
    pub fn new() -> ParallelCriterion {
        ParallelCriterion::default()
    }

    /// The same with one criterion more, and the weight of its loss.
    pub fn add<C: Criterion>(mut self, criterion: C, weight: f64) -> ParallelCriterion {
        self.criterions.push((Arc::new(Arc::new(criterion)), weight));
        self
    }

    /// Refuses a list of another length than that of the criterions.
    #[track_caller]
    fn check(&self, what: &str, got: usize) {
        let expected = self.criterions.len();
        if got != expected {
            let message = format!("ParallelCriterion: {what} for {got} criterions, it has {expected}");
            Error::msg(message).raise();
        }
    }
}

/// The sum of weighed losses, 0 if there is none.
fn summed(losses: impl Iterator<Item = Tensor>) -> Tensor {
    losses.reduce(|sum, loss| sum + loss).unwrap_or_else(|| Tensor::zeros(()))
}

impl Criterion for ParallelCriterion {
    type Input = Vec<AnyTree>;
    type Target = Vec<AnyTree>;
    type Saved = Vec<AnyTree>;

    fn forward(&self, inputs: &Vec<AnyTree>, targets: &Vec<AnyTree>) -> (Tensor, Vec<AnyTree>) {
        self.check("inputs", inputs.len());
        self.check("targets", targets.len());
        let pairs = inputs.iter().zip(targets);
        let parts = self.criterions.iter().zip(pairs).map(|((criterion, weight), (input, target))| {
            let (loss, saved) = criterion.forward(input, target);
            (loss * *weight, saved)
        });
        let (losses, saved): (Vec<Tensor>, Vec<AnyTree>) = parts.unzip();
        (summed(losses.into_iter()), saved)
    }

    fn backward(&self, saved: &Vec<AnyTree>, dl: &Tensor) -> Vec<AnyTree> {
        let parts = self.criterions.iter().zip(saved);
        parts.map(|((criterion, weight), saved)| criterion.backward(saved, &(dl * *weight))).collect()
    }

    fn is_foreign(&self) -> bool {
        self.criterions.iter().any(|(criterion, _)| criterion.is_foreign())
    }
}

/// Several criterions on the same input `X` and target `Y`: the sum of their losses, each times a weight.
///
/// Gradient: the sum of those of the criterions, each times its weight.
///
/// PyTorch: none. Torch: `nn.MultiCriterion`.
///
/// ```
/// use retrograd::nn::{L1Loss, MseLoss, MultiCriterion, criterion_function};
/// use retrograd::Tensor;
/// let loss = criterion_function(MultiCriterion::new().add(MseLoss::default(), 1.0).add(L1Loss::default(), 0.5));
/// assert_eq!(loss(&Tensor::from([3.0]), &Tensor::from([1.0])).item::<f64>()?, 5.0);
/// # Ok::<(), retrograd::Error>(())
/// ```
pub struct MultiCriterion<X = Tensor, Y = Tensor> {
    criterions: Vec<(Arc<dyn DynCriterion>, f64)>,
    signature: PhantomData<fn(X, Y)>,
}

impl<X: Tree, Y: Tree> MultiCriterion<X, Y> {
    /// No criterions: a loss of 0.
    pub fn new() -> Self {
        MultiCriterion { criterions: Vec::new(), signature: PhantomData }
    }

    /// The same with one criterion more, and the weight of its loss.
    pub fn add<C: Criterion<Input = X, Target = Y>>(mut self, criterion: C, weight: f64) -> Self {
        self.criterions.push((Arc::new(Arc::new(criterion)), weight));
        self
    }
}

impl<X: Tree, Y: Tree> Default for MultiCriterion<X, Y> {
    fn default() -> Self {
        MultiCriterion::new()
    }
}

impl<X, Y> Clone for MultiCriterion<X, Y> {
    fn clone(&self) -> Self {
        MultiCriterion { criterions: self.criterions.clone(), signature: PhantomData }
    }
}

impl<X, Y> Debug for MultiCriterion<X, Y> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MultiCriterion ")?;
        f.debug_list().entries(&self.criterions).finish()
    }
}

impl<X: Tree, Y: Tree> Criterion for MultiCriterion<X, Y> {
    type Input = X;
    type Target = Y;
    /// Zeros like the input, and what each criterion keeps.
    type Saved = (AnyTree, Vec<AnyTree>);

    fn forward(&self, input: &X, target: &Y) -> (Tensor, (AnyTree, Vec<AnyTree>)) {
        let zeros = AnyTree::new(tree::map(input, Tensor::zeros_like));
        let input = AnyTree::new(tree::copy(input));
        let target = AnyTree::new(tree::copy(target));
        let parts = self.criterions.iter().map(|(criterion, weight)| {
            let (loss, saved) = criterion.forward(&input, &target);
            (loss * *weight, saved)
        });
        let (losses, saved): (Vec<Tensor>, Vec<AnyTree>) = parts.unzip();
        (summed(losses.into_iter()), (zeros, saved))
    }

    fn backward(&self, (zeros, saved): &(AnyTree, Vec<AnyTree>), dl: &Tensor) -> X {
        let parts = self.criterions.iter().zip(saved);
        let gradients = parts.map(|((criterion, weight), saved)| criterion.backward(saved, &(dl * *weight)));
        let sum = gradients.reduce(|sum, dx| tree::zip(&sum, &dx, |a, b| a + b));
        let dx = sum.unwrap_or_else(|| zeros.clone());
        dx.take().unwrap_or_else(|error| error.context("MultiCriterion").raise())
    }

    fn is_foreign(&self) -> bool {
        self.criterions.iter().any(|(criterion, _)| criterion.is_foreign())
    }
}
