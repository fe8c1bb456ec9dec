"""Cases of reductions, scans and orderings."""

from __future__ import annotations


def cases():
    yield from ()
