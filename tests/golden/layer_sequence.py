"""Rows of recurrent layers and of attention."""

from __future__ import annotations

import numpy as np

from layer_record import Row
from rows import random


def cells():
    for layer, settings in (
        ("RNNCell", ({}, {"nonlinearity": "relu"}, {"bias": False})),
        ("LSTMCell", ({}, {"bias": False})),
        ("GRUCell", ({}, {"bias": False})),
    ):
        for config in settings:
            for state in (True, False):
                for shape in ((2,), ()):
                    name = ", ".join(f"{k} {v}" for k, v in config.items()) or "plain"
                    name += ("" if state else ", from zeros") + ("" if shape else ", no batch")
                    if config and not (state and shape):
                        continue
                    inputs = {"input": random(f"{layer} {name} x", (*shape, 3))}
                    if state:
                        inputs["h_0"] = random(f"{layer} {name} h", (*shape, 2), -1.0, 1.0)
                    if state and layer == "LSTMCell":
                        inputs["c_0"] = random(f"{layer} {name} c", (*shape, 2), -1.0, 1.0)
                    sizes = {"input_size": 3, "hidden_size": 2}
                    yield Row(layer, name, {**sizes, **config}, inputs)


# Name, configuration, whether a state is given, and whether there is a batch.
SEQUENCES = (
    ("one layer", {}, True, True),
    ("from zeros", {}, False, True),
    ("without bias", {"bias": False}, True, True),
    ("two layers", {"num_layers": 2}, True, True),
    ("two layers, batch first", {"num_layers": 2, "batch_first": True}, True, True),
    ("both directions", {"bidirectional": True}, True, True),
    ("two layers in both directions", {"bidirectional": True, "num_layers": 2}, False, True),
    ("no batch", {}, True, False),
)


def sequence(layer, name, config, state, batched):
    directions, layers = 1 + config.get("bidirectional", False), config.get("num_layers", 1)
    hidden, batch = 2, (2,) if batched else ()
    steps = (*batch, 3) if config.get("batch_first") else (3, *batch)
    inputs = {"input": random(f"{layer} {name} x", (*steps, 2))}
    if state:
        out = config.get("proj_size", hidden)
        inputs["h_0"] = random(f"{layer} {name} h", (directions * layers, *batch, out), -1.0, 1.0)
    if state and layer == "LSTM":
        inputs["c_0"] = random(f"{layer} {name} c", (directions * layers, *batch, hidden), -1.0, 1.0)
    return Row(layer, name, {"input_size": 2, "hidden_size": hidden, **config}, inputs)


def recurrent():
    yield from cells()
    for layer in ("RNN", "LSTM", "GRU"):
        for name, config, state, batched in SEQUENCES:
            yield sequence(layer, name, config, state, batched)
    yield sequence("RNN", "relu", {"nonlinearity": "relu", "num_layers": 2}, True, True)
    yield sequence("LSTM", "a projection", {"proj_size": 1, "num_layers": 2}, True, True)


def attended(name, config, shapes, masks=None, **call):
    """Attention over [L, N, E] (queries), [S, N, E] (keys) and [S, N, E] (values), or as `batch_first` has it."""
    parts = dict(zip(("query", "key", "value"), (random(f"attention {name} {s} {i}", s) for i, s in enumerate(shapes))))
    return Row("MultiheadAttention", name, config, {**parts, **(masks or {})}, call=call)


def causal(queries, keys):
    """True where a query may not look: at what comes after it."""
    return ~np.tril(np.ones((queries, keys), bool))


def itself(shape, name):
    """One tensor as query, key and value (each with a gradient of its own)."""
    x = random(f"attention {name}", shape)
    return {"query": x, "key": x, "value": x}


def attention():
    size = {"embed_dim": 4, "num_heads": 2}
    first = {**size, "batch_first": True}
    same, cross = [(3, 2, 4)] * 3, [(2, 2, 4), (3, 2, 4), (3, 2, 4)]
    padding = np.array([[False, False, True], [False, False, False]])
    yield Row("MultiheadAttention", "self", size, itself((3, 2, 4), "self"))
    yield attended("one head", {"embed_dim": 4, "num_heads": 1}, same)
    yield attended("cross", size, cross)
    yield attended("batch first", first, [(2, 2, 4), (2, 3, 4), (2, 3, 4)])
    yield attended("without bias", {**size, "bias": False}, cross)
    yield attended("weights of each head", size, cross, average_attn_weights=False)
    yield attended("no weights", size, cross, need_weights=False)
    yield attended("key padding mask", size, cross, {"key_padding_mask": padding})
    yield attended("causal", size, same, {"attn_mask": causal(3, 3)})
    yield attended("causal, batch first", first, [(2, 3, 4)] * 3, {"attn_mask": causal(3, 3)})
    yield attended("causal and key padding mask", size, same, {"key_padding_mask": padding, "attn_mask": causal(3, 3)})
    yield attended("a mask of numbers", size, cross, {"attn_mask": random("attention mask", (2, 3))})
    each_head = np.stack([causal(2, 3), np.zeros((2, 3), bool)] * 2)
    yield attended("a mask for each head", size, cross, {"attn_mask": each_head})
    others = {**size, "kdim": 3, "vdim": 2}
    yield attended("keys and values of other sizes", others, [(2, 2, 4), (3, 2, 3), (3, 2, 2)])
    yield attended("bias_k and a zero key", {**size, "add_bias_kv": True, "add_zero_attn": True}, cross)
    yield attended("no batch", size, [(2, 4), (3, 4), (3, 4)])


def transformers():
    """Blocks of attention and two linear layers, without dropout."""
    size = {"d_model": 4, "nhead": 2, "dim_feedforward": 3, "dropout": 0.0}
    settings = (
        ("plain", {}),
        ("gelu", {"activation": "gelu"}),
        ("normalized first", {"norm_first": True}),
        ("batch first, without bias", {"batch_first": True, "bias": False}),
    )
    padding = np.array([[False, False, True], [False, False, False]])
    for name, config in settings:
        x = random(f"encoder {name}", (2, 3, 4) if config.get("batch_first") else (3, 2, 4))
        yield Row("TransformerEncoderLayer", name, {**size, **config}, {"src": x})
    x = random("encoder masked", (3, 2, 4))
    masks = {"src_mask": causal(3, 3), "src_key_padding_mask": padding}
    yield Row("TransformerEncoderLayer", "causal and key padding mask", size, {"src": x, **masks})
    for name, config in (("plain", {}), ("normalized first", {"norm_first": True, "activation": "gelu"})):
        inputs = {"tgt": random(f"decoder {name}", (2, 2, 4)), "memory": random(f"decoder memory {name}", (3, 2, 4))}
        yield Row("TransformerDecoderLayer", name, {**size, **config}, inputs)
    inputs = {"tgt": random("decoder masked", (2, 2, 4)), "memory": random("decoder memory masked", (3, 2, 4))}
    masks = {"tgt_mask": causal(2, 2), "memory_key_padding_mask": padding}
    yield Row("TransformerDecoderLayer", "causal and memory mask", size, {**inputs, **masks})


def stacks():
    """Several of such layers, one after the other."""
    layer = {"d_model": 4, "nhead": 2, "dim_feedforward": 3, "dropout": 0.0}
    plain = {"layer": layer, "num_layers": 2}
    first = {"layer": {**layer, "norm_first": True, "activation": "gelu"}, "num_layers": 2, "norm": True}
    rows = {"layer": {**layer, "batch_first": True}, "num_layers": 3, "norm": True}
    padding = np.array([[False, False, True], [False, False, False]])
    for name, config in (("plain", plain), ("normalized first", first), ("batch first", rows)):
        shape = (2, 3, 4) if config is rows else (3, 2, 4)
        yield Row("TransformerEncoder", name, config, {"src": random(f"encoders {name}", shape)})
    masks = {"mask": causal(3, 3), "src_key_padding_mask": padding}
    x = random("encoders masked", (3, 2, 4))
    yield Row("TransformerEncoder", "causal and key padding mask", plain, {"src": x, **masks})
    for name, config in (("plain", plain), ("normalized first", first)):
        inputs = {"tgt": random(f"decoders {name}", (2, 2, 4)), "memory": random(f"decoders memory {name}", (3, 2, 4))}
        yield Row("TransformerDecoder", name, config, inputs)
    inputs = {"tgt": random("decoders masked", (2, 2, 4)), "memory": random("decoders memory masked", (3, 2, 4))}
    masks = {"tgt_mask": causal(2, 2), "memory_key_padding_mask": padding}
    yield Row("TransformerDecoder", "causal and memory mask", plain, {**inputs, **masks})
