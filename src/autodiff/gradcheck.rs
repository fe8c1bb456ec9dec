//! Holding derived gradients against central differences.

use std::fmt;

use super::function::{Argument, Function, Loss};
use super::grad::grad;
use crate::error::{Error, ErrorKind, Result};
use crate::tensor::tree::{self, Tree};
use crate::tensor::{DType, Rng, Tensor};

/// What [`gradcheck`] found: the gradients agree, and how closely.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GradCheck {
    /// How many elements were compared.
    pub elements: usize,
    /// The greatest deviation, as a share of what is allowed: at most 1.
    pub worst: f64,
    /// Where it is: the leaf's path and the element's position in row-major order.
    pub place: String,
    /// The derived value there.
    pub derived: f64,
    /// The numerical value there.
    pub numerical: f64,
}

impl fmt::Display for GradCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GradCheck { elements, worst, place, derived, numerical } = self;
        write!(f, "{elements} elements; worst at {place}: derived {derived:e}, numerical {numerical:e} ")?;
        if *worst > 1.0 {
            return write!(f, "({worst:.1} times the tolerance)");
        }
        write!(f, "({:.1}% of the tolerance)", worst * 100.0)
    }
}

/// Step of the central difference, relative to the element's size where that is above 1: the cube root of f64's
/// precision balances truncation (`h^2`) against rounding (`1/h`).
const STEP: f64 = 6e-6;
/// Allowed deviation: `ABSOLUTE + RELATIVE * max(|derived|, |numerical|)`.
const ABSOLUTE: f64 = 1e-7;
const RELATIVE: f64 = 1e-6;

/// Compares the gradient of a scalar function, for every element of every leaf of its first argument, with a
/// central difference. All leaves are f64 (see [`tree::cast`](crate::tree::cast)).
///
/// ```
/// use retrograd::{Tensor, gradcheck};
/// let report = gradcheck(|x: &Tensor| (x.sin() * x).sum(), &Tensor::from([0.3, -1.2]), ())?;
/// assert_eq!(report.elements, 2);
/// # Ok::<(), retrograd::Error>(())
/// ```
///
/// # Errors
/// If they differ, naming the leaf, the worst element and both values; if two runs give different gradients; if a
/// leaf is not f64; or if the function fails.
pub fn gradcheck<F, P, X, R>(f: F, p: &P, x: X::Refs<'_>) -> Result<GradCheck>
where
    F: Function<P, X, R>,
    P: Tree,
    X: Argument<P, 0, Item = P>,
    R: Loss,
{
    check(&|p: &P| Ok(R::loss(&super::function::guarded(|| f.apply(p, x))?).clone()), p)
}

/// As [`gradcheck`], for the gradient of the gradient: the derivative along a fixed random direction is checked in
/// the same way.
///
/// # Errors
/// As [`gradcheck`].
pub fn gradgradcheck<F, P, X, R>(f: F, p: &P, x: X::Refs<'_>) -> Result<GradCheck>
where
    F: Function<P, X, R>,
    P: Tree,
    X: Argument<P, 0, Item = P>,
    R: Loss,
{
    let mut rng = Rng::seed(0x9e37_79b9);
    let directions: Vec<Tensor> = tree::leaves(p).iter().map(|leaf| rng.randn(leaf.shape()).f64()).collect();
    let slope = |p: &P| {
        let g =
            |p: &P| -> Result<Tensor> { Ok(R::loss(&super::function::guarded(|| f.apply(p, x))?).clone()) };
        let (gradient, _) = grad(g).call(p, ())?;
        let along = tree::leaves(&gradient).into_iter().zip(&directions).map(|(g, u)| (g * u).sum());
        Ok(along.fold(Tensor::from(0.0), |sum, term| sum + term))
    };
    check(&slope, p)
}

fn check<P: Tree>(f: &dyn Fn(&P) -> Result<Tensor>, p: &P) -> Result<GradCheck> {
    let leaves = tree::leaves(p);
    let paths = tree::paths(p);
    if let Some(at) = leaves.iter().position(|leaf| leaf.dtype() != DType::F64) {
        let place = tree::join("argument", &paths[at]);
        let message = format!("gradcheck: {place} is {}, central differences need f64", leaves[at].spec());
        return Err(
            Error::plain(ErrorKind::DType, message).help("`tree::cast(&p, DType::F64)` converts all leaves")
        );
    }
    let gradient = |p: &P| grad(f).call(p, ()).map(|(gradient, _)| gradient);
    let derived = values(&gradient(p)?)?;
    if !same(&derived, &values(&gradient(p)?)?) {
        let message = "gradcheck: two runs on the same input give different gradients";
        return Err(
            Error::plain(ErrorKind::Derivative, message).help("draw random numbers outside, or reseed")
        );
    }
    let mut report =
        GradCheck { elements: 0, worst: -1.0, place: String::new(), derived: 0.0, numerical: 0.0 };
    for (at, leaf) in leaves.iter().enumerate() {
        let original = leaf.to_vec::<f64>()?;
        for (i, &derived) in derived[at].iter().enumerate() {
            let step = STEP * original[i].abs().max(1.0);
            let shifted = |by: f64| {
                let mut moved = original.clone();
                moved[i] += by;
                let moved = Tensor::from_vec(moved, leaf.shape());
                let mut k = 0;
                let p = tree::map(p, |leaf| {
                    k += 1;
                    if k - 1 == at { moved.clone() } else { leaf.clone() }
                });
                f(&p)?.item::<f64>()
            };
            let numerical = (shifted(step)? - shifted(-step)?) / (2.0 * step);
            let allowed = ABSOLUTE + RELATIVE * derived.abs().max(numerical.abs());
            let share = (derived - numerical).abs() / allowed;
            report.elements += 1;
            // A NaN on either side is the worst of all.
            if share.is_nan() || share > report.worst {
                let worst = if share.is_nan() { f64::INFINITY } else { share };
                let place = format!("{}, element {i}", tree::join("argument", &paths[at]));
                report = GradCheck { worst, place, derived, numerical, ..report };
            }
        }
    }
    if report.worst > 1.0 {
        return Err(Error::plain(ErrorKind::Derivative, format!("gradcheck: gradients differ: {report}")));
    }
    Ok(report)
}

fn values<P: Tree>(gradient: &P) -> Result<Vec<Vec<f64>>> {
    tree::leaves(gradient).iter().map(|leaf| leaf.to_vec::<f64>()).collect()
}

fn same(a: &[Vec<f64>], b: &[Vec<f64>]) -> bool {
    let bits = |values: &[Vec<f64>]| -> Vec<u64> { values.iter().flatten().map(|v| v.to_bits()).collect() };
    bits(a) == bits(b)
}
