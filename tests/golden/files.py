"""Writes files/*: what the Python packages safetensors and numpy write, for the Rust tests to read.

    python3 tests/golden/files.py                 (needs the packages numpy, safetensors and torch)
    python3 tests/golden/files.py check FOLDER    reads what `cargo test --test saving` left in FOLDER, and compares

The files are committed; run this only to add one. FOLDER is target/tmp/saving/for_python.
"""

from __future__ import annotations

import pathlib
import sys

import numpy as np
import torch
from numpy.lib import format as npy
from safetensors import safe_open
from safetensors.torch import load_file, save_file

HERE = pathlib.Path(__file__).parent / "files"

# The same as `known` in tests/saving/python.rs: every dtype, with the values that are lost most easily.
ARRAYS = {
    "f4": np.array([[0.0, -0.0, 1.5], [np.inf, -np.inf, np.nan]], dtype="<f4"),
    "f8": np.array([1 / 3, 1e300, 5e-324], dtype="<f8"),
    "f2": np.array([0.5, 65504.0, np.nan], dtype="<f2"),
    "i8": np.array([[-(2**63)], [2**63 - 1]], dtype="<i8"),
    "i4": np.array(-7, dtype="<i4"),
    "u1": np.array([[[0, 128, 255]]], dtype="u1"),
    "b1": np.array([True, False, True]),
    "empty": np.zeros((0, 3), dtype="<f4"),
}


class Network(torch.nn.Module):
    """Two layers, named as the struct of the Rust test names them."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList([torch.nn.Linear(3, 2), torch.nn.Linear(2, 1)])
        with torch.no_grad():
            for i, parameter in enumerate(self.parameters()):
                parameter.copy_(torch.arange(parameter.numel()).reshape(parameter.shape) + 10 * i)


def tensors() -> dict[str, torch.Tensor]:
    known = {name: torch.from_numpy(array.copy()) for name, array in ARRAYS.items()}
    return known | {"bf2": torch.tensor([1.0, -2.5, 3e38], dtype=torch.bfloat16)}


def write_npy(name: str, array: np.ndarray, version: tuple[int, int]):
    with open(HERE / name, "wb") as file:
        npy.write_array(file, array, version=version)


def make():
    HERE.mkdir(exist_ok=True)
    save_file(tensors(), HERE / "dtypes.safetensors", metadata={"made by": "safetensors", "ключ": 'a "b" \\ \n'})
    save_file(Network().state_dict(), HERE / "network.safetensors", metadata={"format": "pt"})
    matrix = np.arange(6, dtype="<f8").reshape(2, 3)
    write_npy("version1.npy", matrix, (1, 0))
    write_npy("version2.npy", matrix, (2, 0))
    write_npy("version3.npy", matrix, (3, 0))
    write_npy("fortran.npy", np.asfortranarray(matrix), (1, 0))
    write_npy("fortran_cube.npy", np.asfortranarray(np.arange(24, dtype="<i4").reshape(2, 3, 4)), (1, 0))
    for name in ("f4", "f8", "f2", "i8", "i4"):
        write_npy(f"big_{name}.npy", ARRAYS[name].astype(ARRAYS[name].dtype.newbyteorder(">")), (1, 0))
    np.save(HERE / "i2.npy", np.array([1, 2], dtype="<i2"))
    np.save(HERE / "fields.npy", np.zeros(2, dtype=[("x", "<f4"), ("y", "<i4")]))
    np.savez(HERE / "arrays.npz", **ARRAYS)
    np.savez_compressed(HERE / "compressed.npz", **ARRAYS)


def same(name: str, got: np.ndarray, want: np.ndarray):
    assert got.dtype == want.dtype, f"{name}: dtype {got.dtype}, want {want.dtype}"
    assert got.shape == want.shape, f"{name}: shape {got.shape}, want {want.shape}"
    assert got.tobytes() == want.tobytes(), f"{name}: {got}, want {want}"


def check(folder: pathlib.Path):
    ours = load_file(folder / "dtypes.safetensors")
    assert ours.keys() == tensors().keys(), ours.keys()
    for name, want in tensors().items():
        got = ours[name]
        assert got.dtype == want.dtype and got.shape == want.shape, name
        bits = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[want.element_size()]
        assert torch.equal(got.view(bits), want.view(bits)), f"{name}: {got}, want {want}"
    with safe_open(folder / "dtypes.safetensors", framework="np") as file:
        assert file.metadata() == {"made by": "retrograd", "ключ": 'a "b" \\ \n'}, file.metadata()
    network = Network()
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    network.load_state_dict(load_file(folder / "network.safetensors"))
    for name, want in Network().state_dict().items():
        assert torch.equal(network.state_dict()[name], want), name
    for name, want in ARRAYS.items():
        same(name, np.load(folder / f"{name}.npy"), want)
    fortran = np.load(folder / "fortran.npy")
    assert fortran.flags.f_contiguous and not fortran.flags.c_contiguous
    same("fortran", fortran, np.arange(6, dtype="<f8").reshape(2, 3))
    for name in ("arrays.npz", "compressed.npz"):
        archive = np.load(folder / name)
        assert set(archive.files) == set(ARRAYS), archive.files
        for key, want in ARRAYS.items():
            same(f"{name}/{key}", archive[key], want)
    print("Python reads all of them")


if __name__ == "__main__":
    match sys.argv[1:]:
        case []:
            make()
        case ["check", folder]:
            check(pathlib.Path(folder))
        case _:
            sys.exit(__doc__)
