"""Functions that move elements: views, joins, gathers and scatters."""

from __future__ import annotations

import builtins

import jax.numpy as jnp
import numpy as np
from jax import lax

from functions import array, bools, ints
from record import Case, random


BROADCASTS = (
    ((3,), (2, 3)),
    ((2, 1), (2, 3)),
    ((), (2, 2)),
    ((1, 3), (4, 2, 3)),
    ((2, 3), (2, 3)),
    ((1,), (0,)),
)


def views():
    x = random("views", (2, 3, 4))
    for shape in ((24,), (4, 6), (3, 1, 8), (2, 3, 4, 1)):
        yield Case("reshape", str(shape), lambda x, s=shape: x.reshape(s), [x], {"shape": shape})
    yield Case("reshape", "rank 0 to rank 2", lambda x: x.reshape(1, 1), [np.array(2.5)], {"shape": (1, 1)})
    yield Case("reshape", "to rank 0", lambda x: x.reshape(()), [array(2.5)], {"shape": ()})
    yield Case("reshape", "empty", lambda x: x.reshape(3, 0), [np.zeros((0, 5))], {"shape": (3, 0)})
    for axes in ((2, 0, 1), (0, 2, 1), (-1, 0, -2), (0, 1, 2)):
        yield Case("permute", str(axes), lambda x, a=axes: jnp.transpose(x, a), [x], {"axes": axes})
    for a, b in ((0, 1), (-1, -2), (0, -1), (1, 1)):
        yield Case("transpose", f"{a}, {b}", lambda x, a=a, b=b: jnp.swapaxes(x, a, b), [x], {"axes": (a, b)})
    yield Case("t", "batch", lambda x: jnp.swapaxes(x, -1, -2), [x])
    for a, b in ((0, 1), (-2, -1), (0, 2), (1, 1)):
        shape = x.shape[: a % 3] + (-1,) + x.shape[b % 3 + 1 :]
        yield Case("flatten", f"{a} to {b}", lambda x, s=shape: x.reshape(s), [x], {"axes": (a, b)})
    for a, b in ((0, 2), (2, 0), (-1, 1), (1, 1)):
        yield Case("movedim", f"{a} to {b}", lambda x, a=a, b=b: jnp.moveaxis(x, a, b), [x], {"axes": (a, b)})
    for axis, start, length in ((0, 1, 1), (-1, 1, 2), (1, 0, 3), (2, 4, 0)):
        f = lambda x, a=axis, s=start, n=length: lax.slice_in_dim(x, s, s + n, axis=a)
        attrs = {"axis": axis, "start": start, "length": length}
        yield Case("narrow", f"axis {axis}, {length} from {start}", f, [x], attrs)
    for source, shape in BROADCASTS:
        x1 = random(f"broadcast{source}", source)
        f = lambda x, s=shape: jnp.broadcast_to(x, s)
        yield Case("broadcast_to", f"{source} to {shape}", f, [x1], {"shape": shape})
    for axes in ((0,), (-1,), (0, 2), (0, 1, 2), ()):
        yield Case("flip", str(axes), lambda x, a=axes: jnp.flip(x, a), [x], {"axes": axes})
    for axis in (0, 2, -1):
        x1 = random("squeeze", (1, 3, 1))
        yield Case("squeeze", f"axis {axis}", lambda x, a=axis: jnp.squeeze(x, a), [x1], {"axis": axis})
    for axis in (0, 1, 2, -1, -3):
        x1 = random("unsqueeze", (2, 3))
        yield Case("unsqueeze", f"axis {axis}", lambda x, a=axis: jnp.expand_dims(x, a), [x1], {"axis": axis})


# One entry an axis: (start, stop, step), as Python reads them.
SLICES = {
    "all": ((None, None, None),),
    "range": ((1, 4, 1), (None, 2, None)),
    "steps": ((None, None, 2), (1, None, 3)),
    "negative bounds": ((-4, -1, 1), (-3, None, None)),
    "reversed": ((None, None, -1), (None, None, None)),
    "negative steps": ((4, 0, -2), (None, None, -3)),
    "empty": ((2, 2, 1),),
    "beyond the end": ((3, 100, 2),),
}


def slices_of(slices):
    return tuple(slice(*s) for s in slices)


def slicing():
    x = random("slice", (5, 6))
    for name, slices in SLICES.items():
        yield Case("slice", name, lambda x, s=slices: x[slices_of(s)], [x], {"slices": slices})
    for name, slices in SLICES.items():
        region = x[slices_of(slices)].shape
        f = lambda x, y, s=slices: x.at[slices_of(s)].set(y)
        yield Case("update", name, f, [x, random("update" + name, region)], {"slices": slices})
    for low, high, value in (((1, 0), (2, 3), 0.0), ((0, 2), (0, 0), -1.5), ((0, 0), (0, 0), 7.0)):
        f = lambda x, lo=low, hi=high, v=value: jnp.pad(x, tuple(zip(lo, hi)), constant_values=v)
        attrs = {"before": low, "after": high, "value": value}
        yield Case("pad", f"{low}, {high}, {value}", f, [random("pad", (2, 3))], attrs)
    attrs = {"before": (2,), "after": (1,), "value": 0.0}
    for name, x1 in (("rank 1", array(1.5, 2.5)), ("nothing", np.zeros(0))):
        yield Case("pad", name, lambda x: jnp.pad(x, ((2, 1),)), [x1], attrs)


def joins():
    parts = [random("cat0", (2, 3)), random("cat1", (1, 3)), random("cat2", (3, 3))]
    join = lambda axis: lambda *xs: jnp.concatenate(xs, axis=axis)
    yield Case("cat", "axis 0", join(0), parts, {"axis": 0})
    yield Case("cat", "axis -1", join(-1), [p.T for p in parts], {"axis": -1})
    yield Case("cat", "one part", join(0), parts[:1], {"axis": 0})
    yield Case("cat", "an empty part", join(0), [parts[0], np.zeros((0, 3)), parts[1]], {"axis": 0})
    yield Case("cat", "integers", join(0), [ints(1, 2), ints(3)], {"axis": 0})
    for axis in (0, 1, 2, -1):
        same = [random(f"stack{i}", (2, 3)) for i in range(3)]
        yield Case("stack", f"axis {axis}", lambda *xs, a=axis: jnp.stack(xs, axis=a), same, {"axis": axis})
    yield Case("stack", "rank 0", lambda *xs: jnp.stack(xs), [np.array(1.0), np.array(2.0)], {"axis": 0})
    for lengths, axis in (((2, 3), 0), ((1, 2, 3), 1), ((6, 0), -1)):
        f = lambda x, c=tuple(np.cumsum(lengths)[:-1]), a=axis: jnp.split(x, c, axis=a)
        yield Case("split", f"{lengths}, axis {axis}", f, [random("split", (5, 6))], {"lengths": lengths, "axis": axis})
    # As PyTorch: parts of equal length, the last one shorter.
    for parts, axis, length in ((2, 0, 3), (3, 1, 2), (4, -1, 2), (10, 0, 1)):
        f = lambda x, n=length, a=axis: jnp.split(x, tuple(range(n, x.shape[a], n)), axis=a)
        yield Case("chunk", f"{parts} parts, axis {axis}", f, [random("chunk", (5, 6))], {"parts": parts, "axis": axis})


# What an index is made of: an integer, a slice, a new axis, an ellipsis, or the input of that number.
INDICES = {
    "integers": (1, -1),
    "an integer and a range": (slice(None), 2, slice(1, None)),
    "a new axis": (slice(None), None, slice(None, None, -2)),
    "an ellipsis": (..., 0),
    "rows": ("in",),
    "pairs": ("in", "in"),
    "pairs in the last axes": (slice(None), "in", "in"),
    "tensors apart": ("in", slice(None), "in"),
    "an integer beside a tensor": (0, "in"),
    "an integer apart from a tensor": (0, slice(None), "in"),
    "rows that broadcast": ("column", "in"),
    "a mask": ("mask",),
    "a mask of a row": (slice(None), "row mask"),
}


def indexing():
    x = random("index", (2, 3, 4))
    given = {
        "in": ints(1, 0, 1),
        "column": ints(0, 1).reshape(2, 1),
        "mask": x > 0.3,
        "row mask": bools(True, False, True),
    }
    for name, items in INDICES.items():
        tensors = [given[item] for item in items if isinstance(item, str)]
        f = lambda x, *tensors, i=items: x[filled(i, tensors)]
        attrs = {"index": [encoded(item) for item in items]}
        yield Case("at", name, f, [x, *tensors], attrs)
        # Which of several values written to one place stays is not defined in JAX.
        tensors = [np.unique(t) if t is given["in"] else t for t in tensors]
        part = x[filled(items, tensors)]
        f = lambda x, y, *tensors, i=items: x.at[filled(i, tensors)].set(y)
        yield Case("with", name, f, [x, random("with" + name, part.shape), *tensors], attrs)
    attrs = {"index": [encoded(slice(None)), encoded(1)]}
    column = lambda x, y: x.at[:, 1].set(y)
    yield Case("with", "a value that broadcasts", column, [x, random("with row", (4,))], attrs)
    attrs = {"index": [encoded("in")]}
    last = lambda x, y, i: x.at[jnp.array([0, 1])].set(y[jnp.array([0, 2])])
    yield Case("with", "the last of several values", last, [x, random("with last", (3, 3, 4)), ints(0, 1, 1)], attrs)


def filled(items, tensors):
    """The index with the tensors in their places."""
    tensors = iter(tensors)
    return tuple(next(tensors) if isinstance(item, str) else item for item in items)


def encoded(item):
    match item:
        case slice():
            return {"slice": (item.start, item.stop, item.step or 1)}
        case int():
            return {"position": item}
        case None:
            return "new_axis"
        case builtins.Ellipsis:
            return "ellipsis"
    return "tensor"


def gathers():
    x = random("gather", (4, 3))
    for axis, index in ((0, ints(2, 0, 2, 3)), (1, ints(1, 1)), (-1, ints(0)), (0, ints()), (0, ints(-1, 0, -4))):
        f = lambda x, i, a=axis: jnp.take(x, i % x.shape[a], axis=a)
        yield Case("index_select", f"axis {axis}, {index.tolist()}", f, [x, index], {"axis": axis})
        f = lambda x, i, y, a=axis: jnp.moveaxis(jnp.moveaxis(x, a, 0).at[i].add(jnp.moveaxis(y, a, 0)), 0, a)
        region = list(x.shape)
        region[axis] = index.size
        y = random(f"index_add{axis}", tuple(region))
        yield Case("index_add", f"axis {axis}, {index.tolist()}", f, [x, index, y], {"axis": axis})
    matrix = ints(2, 0, 1, 1).reshape(2, 2)
    for name, index in (("a row", ints(2, 0)), ("a matrix", matrix), ("one index", np.array(1))):
        take = lambda x, i: jnp.take(x, i, axis=1)
        yield Case("index_select", f"rank 3, {name}", take, [random("is3", (2, 3, 2)), index], {"axis": 1})
    for axis, index in (
        (0, ints(0, 3, 1, 2, 2, 2).reshape(2, 3)),
        (1, ints(0, 0, 2, 1, 1, 1, 2, 0).reshape(4, 2)),
        (-1, ints(2, 1, 0, 0).reshape(4, 1)),
        (0, np.zeros((0, 3), np.int64)),
        (0, ints(-1, -4, 0).reshape(1, 3)),
    ):
        name = f"axis {axis}, {index.tolist()}"
        f = lambda x, i, a=axis: jnp.take_along_axis(x, i % x.shape[a], axis=a)
        yield Case("gather", name, f, [x, index], {"axis": axis})
        yield Case("scatter_add", name, scatter_add(axis), [x, index, random("sa" + name, index.shape)], {"axis": axis})
    rows = random("embedding", (5, 3))
    take = lambda w, i: jnp.take(w, i, axis=0)
    yield Case("embedding", "a row twice", take, [rows, ints(4, 0, 4)])
    yield Case("embedding", "a matrix of indices", take, [rows, ints(1, 2, 3, 1).reshape(2, 2)])
    hot = lambda i: jnp.eye(4, dtype=jnp.float32)[i]
    yield Case("one_hot", "typical", hot, [ints(0, 3, 1)], {"classes": 4})
    yield Case("one_hot", "matrix", hot, [ints(2, 2, 0, 1).reshape(2, 2)], {"classes": 4})


def scatter_add(axis):
    """x with y[i, j] added at row index[i, j] (axis 0), or at column index[i, j] (axis 1)."""

    def f(x, index, y):
        places = list(jnp.meshgrid(*(jnp.arange(n) for n in index.shape), indexing="ij"))
        places[axis] = index
        return x.at[tuple(places)].add(y)

    return f


def cases():
    for family in (views, slicing, joins, indexing, gathers):
        yield from family()
