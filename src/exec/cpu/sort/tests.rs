//! Sorts against the reference interpreter, on every instruction set, inside of their memory.

use super::*;
use crate::exec::cpu::isa::{Isa, with_isa};
use crate::exec::cpu::run_many;
use crate::exec::{Kernel, reference};
use crate::tensor::{Rng, Tensor};

const ORDERS: [Order; 2] = [Order::Ascending, Order::Descending];

fn check(x: &Tensor, sorting: Sorting) {
    let shape = x.spec().shape;
    let values = x.spec().with_shape(shape.with_dim(shape.rank() - 1, sorting.len));
    let specs = [values, values.with_dtype(DType::I64)];
    let expected = reference::compute(&Kernel::Sort(sorting), &[x], &specs).unwrap();
    for isa in Isa::available() {
        let sorted = with_isa(isa, || run_many(&Kernel::Sort(sorting), &[x], &specs)).unwrap();
        for (got, expected) in sorted.iter().zip(&expected) {
            // Bits, so that the sign of a zero counts.
            let bits =
                |x: &Tensor| x.to_vec::<f64>().unwrap().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(got), bits(expected), "{sorting:?} of {:?}", x.spec());
        }
    }
}

/// Whole sorts, both ends, the middle.
fn check_all(x: &Tensor) {
    let n = x.spec().shape.dim(x.spec().shape.rank() - 1);
    for order in ORDERS {
        for (start, len) in [(0, n), (0, n / 20), (0, 1), (n / 2, 1), (n - 1, 1), (n / 3, n / 2), (n / 3, 0)]
        {
            check(x, Sorting { order, start, len });
        }
    }
}

#[test]
fn sorts_agree_with_the_reference_interpreter() {
    for dtype in DType::ALL {
        for n in [1, 2, 63, 64, 65, 256, 257, 1500] {
            check_all(&(Rng::seed(n as u64).randn([2, n]) * 50.0).to_dtype(dtype));
        }
    }
}

#[test]
fn ties_nan_infinities_and_zeros_of_either_sign_keep_their_order() {
    let odd =
        [0.0, -0.0, f64::NAN, 1.0, f64::INFINITY, -f64::NAN, f64::NEG_INFINITY, -0.0, 0.0, 1e-320, -1.0];
    for n in [11, 40, 300, 2000] {
        let x = Tensor::from_vec((0..n).map(|i| odd[i * i % odd.len()]).collect::<Vec<_>>(), [1, n]);
        for dtype in [DType::F64, DType::F32, DType::F16, DType::BF16] {
            check_all(&x.to_dtype(dtype));
        }
    }
}

#[test]
fn keys_of_64_bits_are_told_apart_by_their_last() {
    let n = 1000;
    let i64s = [i64::MIN, i64::MAX, 0, 1, 2, -1, 1 << 40, (1 << 40) + 1];
    check_all(&Tensor::from_vec((0..n).map(|i| i64s[i * 7 % 8]).collect::<Vec<_>>(), [1, n]));
    let close = (0..n).map(|i| if i == 0 { -1e300 } else { 1.0 + (i * 37 % n) as f64 * f64::EPSILON });
    check_all(&Tensor::from_vec(close.collect::<Vec<_>>(), [1, n]));
}

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
#[test]
fn sorts_stay_inside_their_operands() {
    use crate::exec::cpu::fenced::Fenced;
    let [x, y, at] = [(); 3].map(|()| Fenced::new());
    for n in [1, 63, 64, 65, 300, 1000] {
        for at_end in [false, true] {
            for (start, len) in [(0, n), (0, 1), (n - 1, 1)] {
                let sorting = Sorting { order: Order::Ascending, start, len };
                let from = x.elements::<f32>(2 * n, at_end);
                let (y, at) = (y.elements::<f32>(2 * len, at_end), at.elements(2 * len, at_end));
                // SAFETY: the segments hold two rows each.
                unsafe { sort_rows::<f32>(sorting, 2, n, from.cast(), y.cast(), at) };
            }
        }
    }
}
