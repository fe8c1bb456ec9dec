"""A case of one function: its values and derivatives by JAX, checked against each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable

import jax

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_platforms", "cpu")

import jax.numpy as jnp
import numpy as np

from rows import at, flat, random, tensor
from rows import write as write_rows

# f64 differences: the best step of a central difference is about eps^(1/3).
STEP = 1e-5
# A central difference keeps about ten digits of a first derivative of size one; 1e-6 leaves room for curvature.
NUMERIC = 1e-6
# Two ways to one number differ by rounding only.
EXACT = 1e-11


@dataclass
class Case:
    """One call `f(*inputs)`; `attrs` is what the reader needs besides the inputs."""

    fn: str
    name: str
    f: Callable[..., Any]
    inputs: list[np.ndarray]
    attrs: dict[str, Any] = field(default_factory=dict)
    # 0: values only; 1: vjp and jvp; 2: second derivatives too.
    order: int = 2
    # At a kink, a pole or a scale far from one: the difference quotients and the symmetry are not checked.
    edge: bool = False


def differentiable(x) -> bool:
    return jnp.issubdtype(jnp.asarray(x).dtype, jnp.floating)


def as_tuple(y) -> tuple:
    return tuple(y) if isinstance(y, (tuple, list)) else (y,)


def inner(xs, ys):
    return sum((jnp.sum(x * y) for x, y in zip(xs, ys)), jnp.float64(0.0))


class Derivatives:
    """The vjp, jvp and twice contracted second derivative of a case in its float inputs and outputs."""

    def __init__(self, case: Case):
        self.case = case
        self.inputs = [jnp.asarray(x) for x in case.inputs]
        self.places = [i for i, x in enumerate(self.inputs) if differentiable(x)]
        self.x = [self.inputs[i] for i in self.places]
        self.outputs = as_tuple(case.f(*self.inputs))
        self.kept = [i for i, y in enumerate(self.outputs) if differentiable(y)]
        key = f"{case.fn}/{case.name}"
        like = lambda tag, values: [
            jnp.asarray(random(f"{key}/{tag}{i}", v.shape)).astype(v.dtype) for i, v in enumerate(values)
        ]
        self.w = like("w", [self.outputs[i] for i in self.kept])
        self.v = like("v", self.x)
        self.u = like("u", self.x)

    def function(self, *x):
        full = list(self.inputs)
        for i, value in zip(self.places, x):
            full[i] = value
        y = as_tuple(self.case.f(*full))
        return [y[i] for i in self.kept]

    def vjp(self, *x):
        return jax.vjp(self.function, *x)[1](self.w)

    def jvp(self):
        return jax.jvp(self.function, tuple(self.x), tuple(self.v))[1]

    def second(self, u):
        """Gradient in each input of sum_i <vjp_i(x; w), u_i>."""
        contracted = lambda *x: inner(self.vjp(*x), u)
        return jax.grad(contracted, argnums=tuple(range(len(self.x))))(*self.x)

    def moved(self, step):
        return [x + step * v for x, v in zip(self.x, self.v)]


def close(a, b, tolerance, what):
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    scale = 1.0 + max(np.abs(a).max(initial=0.0), np.abs(b).max(initial=0.0))
    worst = np.abs(a - b).max(initial=0.0)
    assert worst <= tolerance * scale, f"{what}: {a} and {b} differ by {worst}"


def check(case: Case, d: Derivatives, vjp, jvp, second):
    """Two identities and two difference quotients that right derivatives satisfy."""
    key = f"{case.fn}/{case.name}"
    # A tangent or cotangent in f32 keeps 7 digits.
    exact = EXACT if all(t.dtype == jnp.float64 for t in (*d.x, *d.w)) else 1e-6
    if all(np.isfinite(t).all() for t in (*vjp, *jvp)):
        close(inner(vjp, d.v), inner(d.w, jvp), exact, f"{key}: <vjp(w), v> = <w, jvp(v)>")
    if not case.edge:
        if exact == EXACT:
            above, below = d.function(*d.moved(STEP)), d.function(*d.moved(-STEP))
            for a, b, t in zip(above, below, jvp):
                close((a - b) / (2 * STEP), t, NUMERIC, f"{key}: jvp and difference quotient")
    if second is not None and not case.edge:
        close(inner(second, d.v), inner(d.second(d.v), d.u), exact, f"{key}: symmetry of the second derivative")
        if exact == EXACT:
            quotient = (inner(d.vjp(*d.moved(STEP)), d.u) - inner(d.vjp(*d.moved(-STEP)), d.u)) / (2 * STEP)
            close(inner(second, d.v), quotient, NUMERIC, f"{key}: second derivative and difference quotient")


def record(case: Case) -> dict:
    """The JSON object of a case."""
    d = Derivatives(case)
    out = {
        "fn": case.fn,
        "case": case.name,
        "inputs": [tensor(x) for x in case.inputs],
        **({"attrs": case.attrs} if case.attrs else {}),
        "outputs": [tensor(y) for y in d.outputs],
    }
    if case.order == 0 or not d.kept or not d.places:
        return out
    vjp, jvp = d.vjp(*d.x), d.jvp()
    second = d.second(d.u) if case.order == 2 else None
    check(case, d, vjp, jvp, second)
    n, m = len(case.inputs), len(d.outputs)
    out["w"] = at(d.kept, d.w, m)
    out["vjp"] = at(d.places, vjp, n)
    out["v"] = at(d.places, d.v, n)
    out["jvp"] = at(d.kept, jvp, m)
    if second is not None:
        out["u"] = at(d.places, d.u, n)
        out["second"] = at(d.places, second, n)
    return out


def write(path, key: str, rows: list[dict]):
    header = {"made_by": "tests/golden/make.py", "jax": jax.__version__}
    write_rows(path, header, key, rows)
