//! Scans against the reference interpreter, on every instruction set, inside of their memory.

use super::*;
use crate::exec::cpu;
use crate::exec::cpu::isa::{Isa, with_isa};
use crate::exec::{Kernel, reference};
use crate::ops::InputSet;
use crate::tensor::{Rng, Spec, Tensor};

/// Lengths around blocks of eight, around a tile of 512 columns and around a block of 256 elements.
const SHAPES: [[usize; 3]; 9] = [
    [1, 1, 1],
    [2, 7, 1],
    [1, 8, 1],
    [3, 17, 1],
    [1, 300, 1],
    [2, 5, 3],
    [1, 9, 513],
    [2, 1, 4],
    [2, 259, 2],
];
const EVERY: [Running; 6] =
    [Running::Sum, Running::Prod, Running::Max, Running::Min, Running::LogSumExp, Running::Recurrence];

fn numbers(dtype: DType, shape: &[usize], seed: u64) -> Tensor {
    let x = Rng::seed(seed).randn(shape);
    // So that products neither vanish nor overflow; few integers, so that there are ties.
    if dtype.is_float() { (x * 0.1 + 0.95).to_dtype(dtype) } else { (x * 2.0).abs().to_dtype(dtype) }
}

fn scanned(scan: Scan, x: &[&Tensor]) -> Vec<Tensor> {
    let spec = *x[0].spec();
    match scan.running {
        Running::Max | Running::Min => {
            let specs = [spec, spec.with_dtype(DType::I64)];
            cpu::run_many(&Kernel::Scan(scan), x, &specs).expect("no data can fail")
        }
        _ => vec![cpu::run(&Kernel::Scan(scan), x, &spec, InputSet::NONE).expect("no data can fail")],
    }
}

fn bits(y: &[Tensor]) -> Vec<Vec<u64>> {
    y.iter().map(|y| y.to_vec::<f64>().unwrap().iter().map(|v| v.to_bits()).collect()).collect()
}

/// Holds a scan to the reference interpreter, and every instruction set to the same bits.
fn check(scan: Scan, x: &[&Tensor]) {
    let y = scanned(scan, x);
    for isa in Isa::available() {
        assert_eq!(bits(&with_isa(isa, || scanned(scan, x))), bits(&y), "{scan:?} on {isa:?}");
    }
    let specs: Vec<Spec> = y.iter().map(|y| *y.spec()).collect();
    let tolerance = match x[0].spec().dtype {
        DType::F64 => 1e-12,
        DType::F32 => 1e-6,
        DType::F16 | DType::BF16 => 1e-2,
        _ => 0.0,
    };
    for (y, expected) in y.iter().zip(reference::compute(&Kernel::Scan(scan), x, &specs).unwrap()) {
        assert!(y.allclose(&expected, tolerance, tolerance).unwrap(), "{scan:?}: {y} is not {expected}");
    }
}

#[test]
fn scans_agree_with_the_reference_interpreter() {
    for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16, DType::I64, DType::I32, DType::U8] {
        for shape in SHAPES {
            for running in EVERY {
                let (a, b) = (numbers(dtype, &shape, 1), numbers(dtype, &shape, 2));
                if matches!(running, Running::LogSumExp | Running::Recurrence) && !dtype.is_float() {
                    continue;
                }
                check(Scan { running, axis: 1, direction: Direction::Forward }, &[&a, &b]);
                if !matches!(running, Running::Max | Running::Min) {
                    check(Scan { running, axis: 1, direction: Direction::Backward }, &[&a, &b]);
                }
            }
        }
    }
}

#[test]
fn nan_and_infinities_go_as_far_as_they_must() {
    let (inf, nan) = (f64::INFINITY, f64::NAN);
    for values in [
        [1.0, inf, 2.0, -inf, 3.0, 1.0, 1.0, 1.0, 2.0],
        [-inf, -inf, 1.0, 2.0, inf, inf, 1.0, 0.0, 1.0],
        [1.0, 2.0, nan, 5.0, 0.0, nan, 1.0, 1.0, 7.0],
    ] {
        let x = Tensor::from(values);
        for running in EVERY {
            check(Scan { running, axis: 0, direction: Direction::Forward }, &[&x, &x]);
        }
    }
}

#[test]
fn a_long_sum_of_f32_is_rounded_once() {
    let n = 100_000;
    let x = Rng::seed(3).rand([n]);
    let (y, exact) = (x.cumsum(0).to_vec::<f64>().unwrap(), x.f64().cumsum(0).to_vec::<f64>().unwrap());
    for (y, exact) in y.iter().zip(exact) {
        assert!((y - exact).abs() <= f64::from(f32::EPSILON) / 2.0 * exact.abs() + 1e-9, "{y} for {exact}");
    }
}

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
#[test]
fn scans_stay_inside_their_operands() {
    use crate::exec::cpu::fenced::Fenced;
    let [a, b, y, at] = [(); 4].map(|()| Fenced::new());
    for shape in SHAPES {
        let [outer, n, inner] = shape;
        let count = outer * n * inner;
        for (isa, at_end) in Isa::available().flat_map(|isa| [(isa, false), (isa, true)]) {
            with_isa(isa, || {
                let x: [*const u8; 2] =
                    [a.elements::<f32>(count, at_end).cast(), b.elements::<f32>(count, at_end).cast()];
                for running in EVERY {
                    let (y, at) = (y.elements::<f32>(count, at_end).cast(), at.elements(count, at_end));
                    for direction in [Direction::Forward, Direction::Backward] {
                        let walked = Walked { around: Around { outer, n, inner }, direction };
                        // SAFETY: the segments hold `count` elements each.
                        unsafe {
                            match running {
                                Running::Max | Running::Min => {
                                    extreme::run::<f32>(running, &walked.around, x[0], y, at);
                                }
                                _ => float::<f32>(running, &walked, &x, y),
                            }
                        }
                    }
                }
            });
        }
    }
}
