#!/usr/bin/env python3
"""What an iteration of `fringe iterate` costs, in units of FFTW's two transforms, beside the same in numpy and scipy.

    python3 bench/peers/iteration.py build/release/fringe pattern.cxi [rounds]

One thread, single precision, CPU time. The pattern must have 64^3 voxels (fringe simulate --size 64 --photons 1e6). FFTW (the
shared library of single precision) gets a patient plan, in place. It is timed before and after every other measurement, so that
ratios compare neighbours in time. Two runs of different length are subtracted, so that reading and writing drop out.
"""
import ctypes
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import scipy.fft

program, pattern = sys.argv[1], sys.argv[2]
n, rounds = 64, int(sys.argv[3]) if len(sys.argv) > 3 else 5

fftw = ctypes.CDLL("libfftw3f.so.3")
fftw.fftwf_malloc.restype = fftw.fftwf_plan_dft_3d.restype = ctypes.c_void_p
memory = ctypes.c_void_p(fftw.fftwf_malloc(ctypes.c_size_t(8 * n**3)))
patient = 1 << 5
plans = [ctypes.c_void_p(fftw.fftwf_plan_dft_3d(n, n, n, memory, memory, sign, patient)) for sign in (-1, 1)]
values = np.ctypeslib.as_array(ctypes.cast(memory, ctypes.POINTER(ctypes.c_float)), (2 * n**3,))


def two_transforms(repeats=150):
    spent = 0.0
    for i in range(repeats):
        if i % 4 == 0:  # unnormalised: they grow
            values[:] = 1e-20
        begin = time.process_time()
        for plan in plans:
            fftw.fftwf_execute(plan)
        spent += time.process_time() - begin
    return spent / repeats


random = np.random.default_rng(1)
amplitude = random.random((n,) * 3).astype("f4")
support = np.zeros((n,) * 3, bool)
support[20:44, 20:44, 20:44] = True
x = scipy.fft.ifftn(amplitude * np.exp(2j * np.pi * random.random((n,) * 3)).astype("c8"))


def numpy_hio(repeats=15):
    global x
    begin = time.process_time()
    for _ in range(repeats):
        field = scipy.fft.fftn(x)
        field *= amplitude / np.maximum(np.abs(field), 1e-20)
        projected = scipy.fft.ifftn(field, overwrite_x=True)
        x = np.where(support, projected, x - np.float32(0.9) * projected)
    return (time.process_time() - begin) / repeats


def child_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def fringe(algorithm, folder):
    spent = []
    for count in (200, 800):
        begin = child_seconds()
        subprocess.run([program, "iterate", pattern, "-o", os.path.join(folder, "r.cxi"), "-q", "--no-shrink-wrap",
                        "--starts", "1", "--threads", "1", "--recipe", f"{count}*{algorithm}"], check=True)
        spent.append(child_seconds() - begin)
    return (spent[1] - spent[0]) / 600


with tempfile.TemporaryDirectory() as folder:
    cases = {"numpy HIO": numpy_hio} | {a: (lambda a=a: fringe(a, folder)) for a in ("ER", "HIO", "RAAR", "DM", "SF", "CF", "ML")}
    ratios, pairs = {name: [] for name in cases}, []
    for _ in range(rounds):
        for name, measure in cases.items():
            before = two_transforms()
            seconds = measure()
            pairs.append((before + two_transforms()) / 2)
            ratios[name].append(seconds / pairs[-1])
print(json.dumps({"two transforms [ms]": round(1e3 * statistics.median(pairs), 3),
                  "ratio": {name: round(statistics.median(r), 2) for name, r in ratios.items()},
                  "all": {name: [round(v, 2) for v in r] for name, r in ratios.items()}}, indent=1))
