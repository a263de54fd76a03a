#!/usr/bin/env python3
"""The rules of the tree that a compiler does not check. Prints one sentence for each break; exits 1 if there is one.

1. Layers point one way: kernels <- engine <- autograd <- layers <- apps.
2. Every operation has its stem everywhere: kernels/<op>.h, reference/<op>.cpp, cpu/<op>.cpp, tests/<op>_test.cpp,
   bench/<op>_bench.cpp.
3. CUDA stays under kernels/cuda and kernels/cudnn.
4. No path of somebody's machine, no trailing white space, a newline at the end of every file.
"""
import pathlib
import re
import subprocess
import sys

root = pathlib.Path(__file__).resolve().parent.parent
layers = ["kernels", "engine", "autograd", "layers", "apps"]
# Headers under kernels/ that are not operations.
not_operations = {"bfloat16", "choices", "device", "error", "libraries", "stream", "table", "view"}

problems = []


def files():
    try:
        names = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True).stdout.split("\n")
    except (OSError, subprocess.CalledProcessError):  # an unpacked archive
        names = [str(p.relative_to(root)) for p in root.rglob("*") if p.is_file() and "build" not in p.parts]
    return sorted(n for n in names if n and (root / n).is_file())


tracked = files()
sources = [n for n in tracked if n.endswith((".h", ".cpp", ".cu", ".cuh"))]

for name in sources:
    layer = name.split("/")[0]
    text = (root / name).read_text()
    if layer in layers:
        for included in re.findall(r'#include "(\w+)/', text):
            if included in layers and layers.index(included) > layers.index(layer):
                problems.append(f"{name} includes from {included}/, a layer above its own")
    if not name.startswith(("kernels/cuda/", "kernels/cudnn/", "tests/emulation/")):
        if re.search(r"#include <(cuda|cudnn|cufft|cublas)|__CUDA|__global__", text):
            problems.append(f"{name} speaks CUDA, which belongs under kernels/cuda or kernels/cudnn")

# A kernel that did not wait for the one before it would read what that has not written yet (kernels/cuda/launch.cuh).
for name in sources:
    if name.startswith("kernels/cuda/"):
        text = (root / name).read_text()
        begins = len(re.findall(r"^__global__ [^{]*\{\n  begin_kernel\(\);\n", text, re.M))
        if begins != text.count("__global__"):
            problems.append(f"{name}: {text.count('__global__')} kernels, {begins} of them begin with begin_kernel()")

for header in (root / "kernels").glob("*.h"):
    stem = header.stem
    if stem in not_operations:
        continue
    for needed in (f"kernels/reference/{stem}.cpp", f"kernels/cpu/{stem}.cpp", f"tests/{stem}_test.cpp", f"bench/{stem}_bench.cpp"):
        if not (root / needed).exists():
            problems.append(f"kernels/{stem}.h has no {needed}")

machine = re.compile(r"(?<![\w.])/(tmp|work|home|root)/")
for name in tracked:
    if name.endswith((".png", ".h5", ".cxi", ".npy")) or name == "scripts/check.py":
        continue
    text = (root / name).read_text()
    if text and not text.endswith("\n"):
        problems.append(f"{name} does not end with a newline")
    for number, line in enumerate(text.split("\n"), 1):
        if line != line.rstrip():
            problems.append(f"{name}:{number} ends in white space")
        if machine.search(line):
            problems.append(f"{name}:{number} names a path of one machine")

for problem in problems:
    print(problem)
sys.exit(1 if problems else 0)
