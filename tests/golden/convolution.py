"""Cases of convolution, pooling and resampling."""

from __future__ import annotations


def cases():
    yield from ()
