"""PyTorch side of examples/char_transformer: the same network, first values' distributions, text, batches, AdamW and
schedule, eager.

usage: char_transformer_torch.py [--seed N] [--threads N] [--steps N] .. (options and defaults as there)
Prints the training loop's seconds and the validation loss. First weights and the order of the text come from PyTorch's
generator, so losses agree only as those of other seeds do.
"""
import argparse, gzip, math, os, time

here = os.path.dirname(os.path.abspath(__file__))
a = argparse.ArgumentParser()
a.add_argument("--data", default=os.path.join(here, "..", "..", "data", "tragedies.txt.gz"))
a.add_argument("--width", type=int, default=128)
a.add_argument("--heads", type=int, default=4)
a.add_argument("--layers", type=int, default=2)
a.add_argument("--length", type=int, default=64)
a.add_argument("--batch", type=int, default=16)
a.add_argument("--steps", type=int, default=800)
a.add_argument("--rate", type=float, default=0.003)
a.add_argument("--warmup", type=int, default=50)
a.add_argument("--weight-decay", type=float, default=0.1)
a.add_argument("--clip", type=float, default=1.0)
a.add_argument("--seed", type=int, default=1)
a.add_argument("--threads", type=int, default=1)
a = a.parse_args()

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(a.threads)
torch.manual_seed(a.seed)

text = gzip.open(a.data, "rt", encoding="utf-8", newline="").read()
alphabet = sorted(set(text))
token = {c: i for i, c in enumerate(alphabet)}
tokens = torch.tensor([token[c] for c in text])
chapters = tokens.split(-(-len(tokens) // 50))
training_text = torch.cat([c[: len(c) - len(c) // 20] for c in chapters])
validation_text = torch.cat([c[len(c) - len(c) // 20 :] for c in chapters])
V = len(alphabet)


def pieces(tokens):
    n = (len(tokens) - 1) // a.length // a.batch * a.batch
    return tokens[: n * a.length].reshape(n, a.length), tokens[1 : n * a.length + 1].reshape(n, a.length)


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(V, a.width)
        self.position = nn.Parameter(torch.empty(a.length, a.width).normal_(0, 0.02))
        nn.init.normal_(self.embedding.weight, 0, 0.02)
        layer = lambda: nn.TransformerEncoderLayer(
            a.width, a.heads, 4 * a.width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        # Made one by one: nn.TransformerEncoder would begin all layers with the same weights.
        self.layers = nn.ModuleList([layer() for _ in range(a.layers)])
        self.norm = nn.LayerNorm(a.width)
        self.head = nn.Linear(a.width, V)
        self.mask = nn.Transformer.generate_square_subsequent_mask(a.length)

    def forward(self, x):
        h = self.embedding(x) + self.position
        for layer in self.layers:
            h = layer(h, src_mask=self.mask, is_causal=True)
        return self.head(self.norm(h))


net = Network()
named = list(net.named_parameters())
plain = [p for name, p in named if "bias" in name or "norm" in name]
decayed = [p for name, p in named if not ("bias" in name or "norm" in name)]
groups = [dict(params=decayed, weight_decay=a.weight_decay), dict(params=plain, weight_decay=0.0)]
adam = torch.optim.AdamW(groups, lr=a.rate, betas=(0.9, 0.99))


def rate(t):
    if t < a.warmup:
        return a.rate * (t + 1) / (a.warmup + 1)
    part = (t - a.warmup) / max(a.steps - a.warmup, 1)
    return a.rate * (0.1 + 0.9 * (1 + math.cos(math.pi * part)) / 2)


x, y = pieces(training_text)
losses, order, start = [], [], time.perf_counter()
for i in range(a.steps):
    if not order:
        order = list(torch.randperm(len(x)).split(a.batch))
    places = order.pop(0)
    for group in adam.param_groups:
        group["lr"] = rate(i)
    adam.zero_grad()
    loss = F.cross_entropy(net(x[places]).reshape(-1, V), y[places].reshape(-1))
    loss.backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), a.clip)
    adam.step()
    losses.append(loss.item())
seconds = time.perf_counter() - start

with torch.no_grad():
    x, y = pieces(validation_text)
    total = [F.cross_entropy(net(a_).reshape(-1, V), b.reshape(-1)).item() for a_, b in zip(x.split(a.batch), y.split(a.batch))]
print(f"training: {seconds:.2f} s, mean loss of the last 50 steps {sum(losses[-50:]) / len(losses[-50:]):.4f}")
print(f"validation loss: {sum(total) / len(total):.4f}")
