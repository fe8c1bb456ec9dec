"""Functions made of several primitives: statistics, normalisations, losses."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from functions import AXES, INF, KEPT, array, axes_of, ints
from record import Case, random


def variance(x, axes, correction):
    """As PyTorch: the sum of squares over n - correction."""
    n = x.size if axes is None else int(np.prod([x.shape[a] for a in axes]))
    y = x - jnp.mean(x, axis=axes, keepdims=True)
    return jnp.sum(y * y, axis=axes) / (n - correction)


def norm(x, axes=None):
    """The 2-norm with gradient 0 at 0 (JAX has NaN there)."""
    squares = jnp.sum(x * x, axis=axes)
    zero = squares == 0
    return jnp.where(zero, 0.0, jnp.sqrt(jnp.where(zero, 1.0, squares)))


def statistics():
    x = random("statistics", (2, 3, 2))
    for axes, keepdim in AXES + KEPT:
        name = f"axes {axes}" + (", keepdim" if keepdim else "")
        f = lambda x, a=axes_of(axes), k=keepdim: jnp.mean(x, axis=a, keepdims=k)
        yield Case("mean", name, f, [x], {"axes": axes, "keepdim": keepdim})
    for axes, _ in AXES:
        name, attrs, a = f"axes {axes}", {"axes": axes}, axes_of(axes)
        if axes is not None:
            yield Case("logsumexp", name, lambda x, a=a: jax.nn.logsumexp(x, axis=a), [x], attrs)
        yield Case("norm", name, lambda x, a=a: norm(x, a), [x], attrs)
        if axes == []:
            continue
        for correction in (1, 0):
            more = {**attrs, "correction": correction}
            named = f"{name}, correction {correction}"
            yield Case("var", named, lambda x, a=a, c=correction: variance(x, a, c), [x], more)
            yield Case("std", named, lambda x, a=a, c=correction: jnp.sqrt(variance(x, a, c)), [x], more)
    whole = {"axes": None}
    yield Case("mean", "rank 0", jnp.mean, [np.array(1.5)], whole)
    yield Case("var", "no spread", lambda x: variance(x, None, 1), [array(2.0, 2.0, 2.0)], {**whole, "correction": 1})
    yield Case("norm", "of zeros", norm, [np.zeros(3)], whole, edge=True)
    rows = array(0.0, 0.0, 3.0, -4.0).reshape(2, 2)
    yield Case("norm", "a row of zeros", lambda x: norm(x, 1), [rows], {"axes": [1]}, edge=True)
    big = array(1000.0, 1000.5, -1000.0, 0.25).reshape(2, 2)
    last = {"axes": [1]}
    yield Case("logsumexp", "large", lambda x: jax.nn.logsumexp(x, axis=1), [big], last, edge=True)
    f = lambda x: jax.nn.logsumexp(x, axis=1)
    yield Case("logsumexp", "minus infinity", f, [array(-INF, 1.0, 0.5, 2.0).reshape(2, 2)], last, order=1, edge=True)


def normalisations():
    x = random("softmax", (2, 3, 4))
    for fn, f in (("softmax", jax.nn.softmax), ("log_softmax", jax.nn.log_softmax)):
        for axis in (0, 1, -1):
            yield Case(fn, f"axis {axis}", lambda x, a=axis, f=f: f(x, axis=a), [x], {"axis": axis})
        large = array(1000.0, 1000.5, -1000.0, 0.25, 0.0, 0.0).reshape(2, 3)
        yield Case(fn, "large", lambda x, f=f: f(x, axis=-1), [large], {"axis": -1}, edge=True)
        yield Case(fn, "one class", lambda x, f=f: f(x, axis=-1), [array(2.0, -3.0).reshape(2, 1)], {"axis": -1})
        yield Case(fn, "ties", lambda x, f=f: f(x, axis=0), [array(1.0, 1.0, 1.0)], {"axis": 0})
    masked, f = array(-INF, 1.0, 2.0), lambda x: jax.nn.softmax(x, axis=0)
    yield Case("softmax", "minus infinity", f, [masked], {"axis": 0}, order=1, edge=True)
    # lax.clamp: no gradient at the bounds themselves.
    clamp, attrs = lambda x: lax.clamp(-1.0, x, 0.5), {"low": -1.0, "high": 0.5}
    yield Case("clamp", "typical", clamp, [random("clamp", (2, 3))], attrs)
    yield Case("clamp", "at the bounds", clamp, [array(-1.0, 0.5, 0.0, 3.0, INF)], attrs, edge=True)
    bounds = [array(-1.0, 0.25, 3.0), array(-0.5, -0.5, -0.5), array(1.0, 1.5, 2.0)]
    yield Case("clamp_tensors", "typical", lambda x, low, high: lax.clamp(low, x, high), bounds)
    leaky = lambda x: jax.nn.leaky_relu(x, 0.125)
    yield Case("leaky_relu", "typical", leaky, [random("leaky", (2, 3))], {"slope": 0.125})


def losses():
    def cross_entropy(logits, labels):
        rows = jax.nn.log_softmax(logits, axis=-1)
        return -jnp.mean(jnp.take_along_axis(rows, labels[:, None], axis=-1))

    yield Case("cross_entropy", "typical", cross_entropy, [random("ce", (4, 3)), ints(0, 2, 2, 1)])
    yield Case("cross_entropy", "one row", cross_entropy, [random("ce1", (1, 5)), ints(3)])
    large = array(1000.0, 0.0, -1000.0, 0.0, 1000.0, 1000.0).reshape(2, 3)
    yield Case("cross_entropy", "large", cross_entropy, [large, ints(0, 2)], edge=True)


def cases():
    for family in (statistics, normalisations, losses):
        yield from family()
