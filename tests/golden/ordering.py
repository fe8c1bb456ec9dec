"""Cases of reductions, scans and orderings.

What JAX lacks, or decides otherwise, is written here with `jnp` as the library promises it.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from functions import INF, NAN, array, axes_of, bools, ints
from record import Case, random

TIES = array(1.0, 3.0, 3.0, 2.0, 2.0, 2.0, -1.0, 2.0).reshape(2, 4)
NANS = array(1.0, NAN, -1.0, NAN, 2.0, INF).reshape(2, 3)
ZEROS = array(2.0, 0.0, 3.0, 0.0, 5.0, 0.0, 1.0, 2.0, 3.0, -1.0).reshape(2, 5)


# --- scans ---------------------------------------------------------------------------------------


def running_extreme(x, axis, take):
    """Values and indices of cummax or cummin as PyTorch: the last of equal ones; NaN stays."""
    moved = np.moveaxis(np.asarray(lax.stop_gradient(x)), axis, -1)
    at = np.zeros(moved.shape, dtype=np.int64)
    for line in np.ndindex(moved.shape[:-1]):
        last = 0
        for i, value in enumerate(moved[line]):
            if np.isnan(value) or (not np.isnan(moved[line][last]) and take(value, moved[line][last])):
                last = i
            at[line + (i,)] = last
    at = np.moveaxis(at, -1, axis)
    return jnp.take_along_axis(x, jnp.asarray(at), axis=axis), jnp.asarray(at)


def fixed_extreme(x0, axis, take):
    """The same with the indices of `x0`, so that it can be differentiated."""
    _, at = running_extreme(jnp.asarray(x0), axis, take)
    return lambda x: (jnp.take_along_axis(x, at, axis=axis), at)


def scans():
    x = random("scan", (2, 3, 4))
    for axis in (0, 1, -1):
        named, attrs = f"axis {axis}", {"axis": axis}
        yield Case("cumsum", named, lambda x, a=axis: jnp.cumsum(x, axis=a), [x], attrs)
        yield Case("cumprod", named, lambda x, a=axis: jnp.cumprod(x, axis=a), [x], attrs)
        yield Case("logcumsumexp", named, lambda x, a=axis: lax.cumlogsumexp(x, axis=a % 3), [x], attrs)
        yield Case("cummax", named, fixed_extreme(x, axis, np.greater_equal), [x], attrs)
        yield Case("cummin", named, fixed_extreme(x, axis, np.less_equal), [x], attrs)
    first, last = {"axis": 0}, {"axis": -1}
    long = random("long scan", (21,), 0.5, 1.5)
    yield Case("cumsum", "long", jnp.cumsum, [long], first)
    yield Case("cumprod", "long", jnp.cumprod, [long], first)
    yield Case("logcumsumexp", "long", lax.cumlogsumexp, [long], first)
    yield Case("cumsum", "integers", jnp.cumsum, [ints(3, -1, 2)], first)
    yield Case("cumsum", "bools", jnp.cumsum, [bools(True, False, True)], first)
    yield Case("cumsum", "infinities", jnp.cumsum, [array(1.0, INF, 2.0, -INF, 1.0)], first, order=1, edge=True)
    yield Case("cumsum", "nan", jnp.cumsum, [array(1.0, NAN, 2.0)], first, order=0)
    yield Case("cumsum", "empty", lambda x: jnp.cumsum(x, axis=0), [np.zeros((0, 3))], first)
    yield Case("cumprod", "zeros", products, [ZEROS], last)
    yield Case("cumprod", "integers", lambda x: jnp.cumprod(x, axis=0), [ints(3, -1, 2)], first)
    # The pairs of JAX's own rule lose digits here; by definition:
    exact = lambda x: jnp.stack([jax.nn.logsumexp(x[: i + 1]) for i in range(x.shape[0])])
    yield Case("logcumsumexp", "wide range", exact, [array(-1000.0, 0.0, 500.0, -3.0, 500.5)], first, edge=True)
    yield Case("logcumsumexp", "infinities", exact, [array(-INF, 1.0, INF, 2.0)], first, order=0)
    for fn, take in (("cummax", np.greater_equal), ("cummin", np.less_equal)):
        yield Case(fn, "ties", fixed_extreme(TIES, 1, take), [TIES], {"axis": 1}, edge=True)
        yield Case(fn, "nan", fixed_extreme(NANS, 1, take), [NANS], {"axis": 1}, order=0)
        f = lambda x, t=take: running_extreme(x, 0, t)
        yield Case(fn, "integers", f, [ints(2, 7, 7, -1)], first)
    for n in (0, 1, 2):
        yield Case("diff", f"n {n}", lambda x, n=n: jnp.diff(x, n=n, axis=1), [x], {"n": n, "axis": 1})
    yield Case("diff", "too short", lambda x: jnp.diff(x, n=2, axis=0), [x], {"n": 2, "axis": 0}, order=0)
    f = lambda x: jnp.trapezoid(x, dx=0.5, axis=1)
    yield Case("trapezoid", "typical", f, [x], {"dx": 0.5, "axis": 1})
    f = lambda x: jnp.cumsum((x[..., 1:] + x[..., :-1]) / 2 * 0.5, axis=-1)
    yield Case("cumulative_trapezoid", "typical", f, [x], {"dx": 0.5, "axis": -1})


def products(x):
    """Running products by definition: JAX's own rule divides nothing either, but by pairs."""
    return jnp.stack([jnp.prod(x[..., : i + 1], axis=-1) for i in range(x.shape[-1])], axis=-1)


# --- orderings -----------------------------------------------------------------------------------


def order_of(x, axis, descending):
    return jnp.argsort(lax.stop_gradient(x), axis=axis, stable=True, descending=descending)


def sort(x, axis, descending):
    at = order_of(x, axis, descending)
    return jnp.take_along_axis(x, at, axis=axis), at


def places(x, axis, descending, start, end):
    at = lax.slice_in_dim(order_of(x, axis, descending), start, end, axis=axis % x.ndim)
    return jnp.take_along_axis(x, at, axis=axis), at


def median(x, axis):
    n = x.shape[axis]
    value, at = places(x, axis, False, (n - 1) // 2, (n + 1) // 2)
    nan = jnp.isnan(x)
    first = jnp.expand_dims(jnp.argmax(nan, axis=axis), axis)
    any_nan = jnp.any(nan, axis=axis, keepdims=True)
    at = jnp.where(any_nan, first, at)
    return tuple(jnp.squeeze(y, axis) for y in (jnp.take_along_axis(x, at, axis=axis), at))


def nanmedian(x, axis):
    values, at = sort(x, axis, False)
    middle = jnp.maximum(jnp.sum(~jnp.isnan(x), axis=axis, keepdims=True) - 1, 0) // 2
    return tuple(jnp.squeeze(jnp.take_along_axis(y, middle, axis=axis), axis) for y in (values, at))


def orderings():
    x = random("sort", (3, 4, 2))
    for axis in (0, 1, -1):
        for descending in (False, True):
            named = f"axis {axis}" + (", descending" if descending else "")
            attrs = {"axis": axis, "descending": descending}
            yield Case("sort", named, lambda x, a=axis, d=descending: sort(x, a, d), [x], attrs)
            yield Case("argsort", named, lambda x, a=axis, d=descending: order_of(x, a, d), [x], attrs)
            f = lambda x, a=axis, d=descending: places(x, a, d, 0, 2)
            yield Case("topk", named, f, [x], {**attrs, "k": 2})
    for descending in (False, True):
        attrs = {"axis": 1, "descending": descending}
        named = ", descending" if descending else ""
        f = lambda x, d=descending: sort(x, 1, d)
        yield Case("sort", "ties" + named, f, [TIES], attrs, edge=True)
        # JAX sorts NaN last in either order, the library as greatest.
        if not descending:
            yield Case("sort", "nan" + named, f, [NANS], attrs, order=0)
        yield Case("sort", "integers" + named, f, [ints(2, -7, 7, -1, 0, 2).reshape(2, 3)], attrs)
        yield Case("sort", "bools" + named, f, [bools(True, False, True, False).reshape(1, 4)], attrs)
        yield Case("sort", "empty" + named, f, [np.zeros((2, 0))], attrs)
        yield Case("topk", "ties" + named, lambda x, d=descending: places(x, 1, d, 0, 3), [TIES], {**attrs, "k": 3}, edge=True)
    down = {"axis": 0, "descending": True}
    greatest = lambda x: (x[jnp.array([1, 3, 0, 2])], jnp.array([1, 3, 0, 2]))
    yield Case("sort", "nan first, descending", greatest, [array(2.0, NAN, -1.0, NAN)], down, order=0)
    yield Case("msort", "typical", lambda x: jnp.sort(x, axis=0), [x])
    long = random("long sort", (2, 400))
    up = {"axis": 1, "descending": False}
    yield Case("sort", "long", lambda x: sort(x, 1, False), [long], up, order=1, edge=True)
    yield Case("topk", "long", lambda x: places(x, 1, False, 0, 5), [long], {**up, "k": 5}, order=1, edge=True)
    for k in (1, 3):
        f = lambda x, k=k: tuple(jnp.squeeze(y, 1) for y in places(x, 1, False, k - 1, k))
        yield Case("kthvalue", f"k {k}", f, [x], {"axis": 1, "k": k})
        yield Case("kthvalue", f"k {k} of ties", f, [TIES], {"axis": 1, "k": k}, edge=True)
    for axis in (0, 1):
        yield Case("median", f"axis {axis}", lambda x, a=axis: median(x, a), [x], {"axis": axis})
    yield Case("median", "ties", lambda x: median(x, 1), [TIES], {"axis": 1}, edge=True)
    yield Case("median", "nan", lambda x: median(x, 1), [NANS], {"axis": 1}, order=0)
    for name, values in {"nan": NANS, "only nan": array(NAN, NAN).reshape(1, 2), "none": TIES}.items():
        yield Case("nanmedian", name, lambda x: nanmedian(x, 1), [values], {"axis": 1}, order=0)
    yield Case("nanmedian", "typical", lambda x: nanmedian(x, 1), [x], {"axis": 1})
    yield Case("median", "integers", lambda x: median(x, 0), [ints(4, 1, 3, 2)], {"axis": 0})


def quantiles():
    x = random("quantile", (3, 4))
    for method in ("linear", "lower", "higher", "midpoint", "nearest"):
        for q in (0.0, 0.3, 0.5, 1.0):
            f = lambda x, q=q, m=method: jnp.quantile(x, q, axis=1, method=m)
            if (method, q) == ("nearest", 0.5):
                # Halfway JAX takes the lower one, the library as NumPy and PyTorch the one of even rank.
                f = lambda x: jnp.sort(x, axis=1)[:, 2]
            yield Case("quantile", f"{method} {q}", f, [x], {"q": q, "axis": 1, "interpolation": method})
        qs = [0.9, 0.1, 0.5]
        f = lambda x, m=method: jnp.quantile(x, jnp.array([0.9, 0.1, 0.5]), axis=0, method=m)
        yield Case("quantiles", method, f, [x], {"q": qs, "axis": 0, "interpolation": method})
    linear = {"q": 0.5, "axis": 1, "interpolation": "linear"}
    yield Case("quantile", "nan", lambda x: jnp.quantile(x, 0.5, axis=1), [NANS], linear, order=0)
    for name, x in {
        "floats": array(3.0, 1.0, 3.0, -2.0, 1.0, 1.0).reshape(2, 3),
        "one nan of several": array(NAN, 1.0, NAN, 1.0),
        "integers": ints(3, -1, 3, 0),
        "bools": bools(True, True),
        "empty": np.zeros((0,)),
    }.items():
        distinct = lambda x: jnp.unique(x)
        yield Case("unique", name, distinct, [x], order=0)
        yield Case("unique_counts", name, lambda x: jnp.unique(x, return_counts=True), [x], order=0)
        values = np.unique(x)
        inverse = lambda x, v=values: (jnp.asarray(v), jnp.searchsorted(jnp.asarray(v), x).astype(jnp.int64))
        yield Case("unique_inverse", name, inverse, [x], order=0)
    once = array(3.0, 1.0, 2.0)
    yield Case("unique", "gradient", lambda x: jnp.sort(x), [once])
    yield Case("bincount", "typical", lambda x: jnp.bincount(x), [ints(0, 3, 3, 1)], {"least": 0})
    yield Case("bincount", "longer", lambda x: jnp.bincount(x, minlength=6), [ints(0, 3, 3, 1)], {"least": 6})
    yield Case("bincount", "empty", lambda x: jnp.zeros(2, jnp.int64), [np.zeros(0, np.int64)], {"least": 2})
    f = lambda x, w: jnp.bincount(x, w, length=4)
    yield Case("bincount_weighted", "typical", f, [ints(0, 3, 3, 1), array(0.5, 1.0, 2.0, -1.0)], {"least": 0})
    bins = {"bins": 4, "low": -1.0, "high": 1.0}
    f = lambda x: jnp.histogram(x, bins=4, range=(-1.0, 1.0))[0].astype(jnp.float64)
    yield Case("histc", "typical", f, [random("histc", (30,))], bins, order=0)
    yield Case("histc", "edges", f, [array(-1.0, -0.5, 0.0, 0.5, 1.0, -2.0, 2.0, INF)], bins, order=0)
    some = array(1.0, 3.0, NAN).reshape(3)
    yield Case("isin", "floats", jnp.isin, [array(3.0, 2.0, NAN, -0.0).reshape(2, 2), array(0.0, 3.0, 3.0)])
    yield Case("isin", "nan", lambda x, y: jnp.isin(x, y), [array(1.0, 2.0, 5.0), some])
    yield Case("isin", "in nothing", jnp.isin, [array(1.0), np.zeros(0)])
    for right in (False, True):
        side, attrs = "right" if right else "left", {"right": right}
        edges, values = array(-1.0, 0.0, 0.0, 1.5), array(-2.0, -1.0, 0.0, 0.5, 1.5, 7.0, NAN, INF).reshape(2, 4)
        f = lambda a, v, s=side: jnp.searchsorted(a, v, side=s).astype(jnp.int64)
        yield Case("searchsorted", side, f, [edges, values], attrs)
        yield Case("searchsorted", side + ", integers", f, [ints(1, 3, 3), ints(0, 3, 4)], attrs)
        yield Case("searchsorted", side + ", no edges", f, [np.zeros(0), array(1.0)], attrs)
        rows = jnp.sort(random("rows", (2, 3)), axis=1)
        each = lambda a, v, s=side: jax.vmap(lambda a, v: jnp.searchsorted(a, v, side=s))(a, v).astype(jnp.int64)
        yield Case("searchsorted", side + ", rows", each, [np.asarray(rows), random("values", (2, 5))], attrs)
        f = lambda v, a, s=side: jnp.searchsorted(a, v, side=s).astype(jnp.int64)
        yield Case("bucketize", side, f, [values, edges], attrs)


# --- reductions ----------------------------------------------------------------------------------


def std(x, axes, correction, keepdims=False):
    """As PyTorch: gradient 0 where there is no spread (JAX has NaN)."""
    y = variance(x, axes, correction, keepdims)
    zero = y == 0
    return jnp.where(zero, 0.0, jnp.sqrt(jnp.where(zero, 1.0, y)))


def variance(x, axes, correction, keepdims=False):
    n = int(np.prod([x.shape[a] for a in axes]))
    y = x - jnp.mean(x, axis=axes, keepdims=True)
    return jnp.sum(y * y, axis=axes, keepdims=keepdims) / (n - correction)


def correlation(x):
    """With exact ones on the diagonal, where rounding decides whether JAX's clip stops the (vanishing) gradient."""
    y = jnp.corrcoef(x)
    return jnp.where(jnp.eye(y.shape[0], dtype=bool), 1.0, y)


def reductions():
    x = random("reductions", (2, 3, 4))
    for fn, f in (("max_dim", jnp.argmax), ("min_dim", jnp.argmin)):
        def both(x, axis, f=f):
            at = f(x, axis=axis, keepdims=True)
            return tuple(jnp.squeeze(y, axis) for y in (jnp.take_along_axis(x, at, axis=axis), at))

        for axis in (0, -1):
            yield Case(fn, f"axis {axis}", lambda x, a=axis, f=both: f(x, a), [x], {"axis": axis})
        yield Case(fn, "ties", lambda x, f=both: f(x, 1), [TIES], {"axis": 1}, edge=True)
        yield Case(fn, "nan", lambda x, f=both: f(x, 1), [NANS], {"axis": 1}, order=0)
    yield Case("aminmax", "all axes", lambda x: (jnp.min(x), jnp.max(x)), [x], {"axes": None})
    f = lambda x: (jnp.min(x, axis=(0, 2)), jnp.max(x, axis=(0, 2)))
    yield Case("aminmax", "two axes", f, [x], {"axes": [0, 2]})
    truths = np.array([[[0.0, 1.0], [0.0, 0.0]], [[NAN, 1.0], [-1.0, 2.0]]])
    for fn, f in (("any", jnp.any), ("all", jnp.all)):
        for axes in ([0], [1, 2], [-1]):
            for keepdim in (False, True):
                g = lambda x, a=axes, k=keepdim, f=f: f(x, axis=axes_of(a), keepdims=k)
                named = f"axes {axes}" + (", keepdim" if keepdim else "")
                yield Case(fn + "_dim", named, g, [truths], {"axes": axes, "keepdim": keepdim})
        none = {"axes": [0], "keepdim": False}
        yield Case(fn + "_dim", "over nothing", lambda x, f=f: f(x, axis=0), [np.zeros((0, 2))], none)
        yield Case(fn + "_dim", "bools", lambda x, f=f: f(x, axis=0), [bools(True, False)], none)
    for axes in (None, [0], [0, 2]):
        attrs, named = {"axes": axes}, f"axes {axes}"
        count = lambda x, a=axes_of(axes): jnp.count_nonzero(x, axis=a)
        yield Case("count_nonzero", named, count, [truths], attrs)
        yield Case("nansum", named, lambda x, a=axes_of(axes): jnp.nansum(x, axis=a), [truths], attrs, edge=True)
        yield Case("nanmean", named, lambda x, a=axes_of(axes): jnp.nanmean(x, axis=a), [truths], attrs, edge=True)
    yield Case("count_nonzero", "integers", lambda x: jnp.count_nonzero(x), [ints(0, 3, -1)], {"axes": None})
    yield Case("nanmean", "of nothing else", lambda x: jnp.nanmean(x, axis=0), [array(NAN, NAN)], {"axes": [0]}, order=0)
    for correction in (1, 0):
        a, attrs, named = (0, 2), {"axes": [0, 2], "correction": correction}, f"correction {correction}"
        both = lambda x, c=correction: (variance(x, (0, 2), c), jnp.mean(x, axis=(0, 2)))
        yield Case("var_mean", named, both, [x], attrs)
        both = lambda x, c=correction: (std(x, (0, 2), c), jnp.mean(x, axis=(0, 2)))
        yield Case("std_mean", named, both, [x], attrs)
        yield Case("var_keepdim", named, lambda x, c=correction: variance(x, (0, 2), c, True), [x], attrs)
        yield Case("std_keepdim", named, lambda x, c=correction: std(x, (0, 2), c, True), [x], attrs)
    rows = random("cov", (3, 5))
    for correction in (1, 0):
        f = lambda x, c=correction: jnp.cov(x, ddof=c)
        yield Case("cov", f"correction {correction}", f, [rows], {"correction": correction})
        yield Case("cov", f"vector, correction {correction}", f, [rows[0]], {"correction": correction})
    yield Case("corrcoef", "typical", correlation, [rows])
    yield Case("corrcoef", "values", jnp.corrcoef, [rows], order=0)
    yield Case("corrcoef", "vector", jnp.corrcoef, [rows[0]], order=0)
    flat = array(2.0, 2.0, 1.0, 3.0).reshape(2, 2)
    attrs = {"axes": [1], "correction": 1}
    yield Case("std_keepdim", "no spread", lambda x: std(x, (1,), 1, True), [flat], attrs, edge=True)
    f = lambda x: jax.nn.logsumexp(x, axis=1, keepdims=True)
    yield Case("logsumexp_keepdim", "typical", f, [x], {"axes": [1]})


# --- norms ---------------------------------------------------------------------------------------


def off_zero(x, f):
    """`f` with value and gradient 0 at 0."""
    zero = x == 0
    return jnp.where(zero, 0.0, f(jnp.where(zero, 1.0, x)))


def vector_norm(x, p, axes, keepdims=False):
    if p == 2:
        return off_zero(jnp.sum(x * x, axis=axes, keepdims=keepdims), jnp.sqrt)
    size = off_zero(x, jnp.abs)
    if p == INF:
        return jnp.max(size, axis=axes, keepdims=keepdims)
    if p == -INF:
        return jnp.min(size, axis=axes, keepdims=keepdims)
    if p == 0:
        return jnp.sum((x != 0).astype(x.dtype), axis=axes, keepdims=keepdims)
    if p < 0:
        return jnp.sum(size**p, axis=axes, keepdims=keepdims) ** (1 / p)
    return off_zero(jnp.sum(off_zero(size, lambda x: x**p), axis=axes, keepdims=keepdims), lambda x: x ** (1 / p))


def norms():
    x = random("norms", (2, 3, 4))
    orders = {"0": 0.0, "1": 1.0, "2": 2.0, "3": 3.0, "1.5": 1.5, "0.5": 0.5, "-2": -2.0, "inf": INF, "-inf": -INF}
    for name, p in orders.items():
        for axes in ([1], [0, 2]):
            attrs = {"p": name, "axes": axes}
            yield Case("vector_norm", f"p {name}, axes {axes}", lambda x, p=p, a=tuple(axes): vector_norm(x, p, a), [x], attrs)
    some = array(0.0, 0.0, 0.0, 2.0).reshape(2, 2)
    for name in ("1", "2", "3", "1.5", "0.5"):
        attrs = {"p": name, "axes": [1]}
        f = lambda x, p=float(name): vector_norm(x, p, (1,))
        yield Case("vector_norm", f"p {name}, zeros", f, [some], attrs, order=1, edge=True)
    f = lambda x: vector_norm(x, 3.0, (1,), True)
    yield Case("vector_norm_keepdim", "p 3", f, [x], {"p": "3", "axes": [1]})
    for name, order in {"frobenius": "fro", "one": 1, "least_column": -1, "infinity": jnp.inf, "least_row": -jnp.inf}.items():
        f = lambda x, o=order: jnp.linalg.norm(x, ord=o, axis=(-2, -1))
        yield Case("matrix_norm", name, f, [x], {"norm": name})
    normalize = lambda x: x / jnp.maximum(vector_norm(x, 2.0, (1,), True), 1e-12)
    attrs = {"p": "2", "axis": 1, "eps": 1e-12}
    yield Case("normalize", "typical", normalize, [x], attrs)
    f = lambda x: x / jnp.maximum(vector_norm(x, 2.0, (1,), True), 0.5)
    yield Case("normalize", "a row of zeros", f, [some], {**attrs, "eps": 0.5}, edge=True)
    a, b = random("cosine", (3, 4)), random("cosine2", (3, 4))

    def cosine(a, b, eps=1e-8):
        norm = lambda x: jnp.maximum(vector_norm(x, 2.0, (1,)), eps)
        return jnp.sum(a * b, axis=1) / (norm(a) * norm(b))

    attrs = {"axis": 1, "eps": 1e-8}
    yield Case("cosine_similarity", "typical", cosine, [a, b], attrs)
    f = lambda a, b: cosine(a, jnp.broadcast_to(b, (3, 4)))
    yield Case("cosine_similarity", "broadcast", f, [a, random("cosine3", (1, 4))], attrs)
    zero = lambda a, b: cosine(a, b, 0.5)
    yield Case("cosine_similarity", "zeros", zero, [some, array(1.0, 2.0, 3.0, 4.0).reshape(2, 2)], {**attrs, "eps": 0.5}, edge=True)
    for name in ("2", "1", "3"):
        f = lambda a, b, p=float(name): vector_norm(a - b + 1e-6, p, (-1,))
        yield Case("pairwise_distance", f"p {name}", f, [a, b], {"p": name, "eps": 1e-6})
        f = lambda a, b, p=float(name): vector_norm(a[..., :, None, :] - b[..., None, :, :], p, (-1,))
        yield Case("cdist", f"p {name}", f, [a, random("cdist", (2, 4))], {"p": name})
    f = lambda a, b: vector_norm(a[..., :, None, :] - b[..., None, :, :], 2.0, (-1,))
    yield Case("cdist", "equal rows", f, [some, some[:1]], {"p": "2"}, order=1, edge=True)


def cases():
    for family in (scans, orderings, quantiles, reductions, norms):
        yield from family()
