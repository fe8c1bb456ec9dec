//! Gathers and scatters of every kind and dtype against the reference interpreter, and inside their operands.

use super::*;
use crate::exec::{Kernel, reference};
use crate::ops::InputSet;
use crate::tensor::Tensor;

const COMBINES: [Combine; 5] = [Combine::Add, Combine::Replace, Combine::Mul, Combine::Max, Combine::Min];

fn run(kernel: &Kernel<'_>, x: &[&Tensor]) -> Tensor {
    crate::exec::cpu::run(kernel, x, x[0].spec(), InputSet::NONE).expect("positions in range")
}

fn assert_same(kernel: &Kernel<'_>, x: &[&Tensor]) {
    let expected = reference::compute(kernel, x, &[*x[0].spec()]).expect("positions in range").remove(0);
    let (got, expected) = (run(kernel, x).to_vec_of_numbers(), expected.to_vec_of_numbers());
    let bits = |number: &crate::tensor::Number| (number.as_f64().to_bits(), number.as_i64());
    assert!(got.iter().map(bits).eq(expected.iter().map(bits)), "{kernel:?} on {x:?}: {got:?}, {expected:?}");
}

/// Small whole numbers, whose sums and products every dtype holds, with NaN and infinities where there are such.
fn elements(shape: &[usize], dtype: DType, seed: i64) -> Tensor {
    let n: usize = shape.iter().product();
    let special = [f64::NAN, f64::INFINITY, -1.0, 0.0];
    let number = |i: i64| match (i * 7 + seed) % 5 {
        0 if dtype.is_float() => special[(i % 4) as usize],
        other => (other - i64::from(dtype != DType::U8)) as f64,
    };
    Tensor::from((0..n as i64).map(number).collect::<Vec<_>>()).to_dtype(dtype).reshape(shape)
}

#[test]
fn every_scatter_is_that_of_the_reference_interpreter() {
    let index = Tensor::from([[2i64, 0, 2], [-1, 1, 1]]);
    for dtype in DType::ALL {
        for combine in COMBINES {
            let (x, part) = (elements(&[2, 3, 3], dtype, 1), elements(&[2, 2, 3, 3], dtype, 2));
            assert_same(&Kernel::Scatter(Indexing::Slices, 1, combine), &[&x, &index, &part]);
            let (x, part) = (elements(&[4, 3], dtype, 1), elements(&[2, 3], dtype, 2));
            assert_same(&Kernel::Scatter(Indexing::Elements, 0, combine), &[&x, &index, &part]);
            let turned = elements(&[3, 2], dtype, 1).t();
            assert_same(&Kernel::Scatter(Indexing::Elements, 1, combine), &[&turned, &index.i32(), &part]);
            // All elements the same number, without memory of their own.
            let (ones, twos) = (x.zeros_like(), part.ones_like());
            assert_same(&Kernel::Scatter(Indexing::Elements, 0, combine), &[&ones, &index, &twos]);
        }
    }
}

#[test]
fn nothing_is_scattered_from_nothing() {
    let (x, none) = (elements(&[2, 3], DType::F32, 1), Tensor::zeros([0, 3]));
    for combine in COMBINES {
        assert_same(&Kernel::Scatter(Indexing::Elements, 0, combine), &[&x, &none.i64(), &none]);
        assert_same(&Kernel::Scatter(Indexing::Slices, 0, combine), &[&x, &Tensor::from([0i64; 0]), &none]);
    }
}

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
#[test]
fn gathers_and_scatters_stay_inside_their_operands() {
    use crate::exec::cpu::fenced::Fenced;
    let (to, from) = (Fenced::new(), Fenced::new());
    for at_end in [false, true] {
        for (outer, n, inner, m) in [(1, 3, 1, 5), (2, 4, 3, 2), (3, 1, 17, 2), (1, 9, 64, 1)] {
            for what in [Indexing::Slices, Indexing::Elements] {
                let each = if what == Indexing::Slices { m } else { outer * m * inner };
                let index: Vec<i64> = (0..each).map(|i| ((i + n - 1) % n) as i64).collect();
                let index = Tensor::from(index);
                // SAFETY: the operand is that of a tensor.
                let positions = unsafe { positions(&Operand::of(&index), n) }.expect("in range");
                let around = Around { outer, n, inner };
                let places = Places { what, around, positions: &positions, outer: 0..outer };
                let (x, y) = (outer * n * inner, outer * m * inner);
                for combine in COMBINES {
                    // SAFETY: the segments hold `x` and `y` elements.
                    unsafe {
                        places.fold::<f64>(combine, to.elements(x, at_end), from.elements(y, at_end));
                        places.fold::<u8>(combine, to.elements(x, at_end), from.elements(y, at_end));
                        let (x, y) = (to.elements(x * 2, at_end), from.elements(y * 2, at_end));
                        places.copy(Way::Read, x, y, 2);
                        places.copy(Way::Write, x, y, 2);
                    }
                }
            }
        }
    }
}
