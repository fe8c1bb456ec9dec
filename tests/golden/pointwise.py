"""Cases of elementwise functions: powers, roots, logarithms, trigonometry, rounding, activations, special functions, bits."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import jax.scipy.special as special
import numpy as np
from jax import lax

from functions import BROADCASTS, INF, NAN, array, bools, ints
from record import Case, random


def held(x, low, high):
    """No gradient at the bounds themselves, as the library's `clamp` and PyTorch's hardtanh."""
    return jnp.where(x >= high, high, jnp.where(x <= low, low, x))


def hard_gate(x):
    return held(x / 6 + 0.5, 0.0, 1.0)


def hardswish(x):
    return jnp.where(x >= 3, x, jnp.where(x <= -3, 0.0, x * (x / 6 + 0.5)))


def shrunk(x, size):
    return jnp.where(jnp.abs(x) <= size, 0.0, x - size * jnp.sign(x))


def absolute(x):
    return jnp.where(x == 0, 0.0, jnp.abs(x))


def erfcx(x):
    """By its integral where JAX has no such function: exp(x^2) erfc(x), which for these arguments does not overflow."""
    return jnp.exp(x * x) * special.erfc(x)


def gelu_tanh(x):
    return jax.nn.gelu(x, approximate=True)


# name: function, range of the typical values, edges where derivatives are smooth, edges of first
# order only, edges whose value alone is compared (JAX's derivative there is NaN, or not the library's).
UNARY = {
    "exp2": (jnp.exp2, (-3, 3), array(0.0, -0.0, 1e-10, -30.0, 20.0), array(-INF, -1100.0, 1025.0, INF), None),
    "log2": (jnp.log2, (0.1, 5), array(1.0, 8.0, 1e-3, 1e6, 1 + 1e-9), array(0.0, INF), array(-1.0)),
    "log10": (jnp.log10, (0.1, 5), array(1.0, 1000.0, 1e-3, 1e6), array(0.0, INF), array(-1.0)),
    "rsqrt": (lax.rsqrt, (0.1, 5), array(1.0, 4.0, 1e-2, 1e6), None, array(0.0, -1.0, INF)),
    "cbrt": (jnp.cbrt, (0.1, 5), array(1.0, 27.0, -8.0, 1e-2, 1e6), array(0.0), array(-0.0, INF, -INF)),
    "reciprocal": (jnp.reciprocal, (0.2, 5), array(1.0, -4.0, 1e-2, 1e6), array(0.0, -0.0, INF), None),
    "tan": (jnp.tan, (-1.3, 1.3), array(0.0, -0.0, 1e-10, 3.0, 100.0), None, array(INF)),
    "asin": (jnp.arcsin, (-0.9, 0.9), array(0.0, 1e-10, 0.99, -0.99), array(1.0, -1.0), array(1.5, -INF)),
    "acos": (jnp.arccos, (-0.9, 0.9), array(0.0, 1e-10, 0.99, -0.99), array(1.0, -1.0), array(1.5, -INF)),
    "atan": (jnp.arctan, (-3, 3), array(0.0, 1e-10, 1e3, -1e6), array(INF, -INF), None),
    "sinh": (jnp.sinh, (-3, 3), array(0.0, 1e-10, 20.0, -25.0), None, array(710.0, -710.4, INF, -INF)),
    "cosh": (jnp.cosh, (-3, 3), array(0.0, 1e-10, 20.0, -25.0), None, array(710.0, -710.4, INF, -INF)),
    "asinh": (jnp.arcsinh, (-3, 3), array(0.0, 1e-5, -1e-10, 1e6), None, array(1e200, -1e8, INF, -INF)),
    "acosh": (jnp.arccosh, (1.2, 4), array(1.01, 100.0, 1e6), array(1.0), array(1e200, 0.5, -2.0, -1e9, INF)),
    "atanh": (jnp.arctanh, (-0.9, 0.9), array(0.0, 1e-10, 0.99), array(1.0, -1.0), array(1.5, INF)),
    "sinc": (jnp.sinc, (-2.5, 2.5), array(0.0, 0.3, -0.24), None, array(INF)),
    "deg2rad": (jnp.deg2rad, (-200, 200), array(0.0, 180.0), array(INF), None),
    "rad2deg": (jnp.rad2deg, (-4, 4), array(0.0, 3.0), array(INF), None),
    "ceil": (jnp.ceil, (-4, 4), array(0.5, -0.5, 1e9 + 0.25), array(0.0, 3.0, -3.0, INF), None),
    "round": (jnp.round, (-4, 4), array(0.7, 1e9 + 0.25), array(0.5, 1.5, -2.5, 3.0, INF), None),
    "trunc": (jnp.trunc, (-4, 4), array(0.5, -0.5, 1e9 + 0.25), array(0.0, 3.0, -3.0, INF), None),
    "frac": (lambda x: x - jnp.trunc(x), (-4, 4), array(0.5, -0.5, 1e9 + 0.25), array(0.0, 3.0), array(INF)),
    "mish": (jax.nn.mish, (-4, 4), array(0.0, 1e-10, -20.0, 15.0), array(-40.0, 19.99, 20.01, 800.0), None),
    "gelu_tanh": (gelu_tanh, (-3, 3), array(0.0, 1e-10, -5.0, 5.0), array(-30.0, 30.0), None),
    "logsigmoid": (jax.nn.log_sigmoid, (-4, 4), array(0.0, 1e-10, -20.0, 10.0), array(-800.0, 40.0), None),
    "softsign": (jax.nn.soft_sign, (-4, 4), array(0.5, -20.0, 1e6), array(1e300), None),
    "tanhshrink": (lambda x: x - jnp.tanh(x), (-4, 4), array(0.5, -20.0), array(INF), None),
    "relu6": (lambda x: held(x, 0.0, 6.0), (-2, 8), array(0.5, -3.0), array(0.0, 6.0, INF, -INF), None),
    "hardsigmoid": (hard_gate, (-5, 5), array(0.5, -4.0), array(3.0, -3.0, INF, -INF), None),
    "hardswish": (hardswish, (-5, 5), array(0.5, -4.0), array(3.0, -3.0, 1e300), None),
    "selu": (jax.nn.selu, (-3, 3), array(0.5, -20.0), array(0.0, -800.0, INF, -INF), None),
    "erfc": (special.erfc, (-2.5, 2.5), array(0.0, 1e-10, 1.0, 5.0), array(-INF, -6.5, 26.0, INF), None),
    "erfcx": (erfcx, (-2, 2), array(0.0, 1e-10, 4.0), array(-5.0), None),
    "erfinv": (special.erfinv, (-0.9, 0.9), array(0.0, 1e-10, 0.99), array(1.0, -1.0), array(1.5, -INF, 1 - 1e-15)),
    "ndtr": (special.ndtr, (-2.5, 2.5), array(0.0, 1e-10, 1.0, -5.0), array(-INF, -37.0, 9.0, INF), None),
    "log_ndtr": (special.log_ndtr, (-2.5, 2.5), array(0.0, 1.0, -6.0, 5.0), None, array(-100.0, 40.0, -1e10)),
    "ndtri": (special.ndtri, (0.05, 0.95), array(0.5, 0.01, 0.99), None, array(0.0, 1.0, 1e-200, 1e-20, 1.5, -0.5)),
    "lgamma": (special.gammaln, (0.2, 9), array(1.0, 2.0, 0.01, 50.0), None, array(0.0, -1.0, -2.5, INF, -INF, 1e300)),
    "digamma": (special.digamma, (0.2, 9), array(1.0, 2.0, 0.1, 50.0), None, array(0.0, -1.0, -2.5, INF)),
    "logit": (special.logit, (0.1, 0.9), array(0.5, 0.01, 0.99), None, array(0.0, 1.0, 1.5, -0.5, 1e-300)),
}


def unary():
    for fn, (f, (low, high), smooth, edges, values) in UNARY.items():
        yield Case(fn, "typical", f, [random(fn, (2, 3), low, high)])
        yield Case(fn, "rank 0", f, [random(fn + "0", (), low, high)])
        yield Case(fn, "empty", f, [np.zeros((0, 3))])
        yield Case(fn, "smooth edges", f, [smooth], edge=True)
        if edges is not None:
            yield Case(fn, "edges", f, [edges], order=1, edge=True)
        if values is not None:
            yield Case(fn, "values at edges", f, [values], order=0)
        yield Case(fn, "nan", f, [array(NAN)], order=0)
        if fn not in ("erfcx",):
            single = random(fn + "f32", (4,), low, high).astype(np.float32)
            yield Case(fn, "f32", f, [single], order=1, edge=True)
    for fn, f in {"ceil": jnp.ceil, "round": jnp.round, "trunc": jnp.trunc}.items():
        yield Case(fn, "integers", lambda x: x, [ints(-3, 0, 4)])
    yield Case("softsign", "at zero", lambda x: x / (1 + absolute(x)), [array(0.0, 1.0)], edge=True)
    yield Case("softsign", "infinities", jnp.sign, [array(INF, -INF)], order=0)


def powers():
    def shared(f):
        """Half to each where both are -inf; JAX has NaN there."""
        def g(a, b):
            equal = (a == b) & jnp.isinf(a)
            mean = jnp.where(equal, (a + b) / 2, 0.0)
            return jnp.where(equal, mean, f(jnp.where(equal, 0.0, a), jnp.where(equal, 0.0, b)))
        return g

    for fn, f in (("logaddexp", jnp.logaddexp), ("logaddexp2", jnp.logaddexp2)):
        for name, (a, b) in BROADCASTS.items():
            yield Case(fn, name, f, [random(fn + name, a), random(fn + name + "2", b)])
        yield Case(fn, "ties", f, [array(1.0, -2.0), array(1.0, -2.0)])
        large = [array(1000.0, -1000.0, 0.0), array(0.0, -1000.5, 40.0)]
        yield Case(fn, "large", f, large, edge=True)
        infinite = [array(-INF, 1.0, -INF), array(0.5, -INF, -INF)]
        yield Case(fn, "minus infinity", shared(f), infinite, order=1, edge=True)
        yield Case(fn, "values at edges", f, [array(INF, INF, NAN, -INF), array(INF, -INF, 1.0, NAN)], order=0)
    for fn, f, low in (("xlogy", special.xlogy, 0.2), ("xlog1py", special.xlog1py, -0.8)):
        for name, (a, b) in BROADCASTS.items():
            yield Case(fn, name, f, [random(fn + name, a), random(fn + name + "2", b, low, 3)])
        yield Case(fn, "zero", f, [array(0.0, 0.0, -0.0), array(1.0, 2.0, 3.0)], order=1, edge=True)
        yield Case(fn, "values at edges", f, [array(0.0, 0.0, 2.0, NAN), array(0.0 if low > 0 else -1.0, INF, INF, 1.0)], order=0)
        yield Case(fn, "nan beside zero", f, [array(0.0), array(NAN)], order=0)
    x = random("float_power", (2, 3), 0.3, 3)
    yield Case("float_power", "typical", lambda x: jnp.float_power(x, 1.5), [x], {"exponent": 1.5})
    yield Case("float_power", "integers", lambda x: jnp.float_power(x, -1.0), [ints(1, 2, -4)], {"exponent": -1.0})


def polar():
    for name, (a, b) in BROADCASTS.items():
        yield Case("atan2", name, jnp.arctan2, [random("atan2" + name, a), random("atan2 x" + name, b)])
        yield Case("hypot", name, jnp.hypot, [random("hypot" + name, a, 0.2, 2), random("hypot x" + name, b, 0.2, 2)])
    axes = [array(0.0, -0.0, 0.0, 1.0, -1.0, 2.0), array(1.0, 1.0, -1.0, 0.0, 0.0, -2.0)]
    yield Case("atan2", "along the axes", jnp.arctan2, axes, order=1, edge=True)
    corners = [array(0.0, -0.0, 0.0, -0.0, INF, INF, -INF, 1.0, NAN), array(0.0, 0.0, -0.0, -0.0, INF, -INF, 1.0, -INF, 1.0)]
    yield Case("atan2", "corners", jnp.arctan2, corners, order=0)
    euclid = lambda a, b: jnp.sqrt(a * a + b * b)
    yield Case("hypot", "along the axes", euclid, [array(0.0, 3.0, -2.0), array(1.0, 0.0, 0.0)], edge=True)
    yield Case("hypot", "the origin", lambda a, b: a * 0.0 + b * 0.0, [array(0.0), array(0.0)], order=1, edge=True)
    yield Case("hypot", "great and small", jnp.hypot, [array(3e300, 3e-300, INF, 1.0), array(-4e300, 4e-300, 1.0, -INF)], order=0)


def division():
    away = lambda key, shape: np.where(random(key, shape) < 0, -1.0, 1.0) * random(key + "size", shape, 0.4, 2)
    for fn, f in (("fmod", jnp.fmod), ("remainder", jnp.remainder), ("floor_divide", jnp.floor_divide)):
        for name, (a, b) in BROADCASTS.items():
            yield Case(fn, name, f, [random(fn + name, a, -5, 5), away(fn + name + "2", b)], edge=True)
        signs = [array(7.5, -7.5, 7.5, -7.5), array(2.0, 2.0, -2.0, -2.0)]
        yield Case(fn, "signs", f, signs, edge=True)
        yield Case(fn, "integers", f, [ints(7, -7, 7, -7, 6, 0), ints(2, 2, -2, -2, 3, 5)])
        yield Case(fn, "great quotients", f, [array(1e17, -1e17, 5.5), array(0.3, 0.7, 1e-3)], order=0)
        yield Case(fn, "infinite divisor", f, [array(1.0, -1.0, 0.0), array(INF, INF, -INF)], order=0)
    for fn, f in (("fmod", jnp.fmod), ("remainder", jnp.remainder)):
        yield Case(fn, "by zero", f, [array(1.0, 0.0, INF, NAN), array(0.0, 0.0, 2.0, 1.0)], order=0)
    by_zero = lambda a, b: a / b
    yield Case("floor_divide", "by zero", by_zero, [array(1.0, -1.0, 0.0), array(0.0, 0.0, 0.0)], order=0)


def signs():
    step = lambda x, value: jnp.where(jnp.isnan(x), x, jnp.where(x < 0, 0.0, jnp.where(x > 0, 1.0, value)))
    for name, (a, b) in BROADCASTS.items():
        yield Case("heaviside", name, step, [random("heaviside" + name, a), random("heaviside2" + name, b)])
        yield Case("copysign", name, jnp.copysign, [random("copysign" + name, a), random("copysign2" + name, b)])
    yield Case("heaviside", "zeros", step, [array(0.0, -0.0, 1.0, -1.0), array(0.5, 0.25, 3.0, 4.0)], order=1, edge=True)
    yield Case("heaviside", "nan", step, [array(NAN), array(0.5)], order=0)
    zeros = [array(1.0, -1.0, 0.0, 2.0, INF), array(-0.0, 0.0, -1.0, NAN, -2.0)]
    yield Case("copysign", "zeros", jnp.copysign, zeros, order=1, edge=True)
    for fn, f, limit in (("fmax", jnp.fmax, jnp.maximum), ("fmin", jnp.fmin, jnp.minimum)):
        for name, (a, b) in BROADCASTS.items():
            yield Case(fn, name, f, [random(fn + name, a), random(fn + name + "2", b)])
        yield Case(fn, "ties share evenly", limit, [array(1.0, 0.0), array(1.0, 0.0)], edge=True)
        def skipping(a, b, limit=limit):
            return jnp.where(jnp.isnan(a), b, jnp.where(jnp.isnan(b), a, limit(a, b)))
        yield Case(fn, "nan", skipping, [array(NAN, 1.0, 2.0), array(1.0, NAN, 3.0)], order=1, edge=True)
        yield Case(fn, "two nan", f, [array(NAN), array(NAN)], order=0)
        yield Case(fn, "integers", f, [ints(7, -2, 0), ints(3, 5, 0)])
    odd = array(0.0, -0.0, 1.5, -1.5, INF, -INF)
    for fn, f in {"isposinf": jnp.isposinf, "isneginf": jnp.isneginf, "signbit": jnp.signbit}.items():
        yield Case(fn, "typical", f, [odd])
        yield Case(fn, "empty", f, [np.zeros((0, 2))])
    yield Case("signbit", "integers", lambda x: x < 0, [ints(-3, 0, 2)])
    yield Case("isposinf", "integers", lambda x: x > 9, [ints(-3, 0, 2)])
    yield Case("isneginf", "integers", lambda x: x > 9, [ints(-3, 0, 2)])


def replaced():
    def replace(x, nan, above, below):
        return jnp.where(jnp.isfinite(x), x, jnp.where(jnp.isnan(x), nan, jnp.where(x > 0, above, below)))

    x = array(NAN, INF, -INF, -0.0, 2.5)
    great = np.finfo(np.float64).max
    default = lambda x: replace(x, 0.0, great, -great)
    yield Case("nan_to_num", "default", default, [x], {"nan": 0.0}, order=1, edge=True)
    f = lambda x: replace(x, 1.0, 2.0, -3.0)
    yield Case("nan_to_num", "given", f, [x], {"nan": 1.0, "posinf": 2.0, "neginf": -3.0}, order=1, edge=True)
    single = lambda x: jnp.nan_to_num(x)
    yield Case("nan_to_num", "f32", single, [x.astype(np.float32)], {"nan": 0.0}, order=0)
    yield Case("nan_to_num", "integers", lambda x: x, [ints(1, -2)], {"nan": 0.0})
    a, b = array(1.0, 1.0, 1.0, INF, INF, NAN, 1e-9), array(1.0, 1.00002, 1.0000099, INF, -INF, NAN, 0.0)
    for equal_nan in (False, True):
        f = lambda a, b, e=equal_nan: jnp.isclose(a, b, equal_nan=e)
        attrs = {"rtol": 1e-5, "atol": 1e-8, "equal_nan": equal_nan}
        yield Case("isclose", f"equal_nan {equal_nan}", f, [a, b], attrs)
    loose = {"rtol": 0.5, "atol": 0.0, "equal_nan": False}
    f = lambda a, b: jnp.isclose(a, b, rtol=0.5, atol=0.0)
    yield Case("isclose", "loose", f, [array(1.0, 2.0, 5.0).reshape(3, 1), array(1.5, 4.0)], loose)
    yield Case("isclose", "integers", f, [ints(1, 2, 5), ints(2, 5, 5)], loose)


def activations():
    x, edges = random("activations", (2, 3), -4, 4), array(0.0, -0.0, 0.5, -0.5, INF, -INF)
    tie = array(0.0, 0.5, -0.5, 1.0, -1.0, 30.0)

    def case(fn, f, attrs, edges):
        yield Case(fn, "typical", f, [x], attrs)
        yield Case(fn, "empty", f, [np.zeros((0, 3))], attrs)
        yield Case(fn, "nan", f, [array(NAN)], attrs, order=0)
        if edges is not None:
            yield Case(fn, "edges", f, [edges], attrs, order=1, edge=True)

    yield from case("elu", lambda x: jax.nn.elu(x, 1.5), {"alpha": 1.5}, edges)
    yield from case("celu", lambda x: jax.nn.celu(x, 0.5), {"alpha": 0.5}, edges)
    yield from case("hardtanh", lambda x: held(x, -1.0, 0.5), {"low": -1.0, "high": 0.5}, edges)
    yield from case("hardshrink", lambda x: jnp.where(jnp.abs(x) <= 0.5, 0.0, x), {"size": 0.5}, edges)
    yield from case("softshrink", lambda x: shrunk(x, 0.5), {"size": 0.5}, edges)
    threshold = lambda x: jnp.where(x <= 0.5, 7.0, x)
    yield from case("threshold", threshold, {"threshold": 0.5, "value": 7.0}, edges)
    plus = lambda x: jnp.where(x * 2.0 > 4.0, x, jax.nn.softplus(x * 2.0) / 2.0)
    yield from case("softplus_beta", plus, {"beta": 2.0, "threshold": 4.0}, tie)
    yield from case("clamp_min", lambda x: jnp.where(x <= -0.5, -0.5, x), {"low": -0.5}, edges)
    yield from case("clamp_max", lambda x: jnp.where(x >= 0.5, 0.5, x), {"high": 0.5}, edges)
    leaky = lambda x: jnp.where(x > 0, x, 0.25 * x)
    yield from case("leaky_relu_edges", leaky, {"slope": 0.25}, edges)
    bounds = [array(-1.0, 0.5, 3.0), array(0.0, 1.0, 2.0)]
    yield Case("clamp_min_tensor", "typical", lambda x, b: jnp.where(x <= b, b, x), bounds)
    yield Case("clamp_max_tensor", "typical", lambda x, b: jnp.where(x >= b, b, x), bounds)
    share = random("logit_eps", (2, 3), 0.05, 0.95)
    logit = lambda x: special.logit(held(x, 0.25, 0.75))
    yield Case("logit_eps", "typical", logit, [share], {"eps": 0.25})
    yield Case("logit_eps", "edges", logit, [array(0.0, 1.0, 0.5)], {"eps": 0.25}, order=1, edge=True)
    slopes = lambda x, w: jnp.where(x > 0, x, x * w.reshape(-1, *[1] * (x.ndim - 2)))
    yield Case("prelu", "a slope for each channel", slopes, [random("prelu", (2, 3, 2)), random("prelu w", (3,), 0.1, 1)])
    yield Case("prelu", "one slope", lambda x, w: jnp.where(x > 0, x, x * w), [random("prelu1", (2, 3)), array(0.25)])
    yield Case("prelu", "rank 1", lambda x, w: jnp.where(x > 0, x, x * w), [random("prelu2", (4,)), np.array(0.25)])
    yield Case("prelu", "zero", lambda x, w: jnp.where(x > 0, x, x * w), [array(0.0, -0.0), array(0.25)], edge=True)
    for axis in (0, -1):
        glu = lambda x, a=axis: jax.nn.glu(x, axis=a)
        yield Case("glu", f"axis {axis}", glu, [random("glu", (2, 3, 4))], {"axis": axis})


def gamma():
    for order in (0, 1, 2, 3, 6):
        f = lambda x, n=order: special.polygamma(n, x)
        high = 9 if order < 6 else 3
        yield Case("polygamma", f"order {order}", f, [random(f"polygamma{order}", (2, 3), 0.6, high)], {"order": order})
    for order in (1, 2):
        # JAX sums the first terms only, which is right down to here.
        f = lambda x, n=order: special.polygamma(n, x)
        yield Case("polygamma", f"negative, order {order}", f, [array(-0.5, -1.25, -3.75)], {"order": order}, order=0)
        # The sign of a pole.
        pole = lambda x, n=order: (INF if n == 1 else -INF) + 0 * x
        yield Case("polygamma", f"poles, order {order}", pole, [array(0.0, -1.0, -2.0)], {"order": order}, order=0)


def blends():
    lerp = lambda a, b, w: a + w * (b - a)
    for name, shapes in {"equal shapes": ((2, 3),) * 3, "broadcast": ((2, 1), (3,), ()), "empty": ((0, 2), (1, 2), ())}.items():
        triple = [random(f"blend{i}" + name, s) for i, s in enumerate(shapes)]
        yield Case("lerp", name, lerp, triple)
        factor = {"factor": -1.5}
        yield Case("addcmul", name, lambda x, a, b: x - 1.5 * a * b, triple, factor)
        over = triple[:2] + [random("over" + name, shapes[2], 0.4, 2)]
        yield Case("addcdiv", name, lambda x, a, b: x - 1.5 * a / b, over, factor)
    weights = [array(1.0, 1.0, 1.0), array(0.1, 0.1, 0.1), array(0.0, 1.0, 0.5)]
    yield Case("lerp", "ends", lerp, weights, edge=True)


def bits():
    a, b = ints(6, -3, 0, (1 << 40) + 5), ints(3, 5, -1, -7)
    for fn, f in {"bitwise_and": jnp.bitwise_and, "bitwise_or": jnp.bitwise_or, "bitwise_xor": jnp.bitwise_xor}.items():
        yield Case(fn, "integers", f, [a, b])
        yield Case(fn, "broadcast", f, [a.reshape(2, 2), ints(5)])
        yield Case(fn, "bools", f, [bools(True, True, False, False), bools(True, False, True, False)])
    yield Case("bitwise_not", "integers", jnp.bitwise_not, [a])
    yield Case("bitwise_not", "bools", jnp.bitwise_not, [bools(True, False)])
    x, count = ints(5, -3, 1, -1, 7), ints(1, 2, 62, 63, 0)
    for fn, f in {"bitwise_left_shift": jnp.left_shift, "bitwise_right_shift": jnp.right_shift}.items():
        yield Case(fn, "integers", f, [x, count])
        yield Case(fn, "too far", f, [ints(5, -5), ints(64, 100)])


def cases():
    families = (unary, powers, polar, division, signs, replaced, activations, gamma, blends, bits)
    for family in families:
        yield from family()
