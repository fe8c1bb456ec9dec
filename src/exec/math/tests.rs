//! The kernels against higher precision: f32 against f64 over all exponents, f64 against a table.

#[expect(clippy::approx_constant, reason = "values of the functions, whatever constant they are")]
mod more;
#[expect(clippy::approx_constant, reason = "values of the functions, whatever constant they are")]
mod table;

use super::num::{Float, Num};
use super::watch::Watch;
use super::{Real, Scalar};
use crate::exec::expr::{Expr, UnaryOp};

/// Every function, and how many last places (ULP) it may be wrong in f32 and f64. The error of the
/// first six is promised to be at most 2; the others' is what was measured, rounded up.
const FUNCTIONS: [(&str, UnaryOp, f64); 17] = [
    ("exp", UnaryOp::Exp, 1.1),
    ("log", UnaryOp::Log, 1.0),
    ("sin", UnaryOp::Sin, 1.6),
    ("cos", UnaryOp::Cos, 1.6),
    ("tanh", UnaryOp::Tanh, 1.4),
    ("erf", UnaryOp::Erf, 1.4),
    ("expm1", UnaryOp::Expm1, 2.0),
    ("log1p", UnaryOp::Log1p, 1.0),
    ("sigmoid", UnaryOp::Sigmoid, 2.5),
    ("tan", UnaryOp::Tan, 4.0),
    ("exp2", UnaryOp::Exp2, 1.1),
    ("log2", UnaryOp::Log2, 1.0),
    ("log10", UnaryOp::Log10, 1.0),
    ("cbrt", UnaryOp::Cbrt, 1.0),
    ("erfc", UnaryOp::Erfc, 5.0),
    ("erfcx", UnaryOp::Erfcx, 5.0),
    ("erfinv", UnaryOp::Erfinv, 5.0),
];

/// Functions with zeros that are no number of the format, near which only the absolute error is small.
const WITH_ZEROS: [(&str, UnaryOp); 2] = [("lgamma", UnaryOp::Lgamma), ("digamma", UnaryOp::Digamma)];

/// The distance from one number of the format to the next, at `y`.
fn last_place<T: Float>(y: f64) -> f64 {
    let exponent = (y.abs().max(T::FORMAT.min_normal).to_bits() >> 52) as i32 - 1023;
    // In two factors: the least denormal is below what `powi` can invert.
    2.0_f64.powi(exponent.min(T::FORMAT.bias as i32)) * 2.0_f64.powi(-(T::FORMAT.mantissa as i32))
}

/// The error of `got` in last places; 0 where both are NaN, or `exact` is beyond the format's range
/// and `got` the infinity it rounds to.
fn error<T: Float>(got: f64, exact: f64) -> f64 {
    let rounded = T::rounded(exact).widened();
    if got == rounded && rounded.is_infinite() || got.is_nan() && exact.is_nan() {
        return 0.0;
    }
    // Infinity stands for the first number too great.
    let beyond = 2.0 * 2.0_f64.powi(T::FORMAT.bias as i32);
    (got.clamp(-beyond, beyond) - exact).abs() / last_place::<T>(exact)
}

#[test]
fn f32_functions_are_within_their_bounds_over_all_exponents() {
    fn sweep<const FMA: bool>(name: &str, op: UnaryOp, bound: f64) {
        let oracle = Expr::record(1, |x| op.apply(x[0]));
        // A prime stride: 215,000 numbers, of every sign, exponent and NaN.
        for bits in (0..=u32::MAX).step_by(19_997) {
            let x = f32::from_bits(bits);
            let got = op.apply(Num::<f32, FMA, true>(x)).0;
            let exact = oracle.eval_f64(&[f64::from(x)]);
            let wrong = error::<f32>(f64::from(got), exact);
            assert!(wrong <= bound, "{name}({x:e}) = {got:e}, not {exact:e}: {wrong} ULP, fused: {FMA}");
            let signs = (got.is_sign_negative(), exact.is_sign_negative());
            assert!(x.is_nan() || got.is_nan() || signs.0 == signs.1, "sign of {name}({x:e})");
        }
    }
    for (name, op, bound) in FUNCTIONS {
        sweep::<true>(name, op, bound);
        sweep::<false>(name, op, bound);
    }
}

/// The table is rounded, so half an ULP is added to each bound.
#[test]
fn f64_functions_are_within_their_bounds_at_tabulated_numbers() {
    for (name, rows) in table::UNARY.iter().chain(more::UNARY) {
        let Some((_, op, bound)) = FUNCTIONS.into_iter().find(|row| row.0 == *name) else {
            assert!(WITH_ZEROS.iter().any(|row| row.0 == *name), "{name}");
            continue;
        };
        for &(x, exact) in *rows {
            let fused = op.apply(Num::<f64, true, true>(x)).0;
            let plain = op.apply(Num::<f64, false, true>(x)).0;
            for got in [fused, plain] {
                let wrong = error::<f64>(got, exact);
                assert!(wrong <= bound + 0.5, "{name}({x:e}) = {got:e}, not {exact:e}: {wrong} ULP");
                assert_eq!(got.is_sign_negative(), exact.is_sign_negative(), "sign of {name}({x:e})");
            }
        }
    }
}

/// Promised: 1e-6 (f32) and 1e-13 (f64), of the value or, where that is small, of what it is a difference of.
#[test]
fn functions_with_zeros_are_within_their_bounds() {
    for (name, op) in WITH_ZEROS {
        let rows = more::UNARY.iter().find(|row| row.0 == name).expect("rows of every function").1;
        for &(x, exact) in rows {
            for got in [op.apply(Num::<f64, true, true>(x)).0, op.apply(Num::<f64, false, true>(x)).0] {
                let close = (got - exact).abs() <= 1e-13 * exact.abs().max(0.5);
                assert!(close, "{name}({x:e}) = {got:e}, not {exact:e}");
            }
        }
        let oracle = Expr::record(1, |x| op.apply(x[0]));
        let small = (-8000..8000).map(|i| i as f32 * 0.001_3);
        for x in small.chain((0..=u32::MAX).step_by(99_991).map(f32::from_bits)) {
            let exact = oracle.eval_f64(&[f64::from(x)]);
            // Between two poles digamma is a difference of terms as great as the logarithm.
            let size = exact.abs().max(f64::from(x.abs()).ln()).max(1.0);
            for got in [op.apply(Num::<f32, true, true>(x)).0, op.apply(Num::<f32, false, true>(x)).0] {
                let close = (f64::from(got) - exact).abs() <= 1e-6 * size;
                let same = f64::from(got) == f64::from(exact as f32) || got.is_nan() && exact.is_nan();
                assert!(close || same, "{name}({x:e}) = {got:e}, not {exact:e}");
            }
        }
    }
}

#[test]
fn angles_are_within_their_bounds_and_have_the_special_cases_of_c() {
    for &(y, x, exact) in more::ATAN2 {
        for got in [Num::<f64, true, true>(y).atan2(Num(x)).0, Num::<f64, false, true>(y).atan2(Num(x)).0] {
            assert!(error::<f64>(got, exact) <= 3.0, "atan2({y:e}, {x:e}) = {got:e}, not {exact:e}");
        }
    }
    let numbers = [0.0, 1.0, 3.5, 1e-30, 1e30, f32::MIN_POSITIVE, f32::MAX, f32::INFINITY, f32::NAN];
    let numbers = numbers.into_iter().flat_map(|x| [x, -x]).collect::<Vec<_>>();
    for &y in &numbers {
        for &x in &numbers {
            let exact = f64::from(y).atan2(f64::from(x));
            for got in [Num::<f32, true, true>(y).atan2(Num(x)).0, Num::<f32, false, true>(y).atan2(Num(x)).0]
            {
                let close = error::<f32>(f64::from(got), exact) <= 3.0;
                let signed = got.is_nan() || got.is_sign_negative() == exact.is_sign_negative();
                assert!(close && signed, "atan2({y:e}, {x:e}) = {got:e}, not {exact:e}");
            }
        }
    }
}

/// In a loop, what the multiply-add cannot do must be noted; elsewhere every remainder is exact.
#[test]
fn remainders_are_exact() {
    let numbers = [0.0, 1.0, 3.0, 0.1, 7.5, 1e-3, 1e7, 1e20, 1e-300, 5e-324, 1e300, f64::INFINITY, f64::NAN];
    let more = (1..40).map(|i| f64::from(i) * 0.37).collect::<Vec<_>>();
    let numbers = numbers.into_iter().chain(more).flat_map(|x| [x, -x]).collect::<Vec<_>>();
    for &x in &numbers {
        for &y in &numbers {
            let exact = x % y;
            let near = Watch::<f64, true>::new(x).rem(Watch::new(y));
            let plain = Watch::<f64, false>::new(x).rem(Watch::new(y));
            assert!(plain.far);
            for got in [Some(Num::<f64, true, true>(x).rem(Num(y)).0), (!near.far).then_some(near.value.0)] {
                let same =
                    got.is_none_or(|got| got.to_bits() == exact.to_bits() || got.is_nan() && exact.is_nan());
                assert!(same, "{x:e} % {y:e} = {got:?}, not {exact:e}");
            }
            assert!(near.far || (x / y).abs() < 4.6e15, "{x:e} % {y:e}");
        }
    }
}

#[test]
fn powers_and_roots_of_integers_are_exact() {
    fn check<R: Real>(value: impl Fn(R) -> f64) {
        let at = |op: UnaryOp, x: f64| value(op.apply(R::literal(x)));
        for i in -37..38 {
            let power = 2.0_f64.powi(3 * i);
            assert_eq!(at(UnaryOp::Exp2, f64::from(3 * i)), power);
            assert_eq!(at(UnaryOp::Log2, power), f64::from(3 * i));
            assert_eq!(at(UnaryOp::Cbrt, power), 2.0_f64.powi(i));
        }
        for i in 0..11 {
            assert_eq!(at(UnaryOp::Log10, 10.0_f64.powi(i)), f64::from(i));
        }
        for i in 1..256 {
            let root = f64::from(i);
            assert_eq!([at(UnaryOp::Cbrt, root.powi(3)), at(UnaryOp::Cbrt, -root.powi(3))], [root, -root]);
        }
    }
    check::<Num<f32, true, true>>(|y| f64::from(y.0));
    check::<Num<f32, false, true>>(|y| f64::from(y.0));
    check::<Num<f64, true, true>>(|y| y.0);
    check::<Num<f64, false, true>>(|y| y.0);
    for i in 11..23 {
        assert_eq!(Num::<f64, true, true>(10.0_f64.powi(i)).log10().0, f64::from(i));
    }
}

/// Promised of powers: 1e-13 relative in f64, 1e-6 in f32. The bounds are what was measured, doubled.
#[test]
fn powers_are_within_their_bounds() {
    for &(x, y, exact) in table::POW {
        for got in [Num::<f64, true, true>(x).pow(Num(y)).0, Num::<f64, false, true>(x).pow(Num(y)).0] {
            let tolerance = 4e-15 * exact.abs() + f64::from_bits(1);
            assert!((got - exact).abs() <= tolerance, "{x:e}^{y:e} = {got:e}, not {exact:e}");
        }
    }
    for i in 0..200_u32 {
        for j in 0..200_u32 {
            // Bases over all exponents, and exponents that keep the power finite or just do not.
            let x = f32::from_bits(i * 10_650_000 + 77);
            let y = (j as f32 - 100.0) / 100.0 * 150.0 / x.log2().abs().max(0.1);
            let exact = f64::from(x).powf(f64::from(y));
            for got in [Num::<f32, true, true>(x).pow(Num(y)).0, Num::<f32, false, true>(x).pow(Num(y)).0] {
                let least = f64::from(f32::from_bits(1));
                let close = (f64::from(got) - exact).abs() <= 5e-7 * exact.abs() + least;
                let overflow = got.is_infinite() && exact >= f64::from(f32::MAX);
                assert!(close || overflow, "{x:e}^{y:e} = {got:e}, not {exact:e}");
            }
        }
    }
}

#[test]
fn powers_have_the_special_cases_of_c() {
    let numbers = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 1e300, f64::INFINITY, f64::NAN, 5e-324, 4503599627370497.0];
    let numbers = numbers.into_iter().flat_map(|x| [x, -x]).collect::<Vec<_>>();
    for &x in &numbers {
        for &y in &numbers {
            let (got, exact) = (Num::<f64, true, true>(x).pow(Num(y)).0, x.powf(y));
            let same = got == exact && got.is_sign_negative() == exact.is_sign_negative();
            let close = exact.is_normal() && (got - exact).abs() <= 4e-15 * exact.abs();
            assert!(same || close || got.is_nan() && exact.is_nan(), "{x:e}^{y:e} = {got:e}, not {exact:e}");
        }
    }
}

#[test]
fn limits_signed_zeros_and_nan_are_right() {
    fn check<R: Real>(value: impl Fn(R) -> f64) {
        let infinity = f64::INFINITY;
        let at = |op: UnaryOp, x: f64| value(op.apply(R::literal(x)));
        for (name, op) in FUNCTIONS.map(|row| (row.0, row.1)).into_iter().chain(WITH_ZEROS) {
            assert!(at(op, f64::NAN).is_nan(), "{name}(NaN)");
        }
        let odd = [UnaryOp::Sin, UnaryOp::Tan, UnaryOp::Tanh, UnaryOp::Erf, UnaryOp::Expm1, UnaryOp::Log1p];
        for op in odd.into_iter().chain([UnaryOp::Cbrt, UnaryOp::Erfinv]) {
            assert_eq!(
                [at(op, 0.0), at(op, -0.0)].map(f64::to_bits),
                [0.0_f64, -0.0].map(f64::to_bits),
                "{op:?}"
            );
        }
        for op in [UnaryOp::Sin, UnaryOp::Cos, UnaryOp::Tan] {
            assert!(at(op, infinity).is_nan() && at(op, -infinity).is_nan(), "{op:?}");
        }
        let limits = [
            (UnaryOp::Exp, infinity, infinity),
            (UnaryOp::Exp, -infinity, 0.0),
            (UnaryOp::Expm1, infinity, infinity),
            (UnaryOp::Expm1, -infinity, -1.0),
            (UnaryOp::Log, 0.0, -infinity),
            (UnaryOp::Log, -0.0, -infinity),
            (UnaryOp::Log, infinity, infinity),
            (UnaryOp::Log1p, -1.0, -infinity),
            (UnaryOp::Log1p, infinity, infinity),
            (UnaryOp::Tanh, infinity, 1.0),
            (UnaryOp::Tanh, -infinity, -1.0),
            (UnaryOp::Sigmoid, infinity, 1.0),
            (UnaryOp::Sigmoid, -infinity, 0.0),
            (UnaryOp::Erf, infinity, 1.0),
            (UnaryOp::Erf, -infinity, -1.0),
            (UnaryOp::Cos, 0.0, 1.0),
            (UnaryOp::Exp2, infinity, infinity),
            (UnaryOp::Exp2, -infinity, 0.0),
            (UnaryOp::Log2, 0.0, -infinity),
            (UnaryOp::Log2, infinity, infinity),
            (UnaryOp::Log10, -0.0, -infinity),
            (UnaryOp::Log10, infinity, infinity),
            (UnaryOp::Cbrt, infinity, infinity),
            (UnaryOp::Cbrt, -infinity, -infinity),
            (UnaryOp::Erfc, infinity, 0.0),
            (UnaryOp::Erfc, -infinity, 2.0),
            (UnaryOp::Erfcx, infinity, 0.0),
            (UnaryOp::Erfcx, -infinity, infinity),
            (UnaryOp::Erfinv, 1.0, infinity),
            (UnaryOp::Erfinv, -1.0, -infinity),
            (UnaryOp::Lgamma, 0.0, infinity),
            (UnaryOp::Lgamma, -0.0, infinity),
            (UnaryOp::Lgamma, -3.0, infinity),
            (UnaryOp::Lgamma, -1e30, infinity),
            (UnaryOp::Lgamma, infinity, infinity),
            (UnaryOp::Lgamma, -infinity, infinity),
            (UnaryOp::Lgamma, 1.0, 0.0),
            (UnaryOp::Lgamma, 2.0, 0.0),
            (UnaryOp::Digamma, infinity, infinity),
        ];
        for (op, x, y) in limits {
            assert_eq!(at(op, x), y, "{op:?}({x})");
        }
        let undefined = [
            (UnaryOp::Log, -1.0),
            (UnaryOp::Log, -infinity),
            (UnaryOp::Log1p, -1.5),
            (UnaryOp::Log2, -1.0),
            (UnaryOp::Log10, -1.0),
            (UnaryOp::Erfinv, 1.5),
            (UnaryOp::Erfinv, -infinity),
            (UnaryOp::Digamma, 0.0),
            (UnaryOp::Digamma, -2.0),
            (UnaryOp::Digamma, -infinity),
        ];
        for (op, x) in undefined {
            assert!(at(op, x).is_nan(), "{op:?}({x})");
        }
    }
    check::<Num<f32, true, true>>(|y| f64::from(y.0));
    check::<Num<f32, false, true>>(|y| f64::from(y.0));
    check::<Num<f64, true, true>>(|y| y.0);
    check::<Num<f64, false, true>>(|y| y.0);
}

#[test]
fn rounding_and_order_are_the_same_by_arithmetic_as_by_instruction() {
    let ops = [UnaryOp::Floor, UnaryOp::Ceil, UnaryOp::Round, UnaryOp::Trunc, UnaryOp::Sign, UnaryOp::Abs];
    for op in ops {
        let oracle = Expr::record(1, |x| op.apply(x[0]));
        let halves = (-40..40).map(|i| i as f32 * 0.25);
        for x in halves.chain((0..=u32::MAX).step_by(71_993).map(f32::from_bits)) {
            let exact = oracle.eval_f32(&[x]);
            for got in [op.apply(Num::<f32, true, true>(x)).0, op.apply(Num::<f32, false, true>(x)).0] {
                assert!(
                    got.to_bits() == exact.to_bits() || x.is_nan() && got.is_nan(),
                    "{op:?}({x:e}) = {got:e}"
                );
            }
        }
    }
}

#[test]
fn min_and_max_hand_nan_on() {
    let [one, two, nan] = [1.0, 2.0, f64::NAN].map(Num::<f64, true, true>);
    assert_eq!([one.min(two).0, two.min(one).0, one.max(two).0, two.max(one).0], [1.0, 1.0, 2.0, 2.0]);
    assert!([nan.min(one), one.min(nan), nan.max(one), one.max(nan)].iter().all(|y| y.0.is_nan()));
}
