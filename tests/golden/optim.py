"""Golden optimizers: twenty steps of each in PyTorch (f64, one thread), schedules, L-BFGS, clipping, averages.

Run `python tests/golden/optim.py` to write `tests/golden/optim.json`, which `tests/optim.rs` reads. What PyTorch lacks
(LAMB, Lion, Torch's learning-rate decay) is written down here from the papers' formulas.
"""

from __future__ import annotations

import inspect
import json
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import optim
from torch.optim import lr_scheduler as sched

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
warnings.filterwarnings("ignore")

STEPS = 20
# The steps after which parameters are written down: the first ones have special cases.
SEEN = [1, 2, 7, 20]


def fill(seed, shape, scale):
    """Numbers in [-scale/2, scale/2) from a hash, the same on every machine."""
    i = np.arange(int(np.prod(shape)), dtype=np.uint64)
    h = (i * np.uint64(2654435761) + np.uint64(seed * 40503 + 12345)) % np.uint64(2**32)
    return (scale * (h.astype(np.float64) / 2.0**32 - 0.5)).reshape(shape)


def quadratic_data():
    """A symmetric matrix whose eigenvalues go from 0.01 to 100."""
    q, _ = np.linalg.qr(fill(1, (6, 6), 2.0) + np.eye(6))
    a = (q * np.logspace(-2, 2, 6)) @ q.T
    return {"a": (a + a.T) / 2, "b": fill(2, (6,), 2.0), "x": fill(3, (6,), 4.0)}


def bowl_data():
    """A symmetric matrix whose eigenvalues go from 1 to 10."""
    q, _ = np.linalg.qr(fill(1, (6, 6), 2.0) + np.eye(6))
    a = (q * np.linspace(1, 10, 6)) @ q.T
    return {"a": (a + a.T) / 2, "b": fill(2, (6,), 2.0), "x": fill(3, (6,), 4.0)}


def network_data():
    data = {
        "w1": fill(4, (3, 4), 2.0),
        "b1": fill(5, (4,), 0.5),
        "w2": fill(6, (4, 2), 2.0),
        "b2": fill(7, (2,), 0.5),
        "x": fill(8, (STEPS, 5, 3), 3.0),
        "y": fill(9, (STEPS, 5, 2), 2.0),
    }
    return data


QUADRATIC, BOWL, NETWORK = quadratic_data(), bowl_data(), network_data()


def quadratic(data=QUADRATIC):
    a, b = (torch.tensor(data[k]) for k in "ab")
    x = torch.tensor(data["x"], requires_grad=True)
    return [x], lambda _: 0.5 * x @ a @ x - b @ x


def network():
    w1, b1, w2, b2 = (torch.tensor(NETWORK[k], requires_grad=True) for k in ["w1", "b1", "w2", "b2"])
    x, y = torch.tensor(NETWORK["x"]), torch.tensor(NETWORK["y"])
    return [w1, b1, w2, b2], lambda i: ((torch.tanh(torch.tanh(x[i] @ w1 + b1) @ w2 + b2) - y[i]) ** 2).mean()


def rosenbrock():
    x = torch.tensor([-1.2, 1.0, -0.7, 0.4], requires_grad=True)
    return [x], lambda _: (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def root():
    """Newton's step from 10 leads far beyond the minimum: the slope hardly changes there."""
    x = torch.tensor([10.0], requires_grad=True)
    return [x], lambda _: (1 + x**2).sqrt().sum()


PROBLEMS = {"quadratic": quadratic, "network": network, "rosenbrock": rosenbrock}
# Those of long searches besides.
SEARCHED = {**PROBLEMS, "bowl": lambda: quadratic(BOWL), "root": root}


def flat(params):
    return torch.cat([p.detach().reshape(-1) for p in params]).tolist()


class Plain:
    """An optimizer by its formula: `rule(p, g, state, t)` yields the new parameter in step `t` of all."""

    def __init__(self, params, rule):
        self.params, self.rule, self.t = params, rule, 0
        self.states = [{} for _ in params]

    def zero_grad(self):
        for p in self.params:
            p.grad = None

    @torch.no_grad()
    def step(self):
        self.t += 1
        for p, state in zip(self.params, self.states):
            if p.grad is not None:
                p.copy_(self.rule(p.clone(), p.grad, state, self.t))


def lion(lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0):
    """Chen et al. 2023, algorithm 2."""

    def rule(x, g, state, t):
        m = state.get("m", torch.zeros_like(x))
        direction = torch.sign(betas[0] * m + (1 - betas[0]) * g)
        state["m"] = betas[1] * m + (1 - betas[1]) * g
        return x - lr * (direction + weight_decay * x)

    return lambda params: Plain(params, rule)


def lamb(lr=1e-3, betas=(0.9, 0.999), eps=1e-6, weight_decay=1e-2):
    """You et al. 2019, algorithm 2."""

    def rule(x, g, state, _):
        t = state["t"] = state.get("t", 0) + 1
        m = betas[0] * state.get("m", 0.0) + (1 - betas[0]) * g
        v = betas[1] * state.get("v", 0.0) + (1 - betas[1]) * g * g
        state["m"], state["v"] = m, v
        r = (m / (1 - betas[0] ** t)) / (torch.sqrt(v / (1 - betas[1] ** t)) + eps) + weight_decay * x
        own, moved = torch.linalg.norm(x), torch.linalg.norm(r)
        trust = own / moved if own > 0 and moved > 0 else 1.0
        return x - lr * trust * r

    return lambda params: Plain(params, rule)


def sgd_decayed(lr, lr_decay):
    """Torch's `sgd`: the rate of evaluation `n`, counted from 0, is `lr / (1 + n lr_decay)`."""
    return lambda params: Plain(params, lambda x, g, state, t: x - lr / (1 + (t - 1) * lr_decay) * g)


def torchs(kind, **settings):
    return lambda params: kind(params, foreach=False, **settings)


RUNS = {
    "sgd": torchs(optim.SGD, lr=1e-2),
    "sgd_momentum": torchs(optim.SGD, lr=5e-3, momentum=0.9),
    "sgd_dampening": torchs(optim.SGD, lr=5e-3, momentum=0.8, dampening=0.3, weight_decay=0.1),
    "sgd_nesterov": torchs(optim.SGD, lr=5e-3, momentum=0.9, weight_decay=0.05, nesterov=True),
    "sgd_maximize": torchs(optim.SGD, lr=1e-3, momentum=0.5, weight_decay=0.1, maximize=True),
    "sgd_decayed": sgd_decayed(1e-2, 0.3),
    "adam": torchs(optim.Adam, lr=1e-2),
    "adam_amsgrad": torchs(optim.Adam, lr=5e-2, betas=(0.8, 0.9), amsgrad=True),
    "adam_decayed": torchs(optim.Adam, lr=2e-2, betas=(0.7, 0.95), eps=1e-3, weight_decay=0.1),
    "adam_maximize": torchs(optim.Adam, lr=1e-2, weight_decay=0.1, maximize=True),
    "adamw": torchs(optim.AdamW, lr=1e-2),
    "adamw_amsgrad": torchs(optim.AdamW, lr=3e-2, betas=(0.8, 0.9), weight_decay=0.3, amsgrad=True),
    "adamax": torchs(optim.Adamax, lr=1e-2),
    "adamax_decayed": torchs(optim.Adamax, lr=5e-2, betas=(0.6, 0.8), eps=1e-2, weight_decay=0.2),
    "nadam": torchs(optim.NAdam, lr=1e-2),
    "nadam_decayed": torchs(optim.NAdam, lr=2e-2, betas=(0.8, 0.95), weight_decay=0.1, momentum_decay=0.1),
    "nadam_decoupled": torchs(optim.NAdam, lr=2e-2, weight_decay=0.2, decoupled_weight_decay=True),
    "radam": torchs(optim.RAdam, lr=1e-2),
    "radam_decayed": torchs(optim.RAdam, lr=3e-2, betas=(0.8, 0.9), weight_decay=0.1),
    "radam_decoupled": torchs(optim.RAdam, lr=2e-2, betas=(0.9, 0.99), weight_decay=0.2, decoupled_weight_decay=True),
    "adagrad": torchs(optim.Adagrad, lr=5e-2),
    "adagrad_decayed": torchs(
        optim.Adagrad, lr=1e-1, lr_decay=0.1, weight_decay=0.1, initial_accumulator_value=0.5, eps=1e-3
    ),
    "adadelta": torchs(optim.Adadelta),
    "adadelta_decayed": torchs(optim.Adadelta, lr=0.5, rho=0.7, eps=1e-4, weight_decay=0.1),
    "rmsprop": torchs(optim.RMSprop, lr=1e-2),
    "rmsprop_centered": torchs(optim.RMSprop, lr=1e-2, alpha=0.9, eps=1e-3, centered=True),
    "rmsprop_momentum": torchs(optim.RMSprop, lr=5e-3, alpha=0.8, momentum=0.7, weight_decay=0.1),
    "rmsprop_both": torchs(optim.RMSprop, lr=5e-3, alpha=0.9, eps=1e-4, momentum=0.5, centered=True),
    "rprop": torchs(optim.Rprop, lr=1e-2),
    "rprop_bounded": torchs(optim.Rprop, lr=5e-2, etas=(0.4, 1.5), step_sizes=(1e-2, 0.2)),
    "asgd": torchs(optim.ASGD, lr=1e-2),
    "asgd_averaged": torchs(optim.ASGD, lr=2e-2, lambd=0.1, alpha=0.6, t0=3, weight_decay=0.1),
    "lion": lion(),
    "lion_decayed": lion(lr=1e-2, betas=(0.8, 0.95), weight_decay=0.3),
    "lamb": lamb(),
    "lamb_decayed": lamb(lr=2e-2, betas=(0.8, 0.9), eps=1e-4, weight_decay=0.2),
}


def run(name, problem):
    params, loss = PROBLEMS[problem]()
    optimizer = RUNS[name](params)
    seen = []
    for i in range(STEPS):
        optimizer.zero_grad()
        loss(i).backward()
        optimizer.step()
        if i + 1 in SEEN:
            seen.append(flat(params))
    result = {"name": name, "problem": problem, "seen": seen}
    if name.startswith("asgd"):
        result["averages"] = flat([optimizer.state[p]["ax"] for p in params])
    return result


# Which parameter of the network has no gradient in a step.
RESTS = ["w1"] * 3 + [""] * 3 + ["b2"] * 2 + [""] * 2


def thawed(name):
    """The network's parameters after steps in which some of them had no gradient."""
    params, loss = network()
    optimizer = RUNS[name](params)
    for i, rests in enumerate(RESTS):
        optimizer.zero_grad()
        loss(i).backward()
        for p, own in zip(params, ["w1", "b1", "w2", "b2"]):
            if own == rests:
                p.grad = None
        optimizer.step()
    return {"name": name, "params": flat(params)}


LBFGS = {
    "fixed": dict(lr=0.01, max_iter=4),
    "fixed_short": dict(lr=0.005, max_iter=3, history_size=2),
    "wolfe": dict(max_iter=4, line_search_fn="strong_wolfe"),
    "wolfe_short": dict(lr=0.5, max_iter=6, history_size=3, line_search_fn="strong_wolfe"),
    "wolfe_stingy": dict(max_iter=5, max_eval=6, line_search_fn="strong_wolfe"),
    "wolfe_once": dict(max_iter=1, max_eval=20, line_search_fn="strong_wolfe"),
}


# Searches of twenty steps in which roundings do not grow: with each element of the gradient, and the value, off by a part
# in 1e15, parameters and values stay within a part in 5e10 (measured; "wolfe_once" on "rosenbrock" does not).
LONG_LBFGS = {
    "fixed_tenth": (dict(lr=0.1, max_iter=1), ["quadratic", "network", "rosenbrock", "bowl"]),
    "fixed_three": (dict(lr=0.1, max_iter=3, history_size=3), ["quadratic", "network", "rosenbrock", "bowl"]),
    "wolfe_once": (LBFGS["wolfe_once"], ["quadratic", "network", "bowl"]),
    # Nothing is left for the search but its first evaluation, and so it comes to rest where a step is too long.
    "wolfe_bare": (dict(max_iter=1, line_search_fn="strong_wolfe"), ["network", "rosenbrock", "bowl", "root"]),
}


def lbfgs(name, problem, settings, seen):
    params, loss = SEARCHED[problem]()
    optimizer = optim.LBFGS(params, **settings)

    def closure():
        optimizer.zero_grad()
        value = loss(0)
        value.backward()
        return value

    steps = []
    for i in range(max(seen)):
        value = optimizer.step(closure)
        state = optimizer.state[params[0]]
        counts = [state["n_iter"], state["func_evals"]]
        if i + 1 in seen:
            steps.append({"loss": float(value), "counts": counts, "params": flat(params)})
    return {"name": name, "problem": problem, "steps": steps}


SCHEDULES = {
    "step": lambda o: sched.StepLR(o, 7, gamma=0.3),
    "multi_step": lambda o: sched.MultiStepLR(o, [3, 11, 12], gamma=0.5),
    "exponential": lambda o: sched.ExponentialLR(o, 0.9),
    "linear": lambda o: sched.LinearLR(o, start_factor=0.25, end_factor=0.8, total_iters=9),
    "warmup": lambda o: sched.LinearLR(o, start_factor=1 / 11, end_factor=1.0, total_iters=10),
    "polynomial": lambda o: sched.PolynomialLR(o, total_iters=25, power=1.7),
    "cosine": lambda o: sched.CosineAnnealingLR(o, 12, eta_min=0.01),
    "restarts": lambda o: sched.CosineAnnealingWarmRestarts(o, 5, T_mult=1, eta_min=0.02),
    "longer_restarts": lambda o: sched.CosineAnnealingWarmRestarts(o, 3, T_mult=2),
    "one_cycle": lambda o: sched.OneCycleLR(o, 0.5, total_steps=40, cycle_momentum=False),
    "one_cycle_linear": lambda o: sched.OneCycleLR(
        o,
        0.5,
        total_steps=40,
        pct_start=0.25,
        anneal_strategy="linear",
        div_factor=10.0,
        final_div_factor=100.0,
        cycle_momentum=False,
    ),
    "one_cycle_three": lambda o: sched.OneCycleLR(
        o, 0.5, total_steps=40, pct_start=0.4, three_phase=True, cycle_momentum=False
    ),
    "inverse_time": lambda o: sched.LambdaLR(o, lambda t: 1 / (1 + 0.3 * t)),
    "warmup_then_cosine": lambda o: sched.SequentialLR(
        o,
        [
            sched.LinearLR(o, start_factor=1 / 6, end_factor=1.0, total_iters=5),
            sched.CosineAnnealingLR(o, 20, eta_min=0.0),
        ],
        milestones=[5],
    ),
}


def schedule(name):
    optimizer = optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.2)
    scheduler = SCHEDULES[name](optimizer)
    values = []
    for t in range(40):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if t < 39:
            scheduler.step()
    return {"name": name, "values": values}


def scheduled():
    """Adam under a schedule, on the network."""
    params, loss = network()
    optimizer = optim.AdamW(params, lr=0.1, foreach=False)
    scheduler = sched.CosineAnnealingLR(optimizer, STEPS)
    for i in range(STEPS):
        optimizer.zero_grad()
        loss(i).backward()
        optimizer.step()
        scheduler.step()
    return flat(params)


def clipped(limit):
    params, loss = network()
    loss(0).backward()
    norm = torch.nn.utils.clip_grad_norm_(params, limit)
    return {"limit": limit, "norm": float(norm), "grads": flat([p.grad for p in params])}


def clipped_by_value(limit):
    params, loss = network()
    loss(0).backward()
    torch.nn.utils.clip_grad_value_(params, limit)
    return {"limit": limit, "grads": flat([p.grad for p in params])}


def averaged(decay):
    """The running mean of the network's parameters, from the initial ones on, over steps of SGD."""
    params, loss = network()
    optimizer, average = RUNS["sgd_momentum"](params), [p.detach().clone() for p in params]
    update = optim.swa_utils.get_ema_multi_avg_fn(decay)
    for i in range(STEPS):
        optimizer.zero_grad()
        loss(i).backward()
        optimizer.step()
        update(average, [p.detach() for p in params], None)
    return {"decay": decay, "average": flat(average)}


KINDS = [
    optim.SGD, optim.Adam, optim.AdamW, optim.Adamax, optim.NAdam, optim.RAdam, optim.Adagrad, optim.Adadelta,
    optim.RMSprop, optim.Rprop, optim.ASGD, optim.LBFGS,
]  # fmt: skip


def defaults(kind):
    """The settings that have a number as their default."""
    parameters = inspect.signature(kind).parameters.values()
    given = {p.name: p.default for p in parameters if p.default is not p.empty}
    flags = {"foreach", "capturable", "differentiable", "fused"}
    numbers = {k: v for k, v in given.items() if k not in flags and isinstance(v, (bool, int, float, tuple))}
    return {k: [float(x) for x in (v if isinstance(v, tuple) else (v,))] for k, v in numbers.items()}


def written(golden):
    """JSON with a line for each run, so that a change of one shows."""
    short = lambda value: json.dumps(value, separators=(",", ":"))
    rows = lambda value: "[\n" + ",\n".join(map(short, value)) + "\n]"
    listed = lambda value: isinstance(value, list) and isinstance(value[0], dict)
    entries = [f'"{name}":{rows(value) if listed(value) else short(value)}' for name, value in golden.items()]
    return "{\n" + ",\n".join(entries) + "\n}\n"


def main():
    lists = lambda data: {name: array.tolist() for name, array in data.items()}
    golden = {
        "seen": SEEN,
        "defaults": {kind.__name__: defaults(kind) for kind in KINDS},
        "quadratic": lists(QUADRATIC),
        "bowl": lists(BOWL),
        "network": lists(NETWORK),
        "runs": [run(name, problem) for name in RUNS for problem in ["quadratic", "network"]],
        "rests": RESTS,
        "thawed": [thawed(name) for name in RUNS],
        "lbfgs": [lbfgs(name, problem, LBFGS[name], range(1, 9)) for name in LBFGS for problem in PROBLEMS],
        "long_lbfgs": [lbfgs(name, at, given, SEEN) for name, (given, on) in LONG_LBFGS.items() for at in on],
        "schedules": [schedule(name) for name in SCHEDULES],
        "scheduled": scheduled(),
        "clipped": [clipped(0.1), clipped(100.0)],
        "clipped_by_value": [clipped_by_value(0.1), clipped_by_value(100.0)],
        "averaged": [averaged(0.9), averaged(0.5)],
    }
    path = Path(__file__).parent / "optim.json"
    path.write_text(written(golden))
    print(f"{path}: {len(golden['runs'])} runs, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
