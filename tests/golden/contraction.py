"""Cases of einsum and its like, and linear algebra."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from record import Case, random

# Equations and the shapes of their operands.
EQUATIONS = [
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,jk", (2, 3), (3, 4)),
    ("ij,jk->ki", (2, 3), (3, 4)),
    (" i j , k j -> i k ", (2, 3), (4, 3)),
    ("bij,bjk->bik", (2, 2, 3), (2, 3, 2)),
    ("ib,jb->bij", (2, 3), (4, 3)),
    ("abcd,cdbe->ae", (2, 3, 2, 2), (2, 2, 3, 3)),
    ("bqhd,bkhd->bhqk", (2, 3, 2, 2), (2, 4, 2, 2)),
    ("i,j->ij", (2,), (3,)),
    ("i,j->ji", (2,), (3,)),
    ("i,i", (3,), (3,)),
    ("ij,ij->", (2, 3), (2, 3)),
    ("ij,ij->i", (2, 3), (2, 3)),
    ("ij,ij->ij", (2, 3), (2, 3)),
    ("bi,bi->b", (2, 70), (2, 70)),
    ("i,ij,j->", (2,), (2, 3), (3,)),
    ("ij,j,k->ik", (2, 3), (3,), (2,)),
    ("...i,oij,...j->...o", (3, 2), (4, 2, 3), (3, 3)),
    ("ij,jk,kl,lm->im", (2, 3), (3, 2), (2, 4), (4, 2)),
    ("a,b,c,d,e,a,b,c,d,e->", (2,), (3,), (2,), (1,), (2,), (2,), (3,), (2,), (1,), (2,)),
    ("ii", (3, 3)),
    ("ii->i", (3, 3)),
    ("iij->j", (2, 2, 3)),
    ("iji->ji", (2, 3, 2)),
    ("iii->i", (3, 3, 3)),
    ("ijij->ij", (2, 3, 2, 3)),
    ("iijj", (2, 2, 3, 3)),
    ("ba", (2, 3)),
    ("bA", (2, 3)),
    ("ij->", (2, 3)),
    ("ij->j", (2, 3)),
    ("ijk->kij", (2, 3, 4)),
    ("->", ()),
    (",->", (), ()),
    (",i->i", (), (3,)),
    ("...ij,...jk->...ik", (5, 1, 2, 3), (4, 3, 2)),
    ("...ij,...jk", (2, 2, 3), (3, 2)),
    ("...", (2, 3)),
    ("i...->...", (2, 3)),
    ("...i->i...", (2, 3)),
    ("i...i->...", (2, 3, 2)),
    ("...,...", (2, 1), (3,)),
    ("...a,...b->ab...", (2, 3), (2, 4)),
    ("ij,jk->ik", (0, 3), (3, 2)),
    ("ij,jk->ik", (2, 0), (0, 2)),
    ("abcdefgh,abcdefgh->h", (1, 2, 1, 2, 1, 1, 1, 2), (1, 2, 1, 2, 1, 1, 1, 2)),
]


def einsums():
    for i, (equation, *shapes) in enumerate(EQUATIONS):
        inputs = [random(f"einsum{i}{j}", shape) for j, shape in enumerate(shapes)]
        f = lambda *x, e=equation: jnp.einsum(e.replace(" ", ""), *x)
        yield Case("einsum", f"{equation} of {shapes}", f, inputs, {"equation": equation})
    # Axes of length 1 repeat, as in NumPy; JAX has this for `...` only.
    inputs = [random("einsum one", (2, 1)), random("einsum three", (3, 4))]
    f = lambda a, b: jnp.einsum("ij,jk->ik", jnp.broadcast_to(a, (2, 3)), b)
    yield Case("einsum", "a named axis that repeats", f, inputs, {"equation": "ij,jk->ik"})
    ints = [np.array([[1, 2], [3, 4]]), np.array([[5, 6], [7, 8]])]
    yield Case("einsum", "integers", lambda a, b: jnp.einsum("ij,jk->k", a, b), ints, {"equation": "ij,jk->k"})


def contractions():
    a, b = random("tensordot a", (2, 3, 4)), random("tensordot b", (3, 4, 2))
    for axes in (([1, 2], [0, 1]), ([0], [2]), ([-1], [1]), ([2, 1], [1, 0]), ([], [])):
        f = lambda a, b, axes=axes: jnp.tensordot(a, b, axes=axes)
        yield Case("tensordot", f"{axes}", f, [a, b], {"first": axes[0], "second": axes[1]})
    for count in (0, 2):
        f = lambda a, b, n=count: jnp.tensordot(a, b, axes=n)
        yield Case("tensordot", f"{count} axes", f, [a, b], {"count": count})
    for shapes in (((2, 3), (2, 2)), ((2, 1), (3,)), ((), (2,)), ((2, 1, 3), (3, 2)), ((2, 2, 2, 2), (2, 2, 2, 2))):
        inputs = [random(f"kron {s}", s) for s in shapes]
        yield Case("kron", f"{shapes}", jnp.kron, inputs)
    for shape in ((3, 3), (2, 4), (4, 2), (2, 3, 3), (0, 2)):
        f = lambda x: jnp.trace(x, axis1=-2, axis2=-1)
        yield Case("trace", f"{shape}", f, [random(f"trace {shape}", shape)])
    square = random("matrix_power", (2, 3, 3))
    for n in (0, 1, 2, 3, 7):
        f = lambda x, n=n: jnp.linalg.matrix_power(x, n)
        yield Case("matrix_power", f"to the power {n}", f, [square], {"n": n})
    for shapes in (((2, 3), (3, 2)), ((5, 2), (2, 5), (5, 2)), ((2,), (2, 3), (3, 4), (4,)), ((2, 3), (3, 1), (1, 4))):
        inputs = [random(f"multi_dot {i}{s}", s) for i, s in enumerate(shapes)]
        yield Case("multi_dot", f"{shapes}", lambda *x: jnp.linalg.multi_dot(x), inputs)
    for axis in (0, -1):
        inputs = [random("vecdot a", (3, 2)), random("vecdot b", (3, 2))]
        yield Case("vecdot", f"axis {axis}", lambda a, b, n=axis: jnp.sum(a * b, axis=n), inputs, {"axis": axis})


def cases():
    for family in (einsums, contractions):
        yield from family()
