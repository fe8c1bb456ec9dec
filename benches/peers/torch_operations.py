"""PyTorch side of benches/operations.rs. Usage: torch_operations.py [--channels-last] [--threads N] [--only a,b] [--seconds S]"""
import argparse, json, statistics, time
import torch
import torch.nn.functional as F

from torch_bench import fill


def convolution(xs, ws, scale, padding, layout):
    x = fill(1, xs, 2).to(memory_format=layout).requires_grad_(True)
    w = fill(2, ws, scale).to(memory_format=layout).requires_grad_(True)
    y = F.conv2d(x, w, padding=padding)
    dy = fill(3, tuple(y.shape), 2).to(memory_format=layout)

    def run():
        y = F.conv2d(x, w, padding=padding)
        return [y, *torch.autograd.grad(y, (x, w), dy)]

    return run


CONVOLUTIONS = {
    "conv_first": ((64, 1, 32, 32), (16, 1, 5, 5), 0.4, 0),
    "conv_middle": ((64, 16, 28, 28), (32, 16, 3, 3), 0.2, 0),
    "conv_large": ((64, 64, 32, 32), (64, 64, 3, 3), 0.1, 1),
}


def sort():
    x = fill(1, (1_000_000,), 2)
    return lambda: [torch.sort(x)[0]]


def cumsum():
    x = fill(1, (1_000_000,), 2)
    return lambda: [torch.cumsum(x, 0)]


def inverse():
    x = fill(1, (1000, 8, 8), 2) + 2 * torch.eye(8)
    return lambda: [torch.linalg.inv(x)]


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--channels-last", action="store_true")
    a.add_argument("--threads", type=int, default=1)
    a.add_argument("--only", default="")
    a.add_argument("--seconds", type=float, default=2.0)
    a = a.parse_args()
    torch.set_num_threads(a.threads)
    layout = torch.channels_last if a.channels_last else torch.contiguous_format
    programs = {name: (lambda c=c: convolution(*c, layout)) for name, c in CONVOLUTIONS.items()}
    programs |= {"sort": sort, "cumsum": cumsum, "inverse": inverse}
    only = set(filter(None, a.only.split(",")))
    for name, make in programs.items():
        if only and name not in only:
            continue
        run = make()
        start = time.perf_counter()
        outputs = run()
        first = time.perf_counter() - start
        check = sum(float(y.detach().double().square().sum()) for y in outputs)
        for _ in range(3):
            run()
        times, start = [], time.perf_counter()
        while (time.perf_counter() - start < a.seconds or len(times) < 20) and time.perf_counter() - start < 60:
            turn = time.perf_counter()
            run()
            times.append(time.perf_counter() - turn)
        us = lambda t: round(t * 1e6, 2)
        print(json.dumps({"workload": name, "program": "torch-channels-last" if a.channels_last else "torch",
                          "threads": a.threads, "median_us": us(statistics.median(times)), "min_us": us(min(times)),
                          "first_us": round(first * 1e6), "check": check}), flush=True)


main()
