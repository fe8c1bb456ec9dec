//! Every kernel against one obvious loop, over views of any strides and on every instruction set.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;
use crate::exec::cpu::isa::{Isa, with_isa};
use crate::tensor::{Element as _, Number, Shape};

const FOLDS: [Fold; 6] = [Fold::Sum, Fold::Prod, Fold::Max, Fold::Min, Fold::ArgMax, Fold::ArgMin];

/// Elements under strides, with all the memory they may reach.
#[derive(Debug)]
struct View<T> {
    data: Vec<T>,
    start: usize,
    dims: Vec<usize>,
    strides: Vec<isize>,
}

impl<T: crate::tensor::Element> View<T> {
    fn contiguous(dims: &[usize], element: impl FnMut(usize) -> T) -> View<T> {
        let shape = Shape::checked(dims).unwrap();
        let strides = shape.strides()[..dims.len()].to_vec();
        View { data: (0..shape.numel()).map(element).collect(), start: 0, dims: dims.to_vec(), strides }
    }

    fn operand(&self) -> Operand {
        let shape = Shape::checked(&self.dims).unwrap();
        let mut strides = [0; crate::tensor::MAX_RANK];
        strides[..self.strides.len()].copy_from_slice(&self.strides);
        let row_major = shape.strides();
        let contiguous = (0..shape.rank()).all(|i| shape[i] == 1 || strides[i] == row_major[i]);
        Operand { ptr: self.data[self.start..].as_ptr().cast(), dtype: T::DTYPE, shape, strides, contiguous }
    }

    fn reduce<R: Copy>(&self, fold: Fold, axes: &[usize], fill: R) -> Vec<R> {
        let x = self.operand();
        let axes: AxisSet = axes.iter().copied().collect();
        let mut y = vec![fill; axes.remove_from(&x.shape).numel()];
        // SAFETY: `y` has room for the kept axes, and the view stays inside of its data.
        unsafe { reduce(fold, axes, &x, y.as_mut_ptr().cast()) };
        y
    }

    /// For each kept position the elements along the reduced axes, in row-major order.
    fn groups(&self, axes: &[usize]) -> Vec<Vec<T>> {
        let kept: Vec<usize> = (0..self.dims.len()).filter(|i| !axes.contains(i)).collect();
        let size = |of: &[usize]| of.iter().map(|&i| self.dims[i]).product::<usize>();
        let at = |mut index: usize, of: &[usize]| {
            of.iter().rev().fold(0, |offset, &i| {
                let position = index % self.dims[i];
                index /= self.dims[i];
                offset + position as isize * self.strides[i]
            })
        };
        let mut axes = axes.to_vec();
        axes.sort_unstable();
        let element = |k, r| self.data[(self.start as isize + at(k, &kept) + at(r, &axes)) as usize];
        (0..size(&kept)).map(|k| (0..size(&axes)).map(|r| element(k, r)).collect()).collect()
    }
}

fn obvious(fold: Fold, group: &[f64]) -> f64 {
    let extreme = |better: fn(f64, f64) -> bool| {
        let better = |x: f64, best: f64| better(x, best) || x.is_nan() && !best.is_nan();
        (1..group.len()).fold(0, |best, i| if better(group[i], group[best]) { i } else { best })
    };
    match fold {
        // In parts: a plain sum of thousands of equal numbers is less exact than what it is to judge.
        Fold::Sum => group.chunks(64).map(|part| part.iter().sum::<f64>()).sum(),
        Fold::Prod => group.iter().product(),
        Fold::Max => group[extreme(|a, b| a > b)],
        Fold::Min => group[extreme(|a, b| a < b)],
        Fold::ArgMax => extreme(|a, b| a > b) as f64,
        Fold::ArgMin => extreme(|a, b| a < b) as f64,
    }
}

/// Holds every fold of `view` to the obvious one, and every instruction set to the same bits.
fn check<T: crate::tensor::Element + Default>(view: &View<T>, axes: &[usize], tolerance: f64) {
    let groups = view.groups(axes);
    let empty = groups.iter().any(Vec::is_empty);
    for fold in FOLDS {
        let position = matches!(fold, Fold::ArgMax | Fold::ArgMin);
        if position && axes.len() != 1 || empty && !matches!(fold, Fold::Sum | Fold::Prod) {
            continue;
        }
        let expected = groups.iter().map(|group| {
            let group: Vec<f64> = group.iter().map(|x| x.to_number().as_f64()).collect();
            (obvious(fold, &group), group.iter().map(|x| x.abs()).sum::<f64>(), group.len())
        });
        let results: Vec<Vec<f64>> = Isa::available()
            .map(|isa| {
                with_isa(isa, || match position {
                    true => view.reduce(fold, axes, -1i64).iter().map(|&i| i as f64).collect(),
                    false => {
                        view.reduce(fold, axes, T::default()).iter().map(|x| x.to_number().as_f64()).collect()
                    }
                })
            })
            .collect();
        for (i, (expected, magnitude, factors)) in expected.enumerate() {
            let got = results[0][i];
            let bound = match fold {
                Fold::Sum => tolerance * magnitude,
                // Every factor may round, and all the same way if they are equal.
                Fold::Prod => tolerance * factors as f64 * expected.abs(),
                _ => 0.0,
            };
            let same =
                got == expected || got.is_nan() && expected.is_nan() || (got - expected).abs() <= bound;
            assert!(same, "{fold:?} over {axes:?} of {view:?}\nat {i}: {got}, expected {expected}");
            assert!(results.iter().all(|y| y[i].to_bits() == got.to_bits()), "{fold:?} depends on the ISA");
        }
    }
}

/// A view of up to four axes: lengths with a bias to small ones, steps of -2 to 3 within a permuted block.
fn views() -> impl Strategy<Value = (Vec<usize>, Vec<isize>, usize, usize, Vec<usize>)> {
    let length = prop_oneof![6 => 1usize..6, 2 => 14usize..40, 1 => Just(0usize), 1 => 120usize..300];
    let axis = (
        length,
        prop_oneof![5 => Just(1isize), 1 => Just(-1), 1 => Just(0), 1 => Just(2), 1 => Just(-2)],
        any::<bool>(),
    );
    (proptest::collection::vec(axis, 1..5), any::<u64>()).prop_map(|(axes, order)| {
        let rank = axes.len();
        let mut nesting: Vec<usize> = (0..rank).collect();
        nesting.sort_by_key(|&i| (order >> (8 * i)) as u8);
        let (mut strides, mut block, mut start) = (vec![0; rank], 1usize, 0usize);
        // Huge views prove nothing more: lengths shrink as the block grows.
        let mut dims: Vec<usize> = axes.iter().map(|axis| axis.0).collect();
        for &i in &nesting {
            if block * dims[i] > 20_000 {
                dims[i] = dims[i].min(20_000 / block).max(1);
            }
            let step = axes[i].1;
            strides[i] = step * block as isize;
            if step < 0 {
                start += strides[i].unsigned_abs() * dims[i].saturating_sub(1);
            }
            block *= dims[i].max(1) * step.unsigned_abs().max(1);
        }
        let reduced: Vec<usize> = (0..rank).filter(|&i| axes[i].2).collect();
        (dims, strides, start, block, reduced)
    })
}

/// Numbers of both signs, in no order; so near 1 that no product of a view leaves f32, were all factors the same.
fn scrambled(i: usize) -> f64 {
    let bits = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    (0.999 + bits as f64 / (1 << 24) as f64 * 0.002) * if bits & 1 == 0 { 1.0 } else { -1.0 }
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn any_axes_of_any_view_fold_as_one_by_one((dims, strides, start, block, axes) in views()) {
        let view = View { data: (0..block).map(|i| scrambled(i) as f32).collect(), start, dims, strides };
        check(&view, &axes, 1e-6);
        let View { dims, strides, .. } = view;
        let view = View { data: (0..block).map(scrambled).collect::<Vec<f64>>(), start, dims, strides };
        check(&view, &axes, 1e-13);
    }

    #[test]
    fn any_axes_of_integers_fold_as_one_by_one((dims, strides, start, block, axes) in views()) {
        // So few different from 1 that no product leaves i32.
        let element = |i: usize| [1, -1, 1, 1, -1, 2, 1, -1, 0, 1, 1, 3, 1, -1][i % 14];
        let short = dims.iter().product::<usize>() < 40;
        let data: Vec<i32> = (0..block).map(|i| if short { element(i) } else { element(i).min(1) }).collect();
        let view = View { data, start, dims, strides };
        check(&view, &axes, 0.0);
        let View { data, dims, strides, .. } = view;
        let view = View { data: data.iter().map(|&v| i64::from(v)).collect(), start, dims, strides };
        check(&view, &axes, 0.0);
    }
}

#[test]
fn rows_and_columns_of_every_length_fold_as_one_by_one() {
    for n in 0..300 {
        check(&View::contiguous(&[n], |i| scrambled(i) as f32), &[0], 1e-6);
        check(&View::contiguous(&[3, n], |i| scrambled(i) as f32), &[1], 1e-6);
        check(&View::contiguous(&[20, n], |i| scrambled(i) as f32), &[0], 1e-6);
        check(&View::contiguous(&[n, 5], scrambled), &[0], 1e-14);
    }
    check(&View::contiguous(&[9, 1200], |i| scrambled(i) as f32), &[0], 1e-6);
    check(&View::contiguous(&[9, 1200], |i| scrambled(i) as f32), &[1], 1e-6);
}

#[test]
fn nan_wins_wherever_it_stands() {
    for n in [1, 7, 16, 40, 64, 130, 300] {
        for at in 0..n {
            let element = |i: usize| if i == at { f32::NAN } else { scrambled(i) as f32 };
            check(&View::contiguous(&[n], element), &[0], 1e-6);
            check(&View::contiguous(&[n, 20], |i| element(i / 20)), &[0], 1e-6);
            // A later NaN does not take the first one's place.
            let both = |i: usize| if i >= at { -f32::NAN } else { 1.0 };
            check(&View::contiguous(&[n], both), &[0], 1e-6);
        }
    }
}

#[test]
fn infinities_are_extremes_and_the_first_of_equals_is_found() {
    for n in [5, 16, 90, 200] {
        check(&View::contiguous(&[n], |_| f32::NEG_INFINITY), &[0], 0.0);
        check(&View::contiguous(&[n], |_| f64::INFINITY), &[0], 0.0);
        check(&View::contiguous(&[n, 17], |i| (i / 17 % 3) as f64), &[0], 1e-15);
        check(&View::contiguous(&[n], |i| (i % 7) as i32 - 3), &[0], 0.0);
    }
}

#[test]
fn long_sums_of_f32_stay_exact_to_the_last_digits() {
    let x = View::contiguous(&[10_000_000], |_| 0.1f32);
    let sum = f64::from(x.reduce(Fold::Sum, &[0], 0.0f32)[0]);
    assert!((sum - 1e6).abs() < 1.0, "{sum}");
    let columns = View { dims: vec![2_500_000, 4], strides: vec![4, 1], ..x };
    for sum in columns.reduce(Fold::Sum, &[0], 0.0f32) {
        assert!((f64::from(sum) - 250e3).abs() < 0.25, "{sum}");
    }
}

#[test]
fn a_repeated_element_counts_as_often_as_it_is_repeated() {
    let x = View { data: vec![0.5f32], start: 0, dims: vec![1000, 3, 100_000], strides: vec![0; 3] };
    assert_eq!(x.reduce(Fold::Sum, &[0, 2], 0.0f32), [5e7; 3]);
    assert_eq!(x.reduce(Fold::Max, &[0, 2], 0.0f32), [0.5; 3]);
    assert_eq!(x.reduce(Fold::ArgMax, &[0], 1i64).len(), 300_000);
    let x = View { data: vec![3i64], start: 0, dims: vec![4], strides: vec![0] };
    assert_eq!(x.reduce(Fold::Sum, &[0], 0i64), [12]);
    assert_eq!(x.reduce(Fold::Prod, &[0], 0i64), [81]);
}

#[test]
fn nothing_sums_to_zero_and_multiplies_to_one() {
    let x = View::contiguous(&[3, 0], |_| 0.0f32);
    assert_eq!(x.reduce(Fold::Sum, &[1], 7.0f32), [0.0; 3]);
    assert_eq!(x.reduce(Fold::Prod, &[1], 7.0f32), [1.0; 3]);
    for fold in FOLDS {
        assert!(x.reduce(fold, &[0], 7i64).is_empty());
    }
}

#[test]
fn bytes_and_wide_integers_wrap() {
    assert_eq!(View::contiguous(&[300], |_| 1u8).reduce(Fold::Sum, &[0], 0u8), [44]);
    assert_eq!(
        View::contiguous(&[40], |_| i64::MAX).reduce(Fold::Sum, &[0], 0i64),
        [i64::MAX.wrapping_mul(40)]
    );
    assert_eq!(View::contiguous(&[3, 20], |i| i as u8).reduce(Fold::Max, &[0], 0u8)[19], 59);
    let truth = View::contiguous(&[3], |i| i == 1);
    assert_eq!(truth.reduce(Fold::Max, &[0], false), [true]);
    assert_eq!(Number::Int(1), true.to_number());
}
