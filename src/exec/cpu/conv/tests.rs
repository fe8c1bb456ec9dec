//! Convolutions against the reference interpreter, on every instruction set, and between protected pages.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;
use crate::exec::cpu::fenced::Fenced;
use crate::exec::cpu::isa::{Isa, with_isa};
use crate::exec::cpu::run;
use crate::exec::window::MAX_AXES;
use crate::exec::{Kernel, reference};
use crate::ops::InputSet;
use crate::tensor::{Rng, Spec, Tensor};

/// A convolution that fits together, and its sizes.
fn geometries() -> impl Strategy<Value = (Convolution, Sizes)> {
    let axis = (1..4usize, 1..4usize, 1..4usize, 1..20usize, 0..4usize, 0..3usize);
    let axes = (1..=3usize, [axis.clone(), axis.clone(), axis]);
    // Up to two blocks of sums, with every rest.
    let sizes = (0..3usize, 1..4usize, 1..18usize, 1..4usize);
    (axes, sizes).prop_map(|((rank, axes), (images, groups, outputs, depth))| {
        let one = [1; MAX_AXES];
        let mut windows = Windows {
            rank,
            input: one,
            kernel: one,
            output: one,
            stride: one,
            dilation: one,
            before: [0; MAX_AXES],
        };
        for (axis, own) in axes.into_iter().enumerate().skip(MAX_AXES - rank) {
            let (kernel, stride, dilation, output, before, after) = own;
            // Small planes along all axes but the last.
            let output = if axis + 1 < MAX_AXES { output.div_ceil(6) } else { output };
            let seen = (output - 1) * stride + (kernel - 1) * dilation + 1;
            windows.kernel[axis] = kernel;
            windows.stride[axis] = stride;
            windows.dilation[axis] = dilation;
            windows.output[axis] = output;
            windows.before[axis] = before.min(seen - 1);
            // Padding after, or input that no window sees.
            windows.input[axis] = (seen - windows.before[axis]).saturating_sub(after).max(1) + after / 2;
        }
        let sizes = Sizes { images, outputs: outputs * groups, depth, groups };
        (Convolution { role: ConvRole::Output, windows, groups }, sizes)
    })
}

/// Shapes of the inputs and of the output of a role.
fn shapes(conv: &Convolution, sizes: &Sizes) -> [Shape; 3] {
    let windows = &conv.windows;
    let shape = |first: usize, second: usize, own: &Extents| {
        let dims: Vec<usize> = [first, second].into_iter().chain(windows.own(own).iter().copied()).collect();
        Shape::checked(&dims).expect("a small shape")
    };
    let x = shape(sizes.images, sizes.inputs(), &windows.input);
    let w = shape(sizes.outputs, sizes.depth, &windows.kernel);
    let y = shape(sizes.images, sizes.outputs, &windows.output);
    match conv.role {
        ConvRole::Output => [x, w, y],
        ConvRole::Input => [y, w, x],
        ConvRole::Weight => [x, y, w],
    }
}

const ROLES: [ConvRole; 3] = [ConvRole::Output, ConvRole::Input, ConvRole::Weight];

fn bits(x: &Tensor) -> Vec<u64> {
    x.to_vec::<f64>().expect("concrete").iter().map(|x| x.to_bits()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), ..ProptestConfig::with_cases(60) })]

    #[test]
    fn every_role_on_every_isa_is_the_reference((conv, sizes) in geometries()) {
        for (role, dtype) in ROLES.iter().flat_map(|&role| [(role, DType::F64), (role, DType::F32), (role, DType::I32)]) {
            let conv = Convolution { role, ..conv };
            let [a, b, y] = shapes(&conv, &sizes);
            let mut rng = Rng::seed(7);
            let [a, b] = [a, b].map(|shape| (rng.randn(shape) * 3.0).to_dtype(dtype));
            let spec = Spec::new(y, dtype);
            let expected = reference::compute(&Kernel::Conv(conv), &[&a, &b], &[spec]).expect("no data can fail");
            let expected = expected[0].to_vec::<f64>().expect("concrete");
            let mut with_fma: Option<Vec<u64>> = None;
            for isa in Isa::available() {
                let compute = || run(&Kernel::Conv(conv), &[&a, &b], &spec, InputSet::NONE);
                let got = with_isa(isa, compute).expect("no data can fail");
                let tolerance = match dtype { DType::F32 => 1e-5, DType::F64 => 1e-13, _ => 0.0 };
                for (got, want) in got.to_vec::<f64>().expect("concrete").iter().zip(&expected) {
                    let scale = 40.0f64.max(want.abs());
                    prop_assert!((got - want).abs() <= tolerance * scale, "{isa:?} {conv:?} {dtype}: {got} {want}");
                }
                if isa != Isa::Plain {
                    let same = with_fma.get_or_insert_with(|| bits(&got));
                    prop_assert_eq!(&bits(&got), same, "AVX2 and AVX-512 differ: {:?}", conv);
                }
            }
        }
    }

    #[test]
    fn every_role_stays_inside_its_operands((conv, sizes) in geometries(), at_end in any::<bool>()) {
        let fences = [Fenced::new(), Fenced::new(), Fenced::new()];
        for role in ROLES {
            let conv = Convolution { role, ..conv };
            let counts = shapes(&conv, &sizes).map(|shape| shape.numel());
            if counts.iter().any(|&n| n * 8 > 1 << 16) {
                continue;
            }
            for isa in Isa::available() {
                // SAFETY: the segments hold so many elements each.
                unsafe {
                    let at = |i: usize| fences[i].elements::<f64>(counts[i], at_end);
                    with_isa(isa, || convolve::<f64>(&conv, &sizes, at(0), at(1), at(2)));
                    let at = |i: usize| fences[i].elements::<f32>(counts[i], at_end);
                    with_isa(isa, || convolve::<f32>(&conv, &sizes, at(0), at(1), at(2)));
                }
            }
        }
    }
}

#[test]
fn infinities_stay_where_windows_see_them() {
    // One infinity at the border: products with the zeros of padding would be NaN.
    let mut x = Tensor::ones([1, 1, 4, 4]);
    x.set((0, 0, 0, 3), f64::INFINITY);
    let w = Tensor::ones([1, 1, 2, 2]);
    let y = x.conv2d(&w, crate::Conv::new().padding(1)).to_vec::<f32>().expect("concrete");
    assert!(y.iter().all(|y| !y.is_nan()));
    assert_eq!(y.iter().filter(|y| y.is_infinite()).count(), 4);
    // The gradient of a weight sees the infinity through the elements that do.
    let dw = crate::grad_only(|w: &Tensor, x: &Tensor| x.conv2d(w, crate::Conv::new()).sum());
    let dw = dw.call(&w, &x).expect("a gradient").to_vec::<f32>().expect("concrete");
    assert_eq!(dw, [9.0, f32::INFINITY, 9.0, 9.0]);
}
