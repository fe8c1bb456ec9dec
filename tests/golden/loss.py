"""Writes loss.json: what PyTorch's functions compute in f64 for the losses of `retrograd::loss`.

    python3 tests/golden/loss.py        (needs the packages torch and numpy)

The rows are those of cases/*.json (see record.py), without push-forwards: inputs, outputs, cotangents `w` with the
pull-back `vjp` at them, directions `u` with the gradient `second` of `sum_i <vjp_i(x; w), u_i>`. What is no float, or a
label, has null in its place. Both derivatives are checked against difference quotients.
"""

from __future__ import annotations

import pathlib
from typing import Callable

import numpy as np
import torch
import torch.nn.functional as F

from layer_record import NUMERIC, STEP
from rows import at, random, tensor, write

HERE = pathlib.Path(__file__).parent


class Case:
    """A loss as a function of its float inputs."""

    def __init__(self, fn: str, name: str, f: Callable, inputs: list, attrs: dict | None = None, labels=()):
        self.fn, self.name, self.f, self.attrs = fn, name, f, attrs or {}
        self.inputs = [torch.tensor(np.asarray(x)) for x in inputs]
        self.places = [i for i, x in enumerate(self.inputs) if x.is_floating_point() and i not in labels]

    def outputs(self, floats):
        inputs = list(self.inputs)
        for i, x in zip(self.places, floats):
            inputs[i] = x
        y = self.f(*inputs)
        return y if isinstance(y, tuple) else (y,)

    def key(self, part):
        return f"{self.fn}/{self.name}/{part}"

    def pull_back(self, floats, w):
        y = self.outputs(floats)
        return torch.autograd.grad(y, floats, w, create_graph=True, allow_unused=True, materialize_grads=True)

    def second(self, w, u):
        floats = [self.inputs[i].clone().requires_grad_() for i in self.places]
        total = inner(self.pull_back(floats, w), u)
        if not total.requires_grad:
            return [torch.zeros_like(x) for x in floats]
        return torch.autograd.grad(total, floats, allow_unused=True, materialize_grads=True)


def inner(xs, ys):
    return sum((x * y).sum() for x, y in zip(xs, ys))


def quotient(f, floats, v):
    moved = lambda step: f([(x + step * d).detach().requires_grad_() for x, d in zip(floats, v)])
    return float((moved(STEP) - moved(-STEP)).detach()) / (2 * STEP)


def record(case: Case) -> dict:
    floats = [case.inputs[i].clone().requires_grad_() for i in case.places]
    y = case.outputs(floats)

    def like(part, values):
        shapes = [tuple(v.shape) for v in values]
        return [torch.tensor(random(case.key(f"{part}{i}"), shape)) for i, shape in enumerate(shapes)]

    w, u, v = like("w", y), like("u", floats), like("v", floats)
    vjp, second = case.pull_back(floats, w), case.second(w, u)
    for what, f, found in (
        ("vjp", lambda x: inner(case.outputs(x), w), vjp),
        ("second", lambda x: inner(case.pull_back(x, w), u), second),
    ):
        numeric, exact = quotient(f, floats, v), float(inner(found, v).detach())
        assert abs(numeric - exact) <= NUMERIC * (1 + abs(exact)), f"{case.key(what)}: {numeric} and {exact}"
    n = len(case.inputs)
    values = lambda tensors: [t.detach().numpy() for t in tensors]
    return {
        "fn": case.fn,
        "case": case.name,
        "inputs": [tensor(x.numpy()) for x in case.inputs],
        **({"attrs": case.attrs} if case.attrs else {}),
        "outputs": [tensor(t) for t in values(y)],
        "w": at(range(len(y)), values(w), len(y)),
        "vjp": at(case.places, values(vjp), n),
        "u": at(case.places, values(u), n),
        "second": at(case.places, values(second), n),
    }


def classes_second(x):
    """PyTorch has the classes in axis 1, after the examples."""
    return x.movedim(-1, 1) if x.dim() > 1 else x


def both(fn, name, each, inputs, attrs=None, labels=(), prediction=None):
    """A loss before it is added up, and added up beside its prediction."""
    yield Case(f"each_{fn}", name, each, inputs, attrs, labels)
    total = lambda *x: each(*x).sum()
    whole = total if prediction is None else lambda *x: (total(*x), prediction(x[0]))
    yield Case(fn, name, whole, inputs, attrs, labels)


def of_classes():
    x, planes = random("loss scores", (4, 3)), random("loss planes", (2, 2, 3))
    log_softmax = lambda x: F.log_softmax(x, -1)
    for name, scores, target in (
        ("numbers", x, np.array([2, 0, 1, 1])),
        ("numbers of planes", planes, np.array([[2, 0], [1, 1]])),
        ("one number", x[0], np.array(2)),
        ("probabilities", x, random("loss p", (4, 3), 0.1, 1.0)),
        ("probabilities of planes", planes, random("loss p planes", (2, 2, 3), 0.1, 1.0)),
        ("probabilities of one", x[0], random("loss p one", (3,), 0.1, 1.0)),
    ):
        second = lambda t, x: t if t.dim() < x.dim() else classes_second(t)
        each = lambda x, t: F.cross_entropy(classes_second(x), second(t, x), reduction="none")
        yield from both("cross_entropy", name, each, [scores, target], prediction=log_softmax)
        log_p = np.log(np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)).round(3)
        if target.ndim < scores.ndim:
            likely = lambda x, t: F.nll_loss(classes_second(x), t, reduction="none")
        else:
            likely = lambda x, t: -(x * t).sum(-1)
        yield from both("log_multinomial", name, likely, [log_p, target])


def bce(p, t):
    """PyTorch's loss, whose second derivative it makes inexact by an epsilon of 1e-12, as it is defined."""
    y = -(t * p.log() + (1 - t) * torch.log1p(-p))
    torch.testing.assert_close(y, F.binary_cross_entropy(p, t, reduction="none"))
    return y


def of_elements():
    x, p, y = random("loss x", (2, 3)), random("loss prob", (2, 3), 0.05, 0.95), random("loss y", (2, 3), 0.0, 1.0)
    far = random("loss far", (2, 3), -4.0, 4.0)
    logits = lambda x, t: F.binary_cross_entropy_with_logits(x, t, reduction="none")
    yield from both("binary_entropy", "probabilities", logits, [x, y], prediction=torch.sigmoid)
    bits = np.array([[True, False, True], [False, False, True]])
    yield from both("binary_entropy", "truth", lambda x, t: logits(x, t.double()), [x, bits], prediction=torch.sigmoid)
    for epsilon in (0.0, 0.1):
        f = lambda p, t, e=epsilon: bce(p * (1 - 2 * e) + e, t)
        yield from both("log_bce", f"epsilon {epsilon}", f, [p, y], {"epsilon": epsilon})
    same = lambda x: x
    square = lambda x, y: F.mse_loss(x, y, reduction="none")
    yield from both("least_squares", "plain", square, [x, far], prediction=same)
    yield from both("least_squares", "one number", square, [x[0, 0], far[0, 0]], prediction=same)
    whole = np.array([[1, -2, 0], [3, 1, 1]])
    yield from both("least_squares", "whole numbers", lambda x, y: square(x, y.double()), [x, whole], prediction=same)
    for delta in (1.0, 0.25, 10.0):
        f = lambda x, y, d=delta: F.huber_loss(x, y, reduction="none", delta=d)
        yield from both("huber", f"delta {delta}", f, [x, far], {"delta": delta}, prediction=same)


def pairs(margin):
    """The hinge of each pair, by PyTorch's loss of rankings; row by row."""

    def row(x, t):
        above, below = x[t == 1], x[t == 0]
        a, b = above[:, None].expand(len(above), len(below)), below.expand(len(above), len(below))
        return F.margin_ranking_loss(a, b, torch.ones_like(a), margin=margin, reduction="sum")

    def f(x, t):
        flat = zip(x.reshape(-1, x.shape[-1]), t.reshape(-1, x.shape[-1]))
        return torch.stack([row(*one) for one in flat]).reshape(x.shape[:-1])

    return f


def of_numbers(margin):
    """The multi-class hinge, which PyTorch divides by the number of classes and does not differentiate twice."""

    def f(x, t):
        y = pairs(margin)(x, F.one_hot(t, x.shape[-1]))
        torch.testing.assert_close(y, x.shape[-1] * F.multi_margin_loss(x, t, margin=margin, reduction="none"))
        return y

    return f


def of_margins():
    x, same = random("loss margin", (3, 4)), lambda x: x
    for margin in (1.0, 0.25):
        attrs, f = {"margin": margin}, of_numbers(margin)
        numbers = [x, np.array([1, 3, 0])]
        yield from both("margin", f"numbers, margin {margin}", f, numbers, attrs, prediction=same)
        labels = np.array([[1, 0, 0, 1], [0, 1, 0, 2], [1, 1, 1, 1]])
        yield from both("margin", f"labels, margin {margin}", pairs(margin), [x, labels], attrs, prediction=same)
        one = [x[0], labels[0].astype(np.float64)]
        yield from both("margin", f"one row, margin {margin}", pairs(margin), one, attrs, labels=(1,), prediction=same)


def main():
    cases = [*of_classes(), *of_elements(), *of_margins()]
    names = [(case.fn, case.name) for case in cases]
    assert len(set(names)) == len(names), "two cases have one name"
    header = {"made_by": "tests/golden/loss.py", "torch": torch.__version__.split("+")[0]}
    write(HERE / "loss.json", header, "cases", [record(case) for case in cases])
    print(f"{len(cases)} cases of {len({case.fn for case in cases})} functions")


if __name__ == "__main__":
    main()
