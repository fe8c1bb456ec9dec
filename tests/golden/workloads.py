"""Programs of the size of a layer: the README's network, attention, a recurrent cell, rotations, prices, an ODE."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import grad, hessian, jacrev, vmap

from programs import program
from record import random


def fill(seed, shape, scale):
    """The hash of benches/peers/workloads.md that the Rust side also computes."""
    i = np.arange(int(np.prod(shape)), dtype=np.uint64)
    h = (i * np.uint64(2654435761) + np.uint64(seed * 40503 + 12345)) % np.uint64(2**32)
    return (scale * (h.astype(np.float64) / 2.0**32 - 0.5)).reshape(shape)


def readme_network(p, x, y):
    h1 = jnp.tanh(x @ p["w1"] + p["b1"])
    h2 = jnp.tanh(h1 @ p["w2"] + p["b2"])
    y_hat = h2 - jnp.log(jnp.sum(jnp.exp(h2)))
    return -jnp.sum(y_hat * y)


def readme(dtype):
    cast = lambda a: jnp.asarray(a, dtype)
    p = {
        "w1": cast(fill(2, (100, 50), 0.2)),
        "b1": cast(np.zeros(50)),
        "w2": cast(fill(3, (50, 10), 0.2)),
        "b2": cast(np.zeros(10)),
    }
    x, y = cast(fill(1, (1, 100), 2.0)), cast(np.eye(10)[3:4])
    loss, grads = jax.value_and_grad(readme_network)(p, x, y)
    return {}, {"loss": loss, **grads}


@program
def readme_f64():
    """The network of the README on the inputs of the `readme` workload."""
    return readme(jnp.float64)


@program
def readme_f32():
    return readme(jnp.float32)


@program
def attention():
    """One causal head: gradients in the three projections and in the input, and a Hessian in the queries' row."""
    x = random("at x", (4, 3))
    wq, wk, wv = (random(f"at {n}", (3, 3), -1, 1) for n in "qkv")
    mask = np.tril(np.ones((4, 4), bool))

    def f(wq, wk, wv, x):
        scores = (x @ wq) @ (x @ wk).T / jnp.sqrt(3.0)
        weights = jax.nn.softmax(jnp.where(mask, scores, -1e30), axis=-1)
        return jnp.mean((weights @ (x @ wv)) ** 2)

    grads = grad(f, (0, 1, 2, 3))(wq, wk, wv, x)
    names = ("dwq", "dwk", "dwv", "dx")
    second = hessian(lambda row: f(wq.at[0].set(row), wk, wv, x))
    wq = jnp.asarray(wq)
    inputs = {"wq": wq, "wk": wk, "wv": wv, "x": x, "mask": mask}
    return inputs, {"loss": f(wq, wk, wv, x), **dict(zip(names, grads)), "hessian": second(wq[0])}


@program
def recurrent_cell():
    """An LSTM unrolled over five steps, gates in the order i, f, g, o."""
    x, h, c = random("lstm x", (5, 2, 3)), random("lstm h", (2, 2)), random("lstm c", (2, 2))
    wx, wh, b = random("lstm wx", (3, 8), -1, 1), random("lstm wh", (2, 8), -1, 1), random("lstm b", (8,))

    def f(wx, wh, b, h, c):
        total = 0.0
        for step in x:
            i, f, g, o = jnp.split(step @ wx + h @ wh + b, 4, axis=-1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            total = total + jnp.sum(h * h)
        return total

    grads = grad(f, (0, 1, 2, 3, 4))(wx, wh, b, h, c)
    inputs = {"x": x, "wx": wx, "wh": wh, "b": b, "h": h, "c": c}
    names = ("dwx", "dwh", "db", "dh", "dc")
    return inputs, {"loss": f(wx, wh, b, h, c), **dict(zip(names, grads))}


@program
def bundle_adjustment():
    """The `jacobian` workload for four cameras: vmap of a 2 x 15 Jacobian."""
    cams = fill(1, (4, 11), 0.2) + np.array([0, 0, 0, 0, 0, -5.0, 500.0, 0, 0, 0, 0])
    points, weights = fill(2, (4, 3), 1.0), 1.0 + fill(3, (4,), 0.1)

    def residual(cam, point, w):
        r, d = cam[:3], point - cam[3:6]
        angle2 = jnp.sum(r * r)
        angle = jnp.sqrt(angle2)
        k = r / angle
        cross = jnp.stack([k[1] * d[2] - k[2] * d[1], k[2] * d[0] - k[0] * d[2], k[0] * d[1] - k[1] * d[0]])
        cos = jnp.cos(angle)
        p = d * cos + cross * jnp.sin(angle) + k * (jnp.sum(k * d) * (1.0 - cos))
        q = p[:2] / p[2]
        r2 = jnp.sum(q * q)
        return (cam[6] * (q * (1.0 + cam[9] * r2 + cam[10] * r2 * r2)) + cam[7:9]) * w

    f = lambda cam, point, w: jacrev(residual, (0, 1))(cam, point, w)
    d_cam, d_point = vmap(f)(cams, points, weights)
    inputs = {"cams": cams, "points": points, "weights": weights}
    return inputs, {"residuals": vmap(residual)(cams, points, weights), "d_cam": d_cam, "d_point": d_point}


@program
def black_scholes():
    """Call prices and their Greeks up to the second order."""
    s, k = 100.0 + fill(1, (5,), 40.0), 100.0 + fill(2, (5,), 40.0)
    t, v = 1.0 + fill(3, (5,), 1.0), 0.3 + fill(4, (5,), 0.2)

    def price(s, k, t, v):
        cdf = lambda z: 0.5 * (1.0 + jax.lax.erf(z / jnp.sqrt(2.0)))
        d1 = (jnp.log(s / k) + (0.03 + 0.5 * v * v) * t) / (v * jnp.sqrt(t))
        return s * cdf(d1) - k * jnp.exp(-0.03 * t) * cdf(d1 - v * jnp.sqrt(t))

    each = lambda f: vmap(f)(s, k, t, v)
    return {"s": s, "k": k, "t": t, "v": v}, {
        "price": price(s, k, t, v),
        "delta": each(grad(price, 0)),
        "theta": each(grad(price, 2)),
        "vega": each(grad(price, 3)),
        "gamma": each(grad(grad(price, 0), 0)),
        "vanna": each(grad(grad(price, 0), 3)),
    }


@program
def runge_kutta():
    """The `ode` workload with a 4 x 4 matrix and 20 steps of 0.05."""
    a, y0 = fill(1, (4, 4), 0.5), fill(2, (4,), 2.0)

    def f(a, y):
        slope = lambda y: jnp.tanh(a @ y)
        h = 0.05
        for _ in range(20):
            k1 = slope(y)
            k2 = slope(y + 0.5 * h * k1)
            k3 = slope(y + 0.5 * h * k2)
            k4 = slope(y + h * k3)
            y = y + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
        return jnp.sum(y * y)

    da, dy0 = grad(f, (0, 1))(a, y0)
    return {"a": a, "y0": y0}, {"value": f(a, y0), "da": da, "dy0": dy0, "hessian": hessian(f, 1)(a, y0)}
