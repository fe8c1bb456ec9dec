"""PyTorch side of examples/autoencoder: the same network, data, settings and loop, eager, one thread by default.

usage: autoencoder_torch.py [--seed N] [--threads N] [--data FOLDER] [--code N] [--epochs N] [--batch N] [--rate R]
Prints the training loop's seconds (shuffling, batches, and the loss of every step as a number included), and the mean
cross-entropy of pixels over all training and all test digits afterwards. Weights and order come from PyTorch's
generator, so losses agree only roughly: compare means over seeds.
"""
import argparse, gzip, os, time

here = os.path.dirname(os.path.abspath(__file__))
a = argparse.ArgumentParser()
a.add_argument("--seed", type=int, default=1)
a.add_argument("--threads", type=int, default=1)
a.add_argument("--data", default=os.path.join(here, "..", "..", "data", "mnist"))
a.add_argument("--code", type=int, default=32)
a.add_argument("--epochs", type=int, default=20)
a.add_argument("--batch", type=int, default=64)
a.add_argument("--rate", type=float, default=1e-3)
a = a.parse_args()

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

torch.set_num_threads(a.threads)
torch.manual_seed(a.seed)


def images(kind):
    path = os.path.join(a.data, kind + "-images-idx3-ubyte")
    with open(path, "rb") if os.path.exists(path) else gzip.open(path + ".gz") as f:
        return torch.from_numpy(np.frombuffer(f.read(), np.uint8, offset=16).copy()).reshape(-1, 784).float() / 255


seen, unseen = images("train"), images("t10k")
# PyTorch's own first weights, which are those of the example: uniform within 1 / sqrt(inputs).
net = nn.Sequential(
    nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, a.code),
    nn.Linear(a.code, 128), nn.ReLU(), nn.Linear(128, 784),
)
adam = torch.optim.Adam(net.parameters(), lr=a.rate)
losses = []

start = time.perf_counter()
for epoch in range(a.epochs):
    for places in torch.randperm(len(seen)).split(a.batch):
        x = seen.index_select(0, places)
        loss = F.binary_cross_entropy_with_logits(net(x), x)
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())
seconds = time.perf_counter() - start

print(f"training: {seconds:.2f} s")
with torch.no_grad():
    for name, x in [("training", seen), ("test", unseen)]:
        print(f"{name} loss: {F.binary_cross_entropy_with_logits(net(x), x).item():.5f}")
