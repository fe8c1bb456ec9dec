//! No elementwise function panics, whatever it is given; `no_panic.rs` has the rest.

use retrograd::{Closeness, DType, MAX_RANK, NanToNum, Tensor};

use crate::{derivatives, holds};

/// A tensor of every dtype in odd shapes, with numbers that are hard on arithmetic, and an invalid one.
fn tensors() -> Vec<Tensor> {
    let numbers = [f64::NAN, 0.0, -1.5, f64::INFINITY, f64::NEG_INFINITY, 1e300, -0.0, 2.0];
    let mut all = vec![Tensor::zeros([1; MAX_RANK + 1])];
    for shape in [&[][..], &[0], &[1], &[8], &[2, 2], &[0, 3], &[3, 0], &[2, 3, 1], &[1; MAX_RANK]] {
        let n: usize = shape.iter().product();
        let values: Vec<f64> = (0..n).map(|i| numbers[i % numbers.len()]).collect();
        for dtype in DType::ALL {
            all.push(Tensor::from_vec(values.clone(), shape).to_dtype(dtype));
        }
        all.push(Tensor::ones(shape));
    }
    all
}

type Unary = fn(&Tensor) -> Vec<Tensor>;

const UNARY: &[(&str, Unary)] = &[
    ("powers", |x| {
        vec![x.exp2(), x.log2(), x.log10(), x.rsqrt(), x.cbrt(), x.reciprocal(), x.float_power(-0.5)]
    }),
    ("angles", |x| vec![x.tan(), x.asin(), x.acos(), x.atan(), x.sinc(), x.deg2rad(), x.rad2deg()]),
    ("hyperbolic", |x| vec![x.sinh(), x.cosh(), x.asinh(), x.acosh(), x.atanh()]),
    ("rounding", |x| vec![x.ceil(), x.round(), x.trunc(), x.frac()]),
    ("tests", |x| vec![x.isposinf(), x.isneginf(), x.signbit()]),
    ("nan_to_num", |x| {
        vec![
            x.nan_to_num(NanToNum::default()),
            x.nan_to_num(NanToNum { nan: f64::NAN, posinf: Some(1e300), neginf: None }),
        ]
    }),
    ("activations", |x| {
        vec![x.silu(), x.gelu(), x.gelu_tanh(), x.mish(), x.logsigmoid(), x.softsign(), x.tanhshrink()]
    }),
    ("pieces", |x| {
        vec![x.relu6(), x.hardtanh(1.0, -1.0), x.hardtanh(f64::NAN, 0.5), x.hardsigmoid(), x.hardswish()]
    }),
    ("slopes", |x| vec![x.leaky_relu(f64::NAN), x.leaky_relu(f64::INFINITY), x.prelu(x), x.prelu(&x.sum())]),
    ("elus", |x| vec![x.elu(f64::INFINITY), x.elu(-1.0), x.selu(), x.celu(0.0), x.celu(1e-300)]),
    ("shrinking", |x| {
        vec![
            x.hardshrink(-1.0),
            x.softshrink(f64::NAN),
            x.threshold(f64::NAN, 0.5),
            x.softplus_beta(0.0, 20.0),
        ]
    }),
    ("bounds", |x| vec![x.clamp_min(f64::NAN), x.clamp_max(1), x.logit_eps(f64::INFINITY), x.clamp_min(x)]),
    ("special", |x| vec![x.erfc(), x.erfcx(), x.erfinv(), x.ndtr(), x.log_ndtr(), x.ndtri(), x.logit()]),
    ("gamma", |x| {
        vec![x.lgamma(), x.digamma(), x.polygamma(0), x.polygamma(1), x.polygamma(40), x.polygamma(u32::MAX)]
    }),
    ("numbers", |x| {
        vec![
            x.fmod(0),
            x.remainder(0.0),
            x.floor_divide(-1),
            x.fmod(f64::NAN),
            x.heaviside(true),
            x.copysign(-0.0),
        ]
    }),
    ("bits", |x| vec![x & 1, x | true, x ^ 0.5, !x, x << 70, x >> -1, x.clone() & x, !x.clone()]),
    ("isclose", |x| {
        vec![
            x.isclose(x, Closeness { rtol: f64::NAN, atol: -1.0, equal_nan: true }),
            x.isclose(1, Closeness::default()),
        ]
    }),
    ("blends", |x| vec![x.lerp(x, 0.5), x.addcmul(1, x, f64::NAN), x.addcdiv(x, 0, 1.0)]),
    ("glu", |x| [0, -1, 7, isize::MIN].map(|axis| x.glu(axis)).to_vec()),
];

type Binary = fn(&Tensor, &Tensor) -> Vec<Tensor>;

const BINARY: &[(&str, Binary)] = &[
    ("logarithms", |a, b| vec![a.logaddexp(b), a.logaddexp2(b), a.xlogy(b), a.xlog1py(b)]),
    ("polar", |a, b| vec![a.atan2(b), a.hypot(b), a.float_power(b)]),
    ("division", |a, b| vec![a.fmod(b), a.remainder(b), a.floor_divide(b)]),
    ("signs", |a, b| vec![a.heaviside(b), a.copysign(b), a.fmax(b), a.fmin(b)]),
    ("bits", |a, b| vec![a & b, a | b.clone(), a.clone() ^ b, a << b, a >> b]),
    ("bounds", |a, b| vec![a.clamp_min(b), a.clamp_max(b), a.prelu(b), a.isclose(b, Closeness::default())]),
    ("blends", |a, b| vec![a.lerp(b, b), b.addcmul(a, b, 1.0), a.addcdiv(b, 1.5, -1.0)]),
];

#[test]
fn functions_of_one_tensor() {
    for x in tensors() {
        for (name, method) in UNARY {
            holds(|| format!("{name} on {x:?}"), || method(&x));
        }
    }
}

#[test]
fn functions_of_two_tensors() {
    let tensors = tensors();
    for a in &tensors {
        for b in &tensors {
            for (name, method) in BINARY {
                holds(|| format!("{name} on {a:?} and {b:?}"), || method(a, b));
            }
        }
    }
}

#[test]
fn derivatives_of_every_function() {
    for x in tensors() {
        if x.error().is_none() && !matches!(x.dtype(), DType::F64 | DType::BF16 | DType::I64) {
            continue;
        }
        for (name, method) in UNARY {
            for at in 0..method(&x).len() {
                let f = |x: &Tensor| method(x).swap_remove(at);
                holds(|| format!("derivative of {name} {at} at {x:?}"), || derivatives(&f, &x));
            }
        }
        for (name, method) in BINARY {
            for at in 0..method(&x, &x).len() {
                let f = |y: &Tensor| method(y, y).swap_remove(at);
                holds(|| format!("derivative of {name} {at} at {x:?}"), || derivatives(&f, &x));
                let f = |y: &Tensor| method(&x, y).swap_remove(at);
                holds(|| format!("derivative of {name} {at} at {x:?}, second"), || derivatives(&f, &x));
            }
        }
    }
}
