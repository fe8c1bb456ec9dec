//! Layers as Torch had them: objects that hold their parameters and gradients.

use std::path::Path;
use std::sync::Arc;

use super::module::{Ctx, Mode, Module};
use super::registry::create;
use crate::autodiff::guarded;
use crate::tensor::tree::check_valid;
use retrograd::io::{self, Archive};
use retrograd::{Error, Result, Rng, Tree, tree};

/// A layer with parameters, gradients and state of its own: for training loops written by hand, in which nothing is
/// recorded.
///
/// ```
/// use retrograd::nn::{Criterion, Instance, Linear, MseLoss};
/// use retrograd::{Rng, Tensor};
/// let mut net = Instance::new(Linear::new(3, 1), Rng::seed(1));
/// let (x, y) = (Rng::seed(2).randn([8, 3]), Tensor::ones([8, 1]));
/// let mse = MseLoss::default();
/// let mut losses = Vec::new();
/// for _ in 0..20 {
///     let (loss, saved) = mse.forward(&net.forward(&x)?, &y);
///     net.zero_grad();
///     net.accumulate(&mse.backward(&saved, &Tensor::from(1.0f32)), 1.0)?;
///     net.update(0.1);
///     losses.push(loss.item::<f32>()?);
/// }
/// assert!(losses[19] < 0.1 * losses[0]);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[derive(Debug)]
pub struct Instance<M: Module> {
    name: String,
    module: Arc<M>,
    params: M::Params,
    grads: M::Params,
    state: M::State,
    ctx: Ctx,
    saved: Option<M::Saved>,
}

fn zeros<T: Tree>(tree: &T) -> T {
    tree::map(tree, retrograd::Tensor::zeros_like)
}

/// The entry beside the tensors that names the layer.
const LAYER: &str = "layer";

/// What is saved of an instance.
#[derive(Tree)]
struct Kept<P, S> {
    params: P,
    grads: P,
    state: S,
}

impl<M: Module> Clone for Instance<M> {
    fn clone(&self) -> Self {
        Instance {
            name: self.name.clone(),
            module: self.module.clone(),
            params: tree::copy(&self.params),
            grads: tree::copy(&self.grads),
            state: tree::copy(&self.state),
            ctx: self.ctx.clone(),
            saved: self.saved.as_ref().map(tree::copy),
        }
    }
}

impl<M: Module> Instance<M> {
    /// A layer with new parameters, in training mode.
    pub fn new(module: M, mut rng: Rng) -> Instance<M> {
        let params = module.params(&mut rng);
        let (grads, state, name) = (zeros(&params), module.state(), module.name().to_owned());
        let (module, ctx) = (Arc::new(module), Ctx::train(rng));
        Instance { name, module, params, grads, state, ctx, saved: None }
    }

    /// The same under another name, by which [`Instance::load`] finds its constructor. Two networks are of one type,
    /// `Sequential`, and told apart by their names.
    ///
    /// ```
    /// use retrograd::nn::{Instance, Linear, Relu, Sequential, register};
    /// use retrograd::{Rng, Tensor};
    /// let encoder = || Sequential::new().add(Linear::new(8, 3)).add(Relu);
    /// register("encoder", encoder);
    /// let path = std::env::temp_dir().join(format!("retrograd-encoder-{}.safetensors", std::process::id()));
    /// Instance::new(encoder(), Rng::seed(0)).named("encoder").save(&path)?;
    /// let mut again = Instance::<Sequential>::load(&path, Rng::seed(1))?;
    /// assert_eq!(again.name(), "encoder");
    /// assert_eq!(again.forward(&Tensor::ones([2, 8]))?.shape(), [2, 3]);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Instance<M> {
        self.name = name.into();
        self
    }

    /// The name it is saved under; the layer's own unless told.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The layer.
    pub fn module(&self) -> &M {
        &self.module
    }

    /// Training mode, in which it begins.
    pub fn train(&mut self) {
        self.ctx.mode = Mode::Train;
    }

    /// The mode for use: no dropout, learned statistics.
    pub fn eval(&mut self) {
        self.ctx.mode = Mode::Eval;
    }

    /// The output; what `backward` needs is kept until the next call, and the state follows in training mode.
    ///
    /// # Errors
    /// If an operation of the layer cannot work.
    pub fn forward(&mut self, input: &M::Input) -> Result<M::Output> {
        let Instance { module, params, state, ctx, .. } = self;
        let (output, saved, next) = guarded(|| module.forward(params, state, input, ctx))?;
        check_valid("output", &output)?;
        check_valid("state", &next)?;
        self.state = next;
        self.saved = Some(saved);
        Ok(output)
    }

    /// The gradient of the input of the last `forward`; those of the parameters are added to [`Instance::grads`].
    ///
    /// # Errors
    /// If there was no `forward`, or an operation cannot work.
    pub fn backward(&mut self, grad_output: &M::Output) -> Result<M::Input> {
        self.backward_scaled(grad_output, 1.0)
    }

    /// As [`Instance::backward`], with the parameters' gradients multiplied by `scale` before they are added.
    ///
    /// # Errors
    /// As [`Instance::backward`].
    pub fn backward_scaled(&mut self, grad_output: &M::Output, scale: f64) -> Result<M::Input> {
        let (grads, dx) = guarded(|| Ok(self.module.backward(&self.params, self.saved()?, grad_output)))?;
        check_valid("gradient of the input", &dx)?;
        self.add(&grads, scale)?;
        Ok(dx)
    }

    /// Adds the parameters' gradients, multiplied by `scale`, and computes no gradient of the input, which nobody needs
    /// of a network's first layer.
    ///
    /// Torch: `accGradParameters`.
    ///
    /// # Errors
    /// As [`Instance::backward`].
    pub fn accumulate(&mut self, grad_output: &M::Output, scale: f64) -> Result<()> {
        let grads = guarded(|| Ok(self.module.backward_params(&self.params, self.saved()?, grad_output)))?;
        self.add(&grads, scale)
    }

    fn saved(&self) -> Result<&M::Saved> {
        let missing = || Error::msg(format!("{}: `backward` before `forward`", self.module.name()));
        self.saved.as_ref().ok_or_else(missing)
    }

    fn add(&mut self, grads: &M::Params, scale: f64) -> Result<()> {
        let sum = tree::zip(&self.grads, grads, |sum, g| match () {
            () if !g.dtype().is_float() => sum.clone(),
            () if scale == 1.0 => sum + g,
            () => sum + g * scale,
        });
        check_valid("gradient of the parameters", &sum)?;
        self.grads = sum;
        Ok(())
    }

    /// Forgets the gradients added up so far.
    pub fn zero_grad(&mut self) {
        self.grads = zeros(&self.grads);
    }

    /// A step against the gradient: `params - rate * grads`.
    pub fn update(&mut self, rate: f64) {
        self.params = tree::zip(&self.params, &self.grads, |p, g| match p.dtype().is_float() {
            true => p - g * rate,
            false => p.clone(),
        });
    }

    /// What is learned.
    pub fn params(&self) -> &M::Params {
        &self.params
    }

    /// What is learned, to be changed.
    pub fn params_mut(&mut self) -> &mut M::Params {
        &mut self.params
    }

    /// The gradients of all `backward` since the last `zero_grad`.
    pub fn grads(&self) -> &M::Params {
        &self.grads
    }

    /// What is followed, such as running means.
    pub fn state(&self) -> &M::State {
        &self.state
    }

    /// Writes parameters, gradients and state to a safetensors file, with the instance's [name](Instance::named); whatever
    /// was there before stays until all is written.
    ///
    /// # Errors
    /// If the file cannot be written.
    #[track_caller]
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let kept = Kept {
            params: tree::copy(&self.params),
            grads: tree::copy(&self.grads),
            state: tree::copy(&self.state),
        };
        io::save_with(path, &kept, [(LAYER, self.name())])
    }

    /// Reads what [`Instance::save`] wrote; the layer itself is made by the constructor that is
    /// [registered](super::register) under its name. The instance has that name, and begins in training mode, with draws
    /// from `rng`.
    ///
    /// # Errors
    /// If the file cannot be read or is not such a file, nothing of the right type is registered under the name in it, or
    /// the leaves do not fit the layer.
    ///
    /// ```
    /// use retrograd::nn::{AutoModule, Instance, register};
    /// use retrograd::{Rng, Tensor};
    /// let scaled = || AutoModule::new("Scaled", Tensor::ones([2]), |a: &Tensor, x: &Tensor| x * a);
    /// register("Scaled", scaled);
    /// let mut layer = Instance::new(scaled(), Rng::seed(0));
    /// *layer.params_mut() = Tensor::from([3.0f32, 4.0]);
    /// let path = std::env::temp_dir().join(format!("retrograd-scaled-{}.safetensors", std::process::id()));
    /// layer.save(&path)?;
    /// let again = Instance::<AutoModule<Tensor>>::load(&path, Rng::seed(0))?;
    /// assert_eq!(again.params().to_vec::<f32>()?, [3.0, 4.0]);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn load(path: impl AsRef<Path>, rng: Rng) -> Result<Instance<M>> {
        let archive = Archive::open(&path)?;
        let Some(name) = archive.metadata().get(LAYER) else {
            let message = format!("`{}` does not say which layer it is of", path.as_ref().display());
            return Err(Error::msg(message).help("read it with `restore`, into an instance of that layer"));
        };
        let mut instance = Instance::new(create::<M>(name)?, rng).named(name);
        instance.take(&archive)?;
        Ok(instance)
    }

    /// Reads parameters, gradients and state of a file into this instance, whose layer is like the one that was saved.
    ///
    /// # Errors
    /// If the file cannot be read or its leaves do not fit; then nothing has changed.
    #[track_caller]
    pub fn restore(&mut self, path: impl AsRef<Path>) -> Result<()> {
        self.take(&Archive::open(path)?)
    }

    fn take(&mut self, archive: &Archive) -> Result<()> {
        let like = Kept {
            params: tree::copy(&self.params),
            grads: tree::copy(&self.grads),
            state: tree::copy(&self.state),
        };
        let Kept { params, grads, state } = archive.load(&like)?;
        (self.params, self.grads, self.state, self.saved) = (params, grads, state, None);
        Ok(())
    }

    /// The instance as a function `f(params, input)` for `grad` and other transforms, in its mode and with its present
    /// state.
    pub fn function(
        &self,
    ) -> impl Fn(&M::Params, &M::Input) -> M::Output + Clone + Send + Sync + 'static + use<M> {
        let module = self.module.clone();
        let (state, ctx) = (Arc::new(tree::copy(&self.state)), self.ctx.clone());
        move |params: &M::Params, input: &M::Input| {
            M::apply(&module, params, &state, input, &mut ctx.clone()).0
        }
    }
}
