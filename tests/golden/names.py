"""Whether the names in docs/operations.md exist in PyTorch and JAX: prints those that do not.

Usage: python names.py   (needs torch and jax)
"""

import pathlib
import re
import sys

import jax
import jax.nn
import jax.numpy
import jax.scipy.special
import torch
import torch.nn.functional

PAGE = pathlib.Path(__file__).parents[2] / "docs/operations.md"
# Expressions such as `x.at[..].set(value)` are no names.
NAME = re.compile(r"`((?:torch|jnp|jax)\.[\w.]+?)(?:\([^`]*\))?`")


def exists(name):
    module, *path = name.split(".")
    at = {"torch": torch, "jnp": jax.numpy, "jax": jax}[module]
    for part in path:
        if not hasattr(at, part):
            return False
        at = getattr(at, part)
    return True


names = sorted(set(NAME.findall(PAGE.read_text())))
missing = [name for name in names if not exists(name)]
print(f"{len(names)} names, {len(missing)} of them unknown to torch {torch.__version__} and jax {jax.__version__}")
sys.exit("\n".join(missing) if missing else 0)
