"""PyTorch side of examples/mnist: the same network, data, hyperparameters and loop, eager, one thread by default.

usage: mnist_torch.py [--seed N] [--threads N] [--data FOLDER] [--epochs N] [--batch N] [--rate R] [--momentum M]
Prints the training loop's seconds (shuffling, batches, and the loss of every step as a number included) and the
accuracy. The weights and the order come from PyTorch's generator, so the accuracy agrees only roughly.
"""
import argparse, gzip, math, os, time

here = os.path.dirname(os.path.abspath(__file__))
a = argparse.ArgumentParser()
a.add_argument("--seed", type=int, default=1)
a.add_argument("--threads", type=int, default=1)
a.add_argument("--data", default=os.path.join(here, "..", "..", "data", "mnist"))
a.add_argument("--epochs", type=int, default=10)
a.add_argument("--batch", type=int, default=64)
a.add_argument("--rate", type=float, default=0.1)
a.add_argument("--momentum", type=float, default=0.9)
a = a.parse_args()

import numpy as np
import torch
import torch.nn.functional as F

torch.set_num_threads(a.threads)


def read(name, header):
    path = os.path.join(a.data, name)
    with open(path, "rb") if os.path.exists(path) else gzip.open(path + ".gz") as f:
        return torch.from_numpy(np.frombuffer(f.read(), np.uint8, offset=header).copy())


def digits(kind):
    images = read(kind + "-images-idx3-ubyte", 16).reshape(-1, 784).float() / 255
    return images, read(kind + "-labels-idx1-ubyte", 8).long()


def scores(p, x):
    h = torch.relu(torch.addmm(p[1], x, p[0]))
    h = torch.relu(torch.addmm(p[3], h, p[2]))
    return torch.addmm(p[5], h, p[4])


images, labels = digits("train")
generator = torch.Generator().manual_seed(a.seed)
params = []
for i, o in [(784, 256), (256, 128), (128, 10)]:
    params += [torch.randn(i, o, generator=generator) * math.sqrt(2 / i), torch.zeros(o)]
params = [p.requires_grad_() for p in params]
velocity = [torch.zeros_like(p) for p in params]
losses = []

start = time.perf_counter()
for epoch in range(a.epochs):
    rate = a.rate * (1 - epoch / a.epochs)
    order = torch.randperm(len(images), generator=generator)
    for places in order.split(a.batch):
        x, t = images.index_select(0, places), labels.index_select(0, places)
        loss = F.cross_entropy(scores(params, x), t)
        grads = torch.autograd.grad(loss, params)
        with torch.no_grad():
            # One call for all six, in place: faster than torch.optim.SGD and than a Python loop.
            torch._foreach_mul_(velocity, a.momentum)
            torch._foreach_add_(velocity, grads)
            torch._foreach_add_(params, velocity, alpha=-rate)
        losses.append(loss.item())
seconds = time.perf_counter() - start

with torch.no_grad():
    images, labels = digits("t10k")
    accuracy = (scores(params, images).argmax(-1) == labels).double().mean().item()
print(f"training: {seconds:.2f} s")
print(f"test accuracy: {100 * accuracy:.1f}%")
