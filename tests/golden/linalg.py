"""Cases of linear algebra: the feature `linalg`."""

from __future__ import annotations

import itertools

import jax.numpy as jnp
import jax.scipy.linalg as scipy_linalg
import numpy as np

from record import Case, random

SHAPES = [(1, 1), (2, 2), (3, 3), (5, 5), (2, 3, 3), (2, 1, 4, 4)]


def regular(key, shape):
    """Matrices far from singular ones, whose rows need exchanging."""
    x = random(key, shape) + 4 * np.eye(shape[-1])
    return np.round(x[..., ::-1, :], 3)


def definite(key, shape):
    x = random(key, shape)
    return np.round(x @ np.swapaxes(x, -1, -2) + np.eye(shape[-1]), 3)


def inverses():
    for shape in SHAPES:
        yield Case("inv", f"{shape}", jnp.linalg.inv, [regular(f"inv {shape}", shape)])
    yield Case("inv", "empty", jnp.linalg.inv, [np.zeros((2, 0, 0))], order=1)
    x = random("inv 40", (40, 40)) + 12 * np.eye(40)
    yield Case("inv", "large", jnp.linalg.inv, [x], order=1)
    for n in (-1, -3):
        f = lambda x, n=n: jnp.linalg.matrix_power(x, n)
        yield Case("matrix_power_negative", f"to the power {n}", f, [regular("power", (2, 3, 3))], {"n": n})


def solutions():
    a = regular("solve a", (3, 3))
    for shape in ((3,), (3, 1), (3, 2)):
        yield Case("solve", f"{shape}", jnp.linalg.solve, [a, random(f"solve {shape}", shape)])
    many = regular("solve many", (2, 3, 3))
    f = lambda a, b: jnp.linalg.solve(a, b[..., None])[..., 0]
    yield Case("solve", "a vector for each matrix", f, [many, random("solve vectors", (2, 3))])
    f = lambda a, b: jnp.linalg.solve(a, jnp.broadcast_to(b, (2, 3))[..., None])[..., 0]
    yield Case("solve", "a vector for all matrices", f, [many, random("solve vector", (3,))])
    f = lambda a, b: jnp.linalg.solve(jnp.broadcast_to(a, (4, 2, 3, 3)), jnp.broadcast_to(b, (4, 2, 3, 2)))
    yield Case("solve", "batches that broadcast", f, [many, random("solve batch", (4, 1, 3, 2))])
    large = random("solve large", (40, 40)) + 12 * np.eye(40)
    yield Case("solve", "large", jnp.linalg.solve, [large, random("solve large b", (40, 2))], order=1)


def triangles():
    a, b = regular("triangular", (4, 4))[::-1], random("triangular b", (4, 3))
    for lower in (True, False):
        for unit in (True, False):
            attrs = {"lower": lower, "unit": unit}
            f = lambda a, b, l=lower, u=unit: scipy_linalg.solve_triangular(a, b, lower=l, unit_diagonal=u)
            yield Case("solve_triangular", f"lower {lower}, unit {unit}", f, [a, b], attrs)
    f = lambda a, b: scipy_linalg.solve_triangular(a, b, lower=True)
    yield Case("solve_triangular", "a vector", f, [a, b[:, 0]], {"lower": True, "unit": False})
    large = random("triangular large", (40, 40)) * 0.2 + 4 * np.eye(40)
    yield Case("solve_triangular", "large", f, [large, random("triangular large b", (40, 2))], {"lower": True, "unit": False}, order=1)


def determinants():
    for shape in SHAPES:
        x = regular(f"det {shape}", shape)
        yield Case("det", f"{shape}", jnp.linalg.det, [x])
        yield Case("slogdet", f"{shape}", lambda x: tuple(jnp.linalg.slogdet(x)), [x])
    # JAX has none.
    yield Case("det", "empty", lambda x: 1.0 + jnp.sum(x, axis=(-1, -2)), [np.zeros((2, 0, 0))], order=1)
    # Singular ones, of rank n - 1, then n - 2.
    ranks = np.array([[1.0, 2, 3, 4], [2, 4, 6, 8], [1, 0, 1, 0], [0, 1, 0, 2]])
    yield Case("det", "singular, 2 by 2", jnp.linalg.det, [np.array([[1.0, 2], [2, 4]])])
    yield Case("det", "singular, 3 by 3", jnp.linalg.det, [np.array([[1.0, 2, 3], [2, 4, 6], [1, 0, 1]])])
    yield Case("det", "zero, 3 by 3", jnp.linalg.det, [np.zeros((3, 3))])
    yield Case("det", "singular, 4 by 4", leibniz, [ranks], order=1)
    ranks = np.array([[1.0, 2, 3, 4], [2, 4, 6, 8], [-1, -2, -3, -4], [0, 1, 0, 2]])
    yield Case("det", "of rank 2, 4 by 4", leibniz, [ranks], order=1)
    column = np.array([[0.0, 1, 2, 3], [0, 2, 1, 1], [0, 1, 1, 4], [0, 0, 3, 1]])
    yield Case("det", "a column of zeros", leibniz, [column], order=1)
    singular = np.array([[1.0, 2], [2, 4]])
    yield Case("slogdet", "singular", lambda x: tuple(jnp.linalg.slogdet(x)), [singular], order=0)
    for shape in SHAPES:
        x = definite(f"logdet {shape}", shape)
        yield Case("logdet", f"{shape}", lambda x: jnp.linalg.slogdet(x)[1], [x])
    yield Case("logdet", "negative", lambda x: jnp.log(jnp.linalg.det(x)), [np.array([[0.0, 1], [1, 0]])], order=0)
    yield Case("logdet", "singular", lambda x: jnp.log(jnp.linalg.det(x)), [singular], order=0)


def leibniz(x):
    """The determinant as a sum over permutations; JAX's gradient is zero where a column is, which is wrong."""
    n, total = x.shape[-1], 0.0
    for order in itertools.permutations(range(n)):
        inversions = sum(order[i] > order[j] for i in range(n) for j in range(i + 1, n))
        total += (-1) ** inversions * jnp.prod(jnp.stack([x[i, order[i]] for i in range(n)]))
    return total


def choleskies():
    for shape in SHAPES:
        x = definite(f"cholesky {shape}", shape)
        yield Case("cholesky", f"{shape}", jnp.linalg.cholesky, [x])
    f = lambda x: jnp.swapaxes(jnp.linalg.cholesky(x), -1, -2)
    yield Case("cholesky_upper", "(2, 3, 3)", f, [definite("cholesky upper", (2, 3, 3))])
    yield Case("cholesky", "empty", jnp.linalg.cholesky, [np.zeros((0, 0))], order=1)
    large = definite("cholesky large", (40, 40))
    yield Case("cholesky", "large", jnp.linalg.cholesky, [large], order=1)
    # JAX symmetrizes too.
    yield Case("cholesky", "not symmetric", jnp.linalg.cholesky, [np.array([[4.0, 1], [3, 5]])])
    factor, b = np.tril(regular("factor", (3, 3))[::-1]), random("cholesky_solve", (3, 2))
    for lower in (True, False):
        l = factor if lower else np.ascontiguousarray(factor.T)
        f = lambda b, l, low=lower: scipy_linalg.cho_solve((l, low), b)
        yield Case("cholesky_solve", f"lower {lower}", f, [b, l], {"lower": lower})
        part = jnp.tril if lower else jnp.triu
        g = lambda l, part=part, low=lower: jnp.linalg.inv(part(l) @ part(l).T if low else part(l).T @ part(l))
        yield Case("cholesky_inverse", f"lower {lower}", g, [l], {"lower": lower})


def cases():
    for family in (inverses, solutions, triangles, determinants, choleskies):
        yield from family()
