//! Operations whose derivative the user writes.

use std::any::Any;
use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::operands::{InputSet, Outputs, Short};
use super::primitive::{Primitive, Reads, Residuals};
use crate::autodiff::Batch;
use crate::autodiff::level::{LevelId, bind, bind_many, origin, serving_user};
use crate::error::{Error, ErrorKind, Misfit, Result};
use crate::exec::{Kernel, Opaque, View};
use crate::graph::{Seen, Value};
use crate::tensor::{Spec, Tensor};

/// An operation of your own: a name, a shape rule, the computation, and its derivative.
///
/// `forward` is given concrete tensors, so it may read their elements. `vjp` and `jvp` are given whatever level the
/// caller works on; written with tensor operations they can be differentiated again, to any order. Use it with
/// [`apply`](crate::apply), and check it with [`check::laws`](crate::check::laws).
///
/// ```
/// use retrograd::{CustomOp, Result, Spec, Tensor, apply, grad};
///
/// #[derive(Debug)]
/// struct Cube;
///
/// impl CustomOp for Cube {
///     fn name(&self) -> &'static str {
///         "cube"
///     }
///     fn infer(&self, x: &[Spec]) -> Result<Vec<Spec>> {
///         Ok(vec![x[0]])
///     }
///     fn forward(&self, x: &[Tensor]) -> Result<Vec<Tensor>> {
///         let cubes: Vec<f64> = x[0].to_vec::<f64>()?.iter().map(|v| v * v * v).collect();
///         Ok(vec![Tensor::from_vec(cubes, x[0].shape())])
///     }
///     fn vjp(&self, x: &[Tensor], _y: &[Tensor], dy: &[Tensor]) -> Result<Vec<Option<Tensor>>> {
///         Ok(vec![Some(&dy[0] * x[0].square() * 3.0)])
///     }
/// }
///
/// let d = grad(|x: &Tensor| apply(Cube, &[x]).swap_remove(0).sum());
/// let (gradient, _) = d.call(&Tensor::from([1.0, 2.0]), ())?;
/// assert_eq!(gradient.to_vec::<f64>()?, [3.0, 12.0]);
/// # Ok::<(), retrograd::Error>(())
/// ```
pub trait CustomOp: Debug + Send + Sync + 'static {
    /// For errors, listings and pictures.
    fn name(&self) -> &'static str;

    /// Shape and dtype of each output.
    ///
    /// # Errors
    /// If the inputs do not fit.
    fn infer(&self, inputs: &[Spec]) -> Result<Vec<Spec>>;

    /// Computes the outputs, which have the specs that `infer` promised.
    ///
    /// # Errors
    /// Whatever goes wrong.
    fn forward(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>>;

    /// The cotangent of each input (none: zero), given those of the outputs.
    ///
    /// # Errors
    /// Whatever goes wrong.
    fn vjp(
        &self,
        inputs: &[Tensor],
        outputs: &[Tensor],
        cotangents: &[Tensor],
    ) -> Result<Vec<Option<Tensor>>>;

    /// The tangent of each output, given those of the inputs.
    ///
    /// # Errors
    /// By default, that there is none.
    fn jvp(&self, inputs: &[Tensor], outputs: &[Tensor], tangents: &[Tensor]) -> Result<Vec<Tensor>> {
        let _ = (inputs, outputs, tangents);
        Err(no_jvp())
    }
}

fn no_jvp() -> Error {
    Error::plain(ErrorKind::Derivative, "has no forward-mode derivative")
        .help("write its `jvp`, or use reverse mode: `grad`, `vjp`, `jacobian` with `Mode::Reverse`")
}

/// What stands behind a custom primitive.
pub(crate) trait CustomRule: Any + Debug + Send + Sync {
    fn name(&self) -> &'static str;
    /// Whether the other rule is certain to do the same: code of the same type that holds nothing which could differ.
    fn same(&self, other: &dyn CustomRule) -> bool;
    fn specs(&self, x: &[Spec]) -> Result<Vec<Spec>>;
    fn forward(&self, x: &[Tensor]) -> Result<Vec<Tensor>>;
    /// The inputs' cotangents; those outside `needs` are not read.
    fn vjp(
        self: Arc<Self>,
        x: &[Tensor],
        y: &[Tensor],
        dy: &[Tensor],
        needs: InputSet,
    ) -> Result<Vec<Option<Tensor>>>;
    fn jvp(&self, x: &[Tensor], y: &[Tensor], dx: &[Tensor]) -> Result<Vec<Tensor>> {
        let _ = (x, y, dx);
        Err(no_jvp())
    }
    /// The first output that `vjp` reads on a level, if it reads no inputs there and no output before that one: it is given
    /// stand-ins for them, and for the cotangents of the others if they are zero. `None`: it may read everything.
    fn reads_from(&self, level: LevelId) -> Option<usize> {
        let _ = level;
        None
    }
    /// Whether `forward` is made of tensor operations, so that a trace may record them.
    fn is_made_of_operations(&self) -> bool;
    /// The rule for `size` examples at once.
    fn batched(self: Arc<Self>, size: usize, batched: InputSet) -> Arc<dyn CustomRule>;
}

/// The primitive of a custom rule; two are the same if their rules are certain to be.
#[derive(Clone, Debug)]
pub(crate) struct Custom(pub(crate) Arc<dyn CustomRule>);

impl PartialEq for Custom {
    fn eq(&self, other: &Custom) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.same(&*other.0)
    }
}

impl Eq for Custom {}

impl Hash for Custom {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.name().hash(state);
    }
}

impl Custom {
    /// What a user's rule returned, held to the specs it must have.
    fn checked(
        &self,
        rule: &str,
        returned: Result<Vec<Option<Tensor>>>,
        spec: &dyn Fn(usize) -> Spec,
        slots: &mut [Option<Tensor>],
    ) {
        let returned = returned.and_then(|values| match values.len() == slots.len() {
            true => Ok(values),
            false => {
                let message =
                    format!("its {rule} returned {} tensors, expected {}", values.len(), slots.len());
                Err(Error::plain(ErrorKind::Derivative, message))
            }
        });
        let values = match returned {
            Ok(values) => values,
            Err(error) => {
                let error = error.of_operation(self.name(), Vec::new(), origin());
                return slots.fill_with(|| Some(Tensor::invalid(error.clone())));
            }
        };
        for (i, (slot, value)) in slots.iter_mut().zip(values).enumerate() {
            *slot = value.map(|value| {
                if value.error().is_some() || *value.spec() == spec(i) {
                    return value;
                }
                let message = format!("its {rule} returned {} at {i}, expected {}", value.spec(), spec(i));
                let error = Error::plain(ErrorKind::Derivative, message);
                Tensor::invalid(error.of_operation(self.name(), Vec::new(), origin()))
            });
        }
    }
}

impl Primitive for Custom {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    /// As many as its code returns.
    fn outputs(&self) -> usize {
        0
    }

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        Ok(self.infer_all(x)?[0])
    }

    fn infer_all(&self, x: &[&Spec]) -> Result<Vec<Spec>, Box<Misfit>> {
        let specs: Vec<Spec> = x.iter().map(|spec| **spec).collect();
        self.0.specs(&specs).and_then(some_outputs).map_err(Misfit::caused)
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::Opaque(self)
    }

    fn reads(&self, _: InputSet) -> Option<Reads> {
        Some(Reads { outputs: true, ..Reads::inputs(InputSet::ALL) })
    }

    fn reads_on(&self, level: LevelId, needs: InputSet) -> Option<Reads> {
        match self.0.reads_from(level) {
            Some(first_output) => Some(Reads { outputs: true, first_output, specs: true, ..Reads::NOTHING }),
            None => self.reads(needs),
        }
    }

    fn jvp(&self, at: &Residuals<'_>, dx: &[Option<&Tensor>], dy: &mut [Option<Tensor>]) {
        let dx = or_zeros(dx, |i| *at.x(i).spec());
        let (x, y) = (owned(at.inputs), owned(at.outputs));
        let tangents = serving_user(origin(), || self.0.jvp(&x, &y, &dx));
        let tangents = tangents.map(|t| t.into_iter().map(Some).collect());
        self.checked("jvp", tangents, &|k| *at.output_specs[k], dy);
    }

    fn vjp(&self, at: &Residuals<'_>, dy: &[Option<&Tensor>], needs: InputSet, dx: &mut [Option<Tensor>]) {
        // What `reads_on` left out is not read, and neither are the cotangents of what is kept instead.
        let all = at.inputs.iter().all(Option::is_some);
        let or_hollow = |value: &Option<&Tensor>| value.map_or_else(Tensor::hollow, Clone::clone);
        let x: Short<Tensor> = at.inputs.iter().map(or_hollow).collect();
        let y: Short<Tensor> = at.outputs.iter().map(or_hollow).collect();
        let cotangent = |(k, dy): (usize, &Option<&Tensor>)| match dy {
            Some(dy) => (*dy).clone(),
            None if all || at.outputs[k].is_none() => Tensor::splat(*at.output_specs[k], 0.into()),
            None => Tensor::hollow(),
        };
        let dy: Short<Tensor> = dy.iter().enumerate().map(cotangent).collect();
        let cotangents = serving_user(origin(), || self.0.clone().vjp(&x, &y, &dy, needs));
        let spec = |i: usize| match at.inputs[i] {
            Some(x) => *x.spec(),
            None => *at.input_specs[i].expect("`reads_on` asks for specs"),
        };
        self.checked("vjp", cotangents, &spec, dx);
    }

    fn batch(&self, x: &[&Tensor], batched: InputSet, size: usize) -> Outputs {
        Outputs::Many(bind_many(&Custom(self.0.clone().batched(size, batched)), x))
    }

    fn unfolded(&self, x: &[&Tensor]) -> Option<Result<Vec<Tensor>>> {
        self.0.is_made_of_operations().then(|| self.run(x))
    }
}

impl Opaque for Custom {
    fn run(&self, x: &[&Tensor]) -> Result<Vec<Tensor>> {
        let x: Short<Tensor> = x.iter().map(|&x| x.clone()).collect();
        self.0.forward(&x).and_then(some_outputs)
    }
}

/// Refuses an operation without outputs: there would be no place for an error.
fn some_outputs<T>(outputs: Vec<T>) -> Result<Vec<T>> {
    match outputs.is_empty() {
        true => Err(Error::plain(ErrorKind::Shape, "an operation has at least one output")),
        false => Ok(outputs),
    }
}

fn owned(values: &[Option<&Tensor>]) -> Vec<Tensor> {
    values.iter().map(|value| (*value.expect("a custom rule reads everything")).clone()).collect()
}

fn or_zeros(values: &[Option<&Tensor>], spec: impl Fn(usize) -> Spec) -> Vec<Tensor> {
    let value = |(i, value): (usize, &Option<&Tensor>)| match value {
        Some(value) => (*value).clone(),
        None => Tensor::splat(spec(i), 0.into()),
    };
    values.iter().enumerate().map(value).collect()
}

/// A rule made of tensor operations, run once for all examples under a level of its own.
#[derive(Debug)]
pub(crate) struct Batched {
    rule: Arc<dyn CustomRule>,
    size: usize,
    batched: InputSet,
}

impl Batched {
    pub(crate) fn new(rule: Arc<dyn CustomRule>, size: usize, batched: InputSet) -> Batched {
        Batched { rule, size, batched }
    }

    fn inputs(&self, level: &Arc<Batch>, x: &[Tensor]) -> Vec<Tensor> {
        let lift = |(i, x): (usize, &Tensor)| {
            if self.batched.contains(i) { level.lift(x.clone()) } else { x.clone() }
        };
        x.iter().enumerate().map(lift).collect()
    }
}

fn lift_all(level: &Arc<Batch>, x: &[Tensor]) -> Vec<Tensor> {
    let lift = |x: &Tensor| match x.splat_number() {
        // One number for all examples: a cotangent that is zero can be told to be.
        Some(number) => Tensor::splat(x.spec().with_shape(x.spec().shape.without(0)), number),
        None => level.lift(x.clone()),
    };
    x.iter().map(lift).collect()
}

impl CustomRule for Batched {
    fn name(&self) -> &'static str {
        self.rule.name()
    }

    fn is_made_of_operations(&self) -> bool {
        self.rule.is_made_of_operations()
    }

    fn same(&self, other: &dyn CustomRule) -> bool {
        let other: &dyn Any = other;
        other.downcast_ref::<Batched>().is_some_and(|other| {
            self.size == other.size && self.batched == other.batched && self.rule.same(&*other.rule)
        })
    }

    fn specs(&self, x: &[Spec]) -> Result<Vec<Spec>> {
        batched_specs(&*self.rule, x, self.size, self.batched)
    }

    fn forward(&self, x: &[Tensor]) -> Result<Vec<Tensor>> {
        let level = Batch::open(self.size);
        let y = self.rule.forward(&self.inputs(&level, x));
        level.close();
        Ok(y?.iter().map(|y| level.all_of(y)).collect())
    }

    fn vjp(
        self: Arc<Self>,
        x: &[Tensor],
        y: &[Tensor],
        dy: &[Tensor],
        needs: InputSet,
    ) -> Result<Vec<Option<Tensor>>> {
        let level = Batch::open(self.size);
        let (x, y, dy) = (self.inputs(&level, x), lift_all(&level, y), lift_all(&level, dy));
        let dx = self.rule.clone().vjp(&x, &y, &dy, needs);
        level.close();
        let dx = dx?.into_iter().enumerate().map(|(i, dx)| {
            let all = level.all_of(&dx?);
            // An input that all examples share gets what all of them give.
            Some(if self.batched.contains(i) { all } else { all.sum_dim(0) })
        });
        Ok(dx.collect())
    }

    fn jvp(&self, x: &[Tensor], y: &[Tensor], dx: &[Tensor]) -> Result<Vec<Tensor>> {
        let level = Batch::open(self.size);
        let dx = self.inputs(&level, dx);
        let dy = self.rule.jvp(&self.inputs(&level, x), &lift_all(&level, y), &dx);
        level.close();
        Ok(dy?.iter().map(|dy| level.all_of(dy)).collect())
    }

    fn batched(self: Arc<Self>, size: usize, batched: InputSet) -> Arc<dyn CustomRule> {
        Arc::new(Batched::new(self, size, batched))
    }
}

fn batched_specs(rule: &dyn CustomRule, x: &[Spec], size: usize, batched: InputSet) -> Result<Vec<Spec>> {
    let example = |(i, spec): (usize, &Spec)| {
        if batched.contains(i) { spec.with_shape(spec.shape.without(0)) } else { *spec }
    };
    let specs = rule.specs(&x.iter().enumerate().map(example).collect::<Vec<_>>())?;
    let all = specs.iter().map(|spec| spec.shape.with_axis(0, size).map(|shape| spec.with_shape(shape)));
    all.collect::<Option<_>>().ok_or_else(|| Error::plain(ErrorKind::Shape, "too many axes inside vmap"))
}

/// A [`CustomOp`] as a rule.
#[derive(Debug)]
struct Declared<T>(T);

impl<T: CustomOp> CustomRule for Declared<T> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn is_made_of_operations(&self) -> bool {
        false
    }

    fn same(&self, other: &dyn CustomRule) -> bool {
        let other: &dyn Any = other;
        // Two with fields may differ in them, unless they are one.
        other
            .downcast_ref::<Declared<T>>()
            .is_some_and(|other| size_of::<T>() == 0 || std::ptr::eq(self, other))
    }

    fn specs(&self, x: &[Spec]) -> Result<Vec<Spec>> {
        self.0.infer(x)
    }

    fn forward(&self, x: &[Tensor]) -> Result<Vec<Tensor>> {
        let promised =
            self.0.infer(&x.iter().map(|x| *x.spec()).collect::<Vec<_>>()).and_then(some_outputs)?;
        let y = self.0.forward(x)?;
        let got: Vec<Spec> = y.iter().map(|y| *y.spec()).collect();
        if let Some(error) = y.iter().find_map(Tensor::error) {
            return Err(error.clone());
        }
        if got != promised {
            let message = format!("`infer` promised {promised:?}, `forward` returned {got:?}");
            return Err(Error::plain(ErrorKind::Shape, message));
        }
        Ok(y)
    }

    fn vjp(
        self: Arc<Self>,
        x: &[Tensor],
        y: &[Tensor],
        dy: &[Tensor],
        needs: InputSet,
    ) -> Result<Vec<Option<Tensor>>> {
        let _ = needs;
        self.0.vjp(x, y, dy)
    }

    fn jvp(&self, x: &[Tensor], y: &[Tensor], dx: &[Tensor]) -> Result<Vec<Tensor>> {
        self.0.jvp(x, y, dx)
    }

    fn batched(self: Arc<Self>, size: usize, batched: InputSet) -> Arc<dyn CustomRule> {
        looped(self, size, batched)
    }
}

/// A rule that reads elements, run for one example after the other.
#[derive(Debug)]
struct Looped {
    rule: Arc<dyn CustomRule>,
    size: usize,
    batched: InputSet,
}

impl Looped {
    fn example(&self, x: &[Tensor], batched: InputSet, at: usize) -> Vec<Tensor> {
        let part = |(i, x): (usize, &Tensor)| {
            if batched.contains(i) { x.narrow(0, at, 1).squeeze_axis(0) } else { x.clone() }
        };
        x.iter().enumerate().map(part).collect()
    }

    /// Results of all examples, stacked.
    fn each(&self, run: impl Fn(usize) -> Result<Vec<Tensor>>) -> Result<Vec<Tensor>> {
        let examples: Vec<Vec<Tensor>> = (0..self.size).map(run).collect::<Result<_>>()?;
        let outputs = examples.first().map_or(0, Vec::len);
        let column = |k: usize| examples.iter().map(|y| y[k].clone()).collect::<Vec<_>>();
        Ok((0..outputs).map(|k| Tensor::stack(&column(k), 0)).collect())
    }
}

impl CustomRule for Looped {
    fn name(&self) -> &'static str {
        self.rule.name()
    }

    fn is_made_of_operations(&self) -> bool {
        false
    }

    fn same(&self, other: &dyn CustomRule) -> bool {
        let other: &dyn Any = other;
        other.downcast_ref::<Looped>().is_some_and(|other| {
            self.size == other.size && self.batched == other.batched && self.rule.same(&*other.rule)
        })
    }

    fn specs(&self, x: &[Spec]) -> Result<Vec<Spec>> {
        batched_specs(&*self.rule, x, self.size, self.batched)
    }

    fn forward(&self, x: &[Tensor]) -> Result<Vec<Tensor>> {
        if self.size == 0 {
            let specs = self.specs(&x.iter().map(|x| *x.spec()).collect::<Vec<_>>())?;
            return Ok(specs.into_iter().map(|spec| Tensor::splat(spec, 0.into())).collect());
        }
        self.each(|at| self.rule.forward(&self.example(x, self.batched, at)))
    }

    fn vjp(
        self: Arc<Self>,
        x: &[Tensor],
        y: &[Tensor],
        dy: &[Tensor],
        needs: InputSet,
    ) -> Result<Vec<Option<Tensor>>> {
        let zero = |i: usize, at: usize| self.example(x, self.batched, at)[i].zeros_like();
        let dx = self.each(|at| {
            let (y, dy) = (self.example(y, InputSet::ALL, at), self.example(dy, InputSet::ALL, at));
            let dx = self.rule.clone().vjp(&self.example(x, self.batched, at), &y, &dy, needs)?;
            Ok(dx.into_iter().enumerate().map(|(i, dx)| dx.unwrap_or_else(|| zero(i, at))).collect())
        })?;
        let shared =
            |(i, dx): (usize, Tensor)| Some(if self.batched.contains(i) { dx } else { dx.sum_dim(0) });
        Ok(dx.into_iter().enumerate().map(shared).collect())
    }

    fn jvp(&self, x: &[Tensor], y: &[Tensor], dx: &[Tensor]) -> Result<Vec<Tensor>> {
        self.each(|at| {
            let y = self.example(y, InputSet::ALL, at);
            self.rule.jvp(&self.example(x, self.batched, at), &y, &self.example(dx, self.batched, at))
        })
    }

    fn batched(self: Arc<Self>, size: usize, batched: InputSet) -> Arc<dyn CustomRule> {
        looped(self, size, batched)
    }
}

/// A rule that reads elements, for `size` examples one after the other.
pub(crate) fn looped(rule: Arc<dyn CustomRule>, size: usize, batched: InputSet) -> Arc<dyn CustomRule> {
    Arc::new(Looped { rule, size, batched })
}

/// A user's operation as a rule.
pub(crate) fn declared(op: impl CustomOp) -> Arc<dyn CustomRule> {
    Arc::new(Declared(op))
}

/// Applies an operation of your own.
///
/// If it cannot work, there is one output, invalid.
#[track_caller]
pub fn apply(op: impl CustomOp, inputs: &[&Tensor]) -> Vec<Tensor> {
    bind_many(&Custom(declared(op)), inputs)
}

/// The identity, as a constant for every derivative.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Stop;

impl Primitive for Stop {
    fn name(&self) -> &'static str {
        "stop_gradient"
    }

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        Ok(*x[0])
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::View(View::Reshape)
    }

    fn reads(&self, _: InputSet) -> Option<Reads> {
        None
    }

    fn jvp(&self, _: &Residuals<'_>, _: &[Option<&Tensor>], _: &mut [Option<Tensor>]) {
        unreachable!("a constant has no derivative")
    }

    fn vjp(&self, _: &Residuals<'_>, _: &[Option<&Tensor>], _: InputSet, _: &mut [Option<Tensor>]) {
        unreachable!("a constant has no derivative")
    }

    fn batch(&self, x: &[&Tensor], _: InputSet, _: usize) -> Outputs {
        Outputs::One(bind(self, x))
    }

    fn simplify(&self, x: &[Seen<'_>]) -> Option<Value> {
        Some(x[0].into())
    }
}

/// `x` as a constant.
#[track_caller]
pub(crate) fn stopped(x: &Tensor) -> Tensor {
    bind(&Stop, &[x])
}
