#!/usr/bin/env python3
"""kernel_floors.py BENCH.csv: what every operation costs at least on four GPUs, as the table of docs/cuda-kernels.md.

BENCH.csv is what `fringe bench --csv` writes, on any machine: flops and bytes are taken from it, not times. They are those of the
operations' contracts: every operand crosses memory once. The floor is the longer of the products at the data sheet's rate and the bytes at
the data sheet's bandwidth. A prediction, not a measurement: no kernel reaches it, and one that is launched alone takes 2 us and more.
"""
import csv
import sys

from conv3d_floors import devices


def floor(operation, flops, bytes_, device):
    """Microseconds; of convolutions in tf32x3 / tf32 / bf16, where the device has them."""
    tf32, bf16, f32, bandwidth = devices[device]
    rates = [tf32 / 3, tf32, bf16] if tf32 and ("conv3d" in operation or operation in ("training_step", "inference")) else [f32]
    return " / ".join(f"{max(flops / rate, bytes_ / bandwidth) / 1e6:.1f}" for rate in rates)


def main():
    with open(sys.argv[1]) as f:
        rows = list(csv.DictReader(line for line in f if not line.startswith("#")))
    print("| operation | shape | Mflop | MB | " + " | ".join(devices) + " |\n|---|---|---:|---:|" + "---:|" * len(devices))
    for r in rows:
        seconds = float(r["median_s"])
        flops, bytes_ = float(r["gflops"]) * 1e9 * seconds, float(r["gbytes_s"]) * 1e9 * seconds
        if r["operation"] == "simulated_pattern" or r["operation"].startswith("iteration"):
            continue  # many operations
        print(f"| {r['operation']} | {r['shape']} | {flops / 1e6:.3g} | {bytes_ / 1e6:.3g} | " +
              " | ".join(floor(r["operation"], flops, bytes_, d) for d in devices) + " |")


if __name__ == "__main__":
    main()
