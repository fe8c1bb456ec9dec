//! Rows of elementwise functions: powers, roots, logarithms, trigonometry, rounding, activations, special functions, bits.

use super::{Sample, normal, positive, pull, rough, row};
use crate::ops::{Closeness, NanToNum};
use crate::tensor::Tensor;

/// All of them.
pub(super) fn rows() -> Vec<Sample> {
    [powers(), angles(), rounding(), smooth_activations(), pieces(), special(), gamma(), blends(), bits()]
        .into_iter()
        .flatten()
        .collect()
}

/// Rows of functions of one tensor.
macro_rules! unary {
    ($($name:literal $x:expr, $f:expr;)*) => {
        vec![$(row($name, vec![$x], |x| ($f)(&x[0]))),*]
    };
}

/// Numbers between -0.45 and 0.45 in f64.
fn inside(seed: u64, shape: &[usize]) -> Tensor {
    (positive(seed, shape) - 1.0) * 0.9
}

fn pair() -> Vec<Tensor> {
    vec![normal(21, &[3, 4]), normal(22, &[3, 4])]
}

fn powers() -> Vec<Sample> {
    let mut rows = unary! {
        "exp2" normal(20, &[3, 4]), Tensor::exp2;
        "log2" positive(20, &[3, 4]), Tensor::log2;
        "log10" positive(20, &[3, 4]), Tensor::log10;
        "rsqrt" positive(20, &[3, 4]), Tensor::rsqrt;
        "cbrt" positive(20, &[3, 4]), Tensor::cbrt;
        "cbrt" -positive(20, &[4]), Tensor::cbrt;
        "reciprocal" positive(20, &[3, 4]), Tensor::reciprocal;
        "float_power" positive(20, &[4]), |x: &Tensor| x.float_power(2.5);
    };
    let logs = || vec![normal(21, &[3, 4]), positive(22, &[3, 4])];
    rows.extend([
        row("logaddexp", pair(), |x| x[0].logaddexp(&x[1])),
        row("logaddexp", vec![normal(21, &[3, 1]), normal(22, &[4])], |x| x[0].logaddexp(&x[1])),
        row("logaddexp", vec![normal(21, &[4])], |x| x[0].logaddexp(&x[0])),
        row("logaddexp2", pair(), |x| x[0].logaddexp2(&x[1])),
        row("logaddexp_pull", vec![normal(21, &[4]), normal(22, &[4])], |x| {
            pull(&x[0], &x[1], |x| x.logaddexp(0.5))
        }),
        row("xlogy", logs(), |x| x[0].xlogy(&x[1])),
        rough("xlogy", vec![Tensor::from([0.0, 0.0]), Tensor::from([2.0, 1.0])], |x| x[0].xlogy(&x[1])),
        row("xlog1py", logs(), |x| x[0].xlog1py(&x[1])),
    ]);
    rows
}

fn angles() -> Vec<Sample> {
    let mut rows = unary! {
        "tan" inside(23, &[3, 4]), Tensor::tan;
        "asin" inside(23, &[3, 4]), Tensor::asin;
        "acos" inside(23, &[3, 4]), Tensor::acos;
        "atan" normal(23, &[3, 4]), Tensor::atan;
        "sinh" normal(23, &[3, 4]), Tensor::sinh;
        "cosh" normal(23, &[3, 4]), Tensor::cosh;
        "asinh" normal(23, &[3, 4]), Tensor::asinh;
        "acosh" positive(23, &[3, 4]) + 1.0, Tensor::acosh;
        "atanh" inside(23, &[3, 4]), Tensor::atanh;
        "sinc" normal(23, &[3, 4]), Tensor::sinc;
        "sinc" Tensor::from([0.0, 1e-9, 0.2499, 0.2501]), Tensor::sinc;
        "deg2rad" normal(23, &[4]), Tensor::deg2rad;
        "rad2deg" normal(23, &[4]), Tensor::rad2deg;
    };
    rows.extend([
        rough("tan", vec![Tensor::from([1e6, -3e9])], |x| x[0].tan()),
        row("atan2", pair(), |x| x[0].atan2(&x[1])),
        row("atan2", vec![normal(21, &[3, 1]), normal(22, &[4])], |x| x[0].atan2(&x[1])),
        row("hypot", pair(), |x| x[0].hypot(&x[1])),
        rough("hypot", vec![Tensor::from([0.0, 3.0]), Tensor::from([0.0, 4.0])], |x| x[0].hypot(&x[1])),
    ]);
    rows
}

fn rounding() -> Vec<Sample> {
    let x = || normal(24, &[3, 4]) * 3.0;
    let divided = || vec![normal(24, &[3, 4]) * 3.0, positive(25, &[3, 4])];
    let ints = || vec![Tensor::from([7i64, -7, 7, -7, 0]), Tensor::from([2i64, 2, -2, -2, 5])];
    let odd = || Tensor::from([f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 2.5]);
    let mut rows = unary! {
        "ceil" x(), Tensor::ceil;
        "round" x(), Tensor::round;
        "trunc" x(), Tensor::trunc;
        "frac" x(), Tensor::frac;
        "nan_to_num" x(), |x: &Tensor| x.nan_to_num(NanToNum::default());
        "isposinf" odd(), Tensor::isposinf;
        "isneginf" odd(), Tensor::isneginf;
        "signbit" odd(), Tensor::signbit;
    };
    rows.extend([
        rough("nan_to_num", vec![odd()], |x| {
            x[0].nan_to_num(NanToNum { nan: 1.0, posinf: Some(3.0), neginf: Some(-2.0) })
        }),
        row("fmod", divided(), |x| x[0].fmod(&x[1])),
        row("fmod", ints(), |x| x[0].fmod(&x[1])),
        rough("fmod", vec![Tensor::from([1e30, -1e17, 5.5])], |x| x[0].fmod(0.375)),
        row("remainder", divided(), |x| x[0].remainder(-&x[1])),
        row("remainder", ints(), |x| x[0].remainder(&x[1])),
        row("floor_divide", divided(), |x| x[0].floor_divide(&x[1])),
        row("floor_divide", ints(), |x| x[0].floor_divide(&x[1])),
        row("heaviside", pair(), |x| x[0].heaviside(&x[1])),
        rough("heaviside", vec![Tensor::from([0.0, -0.0, 1.0]), normal(22, &[3])], |x| x[0].heaviside(&x[1])),
        row("copysign", pair(), |x| x[0].copysign(&x[1])),
        row("fmax", pair(), |x| x[0].fmax(&x[1])),
        row("fmin", pair(), |x| x[0].fmin(&x[1])),
        rough("fmax", vec![Tensor::from([1.0, f64::NAN]), Tensor::from([1.0, 0.0])], |x| x[0].fmax(&x[1])),
        rough("fmin", vec![Tensor::from([1.0, 2.0]), Tensor::from([1.0, f64::NAN])], |x| x[0].fmin(&x[1])),
        row("isclose", pair(), |x| x[0].isclose(&x[1], Closeness { rtol: 0.5, ..Default::default() })),
    ]);
    rows
}

fn smooth_activations() -> Vec<Sample> {
    let x = || normal(26, &[3, 4]) * 2.0;
    let mut rows = unary! {
        "silu" x(), Tensor::silu;
        "gelu" x(), Tensor::gelu;
        "gelu_tanh" x(), Tensor::gelu_tanh;
        "mish" x(), Tensor::mish;
        "mish" Tensor::from([-40.0, 19.9, 20.1, 300.0]), Tensor::mish;
        "logsigmoid" x(), Tensor::logsigmoid;
        "softsign" x(), Tensor::softsign;
        "tanhshrink" x(), Tensor::tanhshrink;
        "softplus_beta" x(), |x: &Tensor| x.softplus_beta(2.0, 3.0);
        "glu" normal(26, &[3, 4]), |x: &Tensor| x.glu(1);
    };
    let pulled = || vec![normal(26, &[4]) * 2.0, normal(27, &[4])];
    rows.extend([
        row("silu_pull", pulled(), |x| pull(&x[0], &x[1], Tensor::silu)),
        row("gelu_pull", pulled(), |x| pull(&x[0], &x[1], Tensor::gelu)),
        row("gelu_tanh_pull", pulled(), |x| pull(&x[0], &x[1], Tensor::gelu_tanh)),
        row("mish_pull", pulled(), |x| pull(&x[0], &x[1], Tensor::mish)),
    ]);
    rows
}

fn pieces() -> Vec<Sample> {
    let x = || normal(28, &[3, 4]) * 4.0;
    let mut rows = unary! {
        "leaky_relu" x(), |x: &Tensor| x.leaky_relu(0.1);
        "relu6" x(), Tensor::relu6;
        "hardtanh" x(), |x: &Tensor| x.hardtanh(-1.0, 2.0);
        "hardsigmoid" x(), Tensor::hardsigmoid;
        "hardswish" x(), Tensor::hardswish;
        "elu" x(), |x: &Tensor| x.elu(1.5);
        "selu" x(), Tensor::selu;
        "celu" x(), |x: &Tensor| x.celu(0.5);
        "threshold" x(), |x: &Tensor| x.threshold(0.1, 20.0);
        "hardshrink" x(), |x: &Tensor| x.hardshrink(0.5);
        "softshrink" x(), |x: &Tensor| x.softshrink(0.5);
        "clamp_min" x(), |x: &Tensor| x.clamp_min(-0.5);
        "clamp_max" x(), |x: &Tensor| x.clamp_max(0.5);
    };
    let edges = || vec![Tensor::from([0.0, -0.0, 1.0, -1.0, 3.0, -3.0, 6.0])];
    let pulled = || vec![normal(28, &[4]) * 4.0, normal(29, &[4])];
    rows.extend([
        rough("leaky_relu", edges(), |x| x[0].leaky_relu(0.1)),
        rough("relu6", edges(), |x| x[0].relu6()),
        rough("hardtanh", edges(), |x| x[0].hardtanh(-1.0, 1.0)),
        rough("hardsigmoid", edges(), |x| x[0].hardsigmoid()),
        rough("hardswish", edges(), |x| x[0].hardswish()),
        rough("elu", edges(), |x| x[0].elu(2.0)),
        row("band_pull", pulled(), |x| pull(&x[0], &x[1], Tensor::hardsigmoid)),
        row("hardswish_pull", pulled(), |x| pull(&x[0], &x[1], Tensor::hardswish)),
        row("elu_pull", pulled(), |x| pull(&x[0], &x[1], |x| x.elu(0.7))),
        row("prelu", vec![normal(28, &[2, 3, 2]), normal(29, &[3])], |x| x[0].prelu(&x[1])),
        row("prelu", vec![normal(28, &[3]), normal(29, &[1])], |x| x[0].prelu(&x[1])),
    ]);
    rows
}

fn special() -> Vec<Sample> {
    let x = || normal(30, &[3, 4]);
    let shares = || positive(30, &[3, 4]) * 0.5;
    let mut rows = unary! {
        "erfc" x(), Tensor::erfc;
        "erfc" Tensor::from([-3.0, 5.0, 9.0, 27.0]), Tensor::erfc;
        "erfcx" x(), Tensor::erfcx;
        "erfcx" Tensor::from([0.0, 5.0, 30.0, 1e5]), Tensor::erfcx;
        "erfinv" inside(30, &[3, 4]), Tensor::erfinv;
        "erfinv" Tensor::from([0.9, -0.8, 0.0]), Tensor::erfinv;
        "ndtr" x(), Tensor::ndtr;
        "log_ndtr" x() * 2.0, Tensor::log_ndtr;
        "log_ndtr" Tensor::from([-40.0, -5.0, 8.0]), Tensor::log_ndtr;
        "ndtri" shares(), Tensor::ndtri;
        "ndtri" Tensor::from([0.019, 0.021, 0.98]), Tensor::ndtri;
        "logit" shares(), Tensor::logit;
        "logit_eps" shares(), |x: &Tensor| x.logit_eps(0.3);
    };
    rows.push(row("ndtr_pull", vec![normal(30, &[4]), normal(31, &[4])], |x| {
        pull(&x[0], &x[1], Tensor::ndtr)
    }));
    rows.push(rough("ndtri", vec![Tensor::from([1e-30, 1e-20, 1e-5])], |x| {
        crate::stop_gradient(&x[0]).ndtri()
    }));
    rows.push(rough("erfinv", vec![Tensor::from([0.99, -0.999, 0.99999])], |x| x[0].erfinv() * 1e-3));
    rows
}

fn gamma() -> Vec<Sample> {
    unary! {
        "lgamma" positive(32, &[3, 4]), Tensor::lgamma;
        "lgamma" normal(32, &[4]) + 9.0, Tensor::lgamma;
        "lgamma" Tensor::from([-0.5, -1.3, -2.7, 2.5, 1.5]), Tensor::lgamma;
        "digamma" positive(32, &[3, 4]), Tensor::digamma;
        "digamma" Tensor::from([-0.5, -1.3, -2.7, 8.0, 30.0]), Tensor::digamma;
        "polygamma" positive(32, &[3, 4]) + 0.5, |x: &Tensor| x.polygamma(1);
        "polygamma" positive(32, &[4]) + 0.5, |x: &Tensor| x.polygamma(2);
        "polygamma" positive(32, &[4]) + 1.0, |x: &Tensor| x.polygamma(5) * 1e-2;
        "polygamma" Tensor::from([-0.5, -1.4, -2.6]), |x: &Tensor| x.polygamma(1) * 1e-1;
        "polygamma" Tensor::from([-0.5, -1.4, -2.6]), |x: &Tensor| x.polygamma(4) * 1e-3;
    }
}

fn blends() -> Vec<Sample> {
    let triple = || vec![normal(33, &[3, 4]), normal(34, &[3, 4]), positive(35, &[3, 4])];
    vec![
        row("lerp", triple(), |x| x[0].lerp(&x[1], &x[2])),
        row("lerp", triple(), |x| x[0].lerp(&x[1], 0.25)),
        row("lerp", vec![normal(33, &[3, 1]), normal(34, &[4]), normal(35, &[])], |x| {
            x[0].lerp(&x[1], &x[2])
        }),
        row("addcmul", triple(), |x| x[0].addcmul(&x[1], &x[2], -0.5)),
        row("addcdiv", triple(), |x| x[0].addcdiv(&x[1], &x[2], 1.5)),
        row("addcdiv", vec![normal(33, &[2, 0]), normal(34, &[]), positive(35, &[1])], |x| {
            x[0].addcdiv(&x[1], &x[2], 1.5)
        }),
    ]
}

fn bits() -> Vec<Sample> {
    let ints = || vec![Tensor::from([6i64, -3, 0, i64::MAX]), Tensor::from([3i64, 5, -1, i64::MIN])];
    let bools = || vec![Tensor::from([true, true, false, false]), Tensor::from([true, false, true, false])];
    let shifts = || vec![Tensor::from([6i64, -3, 1, -1, 5]), Tensor::from([2i64, 1, 63, 64, -1])];
    vec![
        row("bitwise_and", ints(), |x| &x[0] & &x[1]),
        row("bitwise_and", bools(), |x| &x[0] & &x[1]),
        row("bitwise_or", ints(), |x| &x[0] | &x[1]),
        row("bitwise_or", bools(), |x| &x[0] | &x[1]),
        row("bitwise_xor", ints(), |x| &x[0] ^ &x[1]),
        row("bitwise_xor", bools(), |x| &x[0] ^ &x[1]),
        row("bitwise_not", ints(), |x| !&x[0]),
        row("bitwise_not", bools(), |x| !&x[0]),
        row("bitwise_not", vec![Tensor::from([0u8, 1, 200])], |x| !&x[0]),
        row("bitwise_left_shift", shifts(), |x| &x[0] << &x[1]),
        row("bitwise_right_shift", shifts(), |x| &x[0] >> &x[1]),
        row("bitwise_right_shift", vec![Tensor::from([129u8, 7])], |x| &x[0] >> 1),
    ]
}
