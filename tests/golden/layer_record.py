"""A call of one of PyTorch's modules: its outputs, the gradients of inputs and parameters, its state after the call."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from rows import at, flat, random, tensor

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
# The kernels of oneDNN are for f32; those of PyTorch itself are what f64 runs anyway.
torch.backends.mkldnn.enabled = False

# The best step of a central difference in f64 is about eps^(1/3), and it keeps about ten digits; 1e-6 leaves room for
# curvature.
STEP = 1e-5
NUMERIC = 1e-6


class MarginCriterion(nn.Module):
    """Torch's `nn.MarginCriterion`, which PyTorch does not have."""

    def __init__(self, margin=1.0, reduction="mean"):
        super().__init__()
        self.margin, self.reduction = margin, reduction

    def forward(self, input, target):
        each = (self.margin - target * input).clamp(min=0)
        return {"none": lambda: each, "mean": each.mean, "sum": each.sum}[self.reduction]()


# Modules that are not PyTorch's.
OWN = {"MarginCriterion": MarginCriterion}
# Modules made of a layer of this class; their configuration has its configuration as `layer`.
STACKS = {"TransformerEncoder": nn.TransformerEncoderLayer, "TransformerDecoder": nn.TransformerDecoderLayer}


def construct(layer: str, config: dict) -> nn.Module:
    """The module of that name; of a stack, `norm` says whether there is a `LayerNorm` at the end."""
    if layer not in STACKS:
        return (OWN.get(layer) or getattr(nn, layer))(**config)
    of = config["layer"]
    norm = nn.LayerNorm(of["d_model"]) if config.get("norm") else None
    # What warns of a faster way for paddings, which is not taken in training.
    told = {"enable_nested_tensor": False} if layer == "TransformerEncoder" else {}
    return getattr(nn, layer)(STACKS[layer](**of), config["num_layers"], norm=norm, **told)


@dataclass
class Row:
    """`construct(layer, config)`, mostly `getattr(torch.nn, layer)(**config)`, applied to `inputs`, which have the names
    of the arguments of `forward`."""

    layer: str
    name: str
    config: dict[str, Any]
    inputs: dict[str, Any]
    # Names of float inputs that are labels: they get no gradient.
    labels: tuple[str, ...] = ()
    # Arguments of `forward` that are no tensors.
    call: dict[str, Any] = field(default_factory=dict)
    # None where training and evaluation are the same.
    train: bool | None = None
    # At a kink, a pole or far from one in scale: no difference quotient is taken, and conventions may differ there.
    edge: bool = False


def as_tuple(y) -> tuple:
    """Outputs in order, tuples in tuples opened."""
    if isinstance(y, (tuple, list)):
        return tuple(leaf for part in y for leaf in as_tuple(part))
    return () if y is None else (y,)


def plain(config: dict) -> tuple[dict, dict]:
    """A configuration as JSON values, and the tensors among its values."""
    tensors = {k: v for k, v in config.items() if isinstance(v, np.ndarray)}
    return {k: v for k, v in config.items() if k not in tensors}, tensors


def build(row: Row) -> nn.Module:
    """The module with parameters of three decimals, and a state as if it had seen data."""
    torch.manual_seed(0)
    config = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in row.config.items()}
    module = construct(row.layer, config)
    key = f"{row.layer}/{row.name}"
    with torch.no_grad():
        for name, p in module.named_parameters():
            p.copy_(torch.tensor(random(f"{key}/{name}", tuple(p.shape), -1.0, 1.0)))
        for name, b in module.named_buffers():
            if name == "running_mean":
                b.copy_(torch.tensor(random(f"{key}/{name}", tuple(b.shape))))
            elif name == "running_var":
                b.copy_(torch.tensor(random(f"{key}/{name}", tuple(b.shape), 0.5, 2.0)))
            elif name == "num_batches_tracked":
                b.fill_(3)
    module.train(row.train if row.train is not None else True)
    return module


class Call:
    """The module as a function of its float inputs and parameters; the state stays what it was."""

    def __init__(self, row: Row):
        self.row, self.module = row, build(row)
        self.inputs = {k: torch.tensor(np.asarray(v)) for k, v in row.inputs.items()}
        self.places = [
            i for i, (k, v) in enumerate(self.inputs.items()) if v.is_floating_point() and k not in row.labels
        ]
        names = list(self.inputs)
        self.wanted = [names[i] for i in self.places]
        self.params = {k: p.detach().clone() for k, p in self.module.named_parameters()}
        tensors = plain(row.config)[1]
        self.state = {k: b.detach().clone() for k, b in self.module.named_buffers() if k not in tensors}

    def run(self, floats, params):
        """Outputs, and the state after the call."""
        state = {k: b.clone() for k, b in self.state.items()}
        inputs = {**self.inputs, **dict(zip(self.wanted, floats))}
        # By place where `forward` has no keyword for it (the criterions' targets have different ones).
        arguments = self.arguments(inputs)
        module = copy.deepcopy(self.module)
        y = torch.func.functional_call(module, {**params, **state}, *arguments)
        return as_tuple(y), state

    def arguments(self, inputs):
        if self.row.layer in ("LSTM", "LSTMCell") and "c_0" in inputs:
            return (inputs["input"], (inputs["h_0"], inputs["c_0"])), self.row.call
        by_name = {k: v for k, v in inputs.items() if k.endswith("mask")}
        by_place = tuple(v for k, v in inputs.items() if k not in by_name)
        return by_place, {**by_name, **self.row.call}

    def start(self):
        return [self.inputs[k] for k in self.wanted], list(self.params.values())


def inner(xs, ys) -> float:
    return sum(float((x * y).sum()) for x, y in zip(xs, ys))


def check(call: Call, kept, w, found):
    """The pull-back against a difference quotient along one direction."""
    key = f"{call.row.layer}/{call.row.name}"
    floats, params = call.start()
    v = [torch.tensor(random(f"{key}/v{i}", tuple(x.shape))) for i, x in enumerate(floats + params)]

    def along(step):
        moved = [x + step * d for x, d in zip(floats + params, v)]
        y, _ = call.run(moved[: len(floats)], dict(zip(call.params, moved[len(floats) :])))
        return inner([y[i] for i in kept], w)

    with torch.no_grad():
        quotient = (along(STEP) - along(-STEP)) / (2 * STEP)
    exact = inner(found, v)
    assert abs(quotient - exact) <= NUMERIC * (1 + abs(exact) + abs(along(0))), f"{key}: {quotient} and {exact}"


def pull_back(call: Call):
    """Outputs, state after, cotangents, and the gradients of inputs and parameters."""
    floats, params = call.start()
    floats = [x.clone().requires_grad_() for x in floats]
    params = [p.clone().requires_grad_() for p in params]
    y, after = call.run(floats, dict(zip(call.params, params)))
    kept = [i for i, t in enumerate(y) if t.is_floating_point() and t.requires_grad]
    key = f"{call.row.layer}/{call.row.name}"
    w = [torch.tensor(random(f"{key}/w{i}", tuple(y[i].shape))) for i in kept]
    found = []
    if kept:
        leaves = floats + params
        found = torch.autograd.grad([y[i] for i in kept], leaves, w, allow_unused=True, materialize_grads=True)
        if not call.row.edge:
            check(call, kept, w, found)
    return y, after, kept, w, found


def record(row: Row) -> dict:
    """The JSON object of a row; layers.py says what its fields are."""
    call = Call(row)
    config, tensors = plain(row.config)
    y, after, kept, w, found = pull_back(call)
    out = {"layer": row.layer, "case": row.name, "config": config}
    if tensors:
        out["weights"] = {k: tensor(v) for k, v in tensors.items()}
    if row.call:
        out["call"] = row.call
    if row.train is not None:
        out["train"] = row.train
    if row.edge:
        out["edge"] = True
    if call.params:
        out["params"] = {k: tensor(p.numpy()) for k, p in call.params.items()}
    if call.state:
        out["state"] = {k: tensor(b.numpy()) for k, b in call.state.items()}
    out["inputs"] = [{"name": k, **tensor(np.asarray(v))} for k, v in row.inputs.items()]
    out["outputs"] = [tensor(t.detach().numpy()) for t in y]
    n = len(call.wanted)
    if kept:
        out["w"] = at(kept, w, len(y))
        out["vjp"] = at(call.places, [g.detach().numpy() for g in found[:n]], len(row.inputs))
    if kept and call.params:
        out["vjp_params"] = {k: flat(g.detach().numpy()) for k, g in zip(call.params, found[n:])}
    if call.state:
        out["state_after"] = {k: tensor(b.detach().numpy()) for k, b in after.items()}
    return out
