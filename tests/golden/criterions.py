"""Rows of criterions, each with its reductions."""

from __future__ import annotations

import numpy as np

from layer_record import Row
from rows import random

REDUCTIONS = ("none", "mean", "sum")
IGNORED = -100


def each(layer, name, config, inputs, labels=(), edge=False, reductions=REDUCTIONS):
    """A row for each reduction."""
    for reduction in reductions:
        named = f"{name}, {reduction}"
        yield Row(layer, named, {**config, "reduction": reduction}, inputs, labels=labels, edge=edge)


def signs(*values):
    return np.array(values, dtype=np.float64)


def elementwise():
    pair = {"input": random("criterion x", (2, 3)), "target": random("criterion y", (2, 3))}
    touching = {"input": np.array([1.0, -0.5, 2.0]), "target": np.array([1.0, 0.5, 2.0])}
    for layer, settings in (
        ("MSELoss", ({},)),
        ("L1Loss", ({},)),
        ("SmoothL1Loss", ({}, {"beta": 0.5}, {"beta": 0.0})),
        ("HuberLoss", ({}, {"delta": 0.5})),
    ):
        for config in settings:
            name = ", ".join(f"{k} {v}" for k, v in config.items()) or "plain"
            yield from each(layer, name, config, pair)
        yield from each(layer, "no distance", {}, touching, edge=True, reductions=("none",))
    yield from probabilities()
    yield from likelihoods()


def probabilities():
    y = random("bce target", (2, 3), 0.0, 1.0)
    p = {"input": random("bce p", (2, 3), 0.05, 0.95), "target": y}
    logits = {"input": random("bce logits", (2, 3), -3.0, 3.0), "target": y}
    row, full = random("bce weight", (3,), 0.1, 2.0), random("bce weights", (2, 3), 0.1, 2.0)
    for name, config in (("plain", {}), ("weight", {"weight": row}), ("a weight for each", {"weight": full})):
        yield from each("BCELoss", name, config, p)
        yield from each("BCEWithLogitsLoss", name, config, logits)
    positive = {"pos_weight": random("bce positive", (3,), 0.1, 3.0)}
    yield from each("BCEWithLogitsLoss", "pos_weight", positive, logits)
    yield from each("BCEWithLogitsLoss", "weight and pos_weight", {**positive, "weight": full}, logits)
    certain = {"input": np.array([0.0, 1.0, 0.0, 1.0]), "target": signs(0, 1, 1, 0)}
    # Logarithms are held above -100.
    yield from each("BCELoss", "certain", {}, certain, labels=("target",), edge=True, reductions=("none",))
    far = {"input": np.array([-1000.0, 1000.0, 1000.0, 0.0]), "target": signs(0, 1, 0, 1)}
    yield from each("BCEWithLogitsLoss", "large", {}, far, edge=True, reductions=("none", "sum"))
    log_p = np.log(random("kl p", (2, 3), 0.05, 0.95)).round(3)
    some = {"input": log_p, "target": random("kl q", (2, 3), 0.05, 0.95)}
    yield from each("KLDivLoss", "plain", {}, some, reductions=(*REDUCTIONS, "batchmean"))
    logs = {"input": log_p, "target": np.log(some["target"]).round(3)}
    yield from each("KLDivLoss", "log_target", {"log_target": True}, logs, reductions=(*REDUCTIONS, "batchmean"))
    zero = {"input": log_p[:, :2], "target": np.array([[0.0, 1.0], [0.5, 0.0]])}
    yield from each("KLDivLoss", "a target of zero", {}, zero, labels=("target",), edge=True)


def likelihoods():
    counts = np.array([[0.0, 1.0, 3.0], [2.0, 5.0, 0.0]])
    rate = {"input": random("poisson", (2, 3), 0.1, 2.0), "target": counts}
    for name, config in (
        ("plain", {}),
        ("of rates", {"log_input": False}),
        ("of rates, eps", {"log_input": False, "eps": 0.1}),
        ("full", {"full": True}),
    ):
        yield from each("PoissonNLLLoss", name, config, rate, labels=("target",))
    mean, target = random("gaussian mean", (2, 3)), random("gaussian target", (2, 3))
    own, shared = random("gaussian var", (2, 3), 0.2, 2.0), random("gaussian one", (2, 1), 0.2, 2.0)
    for name, config, var in (
        ("plain", {}, own),
        ("full", {"full": True}, own),
        ("a variance for each row", {}, shared),
        ("variance below eps", {"eps": 0.5}, np.full((2, 3), 0.1)),
    ):
        # PyTorch holds the variance above `eps` outside of the derivative.
        inputs = {"input": mean, "target": target, "var": var}
        yield from each("GaussianNLLLoss", name, config, inputs, edge="eps" in name)


def classification():
    scores, classes = random("nll", (4, 3)), np.array([2, 0, 1, 2])
    logs = np.log(np.exp(scores) / np.exp(scores).sum(1, keepdims=True)).round(3)
    planes, labels = random("nll planes", (2, 3, 2)), np.array([[0, 2], [1, 1]])
    weight = {"weight": random("nll weight", (3,), 0.1, 2.0)}
    some = np.array([2, IGNORED, 1, IGNORED])
    for layer, x in (("NLLLoss", logs), ("CrossEntropyLoss", scores)):
        yield from each(layer, "plain", {}, {"input": x, "target": classes})
        yield from each(layer, "weight", weight, {"input": x, "target": classes})
        yield from each(layer, "ignored", {}, {"input": x, "target": some})
        yield from each(layer, "ignore_index, weight", {"ignore_index": 2, **weight}, {"input": x, "target": classes})
        yield from each(layer, "planes", {}, {"input": planes, "target": labels})
        yield from each(layer, "planes, weight", weight, {"input": planes, "target": labels})
        yield from each(layer, "one example", {}, {"input": x[0], "target": np.array(1)})
        nothing = {"input": x[:2], "target": np.array([IGNORED, IGNORED])}
        yield from each(layer, "all ignored", {}, nothing, edge=True)
    yield from smoothed(scores, classes, weight, some, planes, labels)
    yield from distributions(scores, weight)
    large = {"input": np.array([[1000.0, 0.0, -1000.0], [0.0, 1000.0, 1000.0]]), "target": np.array([0, 0])}
    yield from each("CrossEntropyLoss", "large", {}, large, edge=True)


def smoothed(scores, classes, weight, some, planes, labels):
    smooth = {"label_smoothing": 0.1}
    for name, config, inputs in (
        ("label_smoothing", smooth, {"input": scores, "target": classes}),
        ("label_smoothing, weight", {**smooth, **weight}, {"input": scores, "target": classes}),
        ("label_smoothing, ignored", {**smooth, **weight}, {"input": scores, "target": some}),
        ("label_smoothing, planes", smooth, {"input": planes, "target": labels}),
    ):
        yield from each("CrossEntropyLoss", name, config, inputs)


def distributions(scores, weight):
    p = random("ce probabilities", (4, 3), 0.1, 1.0)
    rows = {"input": scores, "target": p}
    for name, config in (
        ("probabilities", {}),
        ("probabilities, weight", weight),
        ("probabilities, label_smoothing", {"label_smoothing": 0.2}),
        ("probabilities, weight, label_smoothing", {"label_smoothing": 0.2, **weight}),
    ):
        yield from each("CrossEntropyLoss", name, config, rows)
    planes = {"input": random("ce planes", (2, 3, 2)), "target": random("ce planes p", (2, 3, 2), 0.1, 1.0)}
    yield from each("CrossEntropyLoss", "probabilities, planes", {}, planes)
    one = {"input": scores[0], "target": p[0]}
    yield from each("CrossEntropyLoss", "probabilities, one example", {}, one)


def margins():
    a, b, y = random("margin a", (5,)), random("margin b", (5,)), signs(1, -1, 1, -1, 1)
    label = ("target",)
    pair = {"input1": a, "input2": b, "target": y}
    for name, config in (("plain", {}), ("margin", {"margin": 1.5})):
        yield from each("MarginRankingLoss", name, config, pair, labels=label)
    for name, config in (("plain", {}), ("margin", {"margin": 0.5})):
        yield from each("HingeEmbeddingLoss", name, config, {"input": a, "target": y}, labels=label)
    for name, config in (("plain", {}), ("margin", {"margin": 0.25})):
        yield from each("MarginCriterion", name, config, {"input": a, "target": y}, labels=label)
    kink = {"input": np.array([1.0, -1.0, 2.0]), "target": signs(1, -1, 1)}
    yield from each("MarginCriterion", "at the kink", {}, kink, labels=label, edge=True)
    yield from each("SoftMarginLoss", "plain", {}, {"input": a, "target": y}, labels=label)
    far = {"input": np.array([1000.0, -1000.0]), "target": signs(1, 1)}
    yield from each("SoftMarginLoss", "large", {}, far, labels=label, edge=True)
    rows = {"input1": random("cosine a", (3, 4)), "input2": random("cosine b", (3, 4)), "target": signs(1, -1, -1)}
    for name, config in (("plain", {}), ("margin", {"margin": -0.5})):
        yield from each("CosineEmbeddingLoss", name, config, rows, labels=label)
    one = {"input1": rows["input1"][0], "input2": rows["input2"][0], "target": np.array(1.0)}
    yield from each("CosineEmbeddingLoss", "one pair", {}, one, labels=label)
    yield from of_classes()
    yield from triplets()


def of_classes():
    x, classes = random("multi margin", (3, 4)), np.array([1, 3, 0])
    weight = {"weight": random("multi margin weight", (4,), 0.1, 2.0)}
    for name, config in (
        ("plain", {}),
        ("p 2", {"p": 2}),
        ("margin", {"margin": 0.5}),
        ("weight", weight),
        ("p 2, margin, weight", {"p": 2, "margin": 0.5, **weight}),
    ):
        yield from each("MultiMarginLoss", name, config, {"input": x, "target": classes})
    yield from each("MultiMarginLoss", "one example", {}, {"input": x[0], "target": np.array(2)})
    # The classes of an example end at the first -1.
    labels = np.array([[3, 0, -1, 1], [2, -1, 0, 1], [0, 1, 2, 3]])
    yield from each("MultiLabelMarginLoss", "plain", {}, {"input": x, "target": labels})
    yield from each("MultiLabelMarginLoss", "one example", {}, {"input": x[0], "target": labels[0]})
    truth = {"input": x, "target": np.array([[1.0, 0, 0, 1], [0, 1, 1, 0], [0, 0, 0, 0]])}
    yield from each("MultiLabelSoftMarginLoss", "plain", {}, truth, labels=("target",))
    yield from each("MultiLabelSoftMarginLoss", "weight", weight, truth, labels=("target",))


def triplets():
    names = ("anchor", "positive", "negative")
    rows = {name: random(f"triplet {name}", (3, 4)) for name in names}
    for name, config in (
        ("plain", {}),
        ("margin", {"margin": 2.5}),
        ("p 1", {"p": 1.0}),
        ("swap", {"swap": True, "margin": 2.0}),
        ("eps", {"eps": 0.25}),
    ):
        yield from each("TripletMarginLoss", name, config, rows)
    yield from each("TripletMarginLoss", "one triplet", {}, {k: v[0] for k, v in rows.items()})
