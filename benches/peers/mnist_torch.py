"""PyTorch side of examples/mnist: the same network, data, hyperparameters and loop, eager, one thread by default.

usage: mnist_torch.py [--model logistic|mlp|cnn] [--seed N] [--threads N] [--data FOLDER] [--epochs N] [--batch N]
                      [--rate R] [--momentum M]
Prints the training loop's seconds (shuffling, batches, and the loss of every step as a number included) and the
accuracy. The weights and the order come from PyTorch's generator, so the accuracy agrees only roughly.
"""
import argparse, gzip, math, os, time

here = os.path.dirname(os.path.abspath(__file__))
a = argparse.ArgumentParser()
a.add_argument("--model", choices=["logistic", "mlp", "cnn"], default="mlp")
a.add_argument("--seed", type=int, default=1)
a.add_argument("--threads", type=int, default=1)
a.add_argument("--data", default=os.path.join(here, "..", "..", "data", "mnist"))
a.add_argument("--epochs", type=int)
a.add_argument("--batch", type=int, default=64)
a.add_argument("--rate", type=float)
a.add_argument("--momentum", type=float, default=0.9)
a = a.parse_args()
a.epochs = a.epochs or (5 if a.model == "cnn" else 10)
a.rate = a.rate or (0.05 if a.model == "cnn" else 0.1)

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


def full(p, x, i):
    return torch.addmm(p[i + 1], x, p[i])


def scores(p, x, training=False):
    if a.model == "logistic":
        return full(p, x, 0)
    if a.model == "mlp":
        return full(p, torch.relu(full(p, torch.relu(full(p, x, 0)), 2)), 4)
    h = x.reshape(-1, 1, 28, 28)
    for i in (0, 2):
        h = F.max_pool2d(torch.relu(F.conv2d(h, p[i], p[i + 1], padding=2)), 2)
    h = torch.relu(full(p, h.flatten(1), 4))
    return full(p, F.dropout(h, 0.5, training), 6)


images, labels = digits("train")
torch.manual_seed(a.seed)
shapes = {
    "logistic": [(784, 10)],
    "mlp": [(784, 256), (256, 128), (128, 10)],
    "cnn": [(16, 1, 5, 5), (32, 16, 5, 5), (1568, 128), (128, 10)],
}[a.model]
params = []
for shape in shapes:
    inputs, outputs = (math.prod(shape[1:]), shape[0]) if len(shape) == 4 else shape
    params += [torch.randn(shape) * math.sqrt(2 / inputs), torch.zeros(outputs)]
params = [p.requires_grad_() for p in params]
velocity = [torch.zeros_like(p) for p in params]
losses = []

start = time.perf_counter()
steps = a.epochs * -(-len(images) // a.batch)
for epoch in range(a.epochs):
    order = torch.randperm(len(images))
    for places in order.split(a.batch):
        x, t = images.index_select(0, places), labels.index_select(0, places)
        rate = a.rate * (1 - len(losses) / steps)
        loss = F.cross_entropy(scores(params, x, training=True), t)
        grads = torch.autograd.grad(loss, params)
        with torch.no_grad():
            # One call for all of them, in place: faster than torch.optim.SGD and than a Python loop.
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
