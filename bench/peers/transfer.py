#!/usr/bin/env python3
"""How many epochs and seconds random and trained starts of `fringe refine` need to the same chi^2 (Wu et al. 2021, Fig. 3f), over
simulated crystals unlike those of the training. Needs h5py; matplotlib for --picture.

    python3 bench/peers/transfer.py build/release/fringe model.h5 --epochs 2000 --trained-epochs 667 --shape polyhedron --picture transfer.png

Both are one start, without polish, the rate falling over its own epochs; chi^2 is the best so far. Processor seconds of the fit, one thread.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile

import h5py
import numpy as np

INFINITE = float("inf")


def curve(path):
    with h5py.File(path) as f:
        return np.minimum.accumulate(f["entry_1/process_1/curves/chi2/value"][:])


def first_below(values, level):
    below = np.nonzero(values <= level)[0]
    return int(below[0]) + 1 if len(below) else INFINITE


def picture(path, curves):
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    figure, axes = plt.subplots(figsize=(6.4, 4.2), dpi=130)
    for kind, colour in (("random", "tab:gray"), ("trained", "tab:blue")):
        at = np.arange(1, len(curves[kind][0]) + 1)
        for c in curves[kind]:
            axes.semilogy(at, c, color=colour, alpha=0.25, linewidth=0.8)
        axes.semilogy(at, np.median(curves[kind], axis=0), color=colour, linewidth=2.2, label=f"{kind} weights: median of {len(curves[kind])}")
    axes.set_xscale("log")
    axes.set_xlim(1, max(len(c[0]) for c in curves.values()))
    axes.set_xlabel("epoch")
    axes.set_ylabel("chi², best so far")
    axes.grid(alpha=0.3, which="both", linewidth=0.4)
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("fringe")
    parser.add_argument("model")
    parser.add_argument("--crystals", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=2000)
    parser.add_argument("--trained-epochs", type=int, help="of the trained starts (default: as many)")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--shape", default="polyhedron")
    parser.add_argument("--threads", default="1")
    parser.add_argument("--extra", default="", help="further options of refine, for both")
    parser.add_argument("--picture", help="PNG of all curves and their medians")
    parser.add_argument("--json", help="file for everything")
    o = parser.parse_args()
    epochs = {"random": o.epochs, "trained": o.trained_epochs or o.epochs}
    curves, rows = {"random": [], "trained": []}, []
    with tempfile.TemporaryDirectory() as folder:
        f = pathlib.Path(folder)
        for i in range(o.crystals):
            subprocess.run([o.fringe, "simulate", "-q", "--size", str(o.size), "--shape", o.shape, "--seed", "77", "--index", str(i),
                            "-o", f / "c.cxi"], check=True)
            common = [o.fringe, "refine", "-q", f / "c.cxi", "--seeds", "1", "--no-polish", "--no-plateau", "--threads", o.threads,
                      *o.extra.split()]
            error, pace = {}, {}
            for kind, option in (("random", ["--width", str(o.width)]), ("trained", ["--model", o.model])):
                subprocess.run([*common, *option, "--epochs", str(epochs[kind]), "-o", f / f"{kind}.cxi", "--json", f / f"{kind}.json"], check=True)
                curves[kind].append(curve(f / f"{kind}.cxi"))
                report = json.loads((f / f"{kind}.json").read_text())
                error[kind], pace[kind] = report["true_error"], report["epochs_per_second"]
            random, trained = curves["random"][-1], curves["trained"][-1]
            need = first_below(trained, random[-1])
            rows.append({"crystal": i, "first": [random[0], trained[0]], "last": [random[-1], trained[-1]], "epochs": need, "share": need / o.epochs,
                         "seconds": [o.epochs / pace["random"], need / pace["trained"]], "ahead": first_below(random, trained[min(20, len(trained)) - 1]),
                         "true_error": [error["random"], error["trained"]]})
            print("crystal {crystal}: chi2 first {first[0]:.3g} / {first[1]:.3g}, last {last[0]:.3g} / {last[1]:.3g}; trained weights reach the random "
                  "ones' last after {epochs}; random ones need {ahead} epochs for the trained ones' 20; true error {true_error[0]:.3f} / "
                  "{true_error[1]:.3f}".format(**rows[-1]), flush=True)
    print("\n| epoch | chi², random weights | chi², trained weights |\n|---|---|---|")
    for epoch in sorted({1, 10, 20, 50, 100, 200, 400, *epochs.values()}):
        at = [f"{np.median([c[epoch - 1] for c in curves[kind]]):.2g}" if epoch <= epochs[kind] else "" for kind in ("random", "trained")]
        if any(at):
            print(f"| {epoch} | {at[0]} | {at[1]} |")
    median = lambda key: statistics.median(r[key] for r in rows)
    print("\nmedian share of the epochs:", median("share"))
    print("reached by", sum(r["epochs"] < INFINITE for r in rows), "of", len(rows))
    print("median epochs that random weights need for what trained ones have after 20:", median("ahead"))
    print("median true error, random and trained:", *(statistics.median(r["true_error"][k] for r in rows) for k in (0, 1)))
    if o.picture:
        picture(o.picture, curves)
    if o.json:
        pathlib.Path(o.json).write_text(json.dumps({"rows": rows, **{k: [c.tolist() for c in v] for k, v in curves.items()}}))


if __name__ == "__main__":
    main()
