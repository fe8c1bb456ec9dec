//! The contract of criterions, and what functions they are.

use std::fmt::Debug;
use std::sync::Arc;

use super::module::short_name;
use crate::autodiff::custom::{Rules, add_cotangents, apply_rules};
use crate::ops::InputSet;
use retrograd::{Error, Result, Tensor, Tree, tree};

/// How many numbers become one loss.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Reduction {
    /// A loss for each example (or element).
    None,
    /// Their mean; where classes have weights, the weighted mean.
    #[default]
    Mean,
    /// Their sum.
    Sum,
}

impl Reduction {
    /// The loss of these numbers.
    pub fn apply(self, each: &Tensor) -> Tensor {
        match self {
            Reduction::None => each.clone(),
            Reduction::Mean => each.mean(),
            Reduction::Sum => each.sum(),
        }
    }

    /// The cotangent of each of the numbers that `each` has the shape of, given that of the loss; a scalar stands for
    /// all of them where they are alike.
    pub fn spread(self, dl: Tensor, each: &Tensor) -> Tensor {
        match self {
            Reduction::None | Reduction::Sum => dl,
            // What is invalid has no shape to ask for.
            Reduction::Mean if each.error().is_some() => each.clone(),
            // In f32 where the dtype has 16 bits: f16 holds no count above 65,504.
            Reduction::Mean => (dl.widened() / each.shape().numel() as f64).type_as(&dl),
        }
    }
}

/// A loss with a gradient of its own.
///
/// [`criterion_function`] makes an ordinary function `f(input, target)` of it; [`check::criterion`](crate::check::criterion)
/// compares `backward` with the derivative of `forward`.
pub trait Criterion: Debug + Send + Sync + 'static {
    /// What the network says.
    type Input: Tree;
    /// What is right.
    type Target: Tree;
    /// What `backward` needs of `forward`.
    type Saved: Tree;

    /// For errors and listings: by default the name of the type.
    fn name(&self) -> &'static str {
        short_name(std::any::type_name::<Self>())
    }

    /// The loss, and what `backward` needs.
    fn forward(&self, input: &Self::Input, target: &Self::Target) -> (Tensor, Self::Saved);

    /// The gradient of the input, given that of the loss (of its shape).
    fn backward(&self, saved: &Self::Saved, grad_output: &Tensor) -> Self::Input;

    /// As [`Module::is_foreign`](super::Module::is_foreign).
    fn is_foreign(&self) -> bool {
        false
    }
}

/// A criterion as a function `f(input, target)`, whose gradient with respect to the input is the criterion's own. To
/// differentiate with respect to the target is an error; [`loss`](crate::loss) has functions for that.
///
/// ```
/// use retrograd::nn::{MseLoss, criterion_function};
/// use retrograd::{Tensor, grad};
/// let mse = criterion_function(MseLoss::default());
/// let d = grad(|x: &Tensor, y: &Tensor| mse(x, y));
/// let (dx, loss) = d.call(&Tensor::from([1.0, 3.0]), &Tensor::from([1.0, 1.0]))?;
/// assert_eq!((loss.item::<f64>()?, dx.to_vec::<f64>()?), (2.0, vec![0.0, 2.0]));
/// # Ok::<(), retrograd::Error>(())
/// ```
pub fn criterion_function<C: Criterion>(
    criterion: C,
) -> impl Fn(&C::Input, &C::Target) -> Tensor + Clone + Send + Sync + 'static {
    let criterion = Arc::new(criterion);
    move |input: &C::Input, target: &C::Target| apply(&criterion, input, target)
}

/// Applies a criterion so that its gradient is its own `backward`.
#[track_caller]
pub fn apply<C: Criterion>(criterion: &Arc<C>, input: &C::Input, target: &C::Target) -> Tensor {
    let argument = (tree::copy(input), tree::copy(target));
    apply_rules(Rule(criterion.clone()), &argument)
}

struct Rule<C>(Arc<C>);

impl<C: Criterion> Rules for Rule<C> {
    type Argument = (C::Input, C::Target);
    type Output = Tensor;
    type Saved = C::Saved;

    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn is_made_of_operations(&self) -> bool {
        !self.0.is_foreign()
    }

    fn forward(&self, (input, target): &Self::Argument) -> (Tensor, C::Saved) {
        self.0.forward(input, target)
    }

    fn backward(
        &self,
        saved: &C::Saved,
        dy: &Tensor,
        needs: InputSet,
        (input, target): &Self::Argument,
    ) -> Result<Vec<Option<Tensor>>> {
        let name = self.0.name();
        let inputs = tree::leaf_count(input);
        let targets = tree::leaf_count(target);
        if needs.meets(inputs..inputs + targets) {
            let message = format!("{name} has a gradient with respect to its input, not to its target");
            return Err(Error::msg(message));
        }
        let mut all = Vec::with_capacity(inputs + targets);
        add_cotangents(&mut all, name, &self.0.backward(saved, dy), input)?;
        all.resize(inputs + targets, None);
        Ok(all)
    }
}
