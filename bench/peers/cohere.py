#!/usr/bin/env python3
"""cohere (PyPI: cohere-core, its numpy backend) beside `fringe iterate --paper`: 2000 iterations of ER and HIO with shrink-wrap.

    python3 bench/peers/cohere.py build/release/fringe scan.cxi [scan.cxi ...] [--starts 3]

Both get the same amplitudes, the same sequence of algorithms (the paper's: 50 ER, 19 times 50 HIO and 50 ER, 50 ER), the half array as
first support and one core; each start of either has the same seed. cohere knows no masks: voxels that were not measured are zero
for it, as its own preparation leaves them. The shrink-wrap of both is that of cohere's examples (threshold 0.1 of the maximum, sigma 1), every tenth iteration as in fringe;
cohere has its twin operation in the second iteration. Times are processor seconds of the processes, start-up and reading included; chi^2 and
r are those of the whole measured pattern, computed here, the same way for both. One thread everywhere.
"""
import argparse
import json
import pathlib
import statistics
import tempfile

import h5py
import numpy as np

from retrieval import cohere, judged, padded, timed

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("fringe")
parser.add_argument("scans", nargs="+")
parser.add_argument("--starts", type=int, default=3)
options = parser.parse_args()

for scan in options.scans:
    with h5py.File(scan) as file:
        detector = file["entry_1/instrument_1/detector_1"]
        intensity = detector["data"][...].astype(float)
        measured = detector["mask"][...] == 0 if "mask" in detector else np.ones(intensity.shape, bool)
    amplitude = np.sqrt(np.where(measured, intensity, 0))
    rows = {"cohere": [], "fringe": []}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        np.save(folder / "data.npy", amplitude.astype("f4"))
        for seed in range(1, options.starts + 1):
            seconds, density = cohere(folder, folder / "data.npy", seed)
            rows["cohere"].append((seconds, *judged(density, amplitude, measured)))
            seconds = timed([options.fringe, "iterate", scan, "-o", folder / "r.cxi", "-q", "--paper", "--starts", 1, "--threads", 1,
                             "--free-fraction", 0, "--seed", seed, "--threshold", 0.1, "--threshold-of", "max", "--sigma", 1, "--last-sigma", 1])
            with h5py.File(folder / "r.cxi") as file:
                density = padded(file["entry_1/image_1/data"][...], amplitude.shape)
            rows["fringe"].append((seconds, *judged(density, amplitude, measured)))
    median = {who: [statistics.median(r[i] for r in rows[who]) for i in range(3)] for who in rows}
    for who in rows:
        print(json.dumps({"scan": pathlib.Path(scan).name, "who": who, "seconds": round(median[who][0], 2), "chi2": round(median[who][1], 5),
                          "r": round(median[who][2], 5), "all": [[float(f"{x:.5g}") for x in r] for r in rows[who]]}), flush=True)
    print(f"time {median['fringe'][0] / median['cohere'][0]:.3f} of cohere's, chi2 {median['fringe'][1] / median['cohere'][1]:.2f}", flush=True)
