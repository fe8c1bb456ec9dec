"""Cases of movement, indexing, masks and random choices."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
from jax import lax

from functions import array, bools, ints
from record import Case, random


# --- positions along an axis ----------------------------------------------------------------------


def grid(index, axis, length):
    """The positions of `x.at[..]` that `index` stands for along an axis."""
    places = list(jnp.meshgrid(*(jnp.arange(n) for n in index.shape), indexing="ij"))
    places[axis] = index % length
    return tuple(places)


def combined(axis, how, own):
    """`scatter_reduce` place by place, as the definition says it."""
    reduce = {"sum": jnp.sum, "prod": jnp.prod, "mean": jnp.mean, "amax": jnp.max, "amin": jnp.min}[how]

    def f(x, index, y):
        met = {place: [] for place in np.ndindex(x.shape)}
        for place in np.ndindex(index.shape):
            target = list(place)
            target[axis] = int(index[place]) % x.shape[axis]
            met[tuple(target)].append(y[place])

        def element(place):
            if not met[place]:
                return x[place]
            return reduce(jnp.stack(([x[place]] if own else []) + met[place]))

        return jnp.stack([element(place) for place in np.ndindex(x.shape)]).reshape(x.shape)

    return f


def scatters():
    x = random("scatter", (4, 3))
    for axis, index in ((0, ints(0, 3, 1, 2, -2, 0).reshape(2, 3)), (-1, ints(2, 1, 0, 0).reshape(4, 1))):
        name = f"axis {axis}, {index.tolist()}"
        f = lambda x, i, y, a=axis: x.at[grid(i, a, x.shape[a])].set(y)
        yield Case("scatter", name, f, [x, index, random("scatter" + name, index.shape)], {"axis": axis})
        f = lambda x, i, a=axis: x.at[grid(i, a, x.shape[a])].set(-1.5)
        yield Case("scatter_number", name, f, [x, index], {"axis": axis, "value": -1.5})
    corner = ints(3, 0, 1, 1).reshape(2, 2)
    f = lambda x, i, y: x.at[grid(i, 0, 4)].set(y)
    yield Case("scatter", "a shorter index", f, [x, corner, random("scatter corner", (2, 2))], {"axis": 0})
    f = lambda x, i, y: x.at[i[1:]].set(y[1:])
    yield Case("scatter", "the last of several", f, [array(1, 2, 3), ints(1, 1, 0), array(4, 5, 6)], {"axis": 0})
    f = lambda x, i, y: x.at[grid(i, 0, 4)].add(y)
    yield Case("scatter_add_corner", "a shorter index", f, [x, corner, random("sa corner", (2, 2))], {"axis": 0})
    f = lambda x, i: x[grid(i, 0, 4)]
    yield Case("gather_corner", "a shorter index", f, [x, corner], {"axis": 0})
    rows = ints(2, 0)
    f = lambda x, i, y: x.at[i].set(y)
    yield Case("index_copy", "rows", f, [x, rows, random("index_copy", (2, 3))], {"axis": 0})
    f = lambda x, i, y: x.at[:, i].set(y)
    yield Case("index_copy", "columns", f, [x, rows, random("index_copy1", (4, 2))], {"axis": 1})
    yield Case("index_copy", "none", f, [x, ints(), np.zeros((4, 0))], {"axis": 1})
    f = lambda x, i, y: x.at[i[1:]].set(y[1:])
    yield Case("index_copy", "the last of several", f, [x, ints(1, 1, 0), random("ic2", (3, 3))], {"axis": 0})
    f = lambda x, i, v: x.at[:, i].set(v)
    yield Case("index_fill", "a tensor", f, [x, ints(2, 0, 2), np.array(7.5)], {"axis": -1})


def along():
    x = random("along", (2, 3, 4))
    for axis, shape in ((2, (1, 3, 2)), (1, (2, 2, 1)), (0, (3, 1, 1)), (-1, (2, 3, 0))):
        n = x.shape[axis]
        index = np.arange(np.prod(shape, dtype=int)).reshape(shape) * 2 % n - n * (axis == 1)
        f = lambda x, i, a=axis: jnp.take_along_axis(x, i % x.shape[a], axis=a)
        yield Case("take_along_axis", f"axis {axis}, {shape}", f, [x, index], {"axis": axis})
    f = lambda x, i: jnp.take_along_axis(x, i, axis=0)
    yield Case("take_along_axis", "a row of many", f, [random("along1", (3, 1)), ints(2, 0, 1, 1).reshape(1, 4)], {"axis": 0})


def reductions():
    x, i, y = random("reduce", (2, 3)), ints(2, 0, -1, 2).reshape(2, 2), random("reduce y", (2, 2))
    for how in ("sum", "prod", "mean", "amax", "amin"):
        for own in (True, False):
            name = how + ("" if own else ", without self")
            attrs = {"axis": 1, "how": how, "own": own}
            yield Case("scatter_reduce", name, combined(1, how, own), [x, i, y], attrs)
    attrs = {"axis": 0, "how": "prod", "own": True}
    zeros = [array(0, 2, 0, 3), ints(0, 0, 1, 1, 2, 2), array(2, 3, 0, 4, 0, 5)]
    yield Case("scatter_reduce", "products with up to two zeros", combined(0, "prod", True), zeros, attrs)
    three = [array(0, 2), ints(0, 0, 0), array(0, 0, 5)]
    yield Case("scatter_reduce", "a product of three zeros", combined(0, "prod", True), three, attrs)
    for how in ("amax", "amin"):
        ties = [array(1, 1, 2), ints(0, 0, 1, 2), array(1, 1, 0, 2)]
        attrs = {"axis": 0, "how": how, "own": True}
        yield Case("scatter_reduce", f"{how} of equals", combined(0, how, True), ties, attrs, edge=True)
    nans = [array(1, 1), ints(0, 0), array(math.nan, 2)]
    attrs = {"axis": 0, "how": "amax", "own": True}
    yield Case("scatter_reduce", "amax of NaN", combined(0, "amax", True), nans, attrs, order=0)
    whole = [ints(4, -2, 3), ints(0, 1, 1), ints(3, 5, -7)]
    for how, own in (("sum", True), ("prod", False), ("amax", False), ("amin", True)):
        attrs = {"axis": 0, "how": how, "own": own}
        yield Case("scatter_reduce", f"integers, {how}, {own}", combined(0, how, own), whole, attrs)
    for how in ("prod", "mean", "amin"):
        rows = lambda x, i, y, h=how: combined(0, h, True)(x, jnp.broadcast_to(i[:, None], y.shape), y)
        attrs = {"axis": 0, "how": how, "own": True}
        yield Case("index_reduce", how, rows, [x, ints(1, 1, 0), random("index_reduce", (3, 3))], attrs)


# --- flat positions and masks ---------------------------------------------------------------------


def masks():
    x = random("masks", (2, 3))
    flat = ints(5, 0, -1, 2).reshape(2, 2)
    yield Case("take", "a matrix", lambda x, i: jnp.take(x, i % 6), [x, flat])
    yield Case("take", "of a number", lambda x, i: jnp.take(x, i), [np.array(2.5), ints(0, 0)])
    f = lambda x, i, y: x.ravel().at[i % 6].set(y).reshape(x.shape)
    yield Case("put", "replace", f, [x, ints(5, 0, -3), random("put", (3,))], {"add": False})
    f = lambda x, i, y: x.ravel().at[i % 6].add(y).reshape(x.shape)
    yield Case("put", "add", f, [x, flat, random("put1", (2, 2))], {"add": True})
    twice = ints(0, 1, 1)
    add = lambda x, v, i, j: x.at[i, j].add(v)
    yield Case("index_put", "pairs, added", add, [x, random("ip", (3,)), twice, ints(0, 2, 2)], {"add": True})
    add = lambda x, v, i: x.at[i].add(v)
    yield Case("index_put", "rows, added, a value that broadcasts", add, [x, random("ip1", (3,)), twice], {"add": True})
    yield Case("index_put", "a mask, added", add, [x, np.array(2.0), np.asarray(x > 0)], {"add": True})
    put = lambda x, v, i, j: x.at[i, j].set(v)
    yield Case("index_put", "pairs", put, [x, random("ip2", (2,)), ints(0, 1), ints(2, 0)], {"add": False})
    some = bools(True, False, True)
    fill = lambda x, m, v: jnp.where(m, v, x)
    yield Case("masked_fill", "a row", fill, [x, some, np.array(-4.0)])
    yield Case("masked_fill", "a matrix", fill, [x, np.asarray(x > 0.2), np.array(0.5)])
    pick = lambda x, m: x[jnp.broadcast_to(m, x.shape)]
    yield Case("masked_select", "a row", pick, [x, some])
    yield Case("masked_select", "none", pick, [x, np.zeros((2, 3), bool)])
    yield Case("masked_select", "a number", lambda x, m: x.ravel(), [np.array(2.0), np.array(True)])
    spread = lambda x, m, y: x.at[jnp.broadcast_to(m, x.shape)].set(y.ravel()[: 2 * int(m.sum())])
    yield Case("masked_scatter", "elements left over", spread, [x, some, random("ms", (2, 3))])
    sparse = np.array([[0.0, 1.0, -0.0], [math.nan, 0.0, -2.0]])
    for fn in ("nonzero", "argwhere"):
        yield Case(fn, "a matrix", jnp.argwhere, [sparse])
        yield Case(fn, "integers", jnp.argwhere, [ints(0, 3, 0, 1)])
        yield Case(fn, "nothing", jnp.argwhere, [np.zeros((0, 3))])
        yield Case(fn, "a number", jnp.argwhere, [np.array(3.0)])


# --- movement -------------------------------------------------------------------------------------


def windows(axis, size, step):
    def f(x):
        starts = range(0, x.shape[axis] - size + 1, step)
        parts = [jnp.moveaxis(lax.slice_in_dim(x, s, s + size, axis=axis), axis, -1) for s in starts]
        return jnp.stack(parts, axis=axis % x.ndim)

    return f


def repeats():
    x = random("repeats", (2, 3, 2))
    for axis, size, step in ((1, 2, 1), (-1, 1, 1), (1, 3, 2), (0, 2, 5), (1, 1, 2)):
        attrs = {"axis": axis, "size": size, "step": step}
        yield Case("unfold", f"axis {axis}, {size}, {step}", windows(axis, size, step), [x], attrs)
    for counts in ((2, 1, 3), (1, 2, 1, 1), (2, 0, 1), (1, 1, 1)):
        f = lambda x, c=counts: jnp.tile(x, c)
        yield Case("repeat", str(counts), f, [x], {"counts": counts})
    for counts in ((2,), (), (3, 2), (2, 1, 1, 2)):
        f = lambda x, c=counts: jnp.tile(x, c)
        yield Case("tile", str(counts), f, [x], {"counts": counts})
    yield Case("tile", "a number", lambda x: jnp.tile(x, (2, 2)), [np.array(1.5)], {"counts": (2, 2)})
    for n, axis in ((3, 1), (2, -1), (0, 0), (1, 2)):
        f = lambda x, n=n, a=axis: jnp.repeat(x, n, axis=a)
        yield Case("repeat_interleave", f"{n}, axis {axis}", f, [x], {"n": n, "axis": axis})
    for counts, axis in ((ints(2, 0, 1), 1), (ints(3), 0), (ints(0, 0), -1)):
        f = lambda x, c, a=axis: jnp.repeat(x, np.asarray(c), axis=a)
        yield Case("repeat_interleave_tensor", f"{counts}, axis {axis}", f, [x, counts], {"axis": axis})
    for shifts, axes in (((1,), (0,)), ((-1, 4), (1, 2)), ((7, 1), (1, 1)), ((0,), (-1,))):
        f = lambda x, s=shifts, a=axes: jnp.roll(x, s, a)
        yield Case("roll", f"{shifts}, axes {axes}", f, [x], {"shifts": shifts, "axes": axes})
    yield Case("roll", "nothing", lambda x: x, [np.zeros((0, 2))], {"shifts": (3,), "axes": (0,)})


def turns():
    x = random("turns", (2, 3, 2))
    yield Case("fliplr", "typical", jnp.fliplr, [x])
    yield Case("flipud", "typical", jnp.flipud, [x])
    for k in (0, 1, 2, 3, -1, 5):
        f = lambda x, k=k: jnp.rot90(x, k, (0, 1))
        yield Case("rot90", f"{k} quarters", f, [x], {"quarters": k, "axes": (0, 1)})
    yield Case("rot90", "from the last axis", lambda x: jnp.rot90(x, 1, (-1, 0)), [x], {"quarters": 1, "axes": (-1, 0)})
    yield Case("swapaxes", "typical", lambda x: jnp.swapaxes(x, 0, -1), [x], {"axes": (0, -1)})
    vectors = [random("stack0", (3,)), random("stack1", (3,))]
    matrices = [random("stack2", (2, 3)), random("stack3", (2, 3))]
    numbers = [np.array(1.5), np.array(-2.0)]
    for name, f in (("hstack", jnp.hstack), ("vstack", jnp.vstack), ("dstack", jnp.dstack), ("column_stack", jnp.column_stack)):
        for what, parts in (("vectors", vectors), ("matrices", matrices), ("numbers", numbers)):
            yield Case(name, what, lambda *x, f=f: f(x), parts)
    yield Case("column_stack", "a vector and a matrix", lambda *x: jnp.column_stack(x), [array(1, 2), matrices[0]])
    yield Case("hstack", "a number and a vector", lambda *x: jnp.hstack(x), [np.array(0.5), vectors[0]])
    f = lambda *x: jnp.concatenate([jnp.atleast_1d(v) for v in x])
    yield Case("cat_numbers", "among vectors", f, [np.array(1.5), vectors[0], np.array(-1.0)], {"axis": 0})
    yield Case("cat_numbers", "alone", f, numbers, {"axis": -1})


def shapes():
    x = random("shapes", (5, 6))
    for size, axis in ((2, 0), (4, -1), (9, 1)):
        f = lambda x, n=size, a=axis: jnp.split(x, tuple(range(n, x.shape[a], n)), axis=a)
        yield Case("split_by_size", f"{size}, axis {axis}", f, [x], {"size": size, "axis": axis})
    f = lambda x: jnp.split(x, (1, 3, 4), axis=0)
    yield Case("split_by_lengths", "typical", f, [x], {"lengths": (1, 2, 1, 1), "axis": 0})
    for n, axis in ((3, 0), (4, 1), (1, 0), (5, -2)):
        f = lambda x, n=n, a=axis: jnp.array_split(x, n, axis=a)
        yield Case("tensor_split", f"{n}, axis {axis}", f, [x], {"n": n, "axis": axis})
    for axis in (0, -1):
        f = lambda x, a=axis: [jnp.take(x, i, axis=a) for i in range(x.shape[a])]
        yield Case("unbind", f"axis {axis}", f, [random("unbind", (2, 3))], {"axis": axis})
    one = random("ones", (1, 3, 1))
    yield Case("squeeze_all", "typical", jnp.squeeze, [one])
    yield Case("squeeze_all", "one element", jnp.squeeze, [np.array([[2.0]])])
    for name, y in (("a tensor", one), ("a number", np.array(1.5)), ("nothing", np.zeros((2, 0)))):
        yield Case("ravel", name, jnp.ravel, [y])
    f = lambda x: x.reshape(5, 3, 2)
    yield Case("unflatten", "inferred", f, [x], {"axis": -1, "lengths": (3, 4294967295)})
    yield Case("unflatten", "given", f, [x], {"axis": 1, "lengths": (3, 2)})
    other = np.zeros((3, 10), dtype=np.int64)
    for fn in ("reshape_as", "view_as"):
        yield Case(fn, "typical", lambda x, y: x.reshape(y.shape), [x, other])
    column = random("expand", (3, 1))
    for lengths, shape in (((2, -1, 4), (2, 3, 4)), ((3, 2), (3, 2)), ((-1, -1), (3, 1)), ((3, 0), (3, 0))):
        f = lambda x, s=shape: jnp.broadcast_to(x, s)
        yield Case("expand", str(lengths), f, [column], {"lengths": lengths})
    yield Case("expand_as", "typical", lambda x, y: jnp.broadcast_to(x, y.shape), [column, np.zeros((2, 3, 4), dtype=np.int64)])
    for axis, i in ((0, 1), (1, -1), (-1, 0)):
        f = lambda x, a=axis, i=i: jnp.take(x, i % x.shape[a], axis=a)
        yield Case("select", f"axis {axis}, {i}", f, [x], {"axis": axis, "index": i})
    for fn, f in (("atleast_1d", jnp.atleast_1d), ("atleast_2d", jnp.atleast_2d), ("atleast_3d", jnp.atleast_3d)):
        for shape in ((), (2,), (2, 3), (2, 1, 2)):
            yield Case(fn, str(shape), f, [random(fn, shape)])
    parts = [random("bt0", (3, 1)), random("bt1", (2,)), np.array(1.5)]
    yield Case("broadcast_tensors", "typical", lambda *x: jnp.broadcast_arrays(*x), parts)
    vectors = [random("grid0", (2,)), random("grid1", (3,)), random("grid2", (2,))]
    for order in ("ij", "xy"):
        f = lambda *x, o=order: jnp.meshgrid(*x, indexing=o)
        for n in (1, 2, 3):
            yield Case("meshgrid", f"{n}, {order}", f, vectors[:n], {"order": order})
    f = lambda *x: jnp.stack([g.ravel() for g in jnp.meshgrid(*x, indexing="ij")], axis=-1)
    yield Case("cartesian_prod", "three", f, vectors)
    yield Case("cartesian_prod", "one", lambda x: x, vectors[:1])


def embedded(offset, a, b):
    """torch.diag_embed."""

    def f(x):
        n = x.shape[-1] + abs(offset)
        i = jnp.arange(x.shape[-1])
        y = jnp.zeros(x.shape[:-1] + (n, n)).at[..., i + max(-offset, 0), i + max(offset, 0)].set(x)
        return jnp.moveaxis(y, (-2, -1), (a, b))

    return f


def diagonals():
    x = random("diagonals", (3, 4, 2))
    for offset, a, b in ((0, 0, 1), (1, 0, 1), (-1, 1, 0), (2, -1, 1), (0, 2, 0), (-3, 0, 1), (4, 0, 1)):
        f = lambda x, o=offset, a=a, b=b: jnp.diagonal(x, o, a, b)
        yield Case("diagonal", f"{offset}, {a}, {b}", f, [x], {"offset": offset, "axes": (a, b)})
    y = random("embed", (2, 3))
    for offset, a, b in ((0, -2, -1), (1, 0, 2), (-2, 1, 0), (1, -1, 0)):
        attrs = {"offset": offset, "axes": (a, b)}
        yield Case("diag_embed", f"{offset}, {a}, {b}", embedded(offset, a, b), [y], attrs)
    for offset in (0, 1, -2):
        f = lambda x, o=offset: jnp.diag(x, o)
        yield Case("diag", f"vector, {offset}", f, [y[0]], {"offset": offset})
        yield Case("diag", f"matrix, {offset}", f, [y], {"offset": offset})
        yield Case("diagflat", str(offset), lambda x, o=offset: jnp.diagflat(x, o), [y], {"offset": offset})
    for offset in (0, 1, -1, 5, -5):
        yield Case("tril", str(offset), lambda x, o=offset: jnp.tril(x, o), [x], {"offset": offset})
        yield Case("triu", str(offset), lambda x, o=offset: jnp.triu(x, o), [x], {"offset": offset})
    nans = np.array([[1.0, math.nan], [3.0, 2.0]])
    yield Case("tril", "NaN above", lambda x: jnp.tril(x), [nans], {"offset": 0})
    for n, m, offset in ((3, 3, 0), (2, 4, 1), (4, 2, -1), (3, 2, -5), (2, 3, 9), (0, 2, 0)):
        attrs = {"n": n, "m": m, "offset": offset}
        name = f"{n} x {m}, {offset}"
        yield Case("tril_indices", name, lambda a=(n, offset, m): jnp.stack(jnp.tril_indices(*a)).astype(int), [], attrs)
        yield Case("triu_indices", name, lambda a=(n, offset, m): jnp.stack(jnp.triu_indices(*a)).astype(int), [], attrs)
        yield Case("tri", name, lambda a=(n, m, offset): jnp.tri(*a, dtype=jnp.float32), [], attrs)


def padding():
    x = random("pad_with", (2, 3))
    modes = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    for mode, name in modes.items():
        for before, after in (((1, 0), (0, 2)), ((3, 1), (5, 7)), ((0, 0), (0, 0))):
            f = lambda x, b=before, a=after, m=name: jnp.pad(x, tuple(zip(b, a)), mode=m)
            attrs = {"before": before, "after": after, "mode": mode}
            yield Case("pad_with", f"{mode}, {before}, {after}", f, [x], attrs)
        attrs = {"before": (2,), "after": (1,), "mode": mode}
        yield Case("pad_with", f"{mode}, one position", lambda x: jnp.stack([x[0]] * 4), [array(2.5)], attrs)


def constructors():
    for base in (10.0, 2.0):
        f = lambda b=base: jnp.logspace(-1.0, 2.0, 5, base=b, dtype=jnp.float32)
        yield Case("logspace", f"base {base}", f, [], {"start": -1.0, "end": 2.0, "n": 5, "base": base})
    f = lambda: jnp.linspace(-1.0, 2.0, 7, dtype=jnp.float32)
    yield Case("linspace", "typical", f, [], {"start": -1.0, "end": 2.0, "n": 7})
    yield Case("eye", "typical", lambda: jnp.eye(3, dtype=jnp.float32), [], {"n": 3})


# --- products -------------------------------------------------------------------------------------


def distance(p):
    def f(a, b):
        size = jnp.abs(a - b)
        if p == 0:
            return jnp.sum(a != b).astype(jnp.float64)
        if p == math.inf:
            return jnp.max(size)
        return jnp.sum(size**p) ** (1 / p)

    return f


def products():
    a, b, c = random("p0", (2, 3)), random("p1", (3, 4)), random("p2", (2, 4))
    u, v = random("p3", (3,)), random("p4", (4,))
    yield Case("mm", "typical", jnp.matmul, [a, b])
    yield Case("mv", "typical", jnp.matmul, [a, u])
    batch = [random("p5", (2, 2, 3)), random("p6", (2, 3, 2))]
    yield Case("bmm", "typical", jnp.matmul, batch)
    add = lambda x, a, b: x + a @ b
    for name, x in (("a matrix", c), ("a row", v), ("a number", np.array(0.5))):
        yield Case("addmm", name, add, [x, a, b])
    yield Case("addmv", "typical", add, [random("p7", (2,)), a, u])
    yield Case("addr", "typical", lambda x, a, b: x + jnp.outer(a, b), [random("p8", (3, 4)), u, v])
    yield Case("baddbmm", "typical", add, [random("p9", (2, 1, 2)), *batch])
    yield Case("ger", "typical", jnp.outer, [u, v])
    yield Case("inner", "matrices", jnp.inner, [a, random("p10", (4, 2, 3))])
    yield Case("inner", "vectors", jnp.inner, [u, random("p11", (3,))])
    yield Case("inner", "a number", jnp.inner, [np.array(2.0), a])
    yield Case("inner", "nothing", jnp.inner, [np.zeros((2, 0)), np.zeros((0,))])
    yield Case("vdot", "typical", jnp.vdot, [a, random("p12", (3, 2))])
    yield Case("cross", "vectors", jnp.cross, [u, random("p13", (3,))], {"axis": 0})
    yield Case("cross", "broadcast", jnp.cross, [a, u], {"axis": -1})
    f = lambda a, b: jnp.cross(a, b, axis=0)
    yield Case("cross", "columns", f, [random("p14", (3, 2)), random("p15", (3, 2))], {"axis": 0})
    for p in (2.0, 1.0, 3.0, 1.5, 0.0, math.inf):
        attrs = {"p": "inf" if p == math.inf else p}
        yield Case("dist", f"p {p}", distance(p), [a, u], attrs)
    far = [array(3e200, 4e200), array(0, 0)]
    yield Case("dist", "far apart", lambda a, b: jnp.array(1e200 * (27 + 64) ** (1 / 3)), far, {"p": 3.0}, order=0)


def cases():
    for family in (
        scatters,
        along,
        reductions,
        masks,
        repeats,
        turns,
        shapes,
        diagonals,
        padding,
        constructors,
        products,
    ):
        yield from family()
