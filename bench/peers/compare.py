#!/usr/bin/env python3
"""fringe beside PyTorch and oneDNN: the same network, the same machine, one run.

Runs `fringe bench` and both peers by turns, several rounds, each in a process of its own and nothing else at the time; takes
medians over the rounds and writes a CSV and a table of ratios. Peers that are not there are left out and named.

    python3 bench/peers/compare.py --fringe build/release/fringe --onednn ./onednn --csv bench/results/cpu.csv
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

here = pathlib.Path(__file__).resolve().parent


def output(command, environment=None):
    r = subprocess.run([str(c) for c in command], capture_output=True, text=True, env={**os.environ, **(environment or {})})
    if r.returncode != 0:
        print(f"left out: {' '.join(map(str, command))}: {(r.stderr.strip() or r.stdout.strip()).splitlines()[-1:]}", file=sys.stderr)
        return None
    return r.stdout.strip().splitlines()[-1] if r.stdout.strip() else ""


def fringe(program, width, threads, size, what, more=()):
    """Seconds, and of a training step its other numbers by the first word of their names."""
    with tempfile.NamedTemporaryFile(suffix=".json") as f:
        if output([program, "bench", what, "--width", width, "--size", size, "--threads", threads, "--seconds", 3, "--quiet",
                   "--json", f.name, *more]) is None:
            return {}
        report = json.load(open(f.name))
        return {"seconds": next(iter(report["median_seconds"].values())), **{k.split()[0].strip(","): v for k, v in report["values"].items()}}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--fringe", default="build/release/fringe")
    p.add_argument("--onednn", help="the program built from onednn.cpp")
    p.add_argument("--widths", type=int, nargs="+", default=[8, 16, 32])
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--size", type=int, default=64)
    p.add_argument("--compile", action="store_true", help="torch.compile as well (minutes)")
    p.add_argument("--csv", required=True)
    a = p.parse_args()

    samples = {}  # (width, who, what) -> seconds

    def add(width, who, what, seconds):
        samples.setdefault((width, who, what), []).append(seconds)

    threads = {"OMP_NUM_THREADS": str(a.threads)}
    versions = {}
    for _ in range(a.rounds):
        for width in a.widths:
            step = fringe(a.fringe, width, a.threads, a.size, "training_step", ["--profile"])  # which follows the timing
            add(width, "fringe", "training_step", step["seconds"])
            add(width, "fringe", "peak_bytes", step["peak"] * 1e6)
            add(width, "fringe", "share_of_matrix_product", step["training_step"])
            add(width, "fringe", "outside_kernels", step["outside"])
            add(width, "fringe", "inference", fringe(a.fringe, width, a.threads, a.size, "inference")["seconds"])
            for who, threads_, more in (("fringe bf16", a.threads, ["--precision", "bf16"]), ("fringe one thread", 1, [])):
                add(width, who, "training_step", fringe(a.fringe, width, threads_, a.size, "training_step", more)["seconds"])
            variants = [[], ["--channels-last"]] + ([["--compile"], ["--compile", "--channels-last"]] if a.compile else [])
            for variant in variants:
                line = output([sys.executable, here / "pytorch.py", "--width", width, "--size", a.size, "--threads", a.threads,
                               "--seconds", 3] + variant)
                if line:
                    r = json.loads(line)
                    versions["pytorch"] = r["version"]
                    for what, key in (("training_step", "training_step"), ("inference", "inference"), ("peak_bytes", "step_rss")):
                        add(width, " ".join(["pytorch"] + variant), what, r[key])
            if a.onednn and a.size == 64:
                line = output([a.onednn, width], threads)
                if line:
                    r = json.loads(line)
                    versions["onednn"] = r["version"]
                    for layout in ("preferred_layout", "channels_last", "best_of_both_per_layer"):
                        add(width, "onednn " + layout, "convolutions_of_a_step", r[layout])

    machine = output([a.fringe, "info"]) is not None and next(
        (line.split(None, 1)[1] for line in subprocess.run([a.fringe, "info"], capture_output=True, text=True).stdout.splitlines()
         if line.startswith("device")), "")
    commit = output(["git", "-C", here, "rev-parse", "--short", "HEAD"])
    with open(a.csv, "w") as f:
        print(f"# {machine}; {a.threads} threads; commit {commit}; {versions}", file=f)
        print("size,width,who,what,median,low,high,rounds", file=f)
        for (width, who, what), seconds in samples.items():
            print(f"{a.size},{width},{who},{what},{statistics.median(seconds):.6g},{min(seconds):.6g},{max(seconds):.6g},{len(seconds)}", file=f)

    def median(width, who, what):
        return statistics.median(samples[width, who, what])

    def best(width, prefix, what):
        return min((statistics.median(s) for (w, who, x), s in samples.items() if w == width and x == what and who.startswith(prefix)),
                   default=None)

    def ratio(x, peer):
        return "-" if x is None or peer is None else f"{x / peer:.2f}"

    print(f"{machine}, {a.threads} threads, {versions}")
    print("| width | step ms | / oneDNN's convolutions, one layout | / the better layout for each layer | / PyTorch's step | inference ms | / PyTorch's | "
          "share of the matrix product | one thread / these | bf16 / float32 | memory MB | / PyTorch's | outside kernels |")
    print("|" + "---|" * 13)
    for width in a.widths:
        step, predict = median(width, "fringe", "training_step"), median(width, "fringe", "inference")
        layouts = [best(width, "onednn " + layout, "convolutions_of_a_step") for layout in ("preferred_layout", "channels_last")]
        memory = median(width, "fringe", "peak_bytes")
        print(f"| {width} | {step * 1e3:.1f} | {ratio(step, None if None in layouts else min(layouts))} | "
              f"{ratio(step, best(width, 'onednn best', 'convolutions_of_a_step'))} | {ratio(step, best(width, 'pytorch', 'training_step'))} | "
              f"{predict * 1e3:.1f} | {ratio(predict, best(width, 'pytorch', 'inference'))} | "
              f"{median(width, 'fringe', 'share_of_matrix_product') * 100:.0f} % | "
              f"{ratio(median(width, 'fringe one thread', 'training_step'), step)} | "
              f"{ratio(median(width, 'fringe bf16', 'training_step'), step)} | {memory / 1e6:.0f} | "
              f"{ratio(memory, best(width, 'pytorch', 'peak_bytes'))} | {median(width, 'fringe', 'outside_kernels') * 100:.1f} % |")


if __name__ == "__main__":
    main()
