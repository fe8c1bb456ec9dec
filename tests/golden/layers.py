"""Writes layers/*.json: what PyTorch's modules compute in f64, for the Rust tests to compare with.

    python3 tests/golden/layers.py [name ...]        (needs the packages torch and numpy)

Names are those of the files, all if there are none: `linear`, `convolution`, .. Every gradient of a row that is not
marked `edge` is checked against a difference quotient before it is written.

A file is `{"made_by": .., "torch": version, "rows": [..]}`. A tensor is `{"shape": [..], "data": [..]}`, its elements
in row-major order, with `"dtype": "i64" | "bool"` where it is not f64; `"nan"`, `"inf"` and `"-inf"` stand for
themselves. *Values* are the elements alone, of what has the shape of a tensor that stands elsewhere in the row. The
fields of a row, of which those marked ? are absent where there is nothing to say:

- `layer`: the class in `torch.nn`, or one that layer_record.py defines; `case`: what is special about this row, unique
  in the class.
- `config`: the keyword arguments of the constructor, PyTorch's defaults left out. Of `TransformerEncoder` and
  `TransformerDecoder`: those of their layers as `layer`, `num_layers`, and whether a `norm` comes last.
- `weights`?: those that are tensors (`weight` and `pos_weight` of criterions), by name.
- `call`?: arguments of `forward` that are no tensors (`MultiheadAttention`).
- `train`?: whether the module is in training mode, where that matters.
- `edge`?: true at kinks and ties, and where a derivative is infinite or the result NaN: conventions may differ there.
- `params`?: the parameters by PyTorch's names; `state`?: the buffers (running statistics) before the call.
- `inputs`: the tensors given to `forward`, in its order, each with a `name` besides.
- `outputs`: the results, in order, tuples opened.
- `w`?: the cotangent of each output (values, or null for one that has no gradient).
- `vjp`?: the gradient of each input at them (values; null for integers, masks and labels).
- `vjp_params`?: the gradient of each parameter (values, by name).
- `state_after`?: the buffers after the call.
"""

from __future__ import annotations

import pathlib
import sys
from collections import Counter

import torch

import criterions
import layer_basic
import layer_normalization
import layer_sequence
import layer_window
from layer_record import record
from rows import write

HERE = pathlib.Path(__file__).parent

FILES = {
    "linear": layer_basic.linear,
    "activation": layer_basic.activations,
    "convolution": layer_window.convolutions,
    "transposed": layer_window.transposed,
    "pooling": layer_window.pooling,
    "resampling": layer_window.resampling,
    "evaluation": layer_basic.evaluation,
    "normalization": layer_normalization.rows,
    "recurrent": layer_sequence.recurrent,
    "attention": layer_sequence.attention,
    "transformer": layer_sequence.transformers,
    "stacks": layer_sequence.stacks,
    "criterions": criterions.elementwise,
    "classification": criterions.classification,
    "margins": criterions.margins,
}


def main():
    for name in sys.argv[1:] or FILES:
        rows = list(FILES[name]())
        twice = [k for k, n in Counter((r.layer, r.name) for r in rows).items() if n > 1]
        assert not twice, f"rows of one name: {twice}"
        header = {"made_by": "tests/golden/layers.py", "torch": torch.__version__.split("+")[0]}
        path = HERE / "layers" / f"{name}.json"
        write(path, header, "rows", [record(row) for row in rows])
        print(f"{name}: {len(rows)} rows of {len({r.layer for r in rows})} modules, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
