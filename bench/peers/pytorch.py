#!/usr/bin/env python3
"""Times the network of layers/network.h written with PyTorch's layers: a training step (forward, FFT loss, backward, ADAM) and a
prediction. Prints one JSON object; step_rss: by how much the resident memory grew while steps ran [bytes], on a GPU the most that was
allocated. Needs torch 2.x.

    python3 bench/peers/pytorch.py --width 16 --threads 2 [--channels-last] [--compile] [--bf16]
    python3 bench/peers/pytorch.py --device cuda --width 32 [--tf32] [--graph] ...     a GPU; --graph: the whole step as one CUDA graph
"""
import argparse
import json
import resource
import statistics
import time

import torch
import torch.nn.functional as F
from torch import nn

LEVELS = 4


class Block(nn.Module):
    def __init__(self, c_in, c_out):
        super().__init__()
        self.conv = nn.Conv3d(c_in, c_out, 3, padding=1)
        self.conv_norm = nn.BatchNorm3d(c_out)
        self.separable = nn.Sequential(*(nn.Conv3d(c_out, c_out, k, padding=tuple(n // 2 for n in k))
                                         for k in ((3, 1, 1), (1, 3, 1), (1, 1, 3))))
        self.separable_norm = nn.BatchNorm3d(c_out)

    def forward(self, x):
        x = self.conv_norm(F.leaky_relu(self.conv(x), 0.01, inplace=True))
        return self.separable_norm(F.leaky_relu(self.separable(x), 0.01, inplace=True))


class Decoder(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.blocks = nn.ModuleList(Block(width << j + 1, width << j) for j in reversed(range(LEVELS - 1)))
        self.head = nn.Conv3d(width, 1, 3, padding=1)

    def forward(self, x):
        for block in self.blocks:
            x = block(F.interpolate(x, scale_factor=2, mode="nearest"))
        return self.head(x)


class Network(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.encoder = nn.ModuleList(Block(1 if i == 0 else width << i - 1, width << i) for i in range(LEVELS))
        self.amplitude, self.phase = Decoder(width), Decoder(width)

    def forward(self, x):
        for block in self.encoder:
            x = F.max_pool3d(block(x), 2)
        return torch.relu(self.amplitude(x)), torch.pi * torch.tanh(self.phase(x))


def loss(amplitude, phase, measured, size):
    field = F.pad(torch.polar(amplitude.float(), phase.float()), [size // 4] * 6)
    p = torch.fft.fftn(field, dim=(2, 3, 4)).abs()
    scale = (p * measured).sum() / (p * p).sum()
    chi2 = ((scale * p - measured) ** 2).sum() / (measured**2).sum()
    u, v = p - p.mean(), measured - measured.mean()
    return torch.log(1 - (u * v).sum() / (u.norm() * v.norm())) + torch.log(chi2)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--tf32", action="store_true")
    parser.add_argument("--graph", action="store_true")
    a = parser.parse_args()
    cuda = a.device == "cuda"
    if a.graph and not cuda:
        parser.error("--graph needs --device cuda")
    torch.set_num_threads(a.threads)
    torch.manual_seed(1)
    torch.backends.cudnn.benchmark = True  # the fastest of its algorithms
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = a.tf32
    network = Network(a.width).to(a.device)
    x = torch.rand(a.batch, 1, a.size, a.size, a.size, device=a.device)
    measured = torch.rand(a.batch, 1, a.size, a.size, a.size, device=a.device) * 10
    if a.channels_last:
        network, x = network.to(memory_format=torch.channels_last_3d), x.to(memory_format=torch.channels_last_3d)
    run = torch.compile(network) if a.compile else network
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4, capturable=cuda)

    def autocast():
        return torch.autocast(a.device, dtype=torch.bfloat16, enabled=a.bf16)

    def step():
        optimizer.zero_grad(set_to_none=True)
        with autocast():
            amplitude, phase = run(x)
        loss(amplitude, phase, measured, a.size).backward()
        optimizer.step()

    def predict():
        with torch.inference_mode(), autocast():
            run(x)

    def recorded(work):
        """The work as one CUDA graph, after the warm-up that recording needs."""
        aside = torch.cuda.Stream()
        with torch.cuda.stream(aside):
            for _ in range(5):
                work()
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            work()
        return graph.replay

    def timed(work, together):
        """Seconds of one; on a GPU the host hands over `together` before it waits."""
        count = together if cuda else 1
        if a.graph:
            work = recorded(work)
        times, total = [], 0.0
        for i in range(10**6):
            start = time.perf_counter()
            for _ in range(count):
                work()
            if cuda:
                torch.cuda.synchronize()
            elapsed = time.perf_counter() - start
            if i >= 3:
                times.append(elapsed / count)
                total += elapsed
            if total >= a.seconds and len(times) >= 5:
                return statistics.median(times)

    def peak_bytes():
        return torch.cuda.max_memory_allocated() if cuda else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    network.train()
    before = 0 if cuda else peak_bytes()
    seconds = {"training_step": timed(step, 20)}
    peak = peak_bytes()
    network.eval()
    seconds["inference"] = timed(predict, 1)
    print(json.dumps({"peer": "pytorch", "version": torch.__version__, "width": a.width, "channels_last": a.channels_last,
                      "compiled": a.compile, "bf16": a.bf16, "tf32": a.tf32, "graph": a.graph, "device": a.device,
                      "cudnn": torch.backends.cudnn.version() if cuda else None, "peak_rss": peak, "step_rss": peak - before,
                      **seconds}))


if __name__ == "__main__":
    main()
