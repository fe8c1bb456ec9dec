//! Every function, bit for bit, on both widths that the machine has, at every length of a tail.

use super::*;
use crate::exec::cpu::isa::with_isa;
use crate::exec::expr::{BinaryOp, Expr, Sym, UnaryOp};
use crate::exec::math::num::{Float, Num};
use crate::exec::scalar::{Mask, Scalar};

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

#[test]
fn more_values_than_registers_are_saved_and_restored() {
    // All factors are there before the first is used, the last one first; so are all truth values.
    let factors = Expr::record(1, |x| {
        let factors: Vec<_> = (1..60).map(|i| x[0] * Sym::literal(f64::from(i)) + x[0].sqrt()).collect();
        factors.iter().rev().fold(x[0], |sum, factor| sum.mul_add(Sym::literal(0.5), *factor))
    });
    let truths = Expr::record(1, |x| {
        let truths: Vec<_> = (0..20).map(|i| x[0].lt(Sym::literal(f64::from(i) - 10.0))).collect();
        truths
            .into_iter()
            .rev()
            .fold(x[0], |sum, truth| Sym::select(truth, sum + sum, sum - Sym::literal(1.0)))
    });
    for expr in [factors, truths] {
        check::<f32>(&expr, &[numbers(3)], |_| false);
        check::<f64>(&expr, &[numbers(3)], |_| false);
    }
}

/// Numbers and truth values in, and both out; the first output may lie over the first input.
fn mixed(lane: Lane) -> Graph {
    let recording = Recording::new(lane);
    let (x, holds) = (recording.input(0), recording.truth(1));
    let sum = Expr::record(2, |x| x[0] + Sym::select(x[1].ne(Sym::literal(0.0)), x[0], Sym::literal(3.0)));
    let less = Expr::record_mask(2, |x| x[0].lt(Sym::literal(0.5)).xor(x[1].ne(Sym::literal(0.0))));
    let outputs = [
        recording.number_at(2, recording.evaluate(&sum, &[x, holds])),
        recording.truth_at(3, recording.evaluate(&less, &[x, holds])),
        recording.number_at(4, holds),
        recording.truth_at(5, holds),
    ];
    recording.finish(outputs)
}

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
#[test]
fn truth_values_are_bytes_and_nothing_outside_is_touched() {
    use crate::exec::cpu::fenced::Fenced;
    fn check<T: Number>(fences: &[Fenced], width: Width) {
        let kernel = Kernel::of(mixed(T::LANE), width).expect("memory for code");
        for (n, at_end, over) in (0..70).flat_map(|n| [(n, true, false), (n, false, true)]) {
            let number = |fence: usize| fences[fence].elements::<T>(n, at_end);
            let byte = |fence: usize| fences[fence].elements::<u8>(n, at_end);
            let x = |i: usize| T::rounded(i as f64 * 0.3 - 2.0);
            for i in 0..n {
                // SAFETY: the segments have `n` elements.
                unsafe { (*number(0).add(i), *byte(1).add(i)) = (x(i), (i % 3 == 1) as u8) };
            }
            let y = if over { number(0) } else { number(2) };
            let table = [number(0).cast(), byte(1), y.cast(), byte(3), number(4).cast(), byte(5)];
            // SAFETY: all places have `n` elements.
            assert!(unsafe { kernel.run(table.as_ptr(), n) });
            for i in 0..n {
                let holds = i % 3 == 1;
                let sum = x(i) + if holds { x(i) } else { T::rounded(3.0) };
                // SAFETY: the segments have `n` elements.
                unsafe {
                    assert!((*y.add(i)).same(sum), "{width:?}: element {i} of {n}");
                    assert_eq!(*byte(3).add(i), u8::from((x(i).widened() < 0.5) != holds), "{i} of {n}");
                    assert!((*number(4).add(i)).same(T::rounded(f64::from(u8::from(holds)))));
                    assert_eq!(*byte(5).add(i), u8::from(holds));
                }
            }
        }
    }
    let fences: Vec<Fenced> = (0..6).map(|_| Fenced::new()).collect();
    for width in widths() {
        check::<f32>(&fences, width);
        check::<f64>(&fences, width);
    }
}

#[test]
fn a_great_angle_is_left_to_the_interpreter_wherever_it_is() {
    let expr = Expr::record(1, |x| x[0].sin() + Sym::literal(1.0));
    for width in widths() {
        for n in 1..70 {
            let mut x = vec![0.5_f32; n];
            assert!(run(&expr, &[x.clone()], n, width).is_some());
            x[n / 2] = 1e9;
            assert!(run(&expr, &[x.clone()], n, width).is_none());
            // Behind the last element it does not matter.
            x[n / 2] = 0.5;
            x.extend([1e9; 64]);
            assert!(run(&expr, &[x], n, width).is_some());
        }
    }
}

#[test]
fn equal_kernels_are_compiled_once() {
    for width in widths() {
        let [a, b, c] = [Lane::F32, Lane::F32, Lane::F64].map(|lane| Kernel::of(mixed(lane), width).unwrap());
        assert!(Arc::ptr_eq(&a, &b) && !Arc::ptr_eq(&a, &c));
    }
}

#[test]
fn kernels_are_compiled_unless_the_switch_says_no() {
    for isa in Isa::available() {
        with_isa(isa, || {
            assert_eq!(with_jit(true, width).is_some(), isa != Isa::Plain);
            assert_eq!(with_jit(false, width), None);
        });
    }
}
