//! Every function, bit for bit, on both widths that the machine has, at every length of a tail.

use super::*;
use crate::exec::cpu::isa::with_isa;
use crate::exec::expr::{BinaryOp, Expr, UnaryOp};
use crate::exec::math::num::{Float, Num};
use crate::exec::scalar::Scalar;

const UNARY: [UnaryOp; 28] = {
    use UnaryOp::*;
    [
        Neg, Abs, Sign, Floor, Ceil, Round, Trunc, Recip, Sqrt, Exp, Expm1, Exp2, Log, Log1p, Log2, Log10,
        Cbrt, Sin, Cos, Tan, Tanh, Sigmoid, Erf, Erfc, Erfcx, Erfinv, Lgamma, Digamma,
    ]
};

const BINARY: [BinaryOp; 10] = {
    use BinaryOp::*;
    [Add, Sub, Mul, Div, Min, Max, Copysign, Rem, Pow, Atan2]
};

fn widths() -> impl Iterator<Item = Width> {
    Isa::available().filter_map(|isa| with_isa(isa, || with_jit(true, width)))
}

/// A float that kernels compute with.
trait Number: Float + std::fmt::Debug {
    const LANE: Lane;
    fn same(self, other: Self) -> bool;
}

impl Number for f32 {
    const LANE: Lane = Lane::F32;
    fn same(self, other: f32) -> bool {
        self.to_bits() == other.to_bits() || self.is_nan() && other.is_nan()
    }
}

impl Number for f64 {
    const LANE: Lane = Lane::F64;
    fn same(self, other: f64) -> bool {
        self.to_bits() == other.to_bits() || self.is_nan() && other.is_nan()
    }
}

/// Numbers of all magnitudes, special ones among them.
fn numbers<T: Number>(seed: u64) -> Vec<T> {
    let mut x: Vec<f64> = vec![0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 7.0, -7.0, 0.7, 3.0, -2.5, 1.5, f64::NAN];
    x.extend([f64::INFINITY, f64::NEG_INFINITY, 1e-310, -1e-40, 88.7, -104.0, 710.0, -745.1, 1e4, -3e4]);
    let mut state = seed;
    for i in 0..400 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let unit = (state >> 11) as f64 / 2.0_f64.powi(53) * 2.0 - 1.0;
        x.push(unit * [1.0, 4.0, 30.0, 1e-3][i % 4] * 10.0_f64.powi(i as i32 % 3));
    }
    let swap = seed as usize % x.len();
    x.rotate_left(swap);
    x.into_iter().map(T::rounded).collect()
}

/// Runs the kernel of `expr` on the first `n` elements of `x`.
fn run<T: Number>(expr: &Expr, x: &[Vec<T>], n: usize, width: Width) -> Option<Vec<T>> {
    let recording = Recording::new(T::LANE);
    let inputs: Vec<Value<'_>> = (0..x.len()).map(|at| recording.input(at as u16)).collect();
    let y = recording.evaluate(expr, &inputs);
    let y = recording.number_at(x.len() as u16, y);
    let kernel = Kernel::of(recording.finish([y]), width).expect("memory for code");
    let mut y = vec![T::rounded(-77.0); n + 1];
    let mut table: Vec<*mut u8> = x.iter().map(|x| x.as_ptr().cast_mut().cast()).collect();
    table.push(y.as_mut_ptr().cast());
    // SAFETY: the machine has the width, and all places have `n` elements.
    let near = unsafe { kernel.run(table.as_ptr(), n) };
    assert!(y[n].same(T::rounded(-77.0)), "wrote beyond {n} elements");
    y.truncate(n);
    near.then_some(y)
}

fn check<T: Number>(expr: &Expr, x: &[Vec<T>], far: impl Fn(f64) -> bool)
where
    Num<T, true, true>: Scalar,
{
    for width in widths() {
        for n in [x[0].len(), 1, 3, 7, 8, 15, 16, 17, 31, 33, 64, 70] {
            let Some(y) = run(expr, x, n, width) else {
                assert!(x.iter().any(|x| x[..n].iter().any(|x| far(x.widened()))), "{width:?} {n}\n{expr}");
                continue;
            };
            for (i, y) in y.into_iter().enumerate() {
                let x: Vec<Num<T, true, true>> = x.iter().map(|x| Num(x[i])).collect();
                let expected = expr.replay(&x).0;
                assert!(y.same(expected), "{width:?} {n}: {y:?} is not {expected:?} at {x:?}\n{expr}");
            }
        }
    }
}

fn check_all<T: Number>() {
    for op in UNARY {
        let expr = Expr::record(1, |x| op.apply(x[0]));
        let angle = matches!(op, UnaryOp::Sin | UnaryOp::Cos | UnaryOp::Tan);
        check::<T>(&expr, &[numbers(1)], |x| angle && x.abs() > T::FORMAT.far);
        // Without great angles, so that there is something to compare.
        let small =
            numbers::<T>(1).into_iter().map(|x| if x.widened().abs() < 100.0 { x } else { T::rounded(0.1) });
        check::<T>(&expr, &[small.collect()], |_| false);
    }
    for op in BINARY {
        let expr = Expr::record(2, |x| op.apply(x[0], x[1]));
        let rem = matches!(op, BinaryOp::Rem);
        check::<T>(&expr, &[numbers(1), numbers(7)], |_| rem);
        let positive = numbers::<T>(7).into_iter().map(|x| T::rounded(1.0 + x.widened().abs().min(50.0)));
        let finite =
            numbers::<T>(1).into_iter().map(|x| if x.widened().abs() < 100.0 { x } else { T::rounded(0.1) });
        check::<T>(&expr, &[finite.collect(), positive.collect()], |_| false);
    }
}

#[test]
fn functions_of_f32_have_the_bits_of_the_loops() {
    check_all::<f32>();
}

#[test]
fn functions_of_f64_have_the_bits_of_the_loops() {
    check_all::<f64>();
}
