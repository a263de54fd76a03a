#!/usr/bin/env python3
"""Measures the default recipe: five noise-free simulated crystals and, where they are, the two public patterns.

    scripts/evaluate.py OUT [--data DIR] [--fringe build/release/fringe]

Runs `fringe refine` with no options on each, leaves results, reports and pictures under OUT, and prints the tables of
docs/recipe.md. DIR holds 34idc-S0054 and anl-64 (default: $FRINGE_DATA). Takes about 25 minutes on two cores; run nothing beside it.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--data", type=pathlib.Path, default=os.environ.get("FRINGE_DATA"))
    parser.add_argument("--fringe", default="build/release/fringe")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    def fringe(*arguments):
        subprocess.run([options.fringe, *map(str, arguments)], check=True)

    def refine(name):
        base = options.out / name
        fringe("refine", f"{base}.cxi", "-o", f"{base}-result.cxi", "--json", f"{base}.json", "--quiet")
        fringe("show", f"{base}-result.cxi", "-o", f"{base}.png", "--quiet")
        return json.loads(pathlib.Path(f"{base}.json").read_text())

    errors, rows = [], []
    for seed in range(1, 6):
        fringe("simulate", "-o", options.out / f"crystal-{seed}.cxi", "--size", 64, "--seed", seed, "--quiet")
        r = refine(f"crystal-{seed}")
        errors.append(r["true_error"])
        rows.append(f"| {seed} | {r['chi2']:.1e} | {r['pearson']:.6f} | {r['free_llk']:.3g} | {r['true_error']:.3f} | {r['seconds']:.0f} |")
        print(rows[-1], flush=True)
    print(f"median true error {statistics.median(errors):.3f}")

    if options.data is None:
        print("no real data: name its folder with --data or $FRINGE_DATA")
        return
    scan = pathlib.Path(options.data) / "34idc-S0054"
    fringe("prepare", scan / "frames", "--dark", scan / "dark.tif", "--white", scan / "whitefield.tif", "--roi", "0,0",
           "--energy", 9, "--distance", 0.5, "--pixel-size", 55, "--delta", 32.174, "--gamma", 12.6346,
           "--rocking-step", 0.005, "-o", options.out / "S0054.cxi")
    fringe("prepare", pathlib.Path(options.data) / "anl-64" / "ft_crop_64.npy", "--amplitude", "-o", options.out / "anl-64.cxi")
    for name in ("S0054", "anl-64"):
        r = refine(name)
        print(f"| {name} | {r['chi2']:.2e} | {r['chi2_all']:.2e} | {r['pearson']:.5f} | {r['llk']:.3g} | {r['free_llk']:.3g} "
              f"| {r['polish_steps']:.0f} | {r['seconds']:.0f} |", flush=True)


main()
