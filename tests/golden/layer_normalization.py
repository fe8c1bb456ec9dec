"""Rows of normalisations."""

from __future__ import annotations

from layer_record import Row
from rows import random

SHAPES = {"BatchNorm1d": [(4, 3), (3, 2, 4)], "BatchNorm2d": [(2, 3, 2, 3)], "BatchNorm3d": [(2, 2, 2, 3, 2)]}
BATCH = (
    ("plain", {}),
    ("not affine", {"affine": False}),
    ("eps", {"eps": 0.1}),
    ("momentum", {"momentum": 0.3}),
    ("a cumulative average", {"momentum": None}),
    ("without running statistics", {"track_running_stats": False}),
)


def batch():
    for layer, shapes in SHAPES.items():
        for shape in shapes:
            for name, config in BATCH:
                for train in (True, False):
                    if layer == "BatchNorm3d" and name not in ("plain", "without running statistics"):
                        continue
                    named = f"{name}, {list(shape)}, {'training' if train else 'evaluation'}"
                    inputs = {"input": random(f"{layer} {shape}", shape)}
                    yield Row(layer, named, {"num_features": shape[1], **config}, inputs, train=train)


def instance():
    shapes = {"InstanceNorm1d": (2, 3, 4), "InstanceNorm2d": (2, 2, 2, 3), "InstanceNorm3d": (1, 2, 2, 2, 3)}
    settings = (
        ("plain", {}),
        ("affine", {"affine": True, "eps": 0.1}),
        ("running statistics", {"track_running_stats": True, "affine": True, "momentum": 0.3}),
    )
    for layer, shape in shapes.items():
        for name, config in settings:
            for train in (True, False):
                named = f"{name}, {'training' if train else 'evaluation'}"
                inputs = {"input": random(f"{layer} {shape}", shape)}
                yield Row(layer, named, {"num_features": shape[1], **config}, inputs, train=train)
    no_batch = {"input": random("instance no batch", (3, 4))}
    yield Row("InstanceNorm1d", "no batch", {"num_features": 3}, no_batch, train=True)


def across_features():
    for name, config, shape in (
        ("plain", {"normalized_shape": 4}, (3, 4)),
        ("two axes", {"normalized_shape": [3, 2]}, (2, 3, 2)),
        ("eps", {"normalized_shape": 3, "eps": 0.1}, (2, 2, 3)),
        ("not affine", {"normalized_shape": 3, "elementwise_affine": False}, (2, 3)),
        ("without bias", {"normalized_shape": 3, "bias": False}, (2, 3)),
        ("of a vector", {"normalized_shape": 5}, (5,)),
    ):
        yield Row("LayerNorm", name, config, {"input": random(f"layer norm {name}", shape)})
    for name, config, shape in (
        ("plain", {"num_groups": 2, "num_channels": 4}, (2, 4, 3)),
        ("one group", {"num_groups": 1, "num_channels": 3}, (2, 3, 2, 2)),
        ("a group for each channel", {"num_groups": 3, "num_channels": 3}, (2, 3, 4)),
        ("not affine", {"num_groups": 2, "num_channels": 4, "affine": False}, (2, 4, 2)),
        ("eps", {"num_groups": 2, "num_channels": 2, "eps": 0.1}, (1, 2, 2, 2)),
        ("no more axes", {"num_groups": 2, "num_channels": 6}, (3, 6)),
    ):
        yield Row("GroupNorm", name, config, {"input": random(f"group norm {name}", shape)})
    for name, config, shape in (
        ("plain", {"normalized_shape": 4}, (3, 4)),
        ("two axes", {"normalized_shape": [3, 2]}, (2, 3, 2)),
        ("eps", {"normalized_shape": 3, "eps": 0.1}, (2, 2, 3)),
        ("not affine", {"normalized_shape": 3, "elementwise_affine": False}, (2, 3)),
    ):
        yield Row("RMSNorm", name, config, {"input": random(f"rms norm {name}", shape)})
    for name, config in (("plain", {"size": 3}), ("even size", {"size": 2, "alpha": 0.5, "beta": 0.5, "k": 2.0})):
        yield Row("LocalResponseNorm", name, config, {"input": random("local response", (2, 5, 3))})


def rows():
    yield from batch()
    yield from instance()
    yield from across_features()
