"""PyTorch side of examples/char_rnn: the same network, first values' distributions, text, batches and optimizer, eager.

usage: char_rnn_torch.py [--model lstm|gru|fw] [--seed N] [--threads N] [--steps N] .. (options and defaults as there)
Prints the training loop's seconds and the validation loss. The first weights come from PyTorch's generator, so losses
agree only as those of other seeds do.
"""
import argparse, gzip, math, os, time

here = os.path.dirname(os.path.abspath(__file__))
a = argparse.ArgumentParser()
a.add_argument("--model", choices=["lstm", "gru", "fw"], default="lstm")
a.add_argument("--data", default=os.path.join(here, "..", "..", "data", "tragedies.txt.gz"))
a.add_argument("--hidden", type=int, default=128)
a.add_argument("--batch", type=int, default=32)
a.add_argument("--length", type=int, default=50)
a.add_argument("--steps", type=int, default=600)
a.add_argument("--rate", type=float, default=0.005)
a.add_argument("--clip", type=float, default=5.0)
a.add_argument("--seed", type=int, default=1)
a.add_argument("--threads", type=int, default=1)
a = a.parse_args()

import torch
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
V, H, B = len(alphabet), a.hidden, a.batch


def lanes(tokens):
    lane = len(tokens) // B
    return tokens[: B * lane].reshape(B, lane), (lane - 1) // a.length


def batch(tokens, i):
    first = i * a.length
    return tokens[:, first : first + a.length], tokens[:, first + 1 : first + 1 + a.length]


def xavier(gates):
    """[V + H, gates * H]: each gate's columns on their own, uniform (Glorot and Bengio 2010)."""
    bound = math.sqrt(6 / (V + H + H))
    return torch.cat([torch.empty(V + H, H).uniform_(-bound, bound) for _ in range(gates)], 1)


def lstm(p, x, state):
    h, c = state
    w, b = p
    of_input, w, ys = w[:V][x] + b, w[V:], []
    for t in range(x.shape[1]):
        i, f, o, g = (of_input[:, t] + h @ w).chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        ys.append(h)
    return torch.stack(ys, 1), (h, c)


def gru(p, x, state):
    (h,) = state
    w, b, v, c = p
    gates_of_input, value_of_input = w[:V][x] + b, v[:V][x] + c
    w, v, ys = w[V:], v[V:], []
    for t in range(x.shape[1]):
        r, z = (gates_of_input[:, t] + h @ w).sigmoid().chunk(2, 1)
        g = (value_of_input[:, t] + (r * h) @ v).tanh()
        h = h + z * (g - h)
        ys.append(h)
    return torch.stack(ys, 1), (h,)


def fw(p, x, state):
    h, m = state
    w, b = p
    of_input, w, ys = w[:V][x] + b, w[V:], []
    for t in range(x.shape[1]):
        m = 0.9 * m + (0.5 / H) * h.unsqueeze(2) * h.unsqueeze(1)
        sums = of_input[:, t] + h @ w
        s = torch.zeros_like(sums)
        for _ in range(2):
            s = F.layer_norm(sums + (m @ s.unsqueeze(2)).squeeze(2), (H,), eps=1e-5).relu()
        h = s
        ys.append(h)
    return torch.stack(ys, 1), (h, m)


zeros = torch.zeros
if a.model == "lstm":
    cell, params, begin = lstm, [xavier(4), zeros(4 * H)], lambda: (zeros(B, H), zeros(B, H))
elif a.model == "gru":
    cell, params, begin = gru, [xavier(2), zeros(2 * H), xavier(1), zeros(H)], lambda: (zeros(B, H),)
else:
    cell, params, begin = fw, [xavier(1), zeros(H)], lambda: (zeros(B, H), zeros(B, H, H))
head = torch.nn.Linear(H, V)
params = [p.requires_grad_() for p in params]
every = params + list(head.parameters())
adam = torch.optim.Adam(every, lr=a.rate)


def loss_of(x, y, state):
    out, state = cell(params, x, state)
    return F.cross_entropy(head(out).reshape(-1, V), y.reshape(-1)), state


training, n = lanes(training_text)
losses, start = [], time.perf_counter()
for i in range(a.steps):
    if i % n == 0:
        state = begin()
    x, y = batch(training, i % n)
    loss, state = loss_of(x, y, state)
    state = tuple(s.detach() for s in state)
    adam.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(every, a.clip)
    adam.step()
    losses.append(loss.item())
seconds = time.perf_counter() - start

with torch.no_grad():
    validation, n = lanes(validation_text)
    state, total = begin(), 0.0
    for i in range(n):
        loss, state = loss_of(*batch(validation, i), state)
        total += loss.item()
print(f"training: {seconds:.2f} s, mean loss of the last 50 steps {sum(losses[-50:]) / len(losses[-50:]):.4f}")
print(f"validation loss: {total / n:.4f}")
