#!/usr/bin/env python3
"""The crystals and patterns of `fringe simulate --count` in numpy: how many a second, in one process. Needs numpy.

    python3 bench/peers/simulate.py --size 64 --count 50
    fringe simulate --size 64 --count 200 -o set.h5 --threads 1 --json report.json

Prints one JSON object. The same steps: superellipsoids until one fits, a Gaussian-correlated phase of the padded array, the
transform of the padded crystal.
"""
import argparse
import json
import time

import numpy as np


def rotation(rng):
    w, x, y, z = (lambda q: q / np.linalg.norm(q))(rng.standard_normal(4))
    return np.array([[1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                     [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                     [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)]])


def crystal(size, rng):
    n = size // 2
    grid = np.stack(np.meshgrid(*[np.arange(n) - n // 2] * 3, indexing="ij")).reshape(3, -1)
    while True:
        axes = n * rng.uniform(0.15, 0.36, 3)
        e1, e2 = rng.uniform(0.3, 1.2, 2)
        y = np.abs(rotation(rng) @ grid) / axes[:, None]
        inside = (((y[0] ** (2 / e1) + y[1] ** (2 / e1)) ** (e1 / e2) + y[2] ** (2 / e2)) <= 1).reshape(n, n, n)
        edge = inside[[0, -1]].any() or inside[:, [0, -1]].any() or inside[:, :, [0, -1]].any()
        if not edge and inside.mean() > 0.015:
            break
    q = np.fft.fftfreq(size)
    blur = [np.exp(-(np.pi * q * n * rng.uniform(0.08, 0.3)) ** 2) for _ in range(3)]
    field = np.fft.fftn(rng.standard_normal((size,) * 3))
    field = np.fft.ifftn(field * blur[0][:, None, None] * blur[1][:, None] * blur[2]).real
    quarter = size // 4
    phase = field[(slice(quarter, quarter + n),) * 3]
    low, high = phase[inside].min(), phase[inside].max()
    rho = np.zeros((size,) * 3, complex)
    rho[(slice(quarter, quarter + n),) * 3] = inside * np.exp(1j * (phase - low) / (high - low))
    intensity = np.abs(np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(rho)))) ** 2
    return (intensity * (1e7 / intensity.sum())).astype(np.float32)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--count", type=int, default=50)
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    crystal(options.size, rng)
    start = time.process_time()
    for _ in range(options.count):
        crystal(options.size, rng)
    seconds = time.process_time() - start
    print(json.dumps({"size": options.size, "count": options.count, "cpu_seconds": seconds,
                      "crystals_per_cpu_second": options.count / seconds, "numpy": np.__version__}))


if __name__ == "__main__":
    main()
