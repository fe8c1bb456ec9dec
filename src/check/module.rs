//! Holding layers to their contract.

use std::sync::Arc;

use super::{ROUNDING, close, failed};
use crate::error::Result;
use crate::nn::{Criterion, Ctx, Mode, Module, criterion};
use crate::tensor::tree::{self, Tree};
use crate::tensor::{DType, Rng, Tensor};
use crate::{Fallback, gradcheck, jit, jvp, vjp};

/// Checks a layer on an input, in f64 and in one mode: that its `backward` is the derivative of its `forward`, by the
/// derived one (where `forward` is made of tensor operations) and by central differences, inside of transforms and
/// called by hand; that `backward_params` and `backward_input` are its parts; and, unless it is foreign, that forward
/// mode, second derivatives and the compiled layer (it must compile) agree with those of `forward`.
///
/// ```
/// use retrograd::nn::{Linear, Mode};
/// use retrograd::{Rng, check};
/// check::module(Linear::new(3, 2), &Rng::seed(1).randn([4, 3]), Mode::Train)?;
/// # Ok::<(), retrograd::Error>(())
/// ```
///
/// # Errors
/// What does not hold, with the values that show it.
pub fn module<M: Module>(module: M, input: &M::Input, mode: Mode) -> Result<()> {
    let module = Arc::new(module);
    let mut rng = Rng::seed(0x6d6f_6475);
    let params = tree::cast(&module.params(&mut rng), DType::F64);
    let state = tree::cast(&module.state(), DType::F64);
    module_at(&module, &params, &state, &tree::cast(input, DType::F64), mode)
        .map_err(|error| error.context(module.name()))
}

/// The same for given parameters and state, for layers whose first ones are special, such as zero.
///
/// # Errors
/// As [`module`].
pub fn module_at<M: Module>(
    module: &Arc<M>,
    params: &M::Params,
    state: &M::State,
    input: &M::Input,
    mode: Mode,
) -> Result<()> {
    let ctx = || Ctx { mode, rng: Rng::seed(7) };
    // With the layer's own gradient, and with the one that is derived from what it computes.
    let own = |(p, x): &(M::Params, M::Input)| flat(&M::apply(module, p, state, x, &mut ctx()).0);
    let derived = |(p, x): &(M::Params, M::Input)| flat(&module.forward(p, state, x, &mut ctx()).0);
    let at = (tree::copy(params), tree::copy(input));

    let (y, saved, next) = module.forward(params, state, input, &mut ctx());
    tree::check_valid("output", &y)?;
    tree::check_valid("state", &next)?;
    all_close("its function's value is `forward`'s", &[own(&at)], &[flat(&y)])?;
    let dy = cotangent(&y);
    let by_hand = module.backward(params, &saved, &dy);
    parts_agree(module, params, &saved, &dy, &by_hand)?;
    gradients(&own, &derived, &at, module.is_foreign())?;
    // The function of a container goes through its parts, that of an `AutoModule` is the derived one: of such nothing
    // but this calls `backward`.
    match module.is_foreign() {
        true => is_the_gradient(&by_hand, &own, &at, &flat(&dy)),
        false => is_the_gradient(&by_hand, &derived, &at, &flat(&dy)),
    }
}

/// Checks a criterion on an input and a target, in f64, as [`module`] does.
///
/// # Errors
/// What does not hold, with the values that show it.
pub fn criterion<C: Criterion>(criterion: C, input: &C::Input, target: &C::Target) -> Result<()> {
    let criterion = Arc::new(criterion);
    let (input, target) = (tree::cast(input, DType::F64), tree::cast(target, DType::F64));
    let own = |x: &C::Input| flat(&criterion::apply(&criterion, x, &target));
    let derived = |x: &C::Input| flat(&criterion.forward(x, &target).0);
    all_close("its function's value is `forward`'s", &[own(&input)], &[derived(&input)])
        .and_then(|()| gradients(&own, &derived, &input, criterion.is_foreign()))
        .map_err(|error| error.context(criterion.name()))
}

/// Holds the derivatives of a function with its own to those of the same function without.
fn gradients<A: Tree>(
    own: &(dyn Fn(&A) -> Tensor + Sync),
    derived: &(dyn Fn(&A) -> Tensor + Sync),
    at: &A,
    foreign: bool,
) -> Result<()> {
    let (x, whole) = floats(at);
    agree(&|x| own(&whole(x)), &|x| derived(&whole(x)), x, foreign)
}

/// Holds what `backward` returned, outside of any transform, to the gradient of a function at the cotangent `w`.
fn is_the_gradient<A: Tree>(
    by_hand: &A,
    f: &(dyn Fn(&A) -> Tensor + Sync),
    at: &A,
    w: &Tensor,
) -> Result<()> {
    let law = "`backward`, called by hand, is the gradient";
    tree::same_paths(at, by_hand).map_err(|error| failed(law, error))?;
    let (x, whole) = floats(at);
    if x.is_empty() {
        return Ok(());
    }
    let leaves = tree::leaves(at).into_iter().zip(tree::leaves(by_hand));
    let got: Vec<Tensor> = leaves.filter(|(x, _)| is_float(x)).map(|(_, dx)| dx).collect();
    all_close(law, &got, &pulled(&|x| f(&whole(x)), x, w)?)
}

fn is_float(leaf: &Tensor) -> bool {
    leaf.spec().dtype.is_float()
}

/// The floating-point leaves of a tree, and the tree with others in their place. Only floats have derivatives: the
/// other leaves are constants.
fn floats<A: Tree>(at: &A) -> (Vec<Tensor>, impl Fn(&Vec<Tensor>) -> A + Sync) {
    let x = tree::leaves(at).into_iter().filter(is_float).collect();
    let whole = move |x: &Vec<Tensor>| {
        let mut x = x.iter();
        tree::map(at, |leaf| match is_float(leaf) {
            true => x.next().expect("as many as there were").clone(),
            false => leaf.clone(),
        })
    };
    (x, whole)
}

/// A function of floating-point tensors. Behind a pointer, so that transforms of it are compiled once, not for each layer.
type Flat<'a> = &'a (dyn Fn(&Vec<Tensor>) -> Tensor + Sync);

/// The gradient of a function at a cotangent.
fn pulled(f: Flat<'_>, x: Vec<Tensor>, w: &Tensor) -> Result<Vec<Tensor>> {
    vjp(|x: &Vec<Tensor>| f(x)).call(&x, ())?.1.call(w)
}

/// [`gradients`] of functions of floating-point leaves.
fn agree(own: Flat<'_>, derived: Flat<'_>, x: Vec<Tensor>, foreign: bool) -> Result<()> {
    let own = |x: &Vec<Tensor>| own(x);
    let derived = |x: &Vec<Tensor>| derived(x);
    let w = direction(&[own(&x)], 1).swap_remove(0);
    let weighed = |x: &Vec<Tensor>| (own(x) * &w).sum();
    if x.is_empty() {
        return Ok(());
    }
    gradcheck(weighed, &x, ())
        .map_err(|error| failed("`backward` is the derivative (differences)", error))?;
    if foreign {
        return Ok(());
    }
    let pulled = vjp(own).call(&x, ())?.1.call(&w)?;
    let expected = vjp(derived).call(&x, ())?.1.call(&w)?;
    all_close("`backward` is the derived gradient", &pulled, &expected)?;

    let gradient = |x: &Vec<Tensor>| -> Result<Vec<Tensor>> { vjp(own).call(x, ())?.1.call(&w) };
    // Without a way back: a layer that silently ran directly would be compared with itself.
    let compiled = jit(gradient).fallback(Fallback::Error);
    for _ in 0..2 {
        let law = "the compiled gradient is `backward`'s";
        let dx = compiled.call(&x, ()).map_err(|error| failed(law, error))?;
        all_close(law, &dx, &pulled)?;
    }
    let v = direction(&x, 2);
    let (pushed, expected) = (jvp(own).call(&x, &v, ())?.1, jvp(derived).call(&x, &v, ())?.1);
    all_close("forward mode is the derived one", &[pushed], &[expected])?;

    let reference = |x: &Vec<Tensor>| -> Result<Vec<Tensor>> { vjp(derived).call(x, ())?.1.call(&w) };
    let second = vjp(gradient).call(&x, ())?.1.call(&v)?;
    let expected = vjp(reference).call(&x, ())?.1.call(&v)?;
    all_close("the second derivative is the derived one", &second, &expected)?;
    let (second, expected) = (jvp(gradient).call(&x, &v, ())?.1, jvp(reference).call(&x, &v, ())?.1);
    all_close("forward over reverse mode is the derived one", &second, &expected)
}

/// Holds the parts of `backward` to the whole.
fn parts_agree<M: Module>(
    module: &Arc<M>,
    params: &M::Params,
    saved: &M::Saved,
    dy: &M::Output,
    (dp, dx): &(M::Params, M::Input),
) -> Result<()> {
    let law = "`backward_params` is the first part of `backward`";
    all_close(law, &tree::leaves(&module.backward_params(params, saved, dy)), &tree::leaves(dp))?;
    let law = "`backward_input` is the second part of `backward`";
    all_close(law, &tree::leaves(&module.backward_input(params, saved, dy)), &tree::leaves(dx))?;
    tree::same_paths(params, dp).map_err(|error| failed("gradients are like the parameters", error))
}

/// A cotangent of an output, always the same.
fn cotangent<T: Tree>(output: &T) -> T {
    let mut numbers = direction(&tree::leaves(output), 3).into_iter();
    tree::map(output, |_| numbers.next().expect("one for each leaf"))
}

/// The floating-point leaves as one vector.
fn flat<T: Tree>(output: &T) -> Tensor {
    let leaves = tree::leaves(output).into_iter().filter(|y| y.error().is_some() || is_float(y));
    Tensor::cat(&leaves.map(|y| y.reshape([crate::INFER])).collect::<Vec<_>>(), 0)
}

/// Numbers like these leaves, always the same.
fn direction(like: &[Tensor], seed: u64) -> Vec<Tensor> {
    let mut rng = Rng::seed(seed);
    like.iter().map(|x| rng.normal(x.shape(), 0.0, 1.0).to_dtype(x.dtype())).collect()
}

fn all_close(law: &str, got: &[Tensor], expected: &[Tensor]) -> Result<()> {
    if got.len() != expected.len() {
        return Err(failed(law, format!("{} leaves instead of {}", got.len(), expected.len())));
    }
    got.iter().zip(expected).try_for_each(|(got, expected)| close(law, got, expected, ROUNDING))
}
