//! Layers of [candle](https://docs.rs/candle-nn), with candle's own gradients, as functions that
//! [retrograd](https://docs.rs/retrograd) differentiates.
//!
//! [`Candle`] makes a `retrograd::nn::Module` of a `candle_nn::Module` and the variables it was built from. Forward and
//! backward are candle's; everything around may be retrograd's: other layers, derived functions, optimizers.
//!
//! ```
//! use candle_core::{DType, Device};
//! use candle_nn::{VarBuilder, VarMap};
//! use retrograd::{Rng, Tensor, grad, nn};
//! use retrograd_candle::{Candle, CandleParams};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let vars = VarMap::new();
//! let builder = VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu);
//! let linear = candle_nn::linear(3, 2, builder.pp("linear"))?;
//!
//! let (layer, params) = nn::functionalize(Candle::new(linear, &vars)?, &mut Rng::seed(0));
//! let loss = grad(|p: &CandleParams, x: &Tensor| layer(p, x).tanh().square().mean());
//! let (gradient, _) = loss.call(&params, &Tensor::ones([4, 3]))?;
//! assert_eq!(gradient["linear.weight"].shape(), [2, 3]);
//! # Ok(())
//! # }
//! ```
//!
//! A layer of candle is a foreign one: it has a gradient, but no second derivative, no forward mode and no batching, which
//! are errors that name it, and a compiled function that has it runs directly.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use candle_core::{DType, Device, Var};
use candle_nn::VarMap;
use retrograd::nn::{Ctx, Foreign, Module};
use retrograd::{Error, Result, Rng, Tensor};

mod convert;

use convert::{from_candle, to_candle};

/// Parameters by the names that the `VarMap` has for them.
pub type CandleParams = BTreeMap<String, Tensor>;

/// A layer of candle as a layer of retrograd.
pub struct Candle<M> {
    module: M,
    vars: BTreeMap<String, Var>,
    name: &'static str,
    /// Held while the variables have the values of one call, since they belong to the layer, not to the call.
    running: Mutex<()>,
}

impl<M> fmt::Debug for Candle<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(self.name).field("parameters", &self.vars.keys().collect::<Vec<_>>()).finish()
    }
}

fn wrapped(error: candle_core::Error) -> Error {
    Error::wrap(error)
}

impl<M: candle_nn::Module> Candle<M> {
    /// The layer, and the variables that it was built from. A function `Fn(&candle_core::Tensor) ->
    /// candle_core::Result<candle_core::Tensor>` is a layer of candle too; so is `candle_nn::func`, for a `candle_nn::Sequential`,
    /// which threads may not share, written as one.
    ///
    /// # Errors
    /// If a variable is not on the CPU, or of a dtype that retrograd lacks.
    pub fn new(module: M, vars: &VarMap) -> Result<Candle<M>> {
        let vars = vars.data().lock().unwrap_or_else(PoisonError::into_inner);
        let vars: BTreeMap<String, Var> =
            vars.iter().map(|(name, var)| (name.clone(), var.clone())).collect();
        for (name, var) in &vars {
            let _ = from_candle(var.as_tensor()).map_err(|error| error.context(name))?;
        }
        let path = std::any::type_name::<M>();
        let name = path.split('<').next().unwrap_or(path).rsplit("::").next().unwrap_or(path);
        Ok(Candle { module, vars, name, running: Mutex::new(()) })
    }

    /// The layer of candle.
    pub fn module(&self) -> &M {
        &self.module
    }

    /// Gives the variables these values.
    fn set(&self, params: &CandleParams) -> Result<()> {
        for (name, var) in &self.vars {
            let missing = || Error::msg(format!("no parameter `{name}`"));
            let value = params.get(name).ok_or_else(missing)?;
            to_candle(value)
                .and_then(|value| var.set(&value).map_err(wrapped))
                .map_err(|error| error.context(name))?;
        }
        match params.keys().find(|name| !self.vars.contains_key(*name)) {
            Some(name) => Err(Error::msg(format!("the layer has no parameter `{name}`"))),
            None => Ok(()),
        }
    }

    fn run(&self, params: &CandleParams, input: &Tensor) -> Result<(Tensor, Record)> {
        let _running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        self.set(params)?;
        let input = Var::from_tensor(&to_candle(input)?).map_err(wrapped)?;
        let output = self.module.forward(input.as_tensor()).map_err(wrapped)?;
        Ok((from_candle(&output)?, Record { input, output }))
    }

    fn pull(&self, params: &CandleParams, record: &Record, dy: &Tensor) -> Result<(CandleParams, Tensor)> {
        let _running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        // Another call may have changed them since.
        self.set(params)?;
        let Record { input, output } = record;
        let weighed = output.mul(&to_candle(dy)?).and_then(|y| y.sum_all()).map_err(wrapped)?;
        let grads = weighed.backward().map_err(wrapped)?;
        let of = |var: &Var| match grads.get(var.as_tensor()) {
            Some(gradient) => from_candle(gradient),
            // What the output does not depend on.
            None => from_candle(&var.as_tensor().zeros_like().map_err(wrapped)?),
        };
        let params = self.vars.iter().map(|(name, var)| Ok((name.clone(), of(var)?)));
        Ok((params.collect::<Result<_>>()?, of(input)?))
    }
}

/// Candle's record of a forward computation: what it started from, and its result.
pub struct Record {
    input: Var,
    output: candle_core::Tensor,
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record {{ {:?} -> {:?} }}", self.input.shape(), self.output.shape())
    }
}

impl<M: candle_nn::Module + Send + Sync + 'static> Module for Candle<M> {
    type Params = CandleParams;
    type State = ();
    type Input = Tensor;
    type Output = Tensor;
    /// None where forward could not work; then its output is the error.
    type Saved = Foreign<Option<Record>>;

    fn name(&self) -> &'static str {
        self.name
    }

    /// The values that the variables have now.
    fn params(&self, _: &mut Rng) -> CandleParams {
        let value = |var: &Var| from_candle(var.as_tensor()).unwrap_or_else(Tensor::invalid);
        self.vars.iter().map(|(name, var)| (name.clone(), value(var))).collect()
    }

    fn state(&self) {}

    fn forward(
        &self,
        params: &CandleParams,
        (): &(),
        input: &Tensor,
        _: &mut Ctx,
    ) -> (Tensor, Self::Saved, ()) {
        match self.run(params, input) {
            Ok((output, record)) => (output, Foreign::new(Some(record)), ()),
            // Retrograd says which layer it was.
            Err(error) => (Tensor::invalid(error), Foreign::new(None), ()),
        }
    }

    fn backward(&self, params: &CandleParams, saved: &Self::Saved, dy: &Tensor) -> (CandleParams, Tensor) {
        let missing = || Error::msg("forward did not work");
        let pulled =
            saved.get().as_ref().ok_or_else(missing).and_then(|record| self.pull(params, record, dy));
        pulled.unwrap_or_else(|error| {
            let invalid = Tensor::invalid(error.context(self.name));
            (self.vars.keys().map(|name| (name.clone(), invalid.clone())).collect(), invalid)
        })
    }

    fn is_foreign(&self) -> bool {
        true
    }
}

/// Candle's dtype of that name.
fn dtype(x: &Tensor) -> Result<DType> {
    Ok(match x.dtype() {
        retrograd::DType::F32 => DType::F32,
        retrograd::DType::F64 => DType::F64,
        retrograd::DType::F16 => DType::F16,
        retrograd::DType::BF16 => DType::BF16,
        retrograd::DType::I64 => DType::I64,
        retrograd::DType::U8 => DType::U8,
        other => {
            return Err(
                Error::msg(format!("candle has no {other}")).help("convert it, for example with `.f32()`")
            );
        }
    })
}

/// Where everything is: retrograd computes there.
const DEVICE: Device = Device::Cpu;
