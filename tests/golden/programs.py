"""Whole programs: nested transforms, control flow, networks. Each yields its inputs and what JAX computes."""

from __future__ import annotations

from typing import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import grad, hessian, jacfwd, jacrev, jvp, vjp, vmap

from record import random, tensor

PROGRAMS: list[Callable] = []


def program(f):
    """A program of the name of its function; it returns `(inputs, expected)`, two dictionaries of arrays."""
    PROGRAMS.append(f)
    return f


def numbers(*values):
    return [jnp.float64(v) for v in values]


def directional(f, x, dx):
    return jvp(f, (x,), (dx,))[1]


def derivative(f):
    """The derivative of a function of one number, forward."""
    return lambda x: directional(f, x, jnp.ones_like(x))


# --- perturbation confusion ----------------------------------------------------------------------


@program
def perturbation_confusion():
    """Siskind and Pearlmutter: d/dx (x * d/dy (x + y)) at 1 is 1, not 2, in all four nestings."""
    (x,) = numbers(1.0)
    out = {}
    for outer_name, outer in (("grad", grad), ("jvp", derivative)):
        for inner_name, inner in (("grad", grad), ("jvp", derivative)):
            out[f"{outer_name}_of_{inner_name}"] = outer(lambda x, d=inner: x * d(lambda y: x + y)(1.0))(x)
    return {"x": x}, out


@program
def perturbation_of_a_product():
    """d/dx (x * d/dy (sin(x) y^3)) at y = x: the inner variable is bound to the outer one."""
    (x,) = numbers(0.7)
    out = {}
    for outer_name, outer in (("grad", grad), ("jvp", derivative)):
        for inner_name, inner in (("grad", grad), ("jvp", derivative)):
            out[f"{outer_name}_of_{inner_name}"] = outer(lambda x, d=inner: x * d(lambda y: jnp.sin(x) * y**3)(x))(x)
    return {"x": x}, out


@program
def three_levels():
    """x * d/dy (y x * d/dz (x y z^2) at y) at x, by grad of jvp of grad and jvp of grad of jvp."""
    (x,) = numbers(1.3)

    def nested(d1, d2, d3):
        return d1(lambda x: x * d2(lambda y: y * x * d3(lambda z: x * y * jnp.sin(z * z))(y))(x))(x)

    return {"x": x}, {
        "grad_jvp_grad": nested(grad, derivative, grad),
        "jvp_grad_jvp": nested(derivative, grad, derivative),
        "grad_grad_grad": nested(grad, grad, grad),
    }


@program
def closure_over_an_outer_variable():
    """An inner gradient whose function reads the outer variable and a value computed from it."""
    x, y = numbers(0.8, -1.1)

    def f(x):
        shared = jnp.exp(jnp.sin(x))
        inner = grad(lambda y: (y * x) ** 3 + shared * y)
        return inner(y) * shared

    return {"x": x, "y": y}, {"value": f(x), "first": grad(f)(x), "second": grad(grad(f))(x)}


# --- higher orders -------------------------------------------------------------------------------


def rosenbrock(x):
    return jnp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


@program
def hessian_of_rosenbrock():
    x = random("rosenbrock", (6,))
    return {"x": x}, {"value": rosenbrock(x), "grad": grad(rosenbrock)(x), "hessian": hessian(rosenbrock)(x)}


@program
def grad_of_grad_of_tanh():
    x = np.array([-3.0, -0.5, 0.0, 0.25, 2.0])
    f = lambda x: jnp.sum(jnp.tanh(x))
    second = lambda x: jnp.sum(grad(f)(x))
    third = lambda x: jnp.sum(grad(second)(x))
    return {"x": x}, {"first": grad(f)(x), "second": grad(second)(x), "third": grad(third)(x)}


@program
def four_derivatives_of_sin_exp():
    """sin(exp(x)) x: derivatives 1 to 4 in reverse, forward and in turns."""
    (x,) = numbers(0.6)
    f = lambda x: jnp.sin(jnp.exp(x)) * x
    out = {"value": f(x)}
    orders = {"reverse": [grad] * 4, "forward": [derivative] * 4, "in_turns": [grad, derivative, grad, derivative]}
    for name, transforms in orders.items():
        g = f
        for n, d in enumerate(transforms, 1):
            g = d(g)
            out[f"{name}_{n}"] = g(x)
    return {"x": x}, out


@program
def mixed_partials():
    """All partial derivatives of order three of x^2 y^3 sin(z x) that take one step in each variable."""
    x, y, z = numbers(0.9, -0.4, 1.7)
    f = lambda x, y, z: x**2 * y**3 * jnp.sin(z * x)
    out = {}
    for name, (a, b, c) in {"xyz": (0, 1, 2), "zyx": (2, 1, 0), "yxz": (1, 0, 2)}.items():
        out[name] = grad(grad(grad(f, a), b), c)(x, y, z)
    out["xx"] = grad(grad(f, 0), 0)(x, y, z)
    return {"x": x, "y": y, "z": z}, out


@program
def gradient_of_the_norm_of_a_gradient():
    a, x = random("gn a", (4, 4)), random("gn x", (4,))
    loss = lambda x: jnp.sum(jnp.tanh(a @ x) ** 2)
    penalty = lambda x: jnp.sqrt(jnp.sum(grad(loss)(x) ** 2))
    return {"a": a, "x": x}, {"value": penalty(x), "grad": grad(penalty)(x)}


@program
def bilinear_form():
    a, x, y = random("bl a", (3, 4)), random("bl x", (3,)), random("bl y", (4,))
    f = lambda a, x, y: x @ a @ y
    return {"a": a, "x": x, "y": y}, {
        "da": grad(f, 0)(a, x, y),
        "dx": grad(f, 1)(a, x, y),
        "dy": grad(f, 2)(a, x, y),
        "mixed": grad(lambda y: jnp.sum(grad(f, 1)(a, x, y) ** 2))(y),
    }


@program
def hessian_of_softmax_cross_entropy():
    """In the weights of a linear classifier."""
    w, x, labels = random("ce w", (3, 2)), random("ce x", (4, 3)), np.array([0, 1, 1, 0])

    def loss(w):
        rows = jax.nn.log_softmax(x @ w, axis=-1)
        return -jnp.mean(jnp.take_along_axis(rows, labels[:, None], axis=-1))

    return {"w": w, "x": x, "labels": labels}, {"loss": loss(w), "grad": grad(loss)(w), "hessian": hessian(loss)(w)}


@program
def hessian_vector_product_of_an_mlp():
    """Forward over reverse; the Rust side also goes reverse over forward and reverse over reverse."""
    p = [random("hv w1", (3, 4), -1, 1), random("hv b1", (4,)), random("hv w2", (4, 2), -1, 1), random("hv b2", (2,))]
    v = [random(f"hv v{i}", q.shape) for i, q in enumerate(p)]
    x, y = random("hv x", (5, 3)), random("hv y", (5, 2))

    def loss(p):
        h = jnp.tanh(x @ p[0] + p[1])
        return jnp.mean((h @ p[2] + p[3] - y) ** 2)

    product = jvp(grad(loss), (p,), (v,))[1]
    names = ("w1", "b1", "w2", "b2")
    inputs = {**dict(zip(names, p)), **{f"v_{n}": q for n, q in zip(names, v)}, "x": x, "y": y}
    return inputs, {f"hvp_{n}": h for n, h in zip(names, product)}


# --- jacobians and vmap --------------------------------------------------------------------------


@program
def jacobian_of_a_vector_function():
    """R^4 -> R^3, the same forward and in reverse; and its second derivative, a tensor of rank 3."""
    a, x = random("jac a", (3, 4)), random("jac x", (4,))
    f = lambda x: jnp.sin(a @ x) * x[1:] + jnp.prod(x)
    assert np.allclose(jacfwd(f)(x), jacrev(f)(x), rtol=1e-13, atol=1e-13)
    return {"a": a, "x": x}, {"value": f(x), "jacobian": jacrev(f)(x), "second": jacfwd(jacrev(f))(x)}


@program
def gradients_for_each_example():
    """vmap of grad: one row for each example, of a logistic regression."""
    w, b = random("pe w", (3,)), np.float64(0.25)
    x, y = random("pe x", (5, 3)), np.array([0.0, 1.0, 1.0, 0.0, 1.0])
    loss = lambda p, x, y: jnp.logaddexp(x @ p[0] + p[1], 0.0) - y * (x @ p[0] + p[1])
    rows = vmap(grad(loss), (None, 0, 0))((w, b), x, y)
    total = grad(lambda p: jnp.sum(vmap(loss, (None, 0, 0))(p, x, y) ** 2))((w, b))
    return {"w": w, "b": b, "x": x, "y": y}, {
        "rows_w": rows[0],
        "rows_b": rows[1],
        "grad_of_vmap_w": total[0],
        "grad_of_vmap_b": total[1],
    }


@program
def vmap_of_vmap():
    """All pairs of rows of x and columns of y."""
    x, y = random("vv x", (3, 4)), random("vv y", (4, 2))
    f = lambda a, b: jnp.tanh(jnp.sum(a * b)) + jnp.max(a * b)
    table = vmap(lambda a: vmap(lambda b: f(a, b), 1)(y))(x)
    g = grad(lambda x: jnp.sum(vmap(lambda a: vmap(lambda b: f(a, b), 1)(y))(x) ** 2))(x)
    return {"x": x, "y": y}, {"table": table, "transposed": table.T, "grad": g}


@program
def vmap_of_hessian():
    x = random("vh x", (3, 4))
    f = lambda x: jnp.sum(jnp.sin(x) ** 2) * jnp.prod(x) + rosenbrock(x)
    return {"x": x}, {"hessians": vmap(hessian(f))(x), "grads": vmap(grad(f))(x)}


@program
def vmap_of_jvp_and_of_a_pullback():
    """A Jacobian's columns by vmap of jvp over unit tangents, its rows by vmap of the pull-back."""
    x = random("vj x", (3,))
    f = lambda x: jnp.stack([x[0] * x[1], jnp.sin(x[2]), jnp.exp(x[0] * x[2]), jnp.sum(x)])
    columns = vmap(lambda t: directional(f, x, t))(jnp.eye(3))
    rows = vmap(lambda w: vjp(f, x)[1](w)[0])(jnp.eye(4))
    return {"x": x}, {"columns": columns, "rows": rows}


@program
def jvp_of_a_pullback():
    """The derivative of vjp(x; w) along (dx, dw): forward over reverse by hand."""
    x, w, dx, dw = (random(f"jp {n}", (3,)) for n in ("x", "w", "dx", "dw"))
    f = lambda x: jnp.tanh(x) * jnp.sum(x * x)
    pull = lambda x, w: vjp(f, x)[1](w)[0]
    value, tangent = jvp(pull, (x, w), (dx, dw))
    return {"x": x, "w": w, "dx": dx, "dw": dw}, {"value": value, "tangent": tangent}


# --- control flow --------------------------------------------------------------------------------


@program
def grad_through_a_while_loop():
    """Squares and shifts until the value leaves 100: the number of turns depends on the data."""

    def f(x):
        turns = 0
        while x < 100.0:
            x = x * x + 0.5
            turns += 1
        return x * 10.0**-turns

    xs = np.array([1.1, 1.7, 3.0, 12.0])
    return {"x": xs}, {
        "value": np.array([f(x) for x in xs]),
        "first": np.array([grad(f)(x) for x in xs]),
        "second": np.array([grad(grad(f))(x) for x in xs]),
    }


@program
def grad_through_recursion():
    """A binary tree of products and sines whose depth and shape depend on the value."""

    def f(x, depth):
        if depth == 0 or x > 4.0:
            return jnp.sin(x)
        return f(x * 1.5, depth - 1) * x + f(x + 0.3, depth - 2 if depth > 1 else 0)

    xs = np.array([0.4, 1.0, 2.5, 5.0])
    g = lambda x: f(x, 5)
    return {"x": xs}, {
        "value": np.array([g(x) for x in xs]),
        "first": np.array([grad(g)(x) for x in xs]),
        "second": np.array([directional(grad(g), x, 1.0) for x in xs]),
    }


@program
def branches_on_the_data():
    """The chain workload, 40 turns of 8 elements, f64."""
    x, w = random("chain x", (8,)), 1.0 + random("chain w", (8,), -0.05, 0.05)

    def f(w):
        h = x
        for _ in range(40):
            h = h * w
            h = jnp.tanh(h) if jnp.sum(h) > 0 else jnp.sin(h)
        return jnp.sum(h * h)

    return {"x": x, "w": w}, {"value": f(w), "grad": grad(f)(w), "hessian": hessian(f)(w)}


@program
def implicit_newton():
    """The y with y^3 + y = x by 25 Newton steps whose slope is itself a gradient; dy/dx = 1 / (3 y^2 + 1)."""
    (x,) = numbers(2.5)

    def solve(x):
        residual = lambda y: y**3 + y - x
        y = 0.0 * x + 1.0
        for _ in range(25):
            y = y - residual(y) / grad(residual)(y)
        return y

    y = solve(x)
    assert abs(grad(solve)(x) - 1 / (3 * y * y + 1)) < 1e-12
    return {"x": x}, {"y": y, "first": grad(solve)(x), "second": grad(grad(solve))(x)}


@program
def inner_gradient_steps():
    """MAML: the gradient of a loss after one and after three gradient steps on another loss."""
    w, a, b = random("maml w", (3,)), random("maml a", (4, 3)), random("maml b", (4, 3))
    rate = np.float64(0.05)
    train = lambda w: jnp.sum(jnp.tanh(a @ w) ** 2)
    test = lambda w: jnp.sum(jnp.sin(b @ w))

    def after(steps):
        def f(w, rate):
            for _ in range(steps):
                w = w - rate * grad(train)(w)
            return test(w)

        return f

    out = {}
    for steps in (1, 3):
        out[f"loss_{steps}"] = after(steps)(w, rate)
        out[f"grad_{steps}"] = grad(after(steps))(w, rate)
        out[f"rate_{steps}"] = grad(after(steps), 1)(w, rate)
    return {"w": w, "a": a, "b": b, "rate": rate}, out


# --- rules of the user's own ---------------------------------------------------------------------


@program
def custom_rule_with_a_wrong_factor():
    """sin with three times its cotangent: the rule is used, at every order that differentiates it again."""

    @jax.custom_vjp
    def f(x):
        return jnp.sin(x)

    f.defvjp(lambda x: (f(x), x), lambda x, w: (3.0 * w * jnp.cos(x),))
    x = random("custom x", (3,))
    loss = lambda x: jnp.sum(f(x * x) * x)
    return {"x": x}, {
        "value": loss(x),
        "first": grad(loss)(x),
        "second": grad(lambda x: jnp.sum(grad(loss)(x)))(x),
    }


@program
def stopped_gradients():
    """A factor and a whole path that are constants to the derivative, at first and second order."""
    x = random("stop x", (4,))
    stop = jax.lax.stop_gradient
    f = lambda x: jnp.sum(x * stop(jnp.sin(x)) + x**3) * stop(jnp.sum(x))
    return {"x": x}, {
        "value": f(x),
        "first": grad(f)(x),
        "second": grad(lambda x: jnp.sum(grad(f)(x) ** 2))(x),
        "tangent": directional(f, x, jnp.ones(4)),
    }


def encoded(f) -> dict:
    inputs, expected = f()
    return {
        "program": f.__name__,
        "inputs": {name: tensor(x) for name, x in inputs.items()},
        "expected": {name: tensor(y) for name, y in expected.items()},
    }
