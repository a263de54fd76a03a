#!/usr/bin/env python3
"""Fig. 5 of Wu et al. 2021: how r, chi^2 and free LLK of random starts are distributed, network beside ER/HIO. A table, and a picture.

    fringe ensemble scan.cxi -o network.cxi --starts 20 --method refine --json network.json
    fringe ensemble scan.cxi -o paper.cxi --starts 20 --paper --json paper.json
    python3 scripts/figure5.py "scan S0054" network.json paper.json [another network.json paper.json] -o figure5.png

Needs numpy, and matplotlib for the picture.
"""
import argparse
import json

import numpy as np

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("triples", nargs="+", help="name, report of the network's ensemble, report of the iterative one; several of them")
parser.add_argument("-o", "--output", help="PNG")
options = parser.parse_args()
if len(options.triples) % 3:
    parser.error("a name and two reports for each pattern")

QUANTITIES = [("start_pearson", "r", "{:.5f}"), ("start_chi2", "chi²", "{:.5f}"), ("start_free_llk", "free LLK", "{:.3g}")]
METHODS = ["network", "ER/HIO"]
patterns = []
for k in range(0, len(options.triples), 3):
    name, *files = options.triples[k:k + 3]
    patterns.append((name, [json.load(open(f)) for f in files]))

print("| pattern | method | starts | | best | lower quartile | median | upper quartile | worst | upper - lower quartile | standard deviation |")
print("|---|---|---|---|---|---|---|---|---|---|---|")
for name, reports in patterns:
    for key, label, form in QUANTITIES:
        for method, report in zip(METHODS, reports):
            v = np.array(report[key], float)
            low, middle, high = np.percentile(v, (25, 50, 75))
            best, worst = (v.max(), v.min()) if key == "start_pearson" else (v.min(), v.max())
            print(f"| {name} | {method} | {len(v)} | {label} | " + " | ".join(form.format(x) for x in (best, low, middle, high, worst)) +
                  f" | {high - low:.2g} | {v.std(ddof=1):.2g} |")

if options.output:
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    colours = ["tab:blue", "tab:orange"]
    figure, axes = plt.subplots(len(patterns), 3, figsize=(10, 2.3 * len(patterns) + 0.7), dpi=130, squeeze=False)
    random = np.random.default_rng(1)
    for (name, reports), line in zip(patterns, axes):
        for (key, label, _), a in zip(QUANTITIES, line):
            for place, (report, colour) in enumerate(zip(reports, colours)):
                v = np.array(report[key], float)
                low, middle, high = np.percentile(v, (25, 50, 75))
                y = 1 - place
                a.barh(y, high - low, left=low, height=0.52, color=colour, alpha=0.25, linewidth=0)
                a.plot([middle, middle], [y - 0.26, y + 0.26], color=colour, linewidth=2.5)
                a.scatter(v, y + random.uniform(-0.18, 0.18, len(v)), s=14, color=colour, alpha=0.85, linewidths=0)
            a.set_ylim(-0.5, 1.5)
            a.set_yticks([1, 0], [f"{m}\n({len(r[key])})" for m, r in zip(METHODS, reports)] if a is line[0] else ["", ""])
            a.grid(axis="x", alpha=0.3, linewidth=0.5)
            a.locator_params(axis="x", nbins=5)
            a.set_xlabel(label)
            for side in ("top", "right"):
                a.spines[side].set_visible(False)
        line[0].set_title(name, loc="left", fontsize=11)
    figure.tight_layout()
    figure.savefig(options.output)
