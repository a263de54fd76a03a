#!/usr/bin/env python3
"""fringe beside cohere and PyNX: simulated noisy crystals and measured patterns, everything judged the same way.

    python3 bench/peers/phasing.py build/release/fringe --work results --size 32 --photons 1e5 1e6 --ranges 1 4 --crystals 5
    python3 bench/peers/phasing.py build/release/fringe --work results --scans scan.cxi
    python3 bench/peers/phasing.py build/release/fringe --work results --table

Three voxels in a hundred, in small islands, are held out by this script: masked for fringe, "free" for PyNX; cohere knows neither masks nor free
voxels and sees them all. free LLK is that of these voxels for every method, so fringe's own choice by its own held-out voxels has
not seen them. Of several starts the result is the one that the program itself would name: fringe by its free LLK, PyNX by its own,
cohere by chi^2. Success: share of the starts whose true error is at most 1.5 times the smallest that any start of any method came to on that
crystal. Times are processor seconds, one thread, start-up included. A result that is in the folder is not computed again.

PyNX runs where --pynx names an interpreter that has it ("python3", or "chroot root python3" with --pynx-root root).
"""
import argparse
import json
import pathlib
import shlex
import shutil
import statistics
import subprocess
import tempfile

import h5py
import numpy as np

import retrieval

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("fringe")
parser.add_argument("--work", type=pathlib.Path, required=True)
parser.add_argument("--size", type=int, default=32)
parser.add_argument("--photons", nargs="*", default=["1e5", "1e6"])
parser.add_argument("--ranges", nargs="*", default=["1", "4"])
parser.add_argument("--crystals", type=int, default=5)
parser.add_argument("--first", type=int, default=0, help="number of the first crystal")
parser.add_argument("--scans", nargs="*", default=[])
parser.add_argument("--methods", nargs="*", default=["paper", "iterate", "cohere", "pynx", "refine", "phase"])
parser.add_argument("--cohere-starts", type=int, default=5)
parser.add_argument("--pynx-starts", type=int, default=10)
parser.add_argument("--pynx", default="")
parser.add_argument("--pynx-root", default="")
parser.add_argument("--table", action="store_true")
options = parser.parse_args()

DETECTOR = "entry_1/instrument_1/detector_1"
FRINGE = {"paper": ["iterate", "--paper", "--starts", "10"], "iterate": ["iterate", "--starts", "10"], "refine": ["refine"],
          "phase": ["phase"]}


def run(*words):
    subprocess.run([str(w) for w in words], check=True, env=retrieval.ONE_THREAD, capture_output=True)


def held_out(shape, measured, share=0.03):
    """Islands of up to 27 voxels, none near the centre, where fringe's and PyNX's have none either."""
    random = np.random.default_rng(7)
    free = np.zeros(shape, bool)
    axes = np.meshgrid(*((np.arange(n) - n // 2) / (0.05 * n) for n in shape), indexing="ij")
    radius = np.sqrt(sum(x**2 for x in axes))
    while free.sum() < share * measured.sum():
        c = [random.integers(0, n) for n in shape]
        free[tuple(slice(max(0, i - 1), i + 2) for i in c)] = True
        free &= measured & (radius > 1)
    return free


def true_error(folder, density, pattern):
    """As `fringe compare` finds it, for a density of the whole array or of its middle."""
    with h5py.File(folder / "object.cxi", "w") as file:
        file["entry_1/image_1/data"] = density.astype("c8")
    run(options.fringe, "compare", folder / "object.cxi", pattern, "--json", folder / "compare.json", "-q")
    return json.loads((folder / "compare.json").read_text())["true_error"]


def retrieve(method, folder, pattern, truth):
    """Processor seconds, the density (of the whole array), what its illumination makes of an intensity, and the true errors of the single
    starts."""
    with h5py.File(pattern) as file:
        detector = file[DETECTOR]
        intensity, mask = detector["data"][...].astype(float), detector["mask"][...]
    measured = mask != 1
    free = mask == 2
    if method in FRINGE:
        shutil.copy(pattern, folder / "c.cxi")
        with h5py.File(folder / "c.cxi", "r+") as file:
            file[DETECTOR]["mask"][...] = mask != 0
        arguments = [folder / "c.cxi", "-q", "--threads", 1]
        seconds = retrieval.timed([options.fringe, *FRINGE[method], *arguments, "-o", folder / "r.cxi"])
        with h5py.File(folder / "r.cxi") as file:
            density = retrieval.padded(file["entry_1/image_1/data"][...], intensity.shape)
            results = file["entry_1/process_1/results"]
            widths = [float(results[key][()]) if key in results else 0.0 for key in ("coherence_width_d", "coherence_width_h", "coherence_width_w")]
        errors = []
        if FRINGE[method][0] == "iterate" and truth:
            run(options.fringe, "ensemble", *FRINGE[method][1:], *arguments, "-o", folder / "e.cxi", "--json", folder / "e.json")
            errors = json.loads((folder / "e.json").read_text())["start_true_error"]
        return seconds, density, retrieval.seen_through(retrieval.gaussian_transform(widths, intensity.shape)), errors
    found = []
    if method == "cohere":
        amplitude = np.sqrt(np.where(measured, intensity, 0))
        np.save(folder / "data.npy", amplitude.astype("f4"))
        for seed in range(1, options.cohere_starts + 1):
            seconds, density = retrieval.cohere(folder, folder / "data.npy", seed)
            found.append((seconds, retrieval.judged(density, amplitude, measured)[0], density, retrieval.seen_through(np.zeros(0))))
    else:
        np.savez(folder / "data.npz", intensity=np.where(free, -intensity - 1, intensity), mask=~measured)
        seconds, starts = retrieval.pynx(shlex.split(options.pynx), folder, folder / "data.npz", options.pynx_starts, options.pynx_root, method == "pynx-psf")
        found = [(seconds / len(starts), score, density, seen) for density, score, seen in starts]
    _, _, density, seen = min(found, key=lambda f: f[1])
    errors = [true_error(folder, retrieval.central(f[2]), truth) for f in found] if truth else []
    return sum(f[0] for f in found), density, seen, errors


def measure(name, pattern, truth):
    for method in options.methods:
        row = options.work / f"{name}-{method}.json"
        if row.exists() or (method.startswith("pynx") and not options.pynx):
            continue
        # What runs in another root sees only what is below it.
        inner = options.pynx_root if method.startswith("pynx") else ""
        with tempfile.TemporaryDirectory(dir=f"{inner}/tmp" if inner else None) as place:
            folder = pathlib.Path(place)
            seconds, density, seen, errors = retrieve(method, folder, pattern, truth)
            with h5py.File(pattern) as file:
                intensity, mask = file[DETECTOR]["data"][...].astype(float), file[DETECTOR]["mask"][...]
            chi2, r = retrieval.judged(density, np.sqrt(intensity), mask != 1, seen)
            result = {"pattern": name, "method": method, "seconds": seconds, "chi2": chi2, "r": r,
                      "free_llk": retrieval.llk(density, intensity, mask == 2, seen), "start_errors": errors}
            if truth:
                result["true_error"] = true_error(folder, retrieval.central(density), truth)
        row.write_text(json.dumps(result))
        print({k: v for k, v in result.items() if k != "start_errors"}, flush=True)


def prepare(name, source):
    """The pattern with mask 1 where nothing was measured, 2 where it is held out."""
    pattern = options.work / f"{name}.cxi"
    if not pattern.exists():
        shutil.copy(source, pattern)
        with h5py.File(pattern, "r+") as file:
            detector = file[DETECTOR]
            data = detector["data"][...]
            bad = detector["mask"][...] != 0 if "mask" in detector else np.zeros(data.shape, bool)
            if "mask" in detector:
                del detector["mask"]
            detector["mask"] = np.where(bad, 1, np.where(held_out(data.shape, ~bad), 2, 0)).astype("u4")
            if bad.any():
                detector["data"][...] = np.where(bad, 0, data)
    return pattern


def table():
    rows = [json.loads(p.read_text()) for p in sorted(options.work.glob("*.json"))]
    groups = {}
    for row in rows:
        groups.setdefault(row["pattern"].rsplit("-", 1)[0] if "true_error" in row else row["pattern"], []).append(row)
    for group, members in groups.items():
        least = {}
        for m in members:
            for e in m["start_errors"]:
                least[m["pattern"]] = min(e, least.get(m["pattern"], 9))
        print(f"\n{group}\n\n| method | patterns | chi² | free LLK | true error | success of starts | CPU seconds |\n|---|---|---|---|---|---|---|")
        for method in [*FRINGE, "cohere", "pynx", "pynx-psf"]:
            mine = [m for m in members if m["method"] == method]
            if not mine:
                continue
            median = {key: statistics.median(m[key] for m in mine) for key in ("chi2", "free_llk", "true_error", "seconds") if key in mine[0]}
            starts = [e <= 1.5 * least[m["pattern"]] for m in mine for e in m["start_errors"]]
            success = f"{100 * sum(starts) / len(starts):.0f} % of {len(starts)}" if starts else "-"
            error = f"{median['true_error']:.3f}" if "true_error" in median else "-"
            print(f"| {method} | {len(mine)} | {median['chi2']:.4g} | {median['free_llk']:.4g} | {error} | {success} | {median['seconds']:.1f} |")


options.work.mkdir(parents=True, exist_ok=True)
if options.table:
    table()
elif options.scans:
    for scan in map(pathlib.Path, options.scans):
        measure(scan.stem, prepare(scan.stem, scan), None)
else:
    for crystal in range(options.first, options.crystals):
        for photons in options.photons:
            for width in options.ranges:
                name = f"{options.size}-{photons}-{width}-{crystal}"
                source = options.work / "source.cxi"
                run(options.fringe, "simulate", "-q", "--size", options.size, "--seed", 500, "--index", crystal, "--photons", photons,
                    "--phase-range", width, "--shape", "polyhedron" if crystal % 2 else "superellipsoid", "-o", source)
                pattern = prepare(name, source)
                measure(name, pattern, pattern)
