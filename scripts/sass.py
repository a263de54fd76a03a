#!/usr/bin/env python3
"""sass.py NVCC SOURCE.cu ARCHITECTURE KERNEL:need=OP,OP:forbid=OP ...
Compiles the source for one architecture, spills being errors, and checks which instructions its kernels have. Every kernel whose
mangled name matches the regular expression KERNEL obeys its rule, and there is one.

No disassembler is needed: since compute capability 7.0 an instruction has 16 bytes and the low 12 bits are its kind."""
import os
import re
import struct
import subprocess
import sys
import tempfile

kinds = {0x23c: "HMMA", 0x83b: "LDSM", 0xfae: "LDGSTS", 0x983: "LDL", 0x387: "STL", 0x223: "FFMA"}


def kernels(cubin):
    """(mangled name, set of the known kinds of instructions) of every kernel: the .text sections of the ELF file."""
    table, = struct.unpack_from("<Q", cubin, 40)
    count, names = struct.unpack_from("<HH", cubin, 60)
    sections = [struct.unpack_from("<IIQQQQ", cubin, table + 64 * i) for i in range(count)]
    for name_at, _, _, _, at, size in sections:
        start = sections[names][4] + name_at
        name = cubin[start:cubin.index(b"\0", start)].decode()
        if name.startswith(".text."):
            codes = {struct.unpack_from("<H", cubin, at + i)[0] & 0xFFF for i in range(0, size, 16)}
            yield name[6:], {kinds[c] for c in codes if c in kinds}


nvcc, source, architecture, *rules = sys.argv[1:]
root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
with tempfile.TemporaryDirectory() as folder:
    cubin = os.path.join(folder, "out.cubin")
    subprocess.run([nvcc, "-std=c++20", "-I", root, "--expt-relaxed-constexpr", "-diag-suppress=554", "-DFMT_CONSTEVAL=",
                    f"-arch=sm_{architecture}", "-Xptxas", "-warn-spills,-warn-lmem-usage,-Werror", "-cubin", "-o", cubin, source],
                   check=True)
    with open(cubin, "rb") as file:
        found = list(kernels(file.read()))
broken = 0
for rule in rules:
    pattern, *conditions = rule.split(":")
    matching = [(name, have) for name, have in found if re.search(pattern, name)]
    if not matching:
        print(f"no kernel matches {pattern}")
        broken += 1
    for name, have in matching:
        for condition in conditions:
            verb, operations = condition.split("=")
            for operation in operations.split(","):
                if (operation in have) != (verb == "need"):
                    print(f"{name}: {verb} {operation} is not obeyed")
                    broken += 1
print(f"sm_{architecture}: {len(found)} kernels, {broken} broken rules")
sys.exit(broken != 0)
