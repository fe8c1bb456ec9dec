"""Writes functions.json and programs.json: what JAX computes in f64, for the Rust tests to compare with.

    python3 tests/golden/make.py        (needs the packages jax and numpy)

The files are committed; run this only to add a case. Every derivative is checked against a difference quotient
or an identity before it is written.
"""

from __future__ import annotations

import pathlib
from collections import Counter

import record  # first: it switches JAX to f64

import composites
import functions
import programs
import structure
import workloads  # adds its programs to programs.PROGRAMS

HERE = pathlib.Path(__file__).parent


def main():
    cases = [c for family in (functions, structure, composites) for c in family.cases()]
    twice = [k for k, n in Counter((c.fn, c.name) for c in cases).items() if n > 1]
    assert not twice, f"cases of one name: {twice}"
    rows = [record.record(c) for c in cases]
    record.write(HERE / "functions.json", "cases", rows)
    print(f"{len(rows)} cases of {len({c.fn for c in cases})} functions")
    whole = [programs.encoded(f) for f in programs.PROGRAMS]
    record.write(HERE / "programs.json", "programs", whole)
    print(f"{len(whole)} programs")


if __name__ == "__main__":
    main()
