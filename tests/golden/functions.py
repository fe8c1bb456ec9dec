"""The primitive functions: every name with its typical values and its edges."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from record import Case, random

INF, NAN = math.inf, math.nan


def array(*values):
    return np.array(values, dtype=np.float64)


def ints(*values):
    return np.array(values, dtype=np.int64)


def bools(*values):
    return np.array(values, dtype=bool)


# --- one operand, element by element -------------------------------------------------------------


@jax.custom_jvp
def absolute(x):
    """JAX gives abs the slope 1 at 0; the library, as PyTorch, the mean of both sides, 0."""
    return jnp.abs(x)


@absolute.defjvp
def _(x, dx):
    return absolute(*x), jnp.sign(*x) * dx[0]


# name: function, range of the typical values, edges where derivatives are smooth, edges of first
# order only or of decided value (poles, kinks, saturation).
UNARY = {
    "neg": (jnp.negative, (-2, 2), array(0.0, -0.0, 1e300), None),
    "exp": (jnp.exp, (-3, 3), array(0.0, -0.0, 1e-10, -30.0, 20.0), array(-INF, -800.0, 710.0, INF)),
    "log": (jnp.log, (0.1, 5), array(1.0, 1e-3, 1e6, 1 + 1e-9), array(0.0, -1.0, INF)),
    "log1p": (jnp.log1p, (-0.9, 3), array(0.0, 1e-10, -1e-10, 1e6), array(-1.0, -2.0, INF)),
    "expm1": (jnp.expm1, (-3, 3), array(0.0, 1e-10, -1e-10, -40.0, 20.0), array(-INF, INF)),
    "sqrt": (jnp.sqrt, (0.1, 5), array(1.0, 4.0, 1e-2, 1e6), array(0.0, -1.0, INF)),
    "sin": (jnp.sin, (-6, 6), array(0.0, -0.0, 1e-10, 100.0, 1e4), None),
    "cos": (jnp.cos, (-6, 6), array(0.0, 1e-10, 100.0, 1e4), None),
    "tanh": (jnp.tanh, (-3, 3), array(0.0, 1e-10, -5.0, 9.0), array(-INF, -30.0, 30.0, 800.0, INF)),
    "sigmoid": (jax.nn.sigmoid, (-4, 4), array(0.0, 1e-10, -20.0, 10.0), array(-INF, -800.0, 40.0, 800.0, INF)),
    "relu": (jax.nn.relu, (-2, 2), array(1e-3, -1e-3, 5.0), array(0.0, -0.0, INF, -INF)),
    "abs": (absolute, (-2, 2), array(1e-3, -1e-3, -7.0), array(0.0, -0.0, INF, -INF)),
    "sign": (jnp.sign, (-2, 2), array(1e-3, -1e-3, 7.0), array(0.0, -0.0, INF, -INF)),
    "floor": (jnp.floor, (-4, 4), array(0.5, -0.5, 1e9 + 0.25), array(0.0, 3.0, -3.0, INF)),
    "erf": (lax.erf, (-2.5, 2.5), array(0.0, 1e-10, 0.84375, 1.25, -3.0), array(-INF, -6.5, 6.5, 30.0, INF)),
    "square": (jnp.square, (-3, 3), array(0.0, -0.0, 1e-5, 1e3), array(INF, -INF)),
    "silu": (jax.nn.silu, (-4, 4), array(0.0, 1e-10, -10.0, 10.0), array(-40.0, 40.0, 800.0)),
    "gelu": (lambda x: jax.nn.gelu(x, approximate=False), (-3, 3), array(0.0, 1e-10, -5.0, 5.0), array(-30.0, 30.0)),
    "softplus": (jax.nn.softplus, (-4, 4), array(0.0, 1e-10, -20.0, 10.0), array(-800.0, 40.0, 800.0)),
}


def unary():
    for fn, (f, (low, high), smooth, edges) in UNARY.items():
        yield Case(fn, "typical", f, [random(fn, (2, 3), low, high)])
        yield Case(fn, "rank 0", f, [random(fn + "0", (), low, high)])
        yield Case(fn, "empty", f, [np.zeros((0, 3))])
        yield Case(fn, "smooth edges", f, [smooth], edge=True)
        if edges is not None:
            yield Case(fn, "edges", f, [edges], order=1, edge=True)
        yield Case(fn, "nan", f, [array(NAN)], order=0)
    yield Case("relu", "second derivative at zero", jax.nn.relu, [array(0.0, 1.0)], edge=True)
    yield Case("abs", "integers", jnp.abs, [ints(-3, 0, 4)])
    yield Case("neg", "integers", jnp.negative, [ints(-3, 0, 4)])
    yield Case("sign", "integers", jnp.sign, [ints(-3, 0, 4)])


# --- two operands, element by element ------------------------------------------------------------

ARITHMETIC = {"add": jnp.add, "sub": jnp.subtract, "mul": jnp.multiply, "div": jnp.divide}
EXTREMES = {"minimum": jnp.minimum, "maximum": jnp.maximum}
COMPARE = {
    "eq": jnp.equal,
    "ne": jnp.not_equal,
    "lt": jnp.less,
    "le": jnp.less_equal,
    "gt": jnp.greater,
    "ge": jnp.greater_equal,
}
LOGICAL = {"logical_and": jnp.logical_and, "logical_or": jnp.logical_or, "logical_xor": jnp.logical_xor}

# Shapes that broadcast: a row, a column, both ways at once, a number, an empty one.
BROADCASTS = {
    "equal shapes": ((2, 3), (2, 3)),
    "row": ((2, 3), (3,)),
    "column": ((2, 1), (2, 3)),
    "both ways": ((2, 1, 3), (4, 1)),
    "rank 0": ((2, 2), ()),
    "both rank 0": ((), ()),
    "empty": ((0, 3), (1, 3)),
}


def away_from_zero(key, shape):
    x = random(key, shape)
    return np.where(np.abs(x) < 0.3, x + np.where(x < 0, -0.5, 0.5), x)


def binary():
    for fn, f in (ARITHMETIC | EXTREMES).items():
        for name, (a, b) in BROADCASTS.items():
            second = away_from_zero if fn == "div" else random
            yield Case(fn, name, f, [random(fn + name, a), second(fn + name + "2", b)])
    for fn, f in ARITHMETIC.items():
        if fn != "div":
            yield Case(fn, "integers", f, [ints(7, -2, 0), ints(3, 5, -1)])
    yield Case(
        "div", "edges", jnp.divide, [array(1.0, -1.0, 0.0, INF), array(0.0, 0.0, 2.0, 2.0)], order=1, edge=True
    )
    for fn, f in EXTREMES.items():
        ties = [array(1.0, 2.0, 0.0, -1.0), array(1.0, -2.0, 0.0, 3.0)]
        yield Case(fn, "ties share evenly", f, ties, edge=True)
        yield Case(fn, "ties with a broadcast number", f, [array(1.0, 2.0, 0.5), np.array(1.0)], edge=True)
        yield Case(fn, "nan", f, [array(NAN, 1.0, NAN), array(1.0, NAN, NAN)], order=0)
        yield Case(fn, "infinities", f, [array(INF, -INF), array(1.0, 1.0)], order=1, edge=True)
        yield Case(fn, "integers", f, [ints(7, -2, 0), ints(3, 5, 0)])
    for fn, f in COMPARE.items():
        yield Case(fn, "typical", f, [array(1.0, 2.0, 0.0, -0.0, -1.0), array(1.0, -2.0, -0.0, 0.0, 3.0)])
        yield Case(fn, "broadcast", f, [array(1.0, 2.0, 3.0).reshape(3, 1), array(1.0, 2.0)])
        yield Case(fn, "nan and infinities", f, [array(NAN, 1.0, INF, INF), array(NAN, NAN, INF, -INF)])
        yield Case(fn, "integers", f, [ints(7, -2, 0), ints(3, 5, 0)])
    for fn, f in {"isnan": jnp.isnan, "isinf": jnp.isinf, "isfinite": jnp.isfinite}.items():
        yield Case(fn, "typical", f, [array(0.0, -1.5, NAN, INF, -INF, 1e300)])
    a, b = bools(False, False, True, True), bools(False, True, False, True)
    for fn, f in LOGICAL.items():
        yield Case(fn, "table", f, [a, b])
        yield Case(fn, "broadcast", f, [a.reshape(2, 2), bools(True)])
    yield Case("logical_not", "table", jnp.logical_not, [a])


def power():
    """`pow` of two tensors, and of a tensor and a number."""
    for name, (a, b) in BROADCASTS.items():
        yield Case("pow", name, jnp.power, [random("pow" + name, a, 0.2, 3), random("pow2" + name, b)])
    edges = [array(0.0, 0.0, 2.0, 1.0), array(2.0, 1.0, 0.0, 5.0)]
    yield Case("pow", "zero base or exponent", jnp.power, edges, order=1, edge=True)
    # JAX has 0 * inf for the derivative of x^0 at 0, which is 0: values only.
    undecided = [array(0.0, 0.0, -2.0, -2.0, INF), array(0.0, -1.0, 3.0, 0.5, 0.0)]
    yield Case("pow", "poles and negative bases", jnp.power, undecided, order=0)
    for exponent in (2.0, 3.0, -1.0, -2.0, 0.5, -0.5, 2.5, 1.0, 0.0):
        whole = exponent == int(exponent)
        x = away_from_zero("pow number", (2, 3)) if whole else random("pow number", (2, 3), 0.2, 3)
        f = lambda x, e=exponent: lax.integer_pow(x, int(e)) if e == int(e) else x**e
        yield Case("pow_number", f"exponent {exponent}", f, [x], {"exponent": exponent})
        if whole and exponent >= 0:
            zero = [array(0.0, -0.0, 1.0)]
            yield Case("pow_number", f"zero to the {exponent}", f, zero, {"exponent": exponent}, edge=True)


def select_and_cast():
    c = bools(True, False, True)
    yield Case("where", "typical", jnp.where, [c, array(1.0, 2.0, 3.0), array(-1.0, -2.0, -3.0)])
    yield Case("where", "broadcast", jnp.where, [c, random("where", (2, 1)), np.array(0.5)])
    column = bools(True, False).reshape(2, 1)
    yield Case("where", "condition broadcast", jnp.where, [column, random("w2", (2, 3)), random("w3", (3,))])
    yield Case("where", "hides nan", jnp.where, [c, array(1.0, NAN, 3.0), array(NAN, 2.0, INF)], order=1, edge=True)
    yield Case("where", "empty", jnp.where, [np.zeros((0,), bool), np.zeros(0), np.zeros(0)])
    yield Case("where", "integers", jnp.where, [c, ints(1, 2, 3), ints(4, 5, 6)])
    to = {"f32": jnp.float32, "f64": jnp.float64, "i64": jnp.int64, "bool": jnp.bool_}
    for source, target in (
        (array(0.5, -1.25, 1e10, 0.0), "f32"),
        (np.array([0.5, -1.25, 3.0], np.float32), "f64"),
        (array(0.5, -1.25, 3.0), "f64"),
    ):
        f = (lambda t: lambda x: x.astype(to[t]))(target)
        yield Case("cast", f"{source.dtype} to {target}", f, [source], {"to": target}, edge=True)
    for source, target in (
        (array(0.5, -0.5, 1.99, -1.99, -0.0, 1e9 + 0.5), "i64"),
        (array(0.0, -0.0, 0.1, -2.0), "bool"),
        (ints(0, -3, 1 << 40), "f64"),
        (ints(0, -3, 1), "bool"),
        (bools(False, True), "f64"),
        (bools(False, True), "i64"),
    ):
        f = (lambda t: lambda x: x.astype(to[t]))(target)
        yield Case("cast", f"{source.dtype} to {target}", f, [source], {"to": target})


# --- reductions ----------------------------------------------------------------------------------

REDUCE = {"sum": jnp.sum, "prod": jnp.prod, "amax": jnp.max, "amin": jnp.min}

# axes (None: all), keepdim
AXES = [(None, False), ([0], False), ([-1], False), ([0, 2], False), ([0, 1, 2], False), ([], False)]
KEPT = [([1], True), ([-1, -2], True), ([0, 1, 2], True)]


def axes_of(axes):
    return None if axes is None else tuple(axes)


def reductions():
    for fn, reduce in REDUCE.items():
        for axes, keepdim in AXES + KEPT:
            f = lambda x, a=axes, k=keepdim, r=reduce: r(x, axis=axes_of(a), keepdims=k)
            name = f"axes {axes}" + (", keepdim" if keepdim else "")
            yield Case(fn, name, f, [random(fn + "reduce", (2, 3, 2))], {"axes": axes, "keepdim": keepdim})
        whole, first = {"axes": None}, {"axes": [0]}
        yield Case(fn, "rank 0", reduce, [np.array(1.5)], whole)
        yield Case(fn, "one element", reduce, [array(-2.5)], whole)
        yield Case(fn, "empty kept axis", lambda x, r=reduce: r(x, axis=0), [np.zeros((2, 0))], first)
        yield Case(fn, "integers", lambda x, r=reduce: r(x, axis=0), [ints(3, -1, 2, 5).reshape(2, 2)], first)
    for fn, reduce in (("sum", jnp.sum), ("prod", jnp.prod)):
        yield Case(fn, "over nothing", lambda x, r=reduce: r(x, axis=0), [np.zeros((0, 3))], {"axes": [0]})
        yield Case(fn, "of nothing", reduce, [np.zeros((0,))], {"axes": None})
    for fn, f in (("any", jnp.any), ("all", jnp.all)):
        yield Case(fn, "mixed", f, [array(0.0, 2.0, NAN)])
        yield Case(fn, "zeros", f, [array(0.0, -0.0)])
        yield Case(fn, "nonzeros", f, [array(-1.0, NAN)])
        yield Case(fn, "of nothing", f, [np.zeros((0, 2))])
        yield Case(fn, "bools", f, [bools(True, False)])
    rows = array(2.0, 0.0, 3.0, 0.0, 0.0, 5.0, 1.0, -2.0, 4.0).reshape(3, 3)
    yield Case("prod", "no zero, one zero, two zeros", lambda x: jnp.prod(x, axis=1), [rows], {"axes": [1]})


def extremes():
    for fn in ("amax", "amin"):
        reduce, one, whole = REDUCE[fn], {"axes": [1]}, {"axes": None}
        ties = array(1.0, 3.0, 3.0, 2.0, 2.0, 2.0, -1.0, -1.0, 4.0).reshape(3, 3)
        yield Case(fn, "ties share evenly", lambda x, r=reduce: r(x, axis=1), [ties], one, edge=True)
        yield Case(fn, "ties over all axes", reduce, [ties], whole, edge=True)
        yield Case(fn, "infinities", reduce, [array(INF, 1.0, -INF)], whole, order=1, edge=True)
        nans = array(1.0, NAN, NAN, 2.0, 1.0, 2.0).reshape(3, 2)
        yield Case(fn, "nan", lambda x, r=reduce: r(x, axis=1), [nans], one, order=0)
    for fn, f in (("argmax", jnp.argmax), ("argmin", jnp.argmin)):
        for axis in (0, 1, -1):
            yield Case(fn, f"axis {axis}", lambda x, a=axis, f=f: f(x, axis=a), [random(fn, (2, 3, 4))], {"axis": axis})
        ties = array(3.0, 1.0, 3.0, 1.0, 1.0, 3.0).reshape(2, 3)
        yield Case(fn, "the first of ties", lambda x, f=f: f(x, axis=1), [ties], {"axis": 1})
        yield Case(fn, "integers", lambda x, f=f: f(x, axis=0), [ints(2, 7, 7, -1)], {"axis": 0})
        yield Case(fn, "nan", lambda x, f=f: f(x, axis=0), [array(1.0, NAN, 5.0, NAN, -5.0)], {"axis": 0})


# --- linear algebra ------------------------------------------------------------------------------

MATMUL = {
    "vector vector": ((3,), (3,)),
    "matrix vector": ((2, 3), (3,)),
    "vector matrix": ((3,), (3, 2)),
    "matrix matrix": ((2, 3), (3, 4)),
    "one by one": ((1, 1), (1, 1)),
    "batch": ((2, 2, 3), (2, 3, 2)),
    "batch matrix": ((2, 2, 3), (3, 2)),
    "matrix batch": ((2, 3), (2, 3, 2)),
    "batch vector": ((2, 2, 3), (3,)),
    "vector batch": ((3,), (2, 3, 2)),
    "broadcast batch": ((2, 1, 2, 3), (3, 3, 2)),
    "broadcast batch of one": ((1, 2, 3), (2, 3, 2)),
    "no rows": ((0, 3), (3, 2)),
    "no inner dimension": ((2, 0), (0, 3)),
}


def products():
    for name, (a, b) in MATMUL.items():
        yield Case("matmul", name, jnp.matmul, [random("matmul" + name, a), random("matmul2" + name, b)])
    yield Case("dot", "typical", jnp.dot, [random("dot", (4,)), random("dot2", (4,))])
    yield Case("dot", "of nothing", jnp.dot, [np.zeros(0), np.zeros(0)])
    yield Case("outer", "typical", jnp.outer, [random("outer", (2,)), random("outer2", (3,))])


def cases():
    for family in (unary, binary, power, select_and_cast, reductions, extremes, products):
        yield from family()
