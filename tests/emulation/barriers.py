#!/usr/bin/env python3
"""barriers.py PLAIN_TESTS THREAD_TESTS TEST_FILE SOURCE.cu ...
Every barrier of the sources is needed, and its absence is noticed: runs the tests of TEST_FILE with one left out at a time, on
values and then for races, and fails when both pass. Barriers are all that CUDA has for the threads of a block or warp:
__syncthreads and its forms that vote (without it a thread gets its own vote), __syncwarp.

barriers.py --listed SOURCE.cu ... : fails when one of the sources has a barrier (or a named one, which the emulation does not know) and is
not among the names on stdin."""
import os
import re
import subprocess
import sys

BARRIER = re.compile(r"\b(__syncthreads(?:_count|_and|_or)?|__syncwarp)\s*\(")
NAMED = re.compile(r"\bbar(?:rier)?\.(?:cta\.)?(?:sync|arrive|red)|\b__(?:named_barrier|nv_bar)\w*|cuda::barrier|cooperative_groups")


def code_lines(source):
    """The lines without their comments."""
    with open(source, encoding="utf-8") as file:
        text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group().count("\n"), file.read(), flags=re.S)
    return [line.split("//")[0] for line in text.split("\n")]


def barriers(source):
    """(line, name) of each; two of a line could not be told apart."""
    found = []
    for number, line in enumerate(code_lines(source), 1):
        names = BARRIER.findall(line)
        if len(names) > 1:
            sys.exit(f"{source}:{number}: two barriers on one line cannot be left out one at a time")
        if NAMED.search(line):
            sys.exit(f"{source}:{number}: a barrier that the emulation does not know")
        found += [(number, name) for name in names]
    return found


def passes(program, test, barrier):
    environment = dict(os.environ, FRINGE_QUICK_TESTS="1", TSAN_OPTIONS="halt_on_error=1", EMU_SKIP_BARRIER=barrier)
    ran = subprocess.run([program, f"--source-file=*/{test}.cpp", "--no-intro", "--abort-after=1"], capture_output=True, text=True,
                         env=environment)
    return ran.returncode == 0 and "test cases: 0 " not in ran.stdout


def all_listed(sources):
    listed = set(sys.stdin.read().split())
    missing = [os.path.basename(s) for s in sources if barriers(s) and os.path.basename(s) not in listed]
    return f"barriers that no test leaves out: {', '.join(missing)}" if missing else 0


def all_needed(plain, thread, test, sources):
    if not passes(plain, test, ""):
        return f"{test} fails with all barriers in place"
    unnoticed, count = [], 0
    for source in sources:
        for number, name in barriers(source):
            count += 1
            barrier = f"{os.path.basename(source)}:{number}"
            noticed = "values" if not passes(plain, test, barrier) else "race" if not passes(thread, test, barrier) else None
            print(barrier, name, noticed or "NOT NOTICED")
            if noticed is None:
                unnoticed.append(barrier)
    if count == 0:
        return "no barrier found"
    return f"tests pass without {', '.join(unnoticed)}" if unnoticed else 0


if __name__ == "__main__":
    if sys.argv[1] == "--listed":
        sys.exit(all_listed(sys.argv[2:]))
    plain_program, thread_program, test_file, *files = sys.argv[1:]
    sys.exit(all_needed(plain_program, thread_program, test_file, files))
