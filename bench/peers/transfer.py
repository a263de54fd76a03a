#!/usr/bin/env python3
"""How many epochs random and trained starts of `fringe refine` need to the same chi^2 (Wu et al. 2021, Fig. 3f), over simulated
crystals unlike those of the training. Needs h5py.

    python3 bench/peers/transfer.py build/release/fringe model.h5 --epochs 400 --shape polyhedron
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile

import h5py
import numpy as np


def curve(path):
    with h5py.File(path) as f:
        return np.minimum.accumulate(f["entry_1/process_1/curves/chi2/value"][:])


def first_below(values, level):
    below = np.nonzero(values <= level)[0]
    return int(below[0]) + 1 if len(below) else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("fringe")
    parser.add_argument("model")
    parser.add_argument("--crystals", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=400)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--shape", default="polyhedron")
    parser.add_argument("--threads", default="1")
    parser.add_argument("--extra", default="", help="further options of refine, for both")
    o = parser.parse_args()
    ratios, rows = [], []
    with tempfile.TemporaryDirectory() as folder:
        f = pathlib.Path(folder)
        for i in range(o.crystals):
            subprocess.run([o.fringe, "simulate", "-q", "--size", str(o.size), "--shape", o.shape, "--seed", "77", "--index", str(i),
                            "-o", f / "c.cxi"], check=True)
            common = [o.fringe, "refine", "-q", f / "c.cxi", "--seeds", "1", "--epochs", str(o.epochs), "--no-polish", "--no-plateau",
                      "--threads", o.threads, *o.extra.split()]
            subprocess.run([*common, "--width", str(o.width), "-o", f / "random.cxi", "--json", f / "random.json"], check=True)
            subprocess.run([*common, "--model", o.model, "-o", f / "trained.cxi", "--json", f / "trained.json"], check=True)
            random, trained = curve(f / "random.cxi"), curve(f / "trained.cxi")
            error = [json.loads((f / f"{k}.json").read_text())["true_error"] for k in ("random", "trained")]
            need = first_below(trained, random[-1])
            ratios.append(need / o.epochs if need else float("inf"))
            half = first_below(random, trained[19]) if len(trained) > 19 else None
            rows.append((i, random[0], trained[0], random[-1], trained[-1], need, half, *error))
            print("crystal {}: chi2 first {:.3g} / {:.3g}, last {:.3g} / {:.3g}; trained start reaches the random one's last after {}; "
                  "random start needs {} epochs for the trained one's 20; true error {:.3f} / {:.3f}".format(*rows[-1]), flush=True)
    print("median share of the epochs:", statistics.median(ratios))
    print("median epochs a random start needs for what the trained one has after 20:",
          statistics.median([r[6] if r[6] else float("inf") for r in rows]))


if __name__ == "__main__":
    main()
