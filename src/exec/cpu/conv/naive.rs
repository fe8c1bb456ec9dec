//! Convolutions of integers, product by product.

use crate::exec::cpu::gemm::Ring;
use crate::exec::window::{Windows, count, positions};
use crate::exec::{ConvRole, Convolution};

/// Sums all products of the trilinear form.
///
/// # Safety
/// `a` and `b` are the inputs of the role, `y` has room for the output and overlaps neither.
pub(super) unsafe fn convolve<T: Ring>(
    conv: &Convolution,
    sizes: &super::Sizes,
    a: *const T,
    b: *const T,
    y: *mut T,
) {
    let Windows { input, kernel, output, .. } = conv.windows;
    let (inputs, kernels, outputs) = (count(input), count(kernel), count(output));
    let results = match conv.role {
        ConvRole::Output => sizes.images * sizes.outputs * outputs,
        ConvRole::Input => sizes.images * sizes.inputs() * inputs,
        ConvRole::Weight => sizes.outputs * sizes.depth * kernels,
    };
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts_mut(y, results) }.fill(T::ZERO);
    for image in 0..sizes.images {
        for (o, c) in (0..sizes.outputs).flat_map(|o| (0..sizes.depth).map(move |c| (o, c))) {
            let channel = o / sizes.group_outputs() * sizes.depth + c;
            let x_at = (image * sizes.inputs() + channel) * inputs;
            let w_at = (o * sizes.depth + c) * kernels;
            let y_at = (image * sizes.outputs + o) * outputs;
            for (p, position) in positions(output).enumerate() {
                for (k, element) in positions(kernel).enumerate() {
                    let Some(seen) = conv.windows.seen_flat(position, element) else { continue };
                    let (x, w, out) = (x_at + seen, w_at + k, y_at + p);
                    let (a_at, b_at, y_at) = match conv.role {
                        ConvRole::Output => (x, w, out),
                        ConvRole::Input => (out, w, x),
                        ConvRole::Weight => (x, out, w),
                    };
                    // SAFETY: the caller's promise; the places are those of the three tensors.
                    unsafe {
                        let sum = y.add(y_at);
                        *sum = (*a.add(a_at)).mul_add(*b.add(b_at), *sum);
                    }
                }
            }
        }
    }
}
