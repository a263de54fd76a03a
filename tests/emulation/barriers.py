#!/usr/bin/env python3
"""barriers.py PLAIN_TESTS THREAD_TESTS TEST_FILE SOURCE.cu ...
Every __syncthreads of the sources is needed, and its absence is noticed: runs the tests of TEST_FILE with one left out at a
time, on values and then for races, and fails when both pass."""
import os
import re
import subprocess
import sys

plain, thread, test, *sources = sys.argv[1:]
environment = dict(os.environ, FRINGE_QUICK_TESTS="1", TSAN_OPTIONS="halt_on_error=1")


def passes(program, barrier):
    ran = subprocess.run([program, f"--source-file=*/{test}.cpp", "--no-intro", "--abort-after=1"], capture_output=True, text=True,
                         env=dict(environment, EMU_SKIP_BARRIER=barrier))
    return ran.returncode == 0 and "test cases: 0 " not in ran.stdout


if not passes(plain, ""):
    sys.exit(f"{test} fails with all barriers in place")
unnoticed, count = [], 0
for source in sources:
    with open(source, encoding="utf-8") as file:
        lines = file.read().split("\n")
    for number, line in enumerate(lines, 1):
        if not re.match(r"\s*__syncthreads\(", line):
            continue
        count += 1
        barrier = f"{os.path.basename(source)}:{number}"
        noticed = "values" if not passes(plain, barrier) else "race" if not passes(thread, barrier) else None
        print(barrier, noticed or "NOT NOTICED")
        if noticed is None:
            unnoticed.append(barrier)
if count == 0:
    sys.exit("no barrier found")
sys.exit(f"tests pass without {', '.join(unnoticed)}" if unnoticed else 0)
