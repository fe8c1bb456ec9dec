"""Rows of layers that map, embed and compare, and of activation functions."""

from __future__ import annotations

import numpy as np

from layer_record import Row
from rows import random


def linear():
    for name, config, shape in (
        ("plain", {"in_features": 3, "out_features": 2}, (4, 3)),
        ("without bias", {"in_features": 3, "out_features": 4, "bias": False}, (2, 3)),
        ("of a vector", {"in_features": 3, "out_features": 2}, (3,)),
        ("of more axes", {"in_features": 2, "out_features": 3}, (2, 2, 3, 2)),
        ("one to one", {"in_features": 1, "out_features": 1}, (3, 1)),
        ("an empty batch", {"in_features": 3, "out_features": 2}, (0, 3)),
    ):
        yield Row("Linear", name, config, {"input": random(f"linear {name}", shape)})
    for name, config, shapes in (
        ("plain", {"in1_features": 3, "in2_features": 2, "out_features": 2}, ((4, 3), (4, 2))),
        ("without bias", {"in1_features": 2, "in2_features": 3, "out_features": 3, "bias": False}, ((2, 2), (2, 3))),
        ("of vectors", {"in1_features": 3, "in2_features": 2, "out_features": 2}, ((3,), (2,))),
        ("of more axes", {"in1_features": 2, "in2_features": 2, "out_features": 1}, ((2, 3, 2), (2, 3, 2))),
    ):
        inputs = {f"input{i + 1}": random(f"bilinear {name} {i}", shape) for i, shape in enumerate(shapes)}
        yield Row("Bilinear", name, config, inputs)
    yield from reshaping()
    yield from embedding()
    yield from bags()
    yield from comparing()


def reshaping():
    x = random("flatten", (2, 3, 2, 2))
    for name, config in (
        ("plain", {}),
        ("from the first axis", {"start_dim": 0}),
        ("two axes in the middle", {"start_dim": 1, "end_dim": 2}),
        ("one axis", {"start_dim": -1}),
    ):
        yield Row("Flatten", name, config, {"input": x})
    y = random("unflatten", (2, 12))
    for name, config in (
        ("plain", {"dim": 1, "unflattened_size": [3, 4]}),
        ("an inferred length", {"dim": -1, "unflattened_size": [2, -1, 3]}),
        ("the first axis", {"dim": 0, "unflattened_size": [2, 1]}),
    ):
        yield Row("Unflatten", name, config, {"input": y})


def embedding():
    for name, config, index in (
        ("plain", {"num_embeddings": 5, "embedding_dim": 3}, [[0, 2], [4, 2]]),
        ("one number", {"num_embeddings": 3, "embedding_dim": 2}, 1),
        ("padding_idx", {"num_embeddings": 4, "embedding_dim": 3, "padding_idx": 1}, [1, 0, 3, 1]),
        ("a negative padding_idx", {"num_embeddings": 4, "embedding_dim": 2, "padding_idx": -1}, [[3, 0, 3]]),
        ("scale_grad_by_freq", {"num_embeddings": 4, "embedding_dim": 2, "scale_grad_by_freq": True}, [2, 0, 2, 2]),
    ):
        yield Row("Embedding", name, config, {"input": np.array(index)}, edge="freq" in name or "padding" in name)


def bags():
    """Embeddings of several numbers, added up."""
    bags = np.array([[0, 2, 2], [4, 1, 0]])
    size = {"num_embeddings": 5, "embedding_dim": 2}
    for mode in ("sum", "mean", "max"):
        yield Row("EmbeddingBag", mode, {**size, "mode": mode}, {"input": bags}, edge=mode == "max")
    padded = {**size, "mode": "mean", "padding_idx": 0}
    yield Row("EmbeddingBag", "padding_idx", padded, {"input": bags})
    offsets = {"input": np.array([0, 2, 4, 1]), "offsets": np.array([0, 3, 3])}
    yield Row("EmbeddingBag", "offsets", {**size, "mode": "sum"}, offsets)


def comparing():
    a, b = random("compare a", (3, 4)), random("compare b", (3, 4))
    for name, config in (("plain", {}), ("dim 0", {"dim": 0}), ("eps", {"eps": 0.5}), ("dim -1", {"dim": -1})):
        yield Row("CosineSimilarity", name, config, {"x1": a, "x2": b})
    rows = {"x1": a[:, None], "x2": random("compare rows", (1, 2, 4))}
    yield Row("CosineSimilarity", "broadcasting", {"dim": 2}, rows)
    for name, config in (
        ("plain", {}),
        ("p 1", {"p": 1.0}),
        ("p 3", {"p": 3.0}),
        ("eps and keepdim", {"eps": 0.25, "keepdim": True}),
    ):
        yield Row("PairwiseDistance", name, config, {"x1": a, "x2": b})
    yield Row("PairwiseDistance", "of vectors", {}, {"x1": a[0], "x2": b[0]})


# The names of activation functions, and the settings of each beside the defaults.
ACTIVATIONS = {
    "Tanh": [],
    "Sigmoid": [],
    "ReLU": [],
    "LeakyReLU": [{"negative_slope": 0.2}],
    "ELU": [{"alpha": 1.5}],
    "CELU": [{"alpha": 0.5}],
    "SELU": [],
    "GELU": [{"approximate": "tanh"}],
    "SiLU": [],
    "Mish": [],
    "Softplus": [{"beta": 2.0}, {"beta": 2.0, "threshold": 3.0}],
    "Softsign": [],
    "Hardtanh": [{"min_val": -0.5, "max_val": 2.0}],
    "ReLU6": [],
    "Hardsigmoid": [],
    "Hardswish": [],
    "LogSigmoid": [],
    "Softshrink": [{"lambd": 1.0}],
    "Hardshrink": [{"lambd": 1.0}],
    "Tanhshrink": [],
    "Threshold": [{"threshold": 0.25, "value": -1.0}],
}
# Where pieces of activation functions meet.
KINKS = {
    "ReLU": [0.0],
    "LeakyReLU": [0.0],
    "ELU": [0.0],
    "SELU": [0.0],
    "CELU": [0.0],
    "Hardtanh": [-1.0, 1.0],
    "ReLU6": [0.0, 6.0],
    "Hardsigmoid": [-3.0, 3.0],
    "Hardswish": [-3.0, 3.0],
    "Softshrink": [-0.5, 0.5],
    "Hardshrink": [-0.5, 0.5],
    "Softsign": [0.0],
}


def activations():
    for layer, settings in ACTIVATIONS.items():
        defaults = [] if layer == "Threshold" else [{}]
        for config in defaults + settings:
            name = ", ".join(f"{k} {v}" for k, v in config.items()) or "plain"
            yield Row(layer, name, config, {"input": random(f"{layer} {name}", (2, 4), -4.0, 7.0)})
        if layer != "Threshold":
            # Far from zero, where a careless formula overflows.
            yield Row(layer, "large", {}, {"input": np.array([-1000.0, -30.5, 30.5, 1000.0])}, edge=True)
        if layer in KINKS:
            yield Row(layer, "at the kinks", {}, {"input": np.array(KINKS[layer])}, edge=True)
    kink = {"input": np.array([0.25, 0.5, 0.0])}
    yield Row("Threshold", "at the threshold", {"threshold": 0.25, "value": 3.0}, kink, edge=True)
    yield from with_slopes()
    yield from along_an_axis()


def with_slopes():
    yield Row("PReLU", "plain", {}, {"input": random("prelu", (2, 3))})
    yield Row("PReLU", "a slope for each channel", {"num_parameters": 3}, {"input": random("prelu c", (2, 3, 4))})
    yield Row("PReLU", "a slope for each feature", {"num_parameters": 2}, {"input": random("prelu f", (3, 2))})
    kink = {"input": np.array([0.0, 1.0])}
    yield Row("PReLU", "at the kink", {}, kink, edge=True)


def along_an_axis():
    x = random("softmax layers", (2, 3, 2), -3.0, 3.0)
    large = np.array([[1000.0, 999.5, -1000.0], [0.0, 0.0, 0.0]])
    for layer in ("Softmax", "LogSoftmax", "Softmin"):
        for dim in (0, 1, -1):
            yield Row(layer, f"dim {dim}", {"dim": dim}, {"input": x})
        yield Row(layer, "large", {"dim": 1}, {"input": large}, edge=True)
    for name, config, shape in (("plain", {}, (2, 4)), ("dim 0", {"dim": 0}, (4, 3)), ("dim 1", {"dim": 1}, (2, 2, 2))):
        yield Row("GLU", name, config, {"input": random(f"glu {name}", shape)})
    yield Row("Softmax2d", "plain", {}, {"input": random("softmax2d", (2, 3, 2, 2))})


def evaluation():
    """Layers that draw, when they do not."""
    x = {"input": random("evaluation", (2, 3, 4))}
    for layer in ("Dropout", "AlphaDropout", "Dropout1d"):
        yield Row(layer, "plain", {"p": 0.75}, x, train=False)
    yield Row("Dropout2d", "plain", {"p": 0.75}, {"input": random("evaluation 2", (2, 2, 1, 3))}, train=False)
    yield Row("Dropout3d", "plain", {"p": 0.75}, {"input": random("evaluation 3", (1, 2, 2, 1, 3))}, train=False)
    for name, config in (("plain", {}), ("other bounds", {"lower": 0.25, "upper": 0.75})):
        yield Row("RReLU", name, config, x, train=False)
    yield Row("RReLU", "at the kink", {}, {"input": np.array([0.0, -1.0])}, train=False, edge=True)
