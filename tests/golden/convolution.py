"""Cases of convolution, pooling and resampling.

Windows are gathered element by element with indices made by NumPy, so that nothing is taken from a library's pooling.
"""

from __future__ import annotations

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from functions import array, ints
from record import Case, random

SPATIAL = {1: "H", 2: "HW", 3: "DHW"}


def numbers(rank):
    return ("NC" + SPATIAL[rank], "OI" + SPATIAL[rank], "NC" + SPATIAL[rank])


def each(value, rank):
    return (value,) * rank if isinstance(value, int) else tuple(value)


def pairs(padding, rank):
    if isinstance(padding, int):
        return ((padding, padding),) * rank
    return tuple((p, p) if isinstance(p, int) else tuple(p) for p in padding)


def conv(rank, stride=1, padding=0, dilation=1, groups=1):
    def f(x, w, b=None):
        pad = padding if padding == "SAME" else pairs(padding, rank)
        y = lax.conv_general_dilated(
            x, w, each(stride, rank), pad, rhs_dilation=each(dilation, rank), dimension_numbers=numbers(rank),
            feature_group_count=groups,
        )
        return y if b is None else y + b.reshape((-1,) + (1,) * rank)

    return f


def conv_transpose(rank, stride=1, padding=0, dilation=1, groups=1, output_padding=0):
    """Of the input with zeros between its elements, with the kernel reversed."""
    s, d, more = each(stride, rank), each(dilation, rank), each(output_padding, rank)
    pads = pairs(padding, rank)

    def f(y, w, b=None):
        k = w.shape[2:]
        reach = [d[i] * (k[i] - 1) for i in range(rank)]
        pad = [(reach[i] - pads[i][0], reach[i] - pads[i][1] + more[i]) for i in range(rank)]
        flipped = jnp.flip(w, tuple(range(2, 2 + rank)))
        # [in, out / groups, ..] to [out, in / groups, ..], group by group.
        parts = jnp.split(flipped, groups, axis=0)
        turned = jnp.concatenate([jnp.swapaxes(p, 0, 1) for p in parts], axis=0)
        x = lax.conv_general_dilated(
            y, turned, (1,) * rank, pad, lhs_dilation=s, rhs_dilation=d, dimension_numbers=numbers(rank),
            feature_group_count=groups,
        )
        return x if b is None else x + b.reshape((-1,) + (1,) * rank)

    return f


# Shapes of input and weight, and options.
CONVOLUTIONS = {
    1: {
        "plain": ((2, 3, 8), (4, 3, 3), {}),
        "stride and padding": ((1, 2, 9), (3, 2, 4), {"stride": 2, "padding": 2}),
        "groups": ((2, 4, 5), (6, 2, 2), {"groups": 2}),
    },
    2: {
        "plain": ((2, 3, 6, 5), (4, 3, 3, 2), {}),
        "uneven padding": ((1, 2, 4, 5), (2, 2, 3, 3), {"padding": ((0, 2), (1, 0))}),
        "strides": ((2, 2, 7, 6), (3, 2, 3, 2), {"stride": (2, 3), "padding": (1, 2)}),
        "dilation": ((1, 2, 8, 7), (2, 2, 3, 3), {"dilation": (2, 3), "padding": 1}),
        "stride and dilation": ((1, 1, 9, 9), (2, 1, 3, 3), {"stride": 2, "dilation": 3, "padding": 2}),
        "depthwise": ((1, 3, 5, 5), (6, 1, 3, 3), {"groups": 3, "padding": 1}),
        "groups": ((1, 4, 4, 4), (4, 2, 2, 2), {"groups": 2, "stride": 2}),
        "one by one": ((2, 3, 4, 4), (5, 3, 1, 1), {}),
        "one by one with stride": ((2, 3, 5, 4), (2, 3, 1, 1), {"stride": 3}),
        "wide": ((1, 3, 3, 50), (9, 3, 2, 3), {}),
    },
    3: {
        "plain": ((1, 2, 4, 4, 3), (2, 2, 2, 3, 2), {}),
        "all options": ((1, 2, 5, 4, 4), (4, 1, 2, 2, 2), {"stride": (2, 1, 2), "padding": 1, "dilation": (1, 2, 1), "groups": 2}),
    },
}

TRANSPOSED = {
    1: {
        "plain": ((2, 3, 5), (3, 2, 3), {}),
        "stride": ((1, 2, 4), (2, 3, 3), {"stride": 3, "padding": 1, "output_padding": 2}),
    },
    2: {
        "plain": ((2, 3, 3, 4), (3, 2, 2, 3), {}),
        "strides": ((1, 2, 3, 3), (2, 3, 3, 2), {"stride": (2, 3), "padding": (1, 0), "output_padding": (1, 2)}),
        "stride beyond the kernel": ((1, 1, 3, 2), (1, 2, 2, 1), {"stride": 3}),
        "dilation": ((1, 2, 3, 4), (2, 2, 2, 3), {"dilation": (3, 2), "stride": 2, "padding": 1}),
        "groups": ((1, 4, 3, 3), (4, 3, 2, 2), {"groups": 2}),
    },
    3: {"plain": ((1, 2, 2, 3, 2), (2, 2, 2, 1, 2), {"stride": (1, 2, 1)})},
}


def convolutions():
    for table, make, name in ((CONVOLUTIONS, conv, "conv"), (TRANSPOSED, conv_transpose, "conv_transpose")):
        for rank, cases in table.items():
            fn = f"{name}{rank}d"
            for case, (x, w, options) in cases.items():
                attrs = {"rank": rank} | {
                    k: (each(v, rank) if k != "padding" else pairs(v, rank)) if k != "groups" else v
                    for k, v in options.items()
                }
                inputs = [random(fn + case, x), random(fn + case + "w", w)]
                yield Case(fn, case, make(rank, **options), inputs, attrs)
    x, w, b = random("bias", (2, 2, 4, 4)), random("biasw", (3, 2, 2, 2)), random("biasb", (3,))
    yield Case("conv2d", "bias", conv(2), [x, w, b], {"rank": 2})
    w = random("biaswt", (2, 3, 2, 2))
    yield Case("conv_transpose2d", "bias", conv_transpose(2), [x, w, b], {"rank": 2})
    for stride in (1, 2, 3):
        x, w = random("same", (1, 2, 7, 5)), random("samew", (2, 2, 3, 2))
        f = conv(2, stride=stride, padding="SAME")
        yield Case("conv2d", f"same padding, stride {stride}", f, [x, w], {"rank": 2, "same": True, "stride": each(stride, 2)})
    unbatched = lambda x, w: conv(2)(x[None], w)[0]
    yield Case("conv2d", "one image", unbatched, [random("one image", (2, 4, 4)), random("one w", (3, 2, 2, 2))], {"rank": 2})
    whole = [ints(*range(12)).reshape(1, 1, 3, 4), ints(1, -1, 2, 3).reshape(1, 1, 2, 2)]
    yield Case("conv2d", "integers", conv(2), whole, {"rank": 2})


# --- windows ---------------------------------------------------------------------------------------


def output_length(n, k, s, before, after, d, ceil):
    room = n + before + after - d * (k - 1) - 1
    out = (math.ceil(room / s) if ceil else room // s) + 1
    return out - 1 if ceil and (out - 1) * s >= n + before else out


def windows(shape, kernel, stride=None, padding=0, dilation=1, ceil=False):
    """For every output position and element of the kernel the flat input position, -1 for padding."""
    rank = len(shape)
    k, s, d = each(kernel, rank), each(stride or kernel, rank), each(dilation, rank)
    pads = pairs(padding, rank)
    out = [output_length(shape[i], k[i], s[i], *pads[i], d[i], ceil) for i in range(rank)]
    index = np.full((*out, int(np.prod(k))), -1)
    counted = np.zeros((*out, int(np.prod(k))), bool)
    for o in itertools.product(*map(range, out)):
        for j, e in enumerate(itertools.product(*map(range, k))):
            at = [o[i] * s[i] + e[i] * d[i] - pads[i][0] for i in range(rank)]
            counted[(*o, j)] = all(a < shape[i] + pads[i][1] for i, a in enumerate(at))
            if all(0 <= a < shape[i] for i, a in enumerate(at)):
                index[(*o, j)] = np.ravel_multi_index(at, shape)
    return index, counted


def seen(x, rank, index, missing):
    flat = x.reshape(*x.shape[: x.ndim - rank], -1)
    return jnp.where(index >= 0, flat[..., np.maximum(index, 0)], missing)


def max_pool(rank, with_indices=False, **options):
    def f(x):
        index, _ = windows(x.shape[x.ndim - rank :], **options)
        all_seen = seen(x, rank, index, -jnp.inf)
        best = jnp.argmax(all_seen, axis=-1, keepdims=True)
        values = jnp.take_along_axis(all_seen, best, -1)[..., 0]
        places = jnp.take_along_axis(jnp.broadcast_to(index, all_seen.shape), best, -1)[..., 0]
        return (values, places) if with_indices else values

    return f


def avg_pool(rank, include=True, divisor=None, **options):
    def f(x):
        index, counted = windows(x.shape[x.ndim - rank :], **options)
        n = counted if include else index >= 0
        return seen(x, rank, index, 0.0).sum(-1) / (divisor or n.sum(-1))

    return f


def lp_pool(rank, p, **options):
    def f(x):
        index, _ = windows(x.shape[x.ndim - rank :], **options)
        return (jnp.abs(seen(x, rank, index, 0.0)) ** p).sum(-1) ** (1 / p)

    return f


POOLS = {
    1: {"plain": ((2, 3, 7), {"kernel": 2}), "overlap": ((3, 9), {"kernel": 3, "stride": 2, "padding": 1})},
    2: {
        "plain": ((2, 2, 4, 6), {"kernel": 2}),
        "rectangles": ((2, 5, 6), {"kernel": (2, 3), "stride": (1, 2)}),
        "padding and ceil": ((2, 6, 5), {"kernel": 3, "stride": 2, "padding": 1, "ceil": True}),
        "ceil": ((1, 5, 7), {"kernel": 2, "stride": 3, "ceil": True}),
        "dilation": ((1, 6, 7), {"kernel": (2, 3), "stride": 1, "dilation": 2}),
    },
    3: {"plain": ((2, 2, 4, 4), {"kernel": 2}), "overlap": ((1, 3, 4, 5), {"kernel": 2, "stride": 1})},
}


def pool_attrs(rank, options):
    lengths = {k: each(v, rank) for k, v in options.items() if k in ("kernel", "stride", "dilation", "padding")}
    return {"rank": rank} | lengths | {k: v for k, v in options.items() if k in ("ceil", "exclude", "divisor", "p")}


def pooling():
    for rank, cases in POOLS.items():
        for case, (shape, options) in cases.items():
            attrs = pool_attrs(rank, options)
            x = [random(f"pool{rank}{case}", shape)]
            yield Case(f"max_pool{rank}d", case, max_pool(rank, **options), x, attrs)
            yield Case(f"max_pool{rank}d_with_indices", case, max_pool(rank, True, **options), x, attrs)
            yield Case(f"avg_pool{rank}d", case, avg_pool(rank, **options), x, attrs)
            f = avg_pool(rank, include=False, **options)
            yield Case(f"avg_pool{rank}d", case + ", padding excluded", f, x, attrs | {"exclude": True})
            for p in (2.0, 3.0):
                f = lp_pool(rank, p, **options)
                yield Case(f"lp_pool{rank}d", f"{case}, p = {p}", f, x, attrs | {"p": p})
    x = [random("divisor", (2, 4, 4))]
    attrs = pool_attrs(2, {"kernel": 2, "divisor": 3.0})
    yield Case("avg_pool2d", "divisor", avg_pool(2, divisor=3.0, kernel=2), x, attrs)
    ties = [array(1.0, 1.0, 0.0, 2.0, 2.0, 2.0).reshape(1, 6)]
    yield Case("max_pool1d", "the first of ties", max_pool(1, kernel=3), ties, pool_attrs(1, {"kernel": 3}), edge=True)
    low = [array(-math.inf, -math.inf, 1.0, -math.inf).reshape(1, 4)]
    f = max_pool(1, True, kernel=2)
    yield Case("max_pool1d_with_indices", "minus infinity", f, low, pool_attrs(1, {"kernel": 2}), order=1, edge=True)
    nan = [array(math.nan, 1.0, 2.0, math.nan).reshape(1, 4)]
    yield Case("max_pool1d_with_indices", "nan", f, nan, pool_attrs(1, {"kernel": 2}), order=0)


def parts(n, out):
    return [(i * n // out, -((-(i + 1) * n) // out)) for i in range(out)]


def adaptive(rank, size, average):
    def f(x):
        lead = x.ndim - rank
        bounds = [parts(x.shape[lead + i], size[i]) for i in range(rank)]
        values, places = [], []
        for o in itertools.product(*(range(n) for n in size)):
            box = tuple(slice(*bounds[i][o[i]]) for i in range(rank))
            flat = np.arange(int(np.prod(x.shape[lead:]))).reshape(x.shape[lead:])[box].ravel()
            window = x[(..., *box)].reshape(*x.shape[:lead], -1)
            if average:
                values.append(window.mean(-1))
            else:
                best = jnp.argmax(window, -1, keepdims=True)
                values.append(jnp.take_along_axis(window, best, -1)[..., 0])
                places.append(flat[best[..., 0]] if isinstance(best, np.ndarray) else jnp.asarray(flat)[best[..., 0]])
        shaped = lambda parts: jnp.stack(parts, -1).reshape(*x.shape[:lead], *size)
        return shaped(values) if average else (shaped(values), shaped(places))

    return f


def adaptives():
    for rank, shape, sizes in (
        (1, (2, 7), ((3,), (7,), (1,), (9,))),
        (2, (2, 6, 5), ((3, 2), (2, 5), (4, 4))),
        (3, (1, 4, 3, 5), ((2, 2, 3),)),
    ):
        for size in sizes:
            x, attrs = [random(f"adaptive{rank}", shape)], {"rank": rank, "size": size}
            yield Case(f"adaptive_avg_pool{rank}d", str(size), adaptive(rank, size, True), x, attrs)
            f = adaptive(rank, size, False)
            yield Case(f"adaptive_max_pool{rank}d", str(size), lambda x, f=f: f(x)[0], x, attrs)
            yield Case(f"adaptive_max_pool{rank}d_with_indices", str(size), f, x, attrs)
    x, (values, places) = random("unpool", (2, 4, 4)), max_pool(2, True, kernel=2)(jnp.asarray(random("unpool", (2, 4, 4))))

    def unpool(values, places):
        flat = jnp.zeros((2, 16)).at[jnp.arange(2)[:, None], places.reshape(2, 4)].set(values.reshape(2, 4))
        return flat.reshape(2, 4, 4)

    yield Case("max_unpool", "typical", unpool, [np.asarray(values), np.asarray(places)], {"size": (4, 4)})


def patches():
    for case, (shape, options) in {
        "plain": ((2, 3, 4, 5), {"kernel": 2, "stride": 1}),
        "options": ((1, 2, 6, 5), {"kernel": (2, 3), "stride": (2, 1), "padding": 1, "dilation": (2, 1)}),
        "one axis": ((2, 2, 7), {"kernel": 3, "stride": 2}),
        "some is not seen": ((1, 1, 8, 8), {"kernel": 2, "stride": 3}),
    }.items():
        rank = len(shape) - 2
        index, _ = windows(shape[2:], **options)
        size = int(np.prod(index.shape[:-1]))

        def columns(x, index=index, rank=rank, size=size):
            flat = seen(x, rank, index, 0.0)
            return jnp.moveaxis(flat, -1, 2).reshape(x.shape[0], -1, size)

        attrs = pool_attrs(rank, options)
        yield Case("im2col", case, columns, [random("im2col" + case, shape)], attrs)
        adds = lambda y, f=columns, s=shape: jax.vjp(f, jnp.zeros(s))[1](y)[0]
        y = random("col2im" + case, (shape[0], shape[1] * index.shape[-1], size))
        yield Case("col2im", case, adds, [y], attrs | {"size": shape[2:]})


# --- resolution ------------------------------------------------------------------------------------


def resampled(size, mode):
    def weights(n, out):
        w = np.zeros((n, out))
        for i in range(out):
            if mode in ("nearest", "nearest_exact"):
                w[int((i + (0.5 if mode == "nearest_exact" else 0.0)) * n / out), i] = 1
                continue
            if mode.startswith("cubic"):
                at = (i + 0.5) * n / out - 0.5 if mode == "cubic" else i * (n - 1) / max(out - 1, 1)
                for place in range(int(np.floor(at)) - 1, int(np.floor(at)) + 3):
                    d = abs(at - place)
                    near = 1.25 * d**3 - 2.25 * d**2 + 1
                    far = -0.75 * (d**3 - 5 * d**2 + 8 * d - 4)
                    w[min(max(place, 0), n - 1), i] += near if d < 1 else far
                continue
            if mode == "linear":
                at = min(max((i + 0.5) * n / out - 0.5, 0.0), n - 1)
            else:
                at = i * (n - 1) / (out - 1) if out > 1 else 0.0
            low = min(int(at), n - 1)
            w[low, i] += 1 - (at - low)
            w[min(low + 1, n - 1), i] += at - low
        return w

    def f(x):
        for axis, out in enumerate(size):
            x = jnp.moveaxis(jnp.moveaxis(x, 2 + axis, -1) @ weights(x.shape[2 + axis], out), -1, 2 + axis)
        return x

    return f


def resolution():
    modes = ("nearest", "nearest_exact", "linear", "linear_aligned", "cubic", "cubic_aligned")
    for mode in modes:
        for shape, size in (((1, 2, 4), (7,)), ((2, 1, 3, 4), (6, 4)), ((1, 2, 5, 4), (3, 6)), ((1, 1, 2, 3, 2), (4, 2, 3))):
            x, f = random("interpolate", shape), resampled(size, mode)
            if mode in ("linear", "nearest_exact") and all(o >= n for o, n in zip(size, shape[2:])):
                theirs = jax.image.resize(x, (*shape[:2], *size), {"linear": "linear"}.get(mode, "nearest"))
                assert np.allclose(theirs, f(x), atol=1e-12), (mode, shape, size)
            yield Case("interpolate", f"{mode}, {shape} to {size}", f, [x], {"size": size, "mode": mode})
        x = random("upsample", (1, 2, 2, 3))
        yield Case("upsample", mode, resampled((4, 9), mode), [x], {"factor": (2, 3), "mode": mode})


def cases():
    for family in (convolutions, pooling, adaptives, patches, resolution):
        yield from family()
