"""Writes cases/*.json and programs.json: what JAX computes in f64, for the Rust tests to compare with.

    python3 tests/golden/make.py [name ...]        (needs the packages jax and numpy)

Names are those of the files, all if there are none: `functions`, `programs`, ..

The files are committed; run this only to add a case. Every derivative is checked against a difference quotient
or an identity before it is written.
"""

from __future__ import annotations

import pathlib
import sys
from collections import Counter

import record  # first: it switches JAX to f64

import composites
import contraction
import convolution
import functions
import indexing
import linalg
import ordering
import pointwise
import programs
import structure
import workloads  # adds its programs to programs.PROGRAMS

HERE = pathlib.Path(__file__).parent


# Each file of cases, and the modules whose cases it has.
FAMILIES = {
    "functions": (functions, structure, composites),
    "pointwise": (pointwise,),
    "ordering": (ordering,),
    "indexing": (indexing,),
    "contraction": (contraction,),
    "convolution": (convolution,),
    "linalg": (linalg,),
}


def write_cases(name, modules):
    cases = [c for module in modules for c in module.cases()]
    twice = [k for k, n in Counter((c.fn, c.name) for c in cases).items() if n > 1]
    assert not twice, f"cases of one name: {twice}"
    rows = [record.record(c) for c in cases]
    record.write(HERE / "cases" / f"{name}.json", "cases", rows)
    print(f"{name}: {len(rows)} cases of {len({c.fn for c in cases})} functions")


def main():
    wanted = sys.argv[1:] or [*FAMILIES, "programs"]
    for name in wanted:
        if name == "programs":
            whole = [programs.encoded(f) for f in programs.PROGRAMS]
            record.write(HERE / "programs.json", "programs", whole)
            print(f"{len(whole)} programs")
        else:
            write_cases(name, FAMILIES[name])


if __name__ == "__main__":
    main()
