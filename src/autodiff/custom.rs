//! Functions with a derivative of their own: `custom_vjp`, and the rules of layers behind it.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

use super::function::raise;
use super::level::{LevelId, bind_many, top_level, value_of};
use super::transform::{jvp, vjp};
use crate::error::{Error, ErrorKind, Result};
use crate::graph;
use crate::ops::{Batched, Custom, CustomRule, InputSet, looped};
use crate::tensor::tree::{self, Fixed, Key, Tree, Visitor};
use crate::tensor::{Spec, Tensor};

/// A function whose derivative is the one that you give: `forward` returns the output and what the derivative
/// needs, `backward` turns that and the output's cotangent into the argument's.
///
/// Both are made of tensor operations, so that they can be batched, and `backward` can be differentiated again (what
/// it reads of the saved values has the derivative of the operations that made them).
/// They must not capture tensors that a derivative is taken of: pass those in. Forward mode transposes `backward`,
/// which is linear in the cotangent.
///
/// ```
/// use retrograd::{Tensor, custom_vjp, grad};
///
/// // Rounding that lets the gradient through.
/// let round = custom_vjp(|x: &Tensor| ((x + 0.5).floor(), ()), |_: &(), dy: &Tensor| dy.clone());
/// let d = grad(|x: &Tensor| round.call(x).square());
/// let (dx, y) = d.call(&Tensor::from(2.6), ())?;
/// assert_eq!((y.item::<f64>()?, dx.item::<f64>()?), (9.0, 6.0));
/// # Ok::<(), retrograd::Error>(())
/// ```
pub fn custom_vjp<F, B, A, O, S>(forward: F, backward: B) -> CustomVjp<F, B, A, O, S>
where
    F: Fn(&A) -> (O, S) + Send + Sync + 'static,
    B: Fn(&S, &O) -> A + Send + Sync + 'static,
    A: Tree + Send + Sync + 'static,
    O: Tree + Send + Sync + 'static,
    S: Tree + Send + Sync + 'static,
{
    CustomVjp { rules: Arc::new(Closures { forward, backward, signature: PhantomData }) }
}

/// A function with a derivative of its own; made by [`custom_vjp`].
pub struct CustomVjp<F, B, A, O, S> {
    rules: Arc<Closures<F, B, A, O, S>>,
}

/// A function and its pull-back.
pub(crate) trait Rules: Sized + Send + Sync + 'static {
    type Argument: Tree;
    type Output: Tree;
    /// What `backward` needs of the forward computation.
    type Saved: Tree;

    /// For errors.
    fn name(&self) -> &'static str;

    /// Whether the other rules are certain to do the same. Code that holds nothing is; a layer is not, since a foreign one
    /// may draw or count on its own.
    fn same(&self, _: &Self) -> bool {
        size_of::<Self>() == 0
    }

    /// Whether both functions are made of tensor operations. If not they are given concrete tensors.
    fn is_made_of_operations(&self) -> bool {
        true
    }

    fn forward(&self, x: &Self::Argument) -> (Self::Output, Self::Saved);

    /// The cotangents of the argument's leaves, in order; those outside `needs` are not read. The argument's
    /// structure is that of `like`, whose leaves are hollow.
    fn backward(
        &self,
        saved: &Self::Saved,
        dy: &Self::Output,
        needs: InputSet,
        like: &Self::Argument,
    ) -> Result<Vec<Option<Tensor>>>;
}

/// Appends the leaves of a backward function's result, which has the structure of what it is the cotangent of.
pub(crate) fn add_cotangents<T: Tree>(
    all: &mut Vec<Option<Tensor>>,
    name: &str,
    dx: &T,
    like: &T,
) -> Result<()> {
    tree::same_paths(like, dx).map_err(|error| {
        Error::plain(ErrorKind::Tree, format!("{name}: the backward function's result: {error}"))
    })?;
    tree::each_leaf(dx, &mut |dx| all.push(Some(dx.clone())));
    Ok(())
}

struct Closures<F, B, A, O, S> {
    forward: F,
    backward: B,
    signature: PhantomData<fn(A) -> (O, S)>,
}

impl<F, B, A, O, S> Rules for Arc<Closures<F, B, A, O, S>>
where
    F: Fn(&A) -> (O, S) + Send + Sync + 'static,
    B: Fn(&S, &O) -> A + Send + Sync + 'static,
    A: Tree,
    O: Tree,
    S: Tree,
{
    type Argument = A;
    type Output = O;
    type Saved = S;

    fn name(&self) -> &'static str {
        "custom_vjp"
    }

    fn same(&self, other: &Self) -> bool {
        // Closures that capture nothing are the same if their types are.
        Arc::ptr_eq(self, other) || size_of::<Closures<F, B, A, O, S>>() == 0
    }

    fn forward(&self, x: &A) -> (O, S) {
        (self.forward)(x)
    }

    fn backward(&self, saved: &S, dy: &O, _: InputSet, like: &A) -> Result<Vec<Option<Tensor>>> {
        let mut all = Vec::new();
        add_cotangents(&mut all, self.name(), &(self.backward)(saved, dy), like)?;
        Ok(all)
    }
}

impl<F, B, A, O, S> fmt::Debug for CustomVjp<F, B, A, O, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CustomVjp({})", std::any::type_name::<F>())
    }
}

impl<F, B, A, O, S> CustomVjp<F, B, A, O, S>
where
    F: Fn(&A) -> (O, S) + Send + Sync + 'static,
    B: Fn(&S, &O) -> A + Send + Sync + 'static,
    A: Tree,
    O: Tree,
    S: Tree,
{
    /// Calls the function. An operation in it that cannot work makes the outputs invalid, and so does an invalid argument.
    ///
    /// # Panics
    /// If an argument leaf is invalid and the function asks it for its shape, dtype or elements, unwinds with its error,
    /// which `call` of a transform turns into `Err`.
    #[track_caller]
    pub fn call(&self, x: &A) -> O {
        apply_rules(self.rules.clone(), x)
    }
}

/// Calls a function with its own derivative. An operation in it that cannot work makes the outputs invalid, and so does an
/// invalid argument.
///
/// # Panics
/// If an argument leaf is invalid and the function asks it for its shape, dtype or elements, or if the function is not
/// made of tensor operations and a leaf invalid or batched, unwinds with the error, which `call` of a transform turns into
/// `Err`.
#[track_caller]
pub(crate) fn apply_rules<R: Rules>(rules: R, x: &R::Argument) -> R::Output {
    let call = Arc::new(Typed { rules, argument: skeleton(x), result: OnceLock::new() });
    let y = outputs(call.clone(), &tree::leaf_refs(x));
    filled(&call.result().0, &mut y.into_iter())
}

/// The leaves of a call's output.
#[track_caller]
fn outputs(call: Arc<dyn Call>, leaves: &[&Tensor]) -> Vec<Tensor> {
    if !call.is_made_of_operations() {
        // Whatever level the leaves are of, what is below must be there to be handed over.
        for leaf in leaves {
            if let Err(error) = value_of(leaf) {
                raise(error.context(format!("{} (not made of tensor operations)", call.name())));
            }
        }
    }
    let run = Arc::new(Run { call, level: top_level(leaves), parts: OnceLock::new() });
    let y = bind_many(&Custom(run.clone()), leaves);
    let error = y.first().and_then(|y| y.error().cloned());
    match (error, run.parts.get()) {
        (None, Some(_)) => y,
        (Some(error), Some(parts)) => vec![Tensor::invalid(error); parts.outputs],
        // The forward function did not run, since a leaf is invalid. Only it can tell how its result is built.
        (Some(error), None) => {
            let leaves: Vec<Tensor> = leaves.iter().copied().cloned().collect();
            let (_, outputs) = run.call.forward(&leaves);
            vec![Tensor::invalid(error); outputs]
        }
        (None, None) => raise(Error::msg(format!("{} did not run", run.call.name()))),
    }
}

/// The rules of one call over leaves: the types of argument, output and saved values are known to [`Typed`] alone, so that
/// what is made of a call is compiled once, not for each kind of rules.
trait Call: Any + Send + Sync {
    fn name(&self) -> &'static str;

    fn same(&self, other: &dyn Call) -> bool;

    fn is_made_of_operations(&self) -> bool;

    /// The output's leaves, then the saved values'; and how many the output has.
    fn forward(&self, x: &[Tensor]) -> (Vec<Tensor>, usize);

    /// The cotangents of the argument's leaves; `forward` has run.
    fn backward(&self, saved: &[Tensor], dy: &[Tensor], needs: InputSet) -> Result<Vec<Option<Tensor>>>;
}

/// The rules, and the structure of what they take and return: trees with hollow leaves.
struct Typed<R: Rules> {
    rules: R,
    argument: R::Argument,
    /// `(R::Output, R::Saved)`.
    result: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl<R: Rules> Typed<R> {
    fn result(&self) -> &(R::Output, R::Saved) {
        let result = self.result.get().expect("the forward function ran");
        result.downcast_ref().expect("`forward` makes it")
    }
}

impl<R: Rules> Call for Typed<R> {
    fn name(&self) -> &'static str {
        self.rules.name()
    }

    fn same(&self, other: &dyn Call) -> bool {
        let other: &dyn Any = other;
        let other = other.downcast_ref::<Self>();
        other.is_some_and(|other| {
            self.rules.same(&other.rules) && same_structure(&self.argument, &other.argument)
        })
    }

    fn is_made_of_operations(&self) -> bool {
        self.rules.is_made_of_operations()
    }

    fn forward(&self, x: &[Tensor]) -> (Vec<Tensor>, usize) {
        let (output, saved) = self.rules.forward(&filled(&self.argument, &mut x.iter().cloned()));
        let mut leaves = tree::leaves(&output);
        let outputs = leaves.len();
        tree::each_leaf(&saved, &mut |saved| leaves.push(saved.clone()));
        if self.result.get().is_none() {
            // Whoever was first: the structure is the same.
            let _ = self.result.set(Box::new((skeleton(&output), skeleton(&saved))));
        }
        (leaves, outputs)
    }

    fn backward(&self, saved: &[Tensor], dy: &[Tensor], needs: InputSet) -> Result<Vec<Option<Tensor>>> {
        let (output, own) = self.result();
        let saved = filled(own, &mut saved.iter().cloned());
        let dy = filled(output, &mut dy.iter().cloned());
        self.rules.backward(&saved, &dy, needs, &self.argument)
    }
}

/// A call as an operation.
struct Run {
    call: Arc<dyn Call>,
    /// The topmost level among the argument's leaves.
    level: Option<LevelId>,
    parts: OnceLock<Parts>,
}

/// What is known when the forward function has run.
struct Parts {
    /// Specs of the argument's leaves.
    argument: Vec<Spec>,
    /// Leaves of the output.
    outputs: usize,
}

fn skeleton<T: Tree>(tree: &T) -> T {
    tree::map(tree, |_| Tensor::hollow())
}

/// Whether two trees have the same paths and static values.
fn same_structure<T: Tree>(a: &T, b: &T) -> bool {
    struct Collect(Vec<Box<dyn Fixed>>);
    impl<'a> Visitor<'a> for Collect {
        fn leaf(&mut self, _: &Tensor) {}
        fn enter(&mut self, _: Key<'_>) {}
        fn leave(&mut self) {}
        fn fixed(&mut self, value: &dyn Fixed) {
            self.0.push(value.to_box());
        }
    }
    let [a_fixed, b_fixed] = [a, b].map(|tree| {
        let mut collect = Collect(Vec::new());
        tree.visit(&mut collect);
        collect.0
    });
    tree::same_paths(a, b).is_ok()
        && a_fixed.len() == b_fixed.len()
        && a_fixed.iter().zip(&b_fixed).all(|(a, b)| a.equals(&**b))
}

fn filled<T: Tree>(skeleton: &T, leaves: &mut dyn Iterator<Item = Tensor>) -> T {
    let missing = || Tensor::invalid(Error::msg("a leaf is missing"));
    tree::map(skeleton, |_| leaves.next().unwrap_or_else(missing))
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.call.name())
    }
}

impl Run {
    fn parts(&self) -> &Parts {
        self.parts.get().expect("the forward function ran")
    }

    /// The cotangents of the argument's leaves, given saved values and the outputs' cotangents: zeros where there is none.
    fn pull_all(&self, saved: &[Tensor], dy: &[Tensor], needs: InputSet) -> Result<Vec<Tensor>> {
        let dx = self.call.backward(saved, dy, needs)?.into_iter().zip(&self.parts().argument);
        Ok(dx.map(|(dx, spec)| dx.unwrap_or_else(|| Tensor::splat(*spec, 0.into()))).collect())
    }

    /// The saved values as a function of the argument's leaves at `floats`; the others are those of `x`.
    fn saved_of(&self, x: &[Tensor], floats: &[usize], floating: &[Tensor]) -> Vec<Tensor> {
        let mut all = x.to_vec();
        for (&i, x) in floats.iter().zip(floating) {
            all[i] = x.clone();
        }
        let (mut leaves, outputs) = self.call.forward(&all);
        leaves.split_off(outputs)
    }

    /// The argument's cotangent with the saved values' part in it. They have a cotangent when `backward` is
    /// differentiated: it read them, and they are functions of the argument, with the derivative of the operations
    /// that `forward` made them by.
    fn with_saved(
        &self,
        x: &[Tensor],
        dy: &[Tensor],
        mut dx: Vec<Option<Tensor>>,
    ) -> Result<Vec<Option<Tensor>>> {
        if dy.iter().all(is_zero) {
            return Ok(dx);
        }
        let floats = floating(x);
        let saved = |floating: &[Tensor]| Ok(self.saved_of(x, &floats, floating));
        let more = pulled(&saved, &at(x, &floats), dy)?;
        for (i, more) in floats.into_iter().zip(more) {
            dx[i] = Some(match dx[i].take() {
                Some(dx) => dx + more,
                None => more,
            });
        }
        Ok(dx)
    }

    /// The outputs' tangents: `backward` is linear in the cotangent, and its transpose is the function's tangent map.
    fn pushed(&self, y: &[Tensor], dx: &[Tensor]) -> Result<Vec<Tensor>> {
        let (y, saved) = y.split_at(self.parts().outputs);
        let moving: Vec<usize> = floating(dx).into_iter().filter(|&i| !is_zero(&dx[i])).collect();
        let mut needs = InputSet::NONE;
        moving.iter().for_each(|&i| needs.insert(i));
        let floats = floating(y);
        let backward = |dy: &[Tensor]| {
            let mut all: Vec<Tensor> = y.iter().map(Tensor::zeros_like).collect();
            for (&k, dy) in floats.iter().zip(dy) {
                all[k] = dy.clone();
            }
            Ok(at(&self.pull_all(saved, &all, needs)?, &moving))
        };
        let zeros: Vec<Tensor> = floats.iter().map(|&k| y[k].zeros_like()).collect();
        let mut dy: Vec<Tensor> = y.iter().map(Tensor::zeros_like).collect();
        for (k, tangent) in floats.iter().copied().zip(pulled(&backward, &zeros, &at(dx, &moving))?) {
            dy[k] = tangent;
        }
        Ok(dy)
    }
}

/// A function of tensors. Behind a pointer, so that transforms of it are compiled once, not for each kind of rules.
type Leaves<'a> = &'a dyn Fn(&[Tensor]) -> Result<Vec<Tensor>>;

/// What a function's pull-back makes of `dy`.
fn pulled(f: Leaves<'_>, x: &[Tensor], dy: &[Tensor]) -> Result<Vec<Tensor>> {
    vjp(|x: &Vec<Tensor>| f(x)).call(&x.to_vec(), ())?.1.call(&dy.to_vec())
}

/// The tangent of a function's result along `dx`.
fn pushed(f: Leaves<'_>, x: &[Tensor], dx: &[Tensor]) -> Result<Vec<Tensor>> {
    Ok(jvp(|x: &Vec<Tensor>| f(x)).call(&x.to_vec(), &dx.to_vec(), ())?.1)
}

/// Positions of the leaves that can have derivatives.
fn floating(x: &[Tensor]) -> Vec<usize> {
    (0..x.len()).filter(|&i| x[i].spec().dtype.is_float()).collect()
}

fn at(x: &[Tensor], places: &[usize]) -> Vec<Tensor> {
    places.iter().map(|&i| x[i].clone()).collect()
}

/// Whether it is known without looking at elements that they are all zero.
fn is_zero(x: &Tensor) -> bool {
    x.splat_number().is_some_and(|number| number.as_f64() == 0.0)
}

impl CustomRule for Run {
    fn name(&self) -> &'static str {
        self.call.name()
    }

    fn is_made_of_operations(&self) -> bool {
        self.call.is_made_of_operations()
    }

    fn same(&self, other: &dyn CustomRule) -> bool {
        let other: &dyn Any = other;
        other.downcast_ref::<Run>().is_some_and(|other| self.call.same(&*other.call))
    }

    fn specs(&self, x: &[Spec]) -> Result<Vec<Spec>> {
        graph::specs_of(x, |x| self.forward(x))
    }

    /// Outputs, then saved values: what a tape keeps of an operation are its outputs.
    fn forward(&self, x: &[Tensor]) -> Result<Vec<Tensor>> {
        let (leaves, outputs) = self.call.forward(x);
        self.parts.get_or_init(|| Parts { argument: x.iter().map(|x| *x.spec()).collect(), outputs });
        Ok(leaves)
    }

    fn vjp(
        self: Arc<Self>,
        x: &[Tensor],
        y: &[Tensor],
        dy: &[Tensor],
        needs: InputSet,
    ) -> Result<Vec<Option<Tensor>>> {
        let outputs = self.parts().outputs;
        if !self.call.is_made_of_operations() {
            let inputs: Vec<&Tensor> = y[outputs..].iter().chain(&dy[..outputs]).collect();
            return Ok(bind_many(&Custom(Arc::new(Pull { run: self.clone(), needs })), &inputs)
                .into_iter()
                .map(Some)
                .collect());
        }
        let dx = self.call.backward(&y[outputs..], &dy[..outputs], needs)?;
        self.with_saved(x, &dy[outputs..], dx)
    }

    fn jvp(&self, x: &[Tensor], y: &[Tensor], dx: &[Tensor]) -> Result<Vec<Tensor>> {
        if !self.call.is_made_of_operations() {
            return Err(no_derivative(self.call.name(), "forward-mode derivative"));
        }
        let mut dy = self.pushed(y, dx)?;
        let floats = floating(x);
        let saved = |floating: &[Tensor]| Ok(self.saved_of(x, &floats, floating));
        dy.extend(pushed(&saved, &at(x, &floats), &at(dx, &floats))?);
        Ok(dy)
    }

    /// Saved values have a cotangent where `backward` was differentiated, which is never on the level that the function was
    /// called on: it is that level which calls `backward`, with what lies below. There a tape keeps nothing but them.
    fn reads_from(&self, level: LevelId) -> Option<usize> {
        let alone = self.level == Some(level) || !self.call.is_made_of_operations();
        alone.then(|| self.parts.get().map_or(0, |parts| parts.outputs))
    }

    fn batched(self: Arc<Self>, size: usize, batched: InputSet) -> Arc<dyn CustomRule> {
        Arc::new(Batched::new(self, size, batched))
    }
}

fn no_derivative(name: &str, which: &str) -> Error {
    let message = format!("`{name}` is not made of tensor operations, so it has no {which}");
    Error::plain(ErrorKind::Derivative, message)
        .help("write its forward and backward with tensor operations, or take a first derivative by reverse mode only")
}

/// The backward function of a call that is not made of tensor operations, as an operation: it runs on concrete
/// tensors, its saved values and cotangents, and has no derivative.
struct Pull {
    run: Arc<Run>,
    needs: InputSet,
}

impl fmt::Debug for Pull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "backward of {:?}", self.run)
    }
}

impl CustomRule for Pull {
    fn name(&self) -> &'static str {
        self.run.call.name()
    }

    fn is_made_of_operations(&self) -> bool {
        false
    }

    fn same(&self, _: &dyn CustomRule) -> bool {
        false
    }

    fn specs(&self, _: &[Spec]) -> Result<Vec<Spec>> {
        Ok(self.run.parts().argument.clone())
    }

    fn forward(&self, x: &[Tensor]) -> Result<Vec<Tensor>> {
        let (saved, dy) = x.split_at(x.len() - self.run.parts().outputs);
        self.run.pull_all(saved, dy, self.needs)
    }

    fn vjp(
        self: Arc<Self>,
        _: &[Tensor],
        _: &[Tensor],
        _: &[Tensor],
        _: InputSet,
    ) -> Result<Vec<Option<Tensor>>> {
        Err(no_derivative(self.name(), "second derivative"))
    }

    fn jvp(&self, _: &[Tensor], _: &[Tensor], _: &[Tensor]) -> Result<Vec<Tensor>> {
        Err(no_derivative(self.name(), "second derivative"))
    }

    fn batched(self: Arc<Self>, size: usize, batched: InputSet) -> Arc<dyn CustomRule> {
        looped(self, size, batched)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grad;

    /// Whether a tape keeps the argument of a call, with saved values made of it.
    fn keeps_argument<S: Tree>(save: fn(&Tensor) -> S) -> bool {
        let double = custom_vjp(move |x: &Tensor| (x * 2.0, save(x)), |_: &S, dy: &Tensor| dy * 2.0);
        let kept = OnceLock::new();
        let loss = |x: &Tensor| {
            let between = x + 1.0;
            let y = double.call(&between);
            let lower = between.lifted().and_then(|lifted| lifted.lower.as_ref());
            kept.get_or_init(|| !lower.expect("on a tape").is_unique());
            y.sum()
        };
        let (dx, _) = grad(loss).call(&Tensor::ones([2]), ()).unwrap();
        assert_eq!(dx.to_vec::<f32>().unwrap(), [2.0; 2]);
        *kept.get().unwrap()
    }

    #[test]
    fn a_tape_keeps_of_a_call_what_its_backward_reads() {
        assert!(keeps_argument(Tensor::clone));
        assert!(!keeps_argument(|_| ()));
    }
}
