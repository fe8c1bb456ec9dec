"""Cases of elementwise functions: powers, roots, logarithms, trigonometry, rounding, activations, special functions, bits."""

from __future__ import annotations


def cases():
    yield from ()
