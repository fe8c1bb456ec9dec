"""Cases of movement, indexing, masks and random choices."""

from __future__ import annotations


def cases():
    yield from ()
