//! The contract of layers.

use std::fmt::Debug;
use std::sync::Arc;

use retrograd::{Rng, Tree};

/// Whether a network learns or is used: some layers do different things.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Dropout draws, normalisation takes the batch's statistics and follows them.
    Train,
    /// Dropout is the identity, normalisation takes the statistics that it has learned.
    Eval,
}

/// What a layer is given beside parameters and input: the mode, and a generator for what it draws.
#[derive(Clone, Debug)]
pub struct Ctx {
    /// Whether the network learns.
    pub mode: Mode,
    /// Where random numbers come from.
    pub rng: Rng,
}

impl Ctx {
    /// For training, with draws from `rng`.
    pub fn train(rng: Rng) -> Ctx {
        Ctx { mode: Mode::Train, rng }
    }

    /// For use: nothing is drawn.
    pub fn eval() -> Ctx {
        Ctx { mode: Mode::Eval, rng: Rng::seed(0) }
    }

    /// Whether the network learns.
    pub fn is_train(&self) -> bool {
        self.mode == Mode::Train
    }
}

/// A layer with a gradient of its own.
///
/// The layer itself holds what does not change (sizes, options). Parameters, state and input come as arguments, so one
/// layer serves any number of networks, and nothing is hidden from transforms.
///
/// ```
/// use retrograd::nn::{Ctx, Module, functionalize};
/// use retrograd::{Rng, Tensor, grad};
///
/// /// `y = a x^2`, for a parameter `a`.
/// #[derive(Debug)]
/// struct Parabola;
///
/// impl Module for Parabola {
///     type Params = Tensor;
///     type State = ();
///     type Input = Tensor;
///     type Output = Tensor;
///     type Saved = Tensor;
///
///     fn params(&self, _: &mut Rng) -> Tensor {
///         Tensor::from(0.5f32)
///     }
///     fn state(&self) {}
///     fn forward(&self, a: &Tensor, _: &(), x: &Tensor, _: &mut Ctx) -> (Tensor, Tensor, ()) {
///         (a * x.square(), x.clone(), ())
///     }
///     fn backward(&self, a: &Tensor, x: &Tensor, dy: &Tensor) -> (Tensor, Tensor) {
///         ((x.square() * dy).sum(), a * x * dy * 2.0)
///     }
/// }
///
/// let (f, a) = functionalize(Parabola, &mut Rng::seed(0));
/// let d = grad(|a: &Tensor, x: &Tensor| f(a, x).sum());
/// let (da, _) = d.call(&a, &Tensor::from([1.0f32, 2.0]))?;
/// assert_eq!(da.item::<f32>()?, 5.0);
/// # Ok::<(), retrograd::Error>(())
/// ```
///
/// [`check::module`](crate::check::module) compares `backward` with the derivative of `forward`.
pub trait Module: Debug + Send + Sync + 'static {
    /// What is learned; `()` for a layer without parameters.
    type Params: Tree;
    /// What is followed but not learned, such as running means: an argument and a result of `forward`. No
    /// derivative passes through it. `()` for most.
    type State: Tree;
    /// What goes in.
    type Input: Tree;
    /// What comes out.
    type Output: Tree;
    /// What `backward` needs of `forward`: tensors, or with [`Foreign`](super::Foreign) anything else.
    type Saved: Tree;

    /// For errors and listings: by default the name of the type.
    fn name(&self) -> &'static str {
        short_name(std::any::type_name::<Self>())
    }

    /// New parameters, in f32 (see [`tree::cast`](crate::tree::cast)).
    fn params(&self, rng: &mut Rng) -> Self::Params;

    /// The first state.
    fn state(&self) -> Self::State;

    /// Output, what `backward` needs, and the next state.
    fn forward(
        &self,
        params: &Self::Params,
        state: &Self::State,
        input: &Self::Input,
        ctx: &mut Ctx,
    ) -> (Self::Output, Self::Saved, Self::State);

    /// Gradients of parameters and input, given that of the output; that of an integer leaf is zeros like it.
    fn backward(
        &self,
        params: &Self::Params,
        saved: &Self::Saved,
        grad_output: &Self::Output,
    ) -> (Self::Params, Self::Input);

    /// The gradient of the parameters alone, as the first layer of a network needs it.
    fn backward_params(
        &self,
        params: &Self::Params,
        saved: &Self::Saved,
        grad_output: &Self::Output,
    ) -> Self::Params {
        self.backward(params, saved, grad_output).0
    }

    /// The gradient of the input alone, as layers with frozen parameters need it.
    fn backward_input(
        &self,
        params: &Self::Params,
        saved: &Self::Saved,
        grad_output: &Self::Output,
    ) -> Self::Input {
        self.backward(params, saved, grad_output).1
    }

    /// Whether `forward` and `backward` read elements or call another library, instead of being made of tensor
    /// operations. Such a layer is given concrete tensors. It has a gradient, but no second derivative, no forward
    /// mode and no batching, which are errors that name it, and a compiled function that has it runs directly.
    fn is_foreign(&self) -> bool {
        false
    }

    /// The layer as a differentiable function. By default its gradient is `backward`; a container passes on to its
    /// parts.
    #[track_caller]
    fn apply(
        this: &Arc<Self>,
        params: &Self::Params,
        state: &Self::State,
        input: &Self::Input,
        ctx: &mut Ctx,
    ) -> (Self::Output, Self::State)
    where
        Self: Sized,
    {
        super::apply(this, params, state, input, ctx)
    }
}

/// `retrograd::nn::linear::Linear` as `Linear`; of a generic type, without its arguments.
pub(super) fn short_name(path: &'static str) -> &'static str {
    // By bytes: it is asked for in every call of a layer, where the searchers of `str` would be a few per cent.
    let bytes = path.as_bytes();
    let end = bytes.iter().position(|&byte| byte == b'<').unwrap_or(bytes.len());
    let start = bytes[..end].iter().rposition(|&byte| byte == b':').map_or(0, |colon| colon + 1);
    &path[start..end]
}
