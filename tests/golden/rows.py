"""How golden files hold tensors: numbers that every JSON parser reads exactly, one row a line."""

from __future__ import annotations

import json
import zlib

import numpy as np

NAMES = {"float64": "f64", "float32": "f32", "int64": "i64", "bool": "bool"}


def random(key: str, shape, low=-2.0, high=2.0) -> np.ndarray:
    """Numbers with three decimals (every JSON parser reads them exactly), the same for the same key."""
    rng = np.random.default_rng(zlib.crc32(key.encode()))
    return np.round(rng.uniform(low, high, shape), 3)


def flat(x) -> list:
    """The elements in row-major order as JSON values; what JSON lacks becomes a string."""

    def one(e):
        if isinstance(e, bool):
            return int(e)
        if isinstance(e, int):
            return e
        if np.isnan(e):
            return "nan"
        if np.isinf(e):
            return "inf" if e > 0 else "-inf"
        if e == int(e) and abs(e) < 1e15 and not (e == 0 and np.signbit(e)):
            return int(e)
        return e

    return [one(e) for e in np.asarray(x).ravel().tolist()]


def tensor(x) -> dict:
    """Shape, dtype (absent for f64) and elements."""
    x = np.asarray(x)
    name = NAMES[str(x.dtype)]
    rest = {} if name == "f64" else {"dtype": name}
    if name == "f32":
        # The shortest decimal of an f32 is shorter than that of the same number as f64.
        data = [float(str(e)) if np.isfinite(e) else e for e in x.ravel()]
        return {"shape": list(x.shape), **rest, "data": flat(np.array(data, dtype=np.float64))}
    return {"shape": list(x.shape), **rest, "data": flat(x)}


def at(places, values, length):
    """The values at their places among nulls."""
    out = [None] * length
    for i, value in zip(places, values):
        out[i] = flat(value)
    return out


def write(path, header: dict, key: str, rows: list[dict]):
    """One row a line, so that a change of one case is a change of one line."""
    lines = ",\n".join(json.dumps(row, separators=(",", ":"), allow_nan=False) for row in rows)
    path.write_text(f'{json.dumps(header)[:-1]}, "{key}": [\n{lines}\n]}}\n')
