"""Rows of layers that slide windows over an input, and of those that resample it."""

from __future__ import annotations

import numpy as np

from layer_record import Row
from rows import random

# For each number of axes: the name of a row, its configuration, and the shape of the input.
CONVOLUTIONS = {
    1: (
        ("plain", {"in_channels": 2, "out_channels": 3, "kernel_size": 3}, (2, 2, 6)),
        ("without bias", {"in_channels": 2, "out_channels": 2, "kernel_size": 2, "bias": False}, (1, 2, 5)),
        ("stride, padding, dilation",
         {"in_channels": 2, "out_channels": 3, "kernel_size": 3, "stride": 2, "padding": 2, "dilation": 2}, (1, 2, 9)),
        ("groups", {"in_channels": 4, "out_channels": 6, "kernel_size": 2, "groups": 2}, (2, 4, 5)),
        ("same padding", {"in_channels": 1, "out_channels": 2, "kernel_size": 4, "padding": "same"}, (2, 1, 5)),
        ("padding with reflections",
         {"in_channels": 1, "out_channels": 2, "kernel_size": 3, "padding": 2, "padding_mode": "reflect"}, (1, 1, 5)),
        ("no batch", {"in_channels": 2, "out_channels": 2, "kernel_size": 3}, (2, 5)),
    ),
    2: (
        ("plain", {"in_channels": 2, "out_channels": 3, "kernel_size": 3}, (2, 2, 5, 4)),
        ("without bias", {"in_channels": 2, "out_channels": 2, "kernel_size": [2, 3], "bias": False}, (1, 2, 4, 5)),
        ("strides and paddings",
         {"in_channels": 2, "out_channels": 2, "kernel_size": 3, "stride": [2, 1], "padding": [1, 2]}, (1, 2, 5, 4)),
        ("dilation", {"in_channels": 1, "out_channels": 2, "kernel_size": 2, "dilation": [2, 3]}, (2, 1, 5, 6)),
        ("depthwise",
         {"in_channels": 3, "out_channels": 6, "kernel_size": 3, "padding": 1, "groups": 3}, (1, 3, 4, 4)),
        ("groups", {"in_channels": 4, "out_channels": 2, "kernel_size": 2, "stride": 2, "groups": 2}, (1, 4, 4, 4)),
        ("same padding",
         {"in_channels": 1, "out_channels": 2, "kernel_size": [2, 3], "padding": "same", "dilation": 2}, (1, 1, 5, 6)),
        ("valid padding", {"in_channels": 1, "out_channels": 1, "kernel_size": 2, "padding": "valid"}, (1, 1, 3, 3)),
        ("circular padding",
         {"in_channels": 1, "out_channels": 1, "kernel_size": 3, "padding": [1, 2], "padding_mode": "circular"},
         (1, 1, 4, 4)),
        ("replicated padding",
         {"in_channels": 1, "out_channels": 1, "kernel_size": 3, "padding": 1, "padding_mode": "replicate"},
         (1, 1, 3, 4)),
        ("one by one", {"in_channels": 3, "out_channels": 2, "kernel_size": 1}, (2, 3, 2, 3)),
        ("no batch", {"in_channels": 2, "out_channels": 2, "kernel_size": 2}, (2, 3, 4)),
    ),
    3: (
        ("plain", {"in_channels": 2, "out_channels": 2, "kernel_size": 2}, (1, 2, 3, 3, 4)),
        ("stride, padding, groups",
         {"in_channels": 2, "out_channels": 2, "kernel_size": [2, 1, 3], "stride": [1, 2, 1], "padding": [1, 0, 1],
          "groups": 2, "bias": False}, (1, 2, 3, 4, 3)),
        ("dilation", {"in_channels": 1, "out_channels": 2, "kernel_size": 2, "dilation": [1, 2, 1]}, (2, 1, 2, 4, 3)),
    ),
}
TRANSPOSED = {
    1: (
        ("plain", {"in_channels": 2, "out_channels": 3, "kernel_size": 3}, (2, 2, 4)),
        ("without bias",
         {"in_channels": 3, "out_channels": 2, "kernel_size": 2, "stride": 2, "bias": False}, (1, 3, 4)),
        ("all options",
         {"in_channels": 2, "out_channels": 4, "kernel_size": 3, "stride": 3, "padding": 1, "output_padding": 2,
          "groups": 2, "dilation": 2}, (2, 2, 4)),
    ),
    2: (
        ("plain", {"in_channels": 2, "out_channels": 2, "kernel_size": 3}, (1, 2, 3, 4)),
        ("stride, padding",
         {"in_channels": 2, "out_channels": 1, "kernel_size": [3, 2], "stride": [2, 3], "padding": [1, 0]},
         (2, 2, 3, 2)),
        ("output_padding",
         {"in_channels": 1, "out_channels": 2, "kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1},
         (1, 1, 3, 3)),
        ("groups, no bias",
         {"in_channels": 4, "out_channels": 2, "kernel_size": 2, "groups": 2, "bias": False}, (1, 4, 2, 3)),
        ("dilation", {"in_channels": 1, "out_channels": 1, "kernel_size": 2, "dilation": [2, 3]}, (1, 1, 3, 3)),
        ("no batch", {"in_channels": 2, "out_channels": 1, "kernel_size": 2}, (2, 2, 3)),
    ),
    3: (
        ("plain", {"in_channels": 2, "out_channels": 2, "kernel_size": 2}, (1, 2, 2, 2, 3)),
        ("all options",
         {"in_channels": 2, "out_channels": 2, "kernel_size": 2, "stride": [2, 1, 2], "padding": [1, 0, 0],
          "output_padding": [1, 0, 1], "groups": 2, "bias": False}, (1, 2, 2, 3, 2)),
    ),
}


def sliding(prefix, table):
    for rank, rows in table.items():
        for name, config, shape in rows:
            layer = f"{prefix}{rank}d"
            yield Row(layer, name, config, {"input": random(f"{layer} {name}", shape)})


def convolutions():
    yield from sliding("Conv", CONVOLUTIONS)


def transposed():
    yield from sliding("ConvTranspose", TRANSPOSED)


def pooling():
    yield from maxima()
    yield from unpooling()
    yield from averages()
    yield from adaptive()


MAXIMA = {
    1: (
        ("plain", {"kernel_size": 2}, (2, 2, 6)),
        ("stride, padding, dilation", {"kernel_size": 3, "stride": 2, "padding": 1, "dilation": 2}, (1, 2, 9)),
        ("ceil_mode", {"kernel_size": 3, "stride": 2, "ceil_mode": True}, (1, 2, 6)),
        ("with indices", {"kernel_size": 2, "stride": 1, "return_indices": True}, (2, 1, 5)),
    ),
    2: (
        ("plain", {"kernel_size": 2}, (2, 2, 4, 5)),
        ("stride, padding", {"kernel_size": [3, 2], "stride": [1, 2], "padding": [1, 0]}, (1, 2, 4, 5)),
        ("dilation", {"kernel_size": 2, "stride": 1, "dilation": [2, 1]}, (1, 1, 5, 4)),
        ("ceil_mode", {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}, (1, 2, 4, 6)),
        ("with indices", {"kernel_size": 2, "return_indices": True}, (1, 2, 4, 4)),
        ("no batch", {"kernel_size": 2}, (2, 4, 4)),
    ),
    3: (
        ("plain", {"kernel_size": 2}, (1, 2, 4, 2, 4)),
        ("stride, padding, ceil_mode",
         {"kernel_size": [2, 1, 3], "stride": [1, 2, 2], "padding": [1, 0, 1], "ceil_mode": True}, (1, 1, 3, 4, 5)),
        ("with indices", {"kernel_size": 2, "stride": 1, "return_indices": True}, (1, 1, 3, 2, 3)),
    ),
}


def maxima():
    yield from sliding("MaxPool", MAXIMA)
    # The gradient of a tie goes to the first element of the window.
    ties = np.array([1.0, 1.0, 0.5, 2.0, 2.0, 2.0, 1.0, 1.0]).reshape(1, 1, 2, 4)
    yield Row("MaxPool2d", "ties", {"kernel_size": 2}, {"input": ties}, edge=True)


def unpooling():
    """Back from the maxima to where they were; and sums of powers."""
    for rank, shape in ((1, (1, 2, 3)), (2, (1, 1, 2, 3))):
        pooled = random(f"unpool {shape}", shape)
        places = 2 * np.arange(3) + np.array([0, 1, 1])
        index = np.broadcast_to(places if rank == 1 else places + 12 * np.arange(2)[:, None], shape).copy()
        yield Row(f"MaxUnpool{rank}d", "plain", {"kernel_size": 2}, {"input": pooled, "indices": index})
    shape = (1, 2, 1, 2, 3)
    # Of an output [2, 4, 6]: the same in each row of windows, and the second plane in the last of them.
    index = np.broadcast_to(places + 12 * np.arange(2)[:, None] + np.array([0, 0, 24]), shape).copy()
    inputs = {"input": random(f"unpool {shape}", shape), "indices": index}
    yield Row("MaxUnpool3d", "plain", {"kernel_size": 2}, inputs)
    x = random("power pool", (1, 2, 4, 5), 0.1, 2.0)
    for name, config in (
        ("plain", {"norm_type": 2, "kernel_size": 2}),
        ("stride, ceil_mode", {"norm_type": 3, "kernel_size": [3, 2], "stride": [1, 2], "ceil_mode": True}),
    ):
        yield Row("LPPool2d", name, config, {"input": x})
    strided = {"norm_type": 3, "kernel_size": [3, 2], "stride": [1, 2]}
    yield Row("LPPool2d", "stride", strided, {"input": x})
    yield Row("LPPool1d", "plain", {"norm_type": 2, "kernel_size": 3}, {"input": x[0]})
    volume = {"input": random("power pool of volumes", (1, 1, 3, 2, 4), 0.1, 2.0)}
    yield Row("LPPool3d", "plain", {"norm_type": 2, "kernel_size": 2}, volume)
    strided = {"norm_type": 3, "kernel_size": [2, 1, 2], "stride": [1, 1, 2]}
    yield Row("LPPool3d", "stride", strided, volume)


AVERAGES = {
    1: (
        ("plain", {"kernel_size": 2}, (2, 2, 6)),
        ("stride, padding", {"kernel_size": 3, "stride": 2, "padding": 1}, (1, 2, 7)),
        ("padding not counted", {"kernel_size": 3, "padding": 1, "count_include_pad": False}, (1, 2, 7)),
        ("ceil_mode", {"kernel_size": 3, "stride": 2, "ceil_mode": True}, (1, 2, 6)),
    ),
    2: (
        ("plain", {"kernel_size": 2}, (2, 2, 4, 5)),
        ("stride, padding", {"kernel_size": [3, 2], "stride": [1, 2], "padding": [1, 0]}, (1, 2, 4, 5)),
        ("padding not counted",
         {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False}, (1, 1, 5, 5)),
        ("ceil_mode", {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}, (1, 1, 4, 6)),
        ("ceil_mode, padding not counted",
         {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False}, (1, 1, 4, 6)),
        ("divisor_override", {"kernel_size": 2, "divisor_override": 3}, (1, 1, 4, 4)),
        ("no batch", {"kernel_size": 2}, (2, 4, 4)),
    ),
    3: (
        ("plain", {"kernel_size": 2}, (1, 2, 4, 2, 4)),
        ("stride, padding, ceil_mode",
         {"kernel_size": [2, 1, 3], "stride": [1, 2, 2], "padding": [1, 0, 1], "ceil_mode": True}, (1, 1, 3, 4, 5)),
        ("padding not counted", {"kernel_size": 2, "padding": 1, "count_include_pad": False}, (1, 1, 3, 2, 3)),
    ),
}


def averages():
    yield from sliding("AvgPool", AVERAGES)


# The wanted size, and the shape of the input. A null keeps an axis.
ADAPTIVE = {
    1: ((3, (2, 2, 6)), (4, (1, 2, 7)), (1, (2, 1, 5)), (5, (1, 1, 3))),
    2: (([2, 3], (1, 2, 4, 6)), (3, (1, 2, 4, 5)), ([None, 2], (1, 2, 3, 5)), (1, (2, 2, 3, 3))),
    3: (([2, 1, 2], (1, 2, 3, 2, 4)), (2, (1, 1, 3, 4, 2))),
}


def adaptive():
    for rank, rows in ADAPTIVE.items():
        for size, shape in rows:
            for kind in ("Max", "Avg"):
                name = f"{list(shape[2:])} to {size}"
                inputs = {"input": random(f"adaptive {shape}", shape)}
                yield Row(f"Adaptive{kind}Pool{rank}d", name, {"output_size": size}, inputs)
    indexed = {"output_size": 2, "return_indices": True}
    yield Row("AdaptiveMaxPool1d", "with indices", indexed, {"input": random("adaptive index", (1, 2, 5))})
    yield Row("AdaptiveMaxPool2d", "with indices", indexed, {"input": random("adaptive index", (1, 1, 3, 5))})


def padding():
    for layer, config, shape in (
        ("ZeroPad2d", {"padding": [1, 0, 2, 1]}, (1, 2, 2, 3)),
        ("ConstantPad1d", {"padding": 2, "value": 0.5}, (2, 1, 3)),
        ("ConstantPad2d", {"padding": [1, 2, 0, 1], "value": -1.0}, (1, 1, 2, 3)),
        ("ReflectionPad1d", {"padding": [2, 1]}, (1, 2, 4)),
        ("ReflectionPad2d", {"padding": [1, 2, 0, 1]}, (1, 1, 3, 4)),
        ("ReplicationPad1d", {"padding": [1, 3]}, (1, 2, 3)),
        ("ReplicationPad2d", {"padding": 1}, (1, 1, 2, 3)),
        ("CircularPad2d", {"padding": [1, 0, 2, 1]}, (1, 1, 3, 2)),
        ("ZeroPad1d", {"padding": [2, 1]}, (1, 2, 3)),
        ("CircularPad1d", {"padding": [1, 2]}, (1, 2, 3)),
        ("ZeroPad3d", {"padding": [1, 0, 0, 1, 2, 0]}, (1, 1, 2, 1, 2)),
        ("ConstantPad3d", {"padding": 1, "value": 0.5}, (1, 1, 1, 2, 1)),
        ("ReflectionPad3d", {"padding": [1, 0, 1, 1, 0, 1]}, (1, 1, 2, 3, 2)),
        ("ReplicationPad3d", {"padding": [1, 0, 2, 1, 0, 1]}, (1, 1, 2, 1, 2)),
        ("CircularPad3d", {"padding": [1, 0, 0, 2, 1, 0]}, (1, 1, 2, 2, 2)),
    ):
        yield Row(layer, "plain", config, {"input": random(layer, shape)})


def patches():
    x = random("patches", (1, 2, 4, 3))
    for name, config in (("plain", {}), ("all options", {"stride": 2, "padding": 1, "dilation": [2, 1]})):
        yield Row("Unfold", name, {"kernel_size": [2, 2], **config}, {"input": x})
    columns = random("columns", (1, 8, 6))
    yield Row("Fold", "plain", {"output_size": [4, 3], "kernel_size": 2}, {"input": columns})


def resampling():
    yield from padding()
    yield from patches()
    shapes = {1: (1, 2, 4), 2: (1, 2, 3, 2), 3: (1, 1, 2, 2, 3)}
    smooth = {1: ["linear"], 2: ["bilinear", "bicubic"], 3: ["trilinear"]}
    for rank, shape in shapes.items():
        x = {"input": random(f"upsample {shape}", shape)}
        for name, config in (
            ("twice", {"scale_factor": 2}),
            ("a size", {"size": [5, 4, 3][:rank]}),
            ("a factor that is not whole", {"scale_factor": 1.5}),
        ):
            for mode in ["nearest", "nearest-exact", *smooth[rank]]:
                for corners in [None] if mode.startswith("nearest") else [False, True]:
                    told = {} if corners is None else {"align_corners": corners}
                    named = f"{mode}, {name}" + (", corners aligned" if corners else "")
                    yield Row("Upsample", f"{rank}d {named}", {**config, "mode": mode, **told}, x)
    x = {"input": random("upsample own", (1, 2, 2, 3))}
    yield Row("UpsamplingNearest2d", "twice", {"scale_factor": 2}, x)
    yield Row("UpsamplingBilinear2d", "twice", {"scale_factor": 2}, x)
    yield Row("PixelShuffle", "plain", {"upscale_factor": 2}, {"input": random("pixels", (1, 8, 2, 3))})
    yield Row("PixelUnshuffle", "plain", {"downscale_factor": 2}, {"input": random("unpixels", (1, 2, 4, 6))})
