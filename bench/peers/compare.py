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


def fringe(program, width, threads, size, more):
    """Seconds by operation."""
    with tempfile.NamedTemporaryFile(suffix=".json") as f:
        for what in ("training_step", "inference"):
            if output([program, "bench", what, "--width", width, "--size", size, "--threads", threads, "--seconds", 3, "--quiet",
                       "--json", f.name] + more) is None:
                return
            for name, seconds in json.load(open(f.name))["median_seconds"].items():
                yield name.split()[0], seconds


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
            for what, seconds in fringe(a.fringe, width, a.threads, a.size, []):
                add(width, "fringe", what, seconds)
            variants = [[], ["--channels-last"]] + ([["--compile"], ["--compile", "--channels-last"]] if a.compile else [])
            for variant in variants:
                line = output([sys.executable, here / "pytorch.py", "--width", width, "--size", a.size, "--threads", a.threads,
                               "--seconds", 3] + variant)
                if line:
                    r = json.loads(line)
                    versions["pytorch"] = r["version"]
                    for what in ("training_step", "inference"):
                        add(width, " ".join(["pytorch"] + variant), what, r[what])
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
        print("size,width,who,what,median_s,low_s,high_s,rounds", file=f)
        for (width, who, what), seconds in samples.items():
            print(f"{a.size},{width},{who},{what},{statistics.median(seconds):.6g},{min(seconds):.6g},{max(seconds):.6g},{len(seconds)}", file=f)

    def best(width, prefix, what):
        return min((statistics.median(s) for (w, who, x), s in samples.items() if w == width and x == what and who.startswith(prefix)),
                   default=None)

    print(f"{machine}, {a.threads} threads, {versions}")
    print("| width | fringe step ms | / oneDNN's convolutions | / PyTorch's step | fringe inference ms | / PyTorch's inference |")
    print("|---|---|---|---|---|---|")
    for width in a.widths:
        mine, predict = best(width, "fringe", "training_step"), best(width, "fringe", "inference")

        def ratio(x, peer):
            return "-" if x is None or peer is None else f"{x / peer:.2f}"

        print(f"| {width} | {mine * 1e3:.1f} | {ratio(mine, best(width, 'onednn', 'convolutions_of_a_step'))} | "
              f"{ratio(mine, best(width, 'pytorch', 'training_step'))} | {predict * 1e3:.1f} | "
              f"{ratio(predict, best(width, 'pytorch', 'inference'))} |")


if __name__ == "__main__":
    main()
