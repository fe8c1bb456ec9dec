//! `custom_vjp`: a function with a derivative of its own.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

use super::function::raise;
use super::level::bind_many;
use super::transform::vjp;
use crate::error::{Error, ErrorKind, Result};
use crate::graph;
use crate::ops::InputSet;
use crate::ops::{Batched, Custom, CustomRule};
use crate::tensor::tree::{self, Fixed, Key, Tree, Visitor};
use crate::tensor::{Spec, Tensor};

/// A function whose derivative is the one that you give: `forward` returns the output and what the derivative
/// needs, `backward` turns that and the output's cotangent into the argument's.
///
/// Both are made of tensor operations, so that they can be batched, and `backward` can be differentiated again (what
/// it reads of the saved values has the derivative of the operations that made them).
/// They must not capture tensors that a derivative is taken of: pass those in. There is no forward mode.
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
    CustomVjp { rules: Arc::new(Rules { forward, backward }), signature: PhantomData }
}

/// A function with a derivative of its own; made by [`custom_vjp`].
pub struct CustomVjp<F, B, A, O, S> {
    rules: Arc<Rules<F, B>>,
    signature: PhantomData<fn(A) -> (O, S)>,
}

struct Rules<F, B> {
    forward: F,
    backward: B,
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
    A: Tree + Send + Sync + 'static,
    O: Tree + Send + Sync + 'static,
    S: Tree + Send + Sync + 'static,
{
    /// Calls the function. An operation in it that cannot work makes the outputs invalid.
    ///
    /// # Panics
    /// If an argument leaf is invalid, unwinds with its error, which `call` of a transform turns into `Err`.
    #[track_caller]
    pub fn call(&self, x: &A) -> O {
        let leaves = tree::leaves(x);
        let argument = skeleton(x);
        let run = Arc::new(Run { rules: self.rules.clone(), argument, parts: OnceLock::new() });
        let y = bind_many(&Custom(run.clone()), &leaves.iter().collect::<Vec<_>>());
        let error = y.first().and_then(|y| y.error().cloned());
        let Some(parts) = run.parts.get() else {
            // The forward function never ran: the error is in the one output.
            raise(error.unwrap_or_else(|| Error::msg("custom_vjp did not run")));
        };
        if let Some(error) = error {
            return tree::map(&parts.output, |_| Tensor::invalid(error.clone()));
        }
        filled(&parts.output, &mut y.into_iter())
    }
}

/// One call: the rules, and the structure of what they take and return.
struct Run<F, B, A, O, S> {
    rules: Arc<Rules<F, B>>,
    argument: A,
    parts: OnceLock<Parts<O, S>>,
}

/// Output and saved values, their leaves hollow.
struct Parts<O, S> {
    output: O,
    outputs: usize,
    saved: S,
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

fn filled<T: Tree>(skeleton: &T, leaves: &mut impl Iterator<Item = Tensor>) -> T {
    let missing = || Tensor::invalid(Error::msg("custom_vjp: a leaf is missing"));
    tree::map(skeleton, |_| leaves.next().unwrap_or_else(missing))
}

impl<F, B, A, O, S> fmt::Debug for Run<F, B, A, O, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("custom_vjp")
    }
}

impl<F, B, A, O, S> Run<F, B, A, O, S>
where
    F: Fn(&A) -> (O, S),
    A: Tree,
    S: Tree,
{
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
        let parts = self.parts.get().expect("the forward function ran");
        let floats: Vec<usize> = (0..x.len()).filter(|&i| x[i].spec().dtype.is_float()).collect();
        let saved = |floating: &Vec<Tensor>| {
            let mut all = x.to_vec();
            for (&i, x) in floats.iter().zip(floating) {
                all[i] = x.clone();
            }
            (self.rules.forward)(&filled(&self.argument, &mut all.into_iter())).1
        };
        let (_, pull) = vjp(saved).call(&floats.iter().map(|&i| x[i].clone()).collect(), ())?;
        let more = pull.call(&filled(&parts.saved, &mut dy.iter().cloned()))?;
        for (i, more) in floats.into_iter().zip(more) {
            dx[i] = Some(match dx[i].take() {
                Some(dx) => dx + more,
                None => more,
            });
        }
        Ok(dx)
    }
}

/// Whether it is known without looking at elements that they are all zero.
fn is_zero(x: &Tensor) -> bool {
    x.splat_number().is_some_and(|number| number.as_f64() == 0.0)
}

impl<F, B, A, O, S> CustomRule for Run<F, B, A, O, S>
where
    F: Fn(&A) -> (O, S) + Send + Sync + 'static,
    B: Fn(&S, &O) -> A + Send + Sync + 'static,
    A: Tree + Send + Sync + 'static,
    O: Tree + Send + Sync + 'static,
    S: Tree + Send + Sync + 'static,
{
    fn name(&self) -> &'static str {
        "custom_vjp"
    }

    fn is_made_of_operations(&self) -> bool {
        true
    }

    fn same(&self, other: &dyn CustomRule) -> bool {
        let other: &dyn Any = other;
        // Closures that capture nothing are the same if their types are.
        let stateless = size_of::<Rules<F, B>>() == 0;
        other.downcast_ref::<Self>().is_some_and(|other| {
            (stateless || Arc::ptr_eq(&self.rules, &other.rules))
                && same_structure(&self.argument, &other.argument)
        })
    }

    fn specs(&self, x: &[Spec]) -> Result<Vec<Spec>> {
        graph::specs_of(x, |x| self.forward(x))
    }

    /// Outputs, then saved values: what a tape keeps of an operation are its outputs.
    fn forward(&self, x: &[Tensor]) -> Result<Vec<Tensor>> {
        let (output, saved) = (self.rules.forward)(&filled(&self.argument, &mut x.iter().cloned()));
        let mut leaves = tree::leaves(&output);
        let outputs = leaves.len();
        leaves.extend(tree::leaves(&saved));
        self.parts.get_or_init(|| Parts { output: skeleton(&output), outputs, saved: skeleton(&saved) });
        Ok(leaves)
    }

    fn vjp(&self, x: &[Tensor], y: &[Tensor], dy: &[Tensor]) -> Result<Vec<Option<Tensor>>> {
        let parts = self.parts.get().expect("the forward function ran");
        let saved = filled(&parts.saved, &mut y[parts.outputs..].iter().cloned());
        let cotangent = filled(&parts.output, &mut dy[..parts.outputs].iter().cloned());
        let dx = (self.rules.backward)(&saved, &cotangent);
        tree::same_paths(&self.argument, &dx).map_err(|error| {
            Error::plain(ErrorKind::Tree, format!("custom_vjp: the backward function's result: {error}"))
        })?;
        let dx = tree::leaves(&dx).into_iter().map(Some).collect();
        self.with_saved(x, &dy[parts.outputs..], dx)
    }

    fn batched(self: Arc<Self>, size: usize, batched: InputSet) -> Arc<dyn CustomRule> {
        Arc::new(Batched::new(self, size, batched))
    }
}
