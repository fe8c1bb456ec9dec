//! Every instruction set against the symbolic form's slow evaluation, at every length, up to the last
//! byte of a page.

use super::*;
use crate::exec::cpu::isa::{Isa, with_isa};
use crate::exec::expr::Expr;
use crate::exec::scalar::Mask;

macro_rules! pointwise {
    ($($name:ident $arity:literal |$x:ident: $S:ident| $body:expr;)*) => {$(
        #[derive(Clone, Copy)]
        struct $name;
        impl Pointwise<$arity> for $name {
            #[inline(always)]
            fn scalar<$S: Scalar>(&self, $x: [$S; $arity]) -> $S {
                $body
            }
        }
    )*};
}

pointwise! {
    Sum 2 |x: S| x[0] + x[1];
    Product 2 |x: S| x[0] * x[1];
    Quotient 2 |x: S| x[0] / x[1];
    Fused 3 |x: S| x[0].mul_add(x[1], x[2]);
    Exp 1 |x: S| x[0].exp();
    Tanh 1 |x: S| x[0].tanh();
    Sine 1 |x: S| x[0].sin();
    Relu 1 |x: S| S::select(x[0].gt(S::literal(0.0)), x[0], S::literal(0.0));
}

/// An operation with an attribute.
#[derive(Clone, Copy)]
struct Between {
    least: f64,
    most: f64,
}

impl Predicate<1> for Between {
    #[inline(always)]
    fn test<S: Scalar>(&self, [x]: [S; 1]) -> S::Mask {
        x.ge(S::literal(self.least)).and(x.le(S::literal(self.most)))
    }
}

/// A decision that depends on the reduction of great angles.
#[derive(Clone, Copy)]
struct CosineIsPositive;

impl Predicate<1> for CosineIsPositive {
    #[inline(always)]
    fn test<S: Scalar>(&self, [x]: [S; 1]) -> S::Mask {
        x.cos().gt(S::literal(0.0))
    }
}

fn record<O: Pointwise<N>, const N: usize>(op: &O) -> Expr {
    Expr::record(N, |x| op.scalar(std::array::from_fn(|i| x[i])))
}

/// Lengths around every tile's and register's.
const LENGTHS: std::ops::Range<usize> = 0..71;

fn map_vec<O: Pointwise<N>, T: Element, const N: usize>(op: &O, x: &[Vec<T>; N], n: usize) -> Vec<T> {
    let mut y = vec![x[0][0]; n];
    assert!(x.iter().all(|x| x.len() >= n));
    // SAFETY: each operand has at least `n` elements, `y` is a vector of its own.
    unsafe { map(op, std::array::from_fn(|i| x[i].as_ptr()), y.as_mut_ptr(), n) };
    y
}

fn test_vec<O: Predicate<1>, T: Element>(op: &O, x: &[T]) -> Vec<u8> {
    let mut y = vec![77; x.len()];
    // SAFETY: both have `x.len()` elements, `y` is a vector of its own.
    unsafe { test(op, [x.as_ptr()], y.as_mut_ptr(), x.len()) };
    y
}

/// `N` operands of 70 numbers each, none of them 0.
fn operands<T, const N: usize>(number: impl Fn(i32) -> T) -> [Vec<T>; N] {
    std::array::from_fn(|i| (0..70).map(|j| number((j * 37 + i as i32 * 11) % 83 - 41)).collect())
}

fn check<O: Pointwise<N>, T: Element + std::fmt::Debug, const N: usize>(
    op: O,
    x: [Vec<T>; N],
    eval: impl Fn(&Expr, &[T]) -> T,
    same: impl Fn(T, T) -> bool,
) {
    let expr = record(&op);
    for isa in Isa::available() {
        for n in LENGTHS {
            let y = with_isa(isa, || map_vec(&op, &x, n));
            for i in 0..n {
                let inputs: [T; N] = std::array::from_fn(|k| x[k][i]);
                let exact = eval(&expr, &inputs);
                assert!(same(y[i], exact), "{isa:?}, {i} of {n}, of {inputs:?}: {:?}, not {exact:?}", y[i]);
            }
        }
    }
}

/// Exactly so.
fn exact_f32(got: f32, want: f32) -> bool {
    got == want
}

/// 2 ULP, the bound of `exp`, `sin` and `tanh`, and one for what `want` was rounded by.
fn close_f32(got: f32, want: f32) -> bool {
    got.to_bits().abs_diff(want.to_bits()) <= 3
}

fn close_f64(got: f64, want: f64) -> bool {
    got.to_bits().abs_diff(want.to_bits()) <= 3
}

#[test]
fn floats_are_mapped_right_at_every_length() {
    let single = |i: i32| i as f32 * 0.37 + 0.01;
    let double = |i: i32| f64::from(i) * 0.37 + 0.01;
    check(Sum, operands(single), Expr::eval_f32, exact_f32);
    check(Product, operands(single), Expr::eval_f32, exact_f32);
    check(Quotient, operands(single), Expr::eval_f32, exact_f32);
    check(Relu, operands(single), Expr::eval_f32, exact_f32);
    check(Exp, operands(single), Expr::eval_f32, close_f32);
    check(Tanh, operands(single), Expr::eval_f32, close_f32);
    check(Sine, operands(single), Expr::eval_f32, close_f32);
    check(Sum, operands(double), Expr::eval_f64, |a, b| a == b);
    check(Quotient, operands(double), Expr::eval_f64, |a, b| a == b);
    check(Exp, operands(double), Expr::eval_f64, close_f64);
    check(Tanh, operands(double), Expr::eval_f64, close_f64);
    check(Sine, operands(double), Expr::eval_f64, close_f64);
}

#[test]
fn integers_are_mapped_right_at_every_length() {
    let odd = |i: i32| 2 * i + 1;
    check(Sum, operands(|i| i64::MAX.wrapping_sub(i64::from(i))), Expr::eval_i64, |a, b| a == b);
    check(Fused, operands(|i| i64::from(i) << 40), Expr::eval_i64, |a, b| a == b);
    check(Quotient, operands(|i| i64::from(odd(i))), Expr::eval_i64, |a, b| a == b);
    check(Product, operands(|i| i << 20), Expr::eval_i32, |a, b| a == b);
    check(Quotient, operands(odd), Expr::eval_i32, |a, b| a == b);
    check(Relu, operands(|i| i), Expr::eval_i32, |a, b| a == b);
    check(Product, operands(|i| i as u8), Expr::eval_u8, |a, b| a == b);
    check(Quotient, operands(|i| odd(i) as u8), Expr::eval_u8, |a, b| a == b);
}

#[test]
fn predicates_write_zeros_and_ones_at_every_length() {
    let op = Between { least: -3.0, most: 5.5 };
    let expr = Expr::record_mask(1, |x| op.test([x[0]]));
    let single: Vec<f32> =
        (0..70).map(|i| if i % 9 == 0 { f32::NAN } else { i as f32 * 0.5 - 12.0 }).collect();
    let integer: Vec<i64> = (0..70).map(|i| i % 13 - 6).collect();
    for isa in Isa::available() {
        for n in LENGTHS {
            let got = with_isa(isa, || (test_vec(&op, &single[..n]), test_vec(&op, &integer[..n])));
            let want = single[..n].iter().map(|&x| expr.eval_f32(&[x]) as u8);
            assert_eq!(got.0, want.collect::<Vec<_>>(), "{isa:?}");
            let want = integer[..n].iter().map(|&x| expr.eval_i64(&[x]) as u8);
            assert_eq!(got.1, want.collect::<Vec<_>>(), "{isa:?}");
        }
    }
}

#[test]
fn great_angles_are_reduced_rightly_amid_small_ones() {
    let expr = record(&Sine);
    let [mut single] = operands::<f32, 1>(|i| i as f32 * 0.37 + 0.01);
    let [mut double] = operands::<f64, 1>(|i| f64::from(i) * 0.37 + 0.01);
    for (at, angle) in [(3, 131_073.0), (20, -3e7), (21, 1e38), (69, 2e20)] {
        single[at] = angle as f32;
        double[at] = angle * angle;
    }
    single[40] = f32::INFINITY;
    for isa in Isa::available() {
        with_isa(isa, || {
            let y = map_vec(&Sine, &[single.clone()], 70);
            let z = map_vec(&Sine, &[double.clone()], 70);
            for i in 0..70 {
                let want = expr.eval_f32(&[single[i]]);
                assert!(
                    close_f32(y[i], want) || want.is_nan() && y[i].is_nan(),
                    "sin({:e}) = {}",
                    single[i],
                    y[i]
                );
                assert!(close_f64(z[i], expr.eval_f64(&[double[i]])), "sin({:e}) = {}", double[i], z[i]);
            }
            let want: Vec<u8> = double.iter().map(|x| u8::from(x.cos() > 0.0)).collect();
            assert_eq!(test_vec(&CosineIsPositive, &double), want);
        });
    }
}

#[test]
fn a_value_depends_neither_on_place_nor_on_neighbours() {
    let [mut x] = operands::<f32, 1>(|i| i as f32 * 1.37 + 0.01);
    x[35] = 1e20;
    for isa in Isa::available() {
        with_isa(isa, || {
            let all = map_vec(&Sine, &[x.clone()], 70);
            let each = x.iter().map(|&x| map_vec(&Sine, &[vec![x]], 1)[0]);
            assert!(all.iter().zip(each).all(|(a, b)| a.to_bits() == b.to_bits()), "{isa:?}");
        });
    }
}

#[test]
fn isas_that_fuse_agree_bit_for_bit() {
    let x: [Vec<f64>; 3] = operands(|i| f64::from(i) * 0.371 + 0.01);
    let results: Vec<_> = Isa::available()
        .filter(|&isa| isa != Isa::Plain)
        .map(|isa| with_isa(isa, || (map_vec(&Fused, &x, 70), map_vec(&Tanh, &[x[0].clone()], 70))))
        .collect();
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
}

/// Loops that read or write beyond their operands die of it.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod pages {
    use super::*;
    use crate::exec::cpu::fenced::Fenced;

    fn check<T: Element + From<u8> + PartialEq + std::fmt::Debug>(
        fences: &[Fenced; 4],
        n: usize,
        at_end: bool,
    ) {
        let x: [*mut T; 2] = std::array::from_fn(|i| fences[i].elements(n, at_end));
        let y: *mut T = fences[2].elements(n, at_end);
        let truth: *mut u8 = fences[3].elements(n, at_end);
        for i in 0..n {
            // SAFETY: the fenced memory holds `n` elements at each of these.
            unsafe {
                x[0].add(i).write(T::from(i as u8));
                x[1].add(i).write(T::from(3));
            }
        }
        let op = Between { least: 2.0, most: 7.0 };
        // SAFETY: `n` elements each, in four disjoint mappings; the results are initialised when read.
        let (y, truth) = unsafe {
            map(&Sum, x.map(<*mut T>::cast_const), y, n);
            test(&op, [x[0].cast_const()], truth, n);
            (std::slice::from_raw_parts(y, n), std::slice::from_raw_parts(truth, n))
        };
        assert!(y.iter().enumerate().all(|(i, y)| *y == T::from(i as u8 + 3)), "{n}: {y:?}");
        assert!(
            truth.iter().enumerate().all(|(i, t)| *t == u8::from((2..=7).contains(&i))),
            "{n}: {truth:?}"
        );
    }

    #[test]
    fn nothing_beyond_the_operands_is_touched() {
        let fences: [Fenced; 4] = std::array::from_fn(|_| Fenced::new());
        for isa in Isa::available() {
            for (n, at_end) in LENGTHS.flat_map(|n| [(n, false), (n, true)]) {
                with_isa(isa, || {
                    check::<f32>(&fences, n, at_end);
                    check::<f64>(&fences, n, at_end);
                    check::<i64>(&fences, n, at_end);
                    check::<i32>(&fences, n, at_end);
                    check::<u8>(&fences, n, at_end);
                });
            }
        }
    }
}
