//! Kernels of their own: against the reference interpreter, over their operands, and between protected pages.

use super::*;
use crate::exec::cpu::isa::{Isa, with_isa};
use crate::exec::cpu::run_many;
use crate::exec::{Kernel, reference};
use crate::graph::{passes::fuse::fuse, trace};
use crate::tensor::{IntoShape, Rng, Spec, Tensor};

/// Hands the kernel that a function becomes to `check`.
fn with_kernel(specs: &[Spec], f: impl Fn(&[Tensor]) -> Vec<Tensor>, check: impl Fn(&Fused)) {
    let graph = fuse(trace(specs, |x| Ok(f(x))).unwrap());
    let fused = graph.steps.iter().find(|step| step.op.name() == "fused").expect("a kernel");
    let inputs: Vec<&Spec> = fused.inputs.iter().map(|id| graph.spec(*id)).collect();
    match fused.op.lower(&inputs) {
        Kernel::Fused(fused) => check(fused),
        kernel => panic!("{kernel:?}"),
    }
}

fn spec(dims: &[usize], dtype: DType) -> Spec {
    Spec::new(dims.into_shape().unwrap(), dtype)
}

fn randn(seed: u64, dims: &[usize]) -> Tensor {
    Rng::seed(seed).randn(dims.to_vec()).f32()
}

/// Folds of rows and columns, several outputs, a bias, numbers of rows.
fn everything(x: &[Tensor]) -> Vec<Tensor> {
    let y = (&x[0] + &x[1]).softmax(-1);
    let z = &y * (&x[0] - (&x[0] * &y).sum_keepdim(-1));
    vec![z.sum_dim(0), y.amax_dim(-1), z, y]
}

#[test]
fn tiles_and_the_reference_interpreter_agree_on_every_instruction_set() {
    for [rows, inner] in [[1, 5], [7, 3], [30, 16], [9, 100], [3, 600], [2, 1100]] {
        let x = [randn(1, &[rows, inner]), randn(2, &[inner])];
        let specs = [*x[0].spec(), *x[1].spec()];
        let bias = x[1].broadcast_to([rows, inner]);
        with_kernel(&specs, everything, |fused| {
            let outputs = [spec(&[inner], DType::F32), spec(&[rows], DType::F32), specs[0], specs[0]];
            let mut order: Vec<Spec> = Vec::new();
            for value in fused.outputs() {
                order.push(match fused.step(*value).extent {
                    Extent::Columns => outputs[0],
                    Extent::Rows => outputs[1],
                    _ => outputs[2],
                });
            }
            let x = [&x[0], &bias];
            let expected = reference::compute(&Kernel::Fused(fused), &x, &order).unwrap();
            for isa in Isa::available() {
                let y = with_isa(isa, || run_many(&Kernel::Fused(fused), &x, &order).unwrap());
                for (y, expected) in y.iter().zip(&expected) {
                    assert!(y.allclose(expected, 1e-5, 1e-6).unwrap(), "{isa:?} {rows} {inner} {fused}");
                }
            }
        });
    }
}

#[test]
fn an_output_may_lie_over_an_operand_that_is_not_read_again() {
    let n = 1300;
    let spec = spec(&[n], DType::F32);
    let update = |x: &[Tensor]| vec![&x[0] - (&x[1] * 0.1 + &x[0] * 0.01)];
    let x = [randn(1, &[n]), randn(2, &[n])];
    with_kernel(&[spec, spec], update, |fused| {
        assert!(fused.may_overwrite(0, 0) && fused.may_overwrite(1, 0));
        let expected = &run_many(&Kernel::Fused(fused), &[&x[0], &x[1]], &[spec]).unwrap()[0];
        for over in 0..2 {
            let copies = x.each_ref().map(|x| Tensor::from_slice(x.as_slice::<f32>().unwrap(), [n]));
            let operands = copies.each_ref().map(Operand::of);
            // SAFETY: nothing else sees the copies.
            unsafe { run(fused, &operands, &[Destination { ptr: operands[over].ptr.cast_mut(), spec }]) };
            assert_eq!(copies[over].as_slice::<f32>(), expected.as_slice::<f32>());
        }
    });
}

#[test]
fn an_output_of_an_early_phase_may_not_lie_over_what_a_later_one_reads() {
    let spec = spec(&[2, 2000], DType::F32);
    let f = |x: &[Tensor]| {
        let twice = &x[0] * 2.0;
        let late = &x[0] - twice.sum_keepdim(-1);
        vec![twice, late]
    };
    with_kernel(&[spec], f, |fused| {
        assert!(!fused.may_overwrite(0, 0) && fused.may_overwrite(0, 1), "{fused}");
    });
}

/// Kernels compiled to machine code against those of the interpreter, each output over each operand that allows it.
#[cfg(target_arch = "x86_64")]
#[test]
fn machine_code_has_the_bits_of_the_interpreter_over_its_operands_too() {
    use crate::exec::cpu::jit::with_jit;
    // Great angles are left to the interpreter, which then finds the operands as they were.
    fn angles(x: &[Tensor]) -> Vec<Tensor> {
        let y = (&x[0] * 2.0).sin() + &x[1];
        vec![&x[0] * &y + 1.0, y]
    }
    fn plain(x: &[Tensor]) -> Vec<Tensor> {
        let y = x[0].lt(&x[1]).where_(x[0].exp(), x[1].tanh());
        vec![y.ge(0.5).logical_not().f32() - &x[1], &y * &x[0]]
    }
    let n = 1300;
    let spec = spec(&[n], DType::F32);
    let x = [randn(1, &[n]), randn(2, &[n])];
    let far = (&x[0] * &x[0].gt(1.5).where_(1e8, 1.0), x[1].clone());
    let far = [far.0, far.1];
    for (f, x) in [(angles as fn(&[Tensor]) -> Vec<Tensor>, &x), (angles, &far), (plain, &x), (plain, &far)] {
        with_kernel(&[spec, spec], f, |fused| {
            assert_eq!(fused.outputs().len(), 2);
            for isa in Isa::available() {
                let run_with = |jit: bool, over: [Option<usize>; 2]| {
                    let inputs = x.each_ref().map(|x| Tensor::from_slice(x.as_slice::<f32>().unwrap(), [n]));
                    let fresh = [(); 2].map(|()| Tensor::from_vec(vec![0.0_f32; n], [n]));
                    let operands = inputs.each_ref().map(Operand::of);
                    let destinations = [0, 1].map(|output| {
                        let under = over[output].map_or(&fresh[output], |input: usize| &inputs[input]);
                        Destination { ptr: Operand::of(under).ptr.cast_mut(), spec }
                    });
                    // SAFETY: nothing else sees the copies and the fresh tensors.
                    with_isa(isa, || with_jit(jit, || unsafe { run(fused, &operands, &destinations) }));
                    [0, 1].map(|output| {
                        over[output].map_or(&fresh[output], |input| &inputs[input]).to_vec::<f32>().unwrap()
                    })
                };
                let expected = run_with(false, [None, None]);
                for over in [[None, None], [Some(0), None], [Some(1), Some(0)], [None, Some(1)]] {
                    let allowed = |output: usize| over[output].is_none_or(|x| fused.may_overwrite(x, output));
                    assert!(allowed(0) && allowed(1));
                    assert_eq!(run_with(true, over), expected, "{isa:?} {over:?} {fused}");
                    assert_eq!(run_with(false, over), expected, "{isa:?} {over:?} {fused}");
                }
            }
        });
    }
}

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
#[test]
fn kernels_stay_inside_their_operands() {
    use crate::exec::cpu::fenced::Fenced;
    let fences: Vec<Fenced> = (0..6).map(|_| Fenced::new()).collect();
    for [rows, inner] in [[1, 1100], [3, 600], [2, 65], [33, 17], [40, 3], [16, 256]] {
        let specs = [spec(&[rows, inner], DType::F32), spec(&[inner], DType::F32)];
        with_kernel(&specs, everything, |fused| {
            for (isa, at_end) in Isa::available().flat_map(|isa| [(isa, false), (isa, true)]) {
                let matrix = |fence: &Fenced| fence.elements::<f32>(rows * inner, at_end).cast::<u8>();
                let space = specs[0].shape;
                let mut bias = space.strides();
                bias[0] = 0;
                let x = Operand {
                    ptr: matrix(&fences[0]),
                    dtype: DType::F32,
                    shape: space,
                    strides: space.strides(),
                    contiguous: true,
                };
                let ptr = fences[1].elements::<f32>(inner, at_end).cast::<u8>();
                let bias = Operand { ptr, strides: bias, contiguous: false, ..x };
                let destinations = fused.outputs().iter().zip(&fences[2..]).map(|(value, fence)| {
                    let count = fused.space().count(fused.step(*value).extent);
                    let ptr = fence.elements::<f32>(count, at_end).cast::<u8>();
                    Destination { ptr, spec: spec(&[count], DType::F32) }
                });
                let destinations: Vec<Destination> = destinations.collect();
                // SAFETY: the segments hold operands and outputs.
                with_isa(isa, || unsafe { run(fused, &[x, bias], &destinations) });
            }
        });
    }
}
