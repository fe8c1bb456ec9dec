//! Layers and criterions of which only the function is written: the gradient is derived.

use std::fmt;
use std::sync::Arc;

use super::criterion::Criterion;
use super::module::{Ctx, Module};
use retrograd::{Result, Rng, Tensor, Tree, tree, vjp};

/// A function of two arguments, shared by all clones of what is made of it.
type Function<A, B, R> = Arc<dyn Fn(&A, &B) -> R + Send + Sync>;

/// A layer made of a plain function of parameters and input; its gradient is derived.
///
/// It goes wherever a layer goes: into [`Sequential`](super::Sequential) beside layers with gradients of their own, into
/// [`functionalize`](super::functionalize), and into [`Instance`](super::Instance), which is Torch's object with
/// accumulated gradients. `backward` runs the function again to differentiate it; inside `grad` the function is
/// differentiated as it stands and runs once.
///
/// Torch: `autograd.nn.AutoModule`.
///
/// ```
/// use retrograd::nn::{AutoModule, Linear, Sequential, Ctx, functionalize_with_state};
/// use retrograd::{Rng, Tensor};
/// let scaled = AutoModule::new("Scaled", Tensor::ones([2]), |a: &Tensor, x: &Tensor| (x * a).tanh());
/// let net = Sequential::new().add(Linear::new(3, 2)).add(scaled).add(Linear::new(2, 1));
/// let (f, params, state) = functionalize_with_state(net, &mut Rng::seed(1));
/// assert_eq!(f(&params, &state, &Tensor::ones([4, 3]), &mut Ctx::eval()).0.shape(), [4, 1]);
/// ```
pub struct AutoModule<P, X = Tensor, Y = Tensor> {
    name: &'static str,
    params: P,
    function: Function<P, X, Y>,
}

impl<P: Tree, X: Tree, Y: Tree> AutoModule<P, X, Y> {
    /// A layer of that name with these first parameters.
    pub fn new(
        name: &'static str,
        params: P,
        function: impl Fn(&P, &X) -> Y + Send + Sync + 'static,
    ) -> AutoModule<P, X, Y> {
        AutoModule { name, params, function: Arc::new(function) }
    }
}

impl<P: Tree, X, Y> Clone for AutoModule<P, X, Y> {
    fn clone(&self) -> Self {
        AutoModule { name: self.name, params: tree::copy(&self.params), function: self.function.clone() }
    }
}

impl<P, X, Y> fmt::Debug for AutoModule<P, X, Y> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AutoModule({})", self.name)
    }
}

impl<P: Tree, X: Tree, Y: Tree> Module for AutoModule<P, X, Y> {
    type Params = P;
    type State = ();
    type Input = X;
    type Output = Y;
    type Saved = X;

    fn name(&self) -> &'static str {
        self.name
    }

    /// Those it was made with.
    fn params(&self, _: &mut Rng) -> P {
        tree::copy(&self.params)
    }

    fn state(&self) {}

    fn forward(&self, params: &P, (): &(), input: &X, _: &mut Ctx) -> (Y, X, ()) {
        ((self.function)(params, input), tree::copy(input), ())
    }

    fn backward(&self, params: &P, input: &X, dy: &Y) -> (P, X) {
        let at = (tree::copy(params), tree::copy(input));
        gradient(&at, |(params, input)| (self.function)(params, input), dy)
            .unwrap_or_else(|error| error.context(self.name).raise())
    }

    fn backward_params(&self, params: &P, input: &X, dy: &Y) -> P {
        gradient(params, |params| (self.function)(params, input), dy)
            .unwrap_or_else(|error| error.context(self.name).raise())
    }

    fn backward_input(&self, params: &P, input: &X, dy: &Y) -> X {
        gradient(input, |input| (self.function)(params, input), dy)
            .unwrap_or_else(|error| error.context(self.name).raise())
    }

    /// The function itself: transforms differentiate it.
    fn apply(this: &Arc<Self>, params: &P, (): &(), input: &X, _: &mut Ctx) -> (Y, ()) {
        ((this.function)(params, input), ())
    }
}

/// The gradient of all leaves of `at` that can have one, and zeros for the others.
fn gradient<T: Tree, Y: Tree>(at: &T, f: impl Fn(&T) -> Y, dy: &Y) -> Result<T> {
    let is_float = |leaf: &Tensor| leaf.dtype().is_float();
    let floats: Vec<Tensor> = tree::leaves(at).into_iter().filter(is_float).collect();
    if floats.is_empty() {
        return Ok(tree::map(at, Tensor::zeros_like));
    }
    let with = |floats: &Vec<Tensor>, others: fn(&Tensor) -> Tensor| {
        let mut floats = floats.iter();
        tree::map(at, |leaf| match is_float(leaf) {
            true => floats.next().expect("as many as there were").clone(),
            false => others(leaf),
        })
    };
    let (_, pull) = vjp(|floats: &Vec<Tensor>| f(&with(floats, Clone::clone))).call(&floats, ())?;
    Ok(with(&pull.call(dy)?, Tensor::zeros_like))
}

/// A criterion made of a plain function of input and target; its gradient is derived.
///
/// [`AutoCriterion::to_module`] is the same as a layer, for what layers have and criterions do not: it is saved and
/// loaded by name as an [`Instance`](super::Instance), and stands at the end of a [`Sequential`](super::Sequential). A
/// criterion that learns something is an [`AutoModule`] of input and target, with parameters.
///
/// Torch: `autograd.nn.AutoCriterion`.
///
/// ```
/// use retrograd::nn::{AutoCriterion, Criterion};
/// use retrograd::Tensor;
/// let quartic = AutoCriterion::new("Quartic", |x: &Tensor, y: &Tensor| (x - y).pow(4.0).sum());
/// let (loss, saved) = quartic.forward(&Tensor::from([3.0, 1.0]), &Tensor::from([1.0, 1.0]));
/// assert_eq!(loss.item::<f64>()?, 16.0);
/// assert_eq!(quartic.backward(&saved, &loss.ones_like()).to_vec::<f64>()?, [32.0, 0.0]);
/// # Ok::<(), retrograd::Error>(())
/// ```
pub struct AutoCriterion<X = Tensor, T = Tensor> {
    name: &'static str,
    function: Function<X, T, Tensor>,
}

impl<X: Tree, T: Tree> AutoCriterion<X, T> {
    /// A criterion of that name.
    pub fn new(
        name: &'static str,
        function: impl Fn(&X, &T) -> Tensor + Send + Sync + 'static,
    ) -> AutoCriterion<X, T> {
        AutoCriterion { name, function: Arc::new(function) }
    }

    /// The criterion as a layer of that name, from a pair of input and target to the loss; its gradient is of both.
    ///
    /// ```
    /// use retrograd::nn::{AutoCriterion, AutoModule, Instance, register};
    /// use retrograd::{Rng, Tensor};
    /// let quartic = || AutoCriterion::new("Quartic", |x: &Tensor, y: &Tensor| (x - y).pow(4.0).sum());
    /// register("Quartic", move || quartic().to_module());
    /// let path = std::env::temp_dir().join(format!("retrograd-quartic-{}.safetensors", std::process::id()));
    /// Instance::new(quartic().to_module(), Rng::seed(0)).save(&path)?;
    /// let mut again = Instance::<AutoModule<(), (Tensor, Tensor)>>::load(&path, Rng::seed(0))?;
    /// let loss = again.forward(&(Tensor::from([3.0, 1.0]), Tensor::from([1.0, 1.0])))?;
    /// let (dx, dy) = again.backward(&loss.ones_like())?;
    /// assert_eq!((dx.to_vec::<f64>()?, dy.to_vec::<f64>()?), (vec![32.0, 0.0], vec![-32.0, 0.0]));
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    pub fn to_module(&self) -> AutoModule<(), (X, T)> {
        let function = self.function.clone();
        AutoModule::new(self.name, (), move |(): &(), (input, target): &(X, T)| function(input, target))
    }
}

impl<X, T> Clone for AutoCriterion<X, T> {
    fn clone(&self) -> Self {
        AutoCriterion { name: self.name, function: self.function.clone() }
    }
}

impl<X, T> fmt::Debug for AutoCriterion<X, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AutoCriterion({})", self.name)
    }
}

impl<X: Tree, T: Tree> Criterion for AutoCriterion<X, T> {
    type Input = X;
    type Target = T;
    type Saved = (X, T);

    fn name(&self) -> &'static str {
        self.name
    }

    fn forward(&self, input: &X, target: &T) -> (Tensor, (X, T)) {
        ((self.function)(input, target), (tree::copy(input), tree::copy(target)))
    }

    fn backward(&self, (input, target): &(X, T), dl: &Tensor) -> X {
        gradient(input, |input| (self.function)(input, target), dl)
            .unwrap_or_else(|error| error.context(self.name).raise())
    }
}
