#!/usr/bin/env python3
"""fringe on a GPU beside PyTorch and cuDNN: the same network, the same card, one run. For scripts/gpu-check.sh.

Writes FOLDER/gpu.csv (as compare.py's), FOLDER/gpu_kernels.csv and FOLDER/gpu_layers_*.csv (as `fringe bench --csv`), and
FOLDER/gpu.md, the report. PyTorch's rows are left out, and named, where it is not installed.

    python3 bench/peers/gpu.py --fringe build/gpu/fringe --device cuda:0 --out build/gpu/bench     or build/gpu/bench/fringe_bench
"""
import argparse
import csv
import json
import pathlib
import statistics
import sys

from compare import output

here = pathlib.Path(__file__).resolve().parent
# What fringe is asked for, and what PyTorch is in the same format.
FORMATS = {"float32": [], "tf32": ["--tf32"], "bf16": ["--bf16", "--tf32"], "fma": None}
VARIANTS = {"eager": [], "channels last": ["--channels-last"], "graph": ["--graph"], "graph, channels last": ["--graph", "--channels-last"],
            "compiled, graph": ["--compile", "--graph"], "compiled, graph, channels last": ["--compile", "--graph", "--channels-last"]}


def bench(a, what, *more, choices=None, name="bench.csv"):
    """The rows of one call of fringe's benchmarks: (operation, shape) -> row."""
    path = a.out / name
    path.unlink(missing_ok=True)
    program = [a.fringe] if pathlib.Path(a.fringe).name == "fringe_bench" else [a.fringe, "bench"]
    environment = {"FRINGE_CHOICES": choices or str(a.out / "choices")}
    if output([*program, *([what] if what else []), "--device", a.device, "--seconds", a.seconds, "--csv", path, *more], environment) is None:
        return {}
    with open(path) as f:
        return {(r["operation"], r["shape"]): r for r in csv.DictReader(line for line in f if not line.startswith("#"))}


def milliseconds(seconds):
    return "-" if seconds is None else f"{seconds * 1e3:.3f}"


def ratio(x, y):
    return "-" if x is None or y is None else f"{x / y:.2f}"


def verdict(value, goal, smaller=True):
    if value is None:
        return "not measured"
    return "met" if (value <= goal if smaller else value >= goal) else "missed"


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--fringe", required=True)
    p.add_argument("--device", default="cuda:0")
    p.add_argument("--out", type=pathlib.Path, required=True)
    p.add_argument("--size", type=int, default=64)
    p.add_argument("--widths", type=int, nargs="+", default=[8, 16, 32])
    p.add_argument("--precisions", nargs="+", choices=FORMATS, default=list(FORMATS))
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--seconds", type=float, default=0.5)
    p.add_argument("--no-torch", action="store_true")
    a = p.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    on_gpu = a.device.startswith("cuda")
    variants = {k: v for k, v in VARIANTS.items() if on_gpu or "--graph" not in v}
    shape = lambda width: ("--width", width, "--size", a.size)

    samples, versions = {}, {}

    def add(width, who, what, seconds):
        samples.setdefault((width, who, what), []).append(float(seconds))

    for _ in range(a.rounds):
        for width in a.widths:
            for precision in a.precisions:
                for what in ("training_step", "inference"):
                    for (operation, _), row in bench(a, what, *shape(width), "--precision", precision).items():
                        add(width, f"fringe {precision}", operation, row["median_s"])
                peer = FORMATS[precision]
                if a.no_torch or peer is None:
                    continue
                for variant, options in variants.items():
                    line = output([sys.executable, here / "pytorch.py", "--device", "cuda" if on_gpu else "cpu", "--width", width, "--size",
                                   a.size, "--seconds", a.seconds, *peer, *options])
                    if line:
                        r = json.loads(line)
                        versions = {"pytorch": r["version"], "cudnn": r["cudnn"]}
                        for what in ("training_step", "inference"):
                            add(width, f"pytorch {precision}, {variant}", what, r[what])

    kernels = bench(a, None, *shape(a.widths[0]), name="gpu_kernels.csv")
    wide = max(a.widths)
    exact = "tf32" if "tf32" in a.precisions else a.precisions[0]
    layers = {who: bench(a, "layers", *shape(wide), "--precision", exact, choices=choices, name=f"gpu_layers_{who}.csv")
              for who, choices in (("own", "off"), ("cudnn", "cudnn"))}
    with open(a.out / "gpu_kernels.csv") as f:
        machine = f.readline().strip("# \n")
    with open(a.out / "gpu.csv", "w") as f:
        print(f"# {machine}; {versions}", file=f)
        print("size,width,who,what,median,low,high,rounds", file=f)
        for (width, who, what), s in samples.items():
            print(f'{a.size},{width},"{who}",{what},{statistics.median(s):.6g},{min(s):.6g},{max(s):.6g},{len(s)}', file=f)

    def median(width, who, what):
        s = samples.get((width, who, what))
        return statistics.median(s) if s else None

    def best(width, prefix, what):
        return min((statistics.median(s) for (w, who, x), s in samples.items() if w == width and x == what and who.startswith(prefix)),
                   default=None)

    def kernel(operation, where):
        row = kernels.get((operation, where))
        return float(row["median_s"]) if row else None

    with open(a.out / "gpu.md", "w") as f:
        say = lambda *words: print(*words, file=f)
        say(f"# fringe on {a.device}\n\n{machine}; beside {versions or 'no PyTorch'}; {a.rounds} rounds, medians, {a.size}^3, batch 1.\n")
        say("## Goals of the project\n\n| goal | measured | |\n|---|---|---|")
        step, predict = best(wide, "fringe", "training_step"), best(wide, "fringe", "inference")
        peer = best(wide, "pytorch", "training_step")
        rate = kernel("simulated_pattern", f"{a.size}^3")
        say(f"| step, w = {wide}: at most 1.0 ms | {milliseconds(step)} ms | {verdict(step, 1e-3)} |")
        say(f"| at most half of PyTorch's best | {ratio(step, peer)} | {verdict(step / peer if step and peer else None, 0.5)} |")
        say(f"| inference, w = {wide}: at most 0.3 ms | {milliseconds(predict)} ms | {verdict(predict, 0.3e-3)} |")
        for name in ("ER", "HIO"):
            t = kernel(f"iteration {name}", f"{a.size}^3 a start of 1")
            say(f"| {name} iteration of one start: at most 40 us | {'-' if t is None else f'{t * 1e6:.1f}'} us | {verdict(t, 40e-6)} |")
        say(f"| simulated patterns a second: at least 1000 | {'-' if rate is None else f'{1 / rate:.0f}'} | "
            f"{verdict(1 / rate if rate else None, 1000, smaller=False)} |")
        say("\n## Network\n\n| width | precision | step ms | PyTorch's best ms | ratio | inference ms | PyTorch's best ms | ratio |\n" + "|---" * 8 + "|")
        for width in a.widths:
            for precision in a.precisions:
                cells = []
                for what in ("training_step", "inference"):
                    ours, theirs = median(width, f"fringe {precision}", what), best(width, f"pytorch {precision},", what)
                    cells += [milliseconds(ours), milliseconds(theirs), ratio(ours, theirs)]
                say(f"| {width} | {precision} | {' | '.join(cells)} |")
        say("\n## PyTorch, every variant [ms]\n\n| width | who | step | inference |\n|---|---|---|---|")
        for width, who in sorted({(w, who) for w, who, _ in samples if who.startswith("pytorch")}):
            say(f"| {width} | {who} | {milliseconds(median(width, who, 'training_step'))} | {milliseconds(median(width, who, 'inference'))} |")
        say(f"\n## Convolutions, layer by layer: w = {wide}, {exact}\n\n| pass | layer | own us | cuDNN us | ratio | own: share of the roof |\n" + "|---" * 6 + "|")
        for key, row in layers["own"].items():
            other = layers["cudnn"].get(key)
            ours, theirs = float(row["median_s"]), float(other["median_s"]) if other else None
            say(f"| {key[0][6:]} | {key[1]} | {ours * 1e6:.1f} | {'-' if theirs is None else f'{theirs * 1e6:.1f}'} | {ratio(ours, theirs)} | "
                f"{float(row['roof_share']) * 100:.0f} % |")
        say("\n## Every kernel\n\n| operation | shape | us | GFLOP/s | GB/s | share of the roof | error |\n" + "|---" * 7 + "|")
        for (operation, where), row in kernels.items():
            say(f"| {operation} | {where} | {float(row['median_s']) * 1e6:.1f} | {row['gflops']} | {row['gbytes_s']} | "
                f"{float(row['roof_share']) * 100:.0f} % | {row['error']} |")
    print((a.out / "gpu.md").read_text())
    if not samples or not kernels:
        sys.exit("nothing was measured")


if __name__ == "__main__":
    main()
