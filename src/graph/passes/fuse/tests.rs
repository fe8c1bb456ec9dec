//! Fused graphs compute what the graphs did, bit for bit, and are as few kernels as they can be.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;
use crate::error::Result;
use crate::exec::Kernel;
use crate::graph::trace;
use crate::tensor::{DType, Rng, Spec, Tensor};
use crate::{grad, vjp};

pub(super) fn specs(x: &[Tensor]) -> Vec<Spec> {
    x.iter().map(|x| *x.spec()).collect()
}

fn kernel_of<'a>(graph: &'a Graph, step: &'a super::super::super::ir::Step) -> Kernel<'a> {
    step.op.lower(&step.inputs.iter().map(|id| graph.spec(*id)).collect::<Vec<_>>())
}

/// How many fused kernels, and how many other steps that compute.
fn counts(graph: &Graph) -> (usize, usize) {
    let mut counts = (0, 0);
    for step in &graph.steps {
        match kernel_of(graph, step) {
            Kernel::Fused(_) => counts.0 += 1,
            Kernel::View(_) => {}
            _ => counts.1 += 1,
        }
    }
    counts
}

fn bits(x: &Tensor) -> Vec<u64> {
    let canonical = |v: f64| if v.is_nan() { f64::NAN } else { v };
    x.to_vec::<f64>().unwrap().into_iter().map(|v| canonical(v).to_bits()).collect()
}

/// How near two results must be.
#[derive(Clone, Copy, PartialEq)]
enum Near {
    /// The same bits.
    Bits,
    /// This far apart, relative to the greatest.
    Within(f64),
}

fn assert_near(got: &[Tensor], expected: &[Tensor], near: Near, graph: &Graph) {
    for (got, expected) in got.iter().zip(expected) {
        assert_eq!(got.spec(), expected.spec());
        let (a, b) = (got.to_vec::<f64>().unwrap(), expected.to_vec::<f64>().unwrap());
        let Near::Within(tolerance) = near else {
            let at = bits(got).iter().zip(bits(expected)).position(|(a, b)| *a != b);
            assert!(
                at.is_none(),
                "element {at:?}: {} instead of {}\n{}",
                a[at.unwrap()],
                b[at.unwrap()],
                shown(graph)
            );
            continue;
        };
        let scale = b.iter().filter(|v| v.is_finite()).fold(1.0f64, |m, v| m.max(v.abs()));
        let far = |(a, b): (&f64, &f64)| {
            !(a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= tolerance * scale)
        };
        let at = a.iter().zip(&b).position(far);
        assert!(
            at.is_none(),
            "element {at:?}: {} instead of {}\n{}",
            a[at.unwrap()],
            b[at.unwrap()],
            shown(graph)
        );
    }
}

/// The graph with its kernels.
fn shown(graph: &Graph) -> String {
    let kernels = graph.steps.iter().filter_map(|step| match kernel_of(graph, step) {
        Kernel::Fused(fused) => Some(format!("\n{} = {fused}", step.outputs[0])),
        _ => None,
    });
    format!("{graph}{}", kernels.collect::<String>())
}

/// The fused graph of a function, which has been seen to compute what the function does.
fn checked(x: &[Tensor], near: Near, f: impl Fn(&[Tensor]) -> Result<Vec<Tensor>>) -> Graph {
    let graph = trace(&specs(x), |x| f(x)).unwrap();
    let fused = fuse(graph.clone());
    assert_eq!(fused.verify(), Ok(()));
    let expected = graph.replay(x).unwrap();
    assert_near(&fused.replay(x).unwrap(), &expected, near, &fused);
    fused
}

pub(super) fn randn(seed: u64, shape: &[usize], dtype: DType) -> Tensor {
    Rng::seed(seed).randn(shape.to_vec()).to_dtype(dtype)
}

/// Value and gradient of a loss.
pub(super) fn with_gradient(x: &[Tensor], loss: impl Fn(&[Tensor]) -> Tensor) -> Result<Vec<Tensor>> {
    let (mut dx, y) = grad(|x: &Vec<Tensor>| loss(x)).call(&x.to_vec(), ())?;
    dx.push(y);
    Ok(dx)
}

pub(super) fn layer_norm(x: &[Tensor]) -> Tensor {
    let centred = &x[0] - x[0].mean_keepdim(-1);
    let deviation = (centred.square().mean_keepdim(-1) + 1e-5).sqrt();
    centred / deviation * &x[1] + &x[2]
}

pub(super) fn black_scholes(x: &[Tensor]) -> Tensor {
    let [s, k, t, v] = [0, 1, 2, 3].map(|i| &x[i]);
    let r = 0.03;
    let cdf = |z: &Tensor| ((z * std::f64::consts::FRAC_1_SQRT_2).erf() + 1.0) * 0.5;
    let spread = v * t.sqrt();
    let d1 = ((s / k).log() + (v * v * 0.5 + r) * t) / &spread;
    let d2 = &d1 - spread;
    (s * cdf(&d1) - k * (t * -r).exp() * cdf(&d2)).sum()
}

#[test]
fn softmax_is_one_kernel_whatever_the_length_of_its_rows() {
    for dtype in [DType::F32, DType::F64] {
        for [rows, inner] in [[3, 2], [40, 10], [5, 15], [3, 255], [2, 256], [2, 257], [2, 513], [3, 5000]] {
            let x = [randn(1, &[rows, inner], dtype)];
            assert_eq!(counts(&checked(&x, Near::Bits, |x| Ok(vec![x[0].softmax(-1)]))), (1, 0));
            // The loss is folded a tile at a time, which is another order where rows are no whole chunks.
            let near = Near::Within(if dtype == DType::F32 { 1e-6 } else { 1e-13 });
            let log = checked(&x, near, |x| with_gradient(x, |x| x[0].log_softmax(-1).square().sum()));
            assert_eq!(counts(&log), (1, 0), "{}", shown(&log));
        }
    }
}

#[test]
fn sixteen_bit_floats_are_rounded_at_each_step_as_in_direct_execution() {
    for dtype in [DType::F16, DType::BF16] {
        for [rows, inner] in [[3, 5], [9, 20], [2, 1100]] {
            let x = [randn(1, &[rows, inner], dtype), randn(2, &[inner], dtype)];
            let fused = checked(&x, if inner < 16 { Near::Within(0.01) } else { Near::Bits }, |x| {
                let y = (&x[0] * &x[1]).softmax(-1);
                Ok(vec![y.sum_dim(0), y.amax_dim(-1), y])
            });
            assert_eq!(counts(&fused), (1, 0), "{}", shown(&fused));
        }
    }
}

#[test]
fn rows_too_long_to_keep_are_not_read_again_by_the_kernel_that_folds_them() {
    let x = [randn(1, &[1, LONGEST_ROW + 1], DType::F32)];
    let fused = checked(&x, Near::Bits, |x| {
        let y = x[0].exp();
        Ok(vec![&y / y.sum_keepdim(-1)])
    });
    // The exponential with its sum; the quotient stays as it is.
    assert_eq!(counts(&fused), (1, 1), "{}", shown(&fused));
}

#[test]
fn layer_norm_is_one_kernel_and_so_is_it_with_its_gradient() {
    for inner in [10, 64, 256, 1000] {
        let x = [
            randn(1, &[12, inner], DType::F32),
            randn(2, &[inner], DType::F32),
            randn(3, &[inner], DType::F32),
            randn(4, &[12, inner], DType::F32),
        ];
        assert_eq!(counts(&checked(&x, Near::Bits, |x| Ok(vec![layer_norm(x)]))), (1, 0));
        let near = if inner < 16 { Near::Within(1e-6) } else { Near::Bits };
        let backward = checked(&x, near, |x| {
            let (y, pull) = vjp(|p: &Vec<Tensor>| layer_norm(p)).call(&x[..3].to_vec(), ())?;
            let mut dx = pull.call(&x[3])?;
            dx.push(y);
            Ok(dx)
        });
        assert_eq!(counts(&backward), (1, 0), "{}", shown(&backward));
    }
}

#[test]
fn the_update_of_a_leaf_is_one_kernel() {
    let x = [randn(1, &[1000], DType::F32), randn(2, &[1000], DType::F32)];
    let sgd = checked(&x, Near::Bits, |x| Ok(vec![&x[0] - &x[1] * 0.01]));
    assert_eq!(counts(&sgd), (1, 0));
}

#[test]
fn black_scholes_with_its_gradient_is_one_kernel() {
    let x: Vec<Tensor> = (0..4).map(|seed| randn(seed, &[1500], DType::F32).abs() + 0.5).collect();
    let fused = checked(&x, Near::Bits, |x| with_gradient(x, black_scholes));
    assert_eq!(counts(&fused), (1, 0), "{}", shown(&fused));
}

#[test]
fn a_bias_gradient_is_folded_where_it_is_made() {
    let x = [randn(1, &[33, 48], DType::F32), randn(2, &[33, 48], DType::F32)];
    let fused = checked(&x, Near::Bits, |x| {
        let dz = &x[1] * (1.0 - x[0].square());
        Ok(vec![dz.sum_dim(0), dz])
    });
    assert_eq!(counts(&fused), (1, 0));
}

#[test]
fn between_matrix_products_an_mlp_is_a_kernel_each() {
    let shapes: [&[usize]; 6] = [&[20, 30], &[30, 40], &[40], &[40, 10], &[10], &[20, 10]];
    let x: Vec<Tensor> = shapes.iter().enumerate().map(|(i, s)| randn(i as u64, s, DType::F32)).collect();
    let fused = checked(&x, Near::Within(1e-6), |x| {
        let (data, target) = (&x[0], &x[5]);
        let loss = |p: &[Tensor]| {
            let h = (data.matmul(&p[0]) + &p[1]).tanh();
            let y = h.matmul(&p[2]) + &p[3];
            -(y.log_softmax(-1) * target).sum()
        };
        with_gradient(&x[1..5], loss)
    });
    // The hidden layer; log-softmax with loss, gradient and bias gradient; the hidden layer's gradient with its bias'.
    // The others are the five products.
    assert_eq!(counts(&fused), (3, 5), "{}", shown(&fused));
}

#[test]
fn gelu_backward_takes_the_bias_gradient_along() {
    let x = [randn(1, &[8, 100], DType::F32), randn(2, &[8, 100], DType::F32)];
    let fused = checked(&x, Near::Bits, |x| {
        let (_, pull) = vjp(|x: &Tensor| x.gelu()).call(&x[0], ())?;
        let dz = pull.call(&x[1])?;
        Ok(vec![dz.sum_dim(0), dz])
    });
    // The value, which nobody reads, is the other step.
    assert_eq!(counts(&fused), (1, 1), "{}", shown(&fused));
}

#[test]
fn a_path_out_of_a_group_and_back_is_not_closed() {
    let x = [randn(1, &[8, 8], DType::F32)];
    let fused = checked(&x, Near::Bits, |x| {
        let h = x[0].tanh();
        let far = h.matmul(&h);
        Ok(vec![h.exp() + far.sin(), h])
    });
    assert_eq!(counts(&fused), (2, 1), "{}", shown(&fused));
}

#[test]
fn a_path_through_a_group_that_grew_later_is_not_closed() {
    let x = [randn(1, &[5], DType::F64), randn(2, &[], DType::F64)];
    let fused = checked(&x, Near::Bits, |x| {
        let number = x[1].square();
        let repeated = number.broadcast_to([5]);
        let elements = &x[0] * 2.0;
        // It joins the group of the number, which `repeated`, though it is from before, depends on from now on.
        let product = elements.sum() * (&number + 1.0);
        Ok(vec![product, elements + repeated])
    });
    assert_eq!(counts(&fused), (2, 1), "{}", shown(&fused));
}

#[test]
fn a_step_alone_stays_as_it_is() {
    let x = [randn(1, &[8, 8], DType::F32)];
    assert_eq!(counts(&checked(&x, Near::Bits, |x| Ok(vec![x[0].tanh()]))), (0, 1));
}

#[test]
fn integers_divided_are_not_fused_so_that_zero_is_an_error() {
    let x = [Tensor::from([4i64, 6]), Tensor::from([2i64, 0])];
    let graph = trace(&specs(&x), |x| Ok(vec![(&x[0] + 1) / &x[1] + 1])).unwrap();
    let fused = fuse(graph);
    assert!(fused.replay(&x).unwrap()[0].error().is_some());
    assert_eq!(counts(&fused), (0, 3));
}

#[test]
fn a_kernel_prints_as_code() {
    let x = [randn(1, &[3, 4], DType::F32)];
    let text = shown(&fuse(trace(&specs(&x), |x| Ok(vec![x[0].softmax(-1)])).unwrap()));
    for part in
        ["fused [3 x 4] {", "v0: f32 = input 0", "f32 a row = max(v0)", "= exp(", "= spread(", "tests.rs:"]
    {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

/// One step of a random program: what, and which of the values there are.
type Choice = (u8, usize, usize);

/// An input of a layout that kernels may meet, broadcast to `shape`.
fn laid(kind: usize, seed: u64, shape: &[usize], dtype: DType) -> Tensor {
    let (last, lead) = shape.split_last().map_or((1, &[][..]), |(last, lead)| (*last, lead));
    let with_last = |n: usize| lead.iter().copied().chain([n]).collect::<Vec<_>>();
    match kind % 7 {
        _ if shape.is_empty() => randn(seed, shape, dtype),
        0 | 1 => randn(seed, shape, dtype),
        2 => {
            let turned: Vec<usize> = shape.iter().rev().copied().collect();
            let order: Vec<isize> = (0..shape.len() as isize).rev().collect();
            randn(seed, &turned, dtype).permute(order)
        }
        3 => randn(seed, &with_last(last + 3), dtype).narrow(-1, 2, last),
        4 => randn(seed, &[last], dtype).broadcast_to(shape),
        5 => randn(seed, &with_last(1), dtype).broadcast_to(shape),
        _ => Tensor::full(shape, 0.5).to_dtype(dtype),
    }
}

fn program(x: &[Tensor], choices: &[Choice], folds: bool) -> Vec<Tensor> {
    let dtype = x[0].spec().dtype;
    let mut values = x.to_vec();
    let mut extra = Vec::new();
    for &(what, a, b) in choices {
        let (a, b) = (values[a % values.len()].clone(), values[b % values.len()].clone());
        let axis = if a.rank() > 0 && a.numel() > 0 && folds { Some(-1) } else { None };
        let value = match (what % 14, axis) {
            (0, _) => &a + &b,
            (1, _) => &a - &b,
            (2, _) => &a * &b,
            (3, _) => a.maximum(&b),
            (4, _) => a.gt(&b).where_(&a, &b),
            (5, _) => -a,
            (6, _) => a.to_dtype(DType::F16).to_dtype(dtype) + b,
            (7, _) => a.lt(0).to_dtype(dtype) * b,
            (8, _) if dtype.is_float() => a.tanh() * 0.5,
            (9, _) if dtype.is_float() => a.sigmoid() + b,
            (10, Some(axis)) => &b - a.sum_keepdim(axis),
            (11, Some(axis)) => (a.amax_keepdim(axis) - 1) * b,
            (12, Some(_)) => {
                extra.push(a.sum_dim(0));
                a.abs()
            }
            (13, Some(_)) => {
                extra.push(a.amin() + 1);
                &a + &a.reshape([a.numel()]).reshape(b.shape())
            }
            _ => a.abs(),
        };
        values.push(value);
    }
    let mut outputs = values.split_off(values.len() - 3);
    outputs.extend(extra.into_iter().take(4));
    outputs
}

fn dims() -> impl Strategy<Value = Vec<usize>> {
    let inner = prop::sample::select(vec![1, 2, 10, 255, 256, 257, 5000]);
    let rows = prop::sample::select(vec![0, 1, 2, 3, 9, 40]);
    prop_oneof![
        1 => Just(vec![]),
        6 => (rows, inner.clone()).prop_map(|(rows, inner)| if inner > 1000 { vec![rows.min(3), inner] } else { vec![rows, inner] }),
        2 => inner.prop_map(|inner| vec![2, 3, inner.min(300)]),
    ]
}

fn dtypes() -> impl Strategy<Value = DType> {
    prop::sample::select(vec![DType::F32, DType::F32, DType::F64, DType::F16, DType::BF16, DType::I64])
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), ..ProptestConfig::with_cases(200) })]

    #[test]
    fn random_elementwise_programs_keep_their_bits(
        shape in dims(),
        dtype in dtypes(),
        layouts in prop::collection::vec(0usize..7, 1..5),
        choices in prop::collection::vec((0u8..14, 0usize..100, 0usize..100), 3..14),
    ) {
        let inputs = layouts.iter().enumerate().map(|(i, &kind)| laid(kind, i as u64, &shape, dtype));
        let x: Vec<Tensor> = inputs.collect();
        let fused = checked(&x, Near::Bits, |x| Ok(program(x, &choices, false)));
        let y = fused.replay(&x).unwrap();
        let tolerance = if matches!(dtype, DType::F32 | DType::F64 | DType::I64) { 1e-5 } else { 0.02 };
        prop_assume!(shape.iter().product::<usize>() < 1000);
        assert_near(&y, &fused.interpret(&x).unwrap(), Near::Within(tolerance), &fused);
    }

    #[test]
    fn random_programs_with_folds_agree_with_direct_execution(
        shape in dims(),
        dtype in dtypes(),
        layouts in prop::collection::vec(0usize..7, 1..5),
        choices in prop::collection::vec((0u8..14, 0usize..100, 0usize..100), 3..14),
    ) {
        let inputs = layouts.iter().enumerate().map(|(i, &kind)| laid(kind, i as u64, &shape, dtype));
        let x: Vec<Tensor> = inputs.collect();
        let near = match dtype {
            DType::F64 => 1e-9,
            DType::F32 => 1e-3,
            DType::I64 => 0.0,
            // A sum of thousands of roundings, compared and chosen from.
            _ => return Ok(()),
        };
        checked(&x, Near::Within(near), |x| Ok(program(x, &choices, true)));
    }
}
