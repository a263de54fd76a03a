#!/usr/bin/env python3
"""Compiles every CUDA kernel for every GPU architecture that is supported, without a GPU: warnings, spilled registers and local
memory are errors; then the rules of scripts/sass_rules.txt on the machine code. For ctest (label nvcc).

    nvcc_check.py NVCC BUILD_FOLDER [--table]      --table prints the Markdown table of docs/cuda-kernels.md (sm_90)
"""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

import sass_ops

FORMATS = ["float32", "tf32x3", "tf32", "bfloat16"]  # enum Precision of kernels/stream.h
ARCHITECTURES = [80, 86, 89, 90, 100, 120]
root = pathlib.Path(__file__).resolve().parent.parent
OPTIONS = ["-std=c++20", "--expt-relaxed-constexpr", "-diag-suppress=554", "-DFMT_USE_CONSTEXPR=1", "-DFMT_CONSTEVAL=",
           "-Xptxas", "-warn-spills,-warn-lmem-usage", "-Werror", "all-warnings", "-O3"]


def newest_header():
    return max(p.stat().st_mtime for pattern in ("kernels/*.h", "kernels/cuda/*.h", "kernels/cuda/*.cuh") for p in root.glob(pattern))


def asked_for(path):
    """The architectures from which on a source, or what it includes from this tree, differs: `#if __CUDA_ARCH__ >= 900`."""
    seen, open_paths, found = set(), [path], set()
    while open_paths:
        text = open_paths.pop().read_text()
        asked = re.findall(r"__CUDA_ARCH__(?: >= (\d+)0\b)?", text)
        if "" in asked:
            sys.exit("a kernel asks for its architecture otherwise than by `__CUDA_ARCH__ >= ...`: mend asked_for in nvcc_check.py")
        found.update(map(int, asked))
        for name in re.findall(r'#include "([^"]+)"', text):
            if (root / name).exists() and name not in seen:
                seen.add(name)
                open_paths.append(root / name)
    return sorted(found)


def compile_one(nvcc, source, folder):
    """Cubins for all architectures and PTX for later ones; returns what the compiler said, "" when it is content."""
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / "done"
    if done.exists() and done.stat().st_mtime > max(source.stat().st_mtime, newest_header()):
        return ""
    # One PTX for all that a source does not tell apart: half the time, and what differs, the assembler's work, is done for each.
    versions = [ARCHITECTURES[0], *asked_for(source)]
    code = [f"-gencode=arch=compute_{max(v for v in versions if v <= a)},code=sm_{a}" for a in ARCHITECTURES]
    code.append(f"-gencode=arch=compute_{versions[-1]},code=compute_{versions[-1]}")
    run = subprocess.run([nvcc, *OPTIONS, *code, f"-I{root}", "-fatbin", "--keep", "--keep-dir", str(folder), str(source), "-o",
                          str(folder / "all.fatbin")], capture_output=True, text=True)
    if run.returncode != 0:
        return f"{source.name}:\n{run.stdout}{run.stderr}"
    done.touch()
    return ""


def demangled(name):
    """The kernel's own name and its template arguments, from a mangled name in an anonymous namespace."""
    match = re.search(r"_GLOBAL__N__\w+?_cu_[0-9a-f]{8}(\d+)(.*)", name)
    if not match:
        return name
    # The hash before it may end in digits of the length; the longest fitting reading is right.
    digits = match.group(1)
    for start in range(len(digits)):
        length = int(digits[start:])
        if match.group(2)[:length].endswith("_kernel"):
            rest = match.group(2)[length:]
            one = r"L([bijm]|NS_9PrecisionE)(\d+)E|NS\d*_\d+([A-Za-z]+?)E|(f|6float4)(?=E)"
            arguments = re.match(f"I((?:{one})+)E", rest)
            pieces = re.findall(one, arguments.group(1) + "E") if arguments else []
            values = [structure or {"f": "float", "6float4": "float4"}.get(plain) or (number if len(kind) == 1 else FORMATS[int(number)])
                      for kind, number, structure, plain in pieces]
            return match.group(2)[:length] + ("<" + ", ".join(values) + ">" if values else "")
    return name


def main():
    nvcc, build = sys.argv[1], pathlib.Path(sys.argv[2])
    sources = sorted((root / "kernels/cuda").glob("*.cu"))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        said = [text for text in pool.map(lambda s: compile_one(nvcc, s, build / s.stem), sources) if text]
    if said:
        print("\n".join(said))
        return 1
    broken = []
    for architecture in ARCHITECTURES:
        found = {}
        for source in sources:
            for cubin in (build / source.stem).glob(f"*_{architecture}.cubin"):
                found.update(sass_ops.kernels(cubin))
        broken += [f"sm_{architecture}: {line}" for line in sass_ops.check(root / "scripts/sass_rules.txt", found)]
        if architecture == 90 and "--table" in sys.argv:
            print("| kernel | registers | warps of 64 | shared [bytes] | instructions | of them |\n|---|---:|---:|---:|---:|---|")
            for kernel, row in sorted(((demangled(k), r) for k, r in found.items()), key=lambda row: row[0]):
                counted = ", ".join(f"{v} {k}" for k, v in row.items() if k.isupper())
                registers = row.get("registers", 255)
                warps = min(64, 65536 // (-(-registers // 8) * 8 * 32) // 4 * 4)  # registers come in eights, warps in fours
                print(f"| `{kernel}` | {registers} | {warps} | {max(0, row.get('shared', 0) - 1024)} | {row['instructions']} | {counted} |")
    print("\n".join(broken) or f"{len(sources)} files, {len(found)} kernels, {len(ARCHITECTURES)} architectures: all compile, no spills, rules kept")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
