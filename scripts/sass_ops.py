#!/usr/bin/env python3
"""What machine code nvcc made of the CUDA kernels, without a GPU and without cuobjdump.

    sass_ops.py FILE.cubin...                    a table: registers, shared memory, local memory, counted instructions
    sass_ops.py --rules RULES FILE.cubin...      checks rules, prints what breaks them, exits 1 if something does

A rule is a line `KERNEL need OP...` or `KERNEL forbid OP...`: KERNEL is a regular expression found in a kernel's (mangled) name.
A rule that fits no kernel is broken. Since sm_70 an instruction has 16 bytes, and its lower 12 bits tell the operation;
numbers of registers and bytes of shared memory come from the cubin's .nv.info and section headers (sm_90 and later: 1 KB of the latter is CUDA's).
"""
import collections
import re
import struct
import sys

OPERATIONS = {0x23C: "HMMA", 0x237: "IMMA", 0x9F0: "HGMMA", 0x83B: "LDSM", 0xFAE: "LDGSTS", 0x983: "LDL", 0x387: "STL",
              0x223: "FFMA", 0xB1D: "BAR", 0xF89: "SHFL", 0x22B: "DFMA"}


def sections(blob):
    """Name, contents and size of every section of a 64-bit ELF file."""
    offset, = struct.unpack_from("<Q", blob, 40)
    count, names = struct.unpack_from("<HH", blob, 60)
    headers = [struct.unpack_from("<IIQQQQIIQQ", blob, offset + 64 * i) for i in range(count)]
    strings = headers[names][4]
    for h in headers:
        start = strings + h[0]
        name = blob[start:blob.index(b"\0", start)].decode()
        contents = b"" if h[1] == 8 else blob[h[4]:h[4] + h[5]]
        yield name, contents, h[5]


def kernels(path):
    """Kernel name -> its counts: operations by name, registers, shared bytes, instructions."""
    everything = {name: (contents, size) for name, contents, size in sections(open(path, "rb").read())}
    found = {}
    for name, (contents, _) in everything.items():
        if not name.startswith(".text."):
            continue
        codes = collections.Counter(struct.unpack_from("<H", contents, i)[0] & 0xFFF for i in range(0, len(contents), 16))
        row = {"instructions": len(contents) // 16}
        row.update({label: codes[code] for code, label in OPERATIONS.items() if codes[code]})
        kernel = name[6:]
        if ".nv.shared." + kernel in everything:
            row["shared"] = everything[".nv.shared." + kernel][1]
        found[kernel] = row
    symbols, names = everything[".symtab"][0], everything[".strtab"][0]
    # .nv.info: a byte of format, a byte that names the attribute, a value or, for format 4, a length and a payload.
    info, at = everything[".nv.info"][0], 0
    while at + 4 <= len(info):
        form, attribute, length = struct.unpack_from("<BBH", info, at)
        if form == 4 and attribute == 0x2F:  # registers: symbol, number
            symbol, registers = struct.unpack_from("<II", info, at + 4)
            start, = struct.unpack_from("<I", symbols, 24 * symbol)
            kernel = names[start:names.index(b"\0", start)].decode()
            if kernel in found:
                found[kernel]["registers"] = registers
        at += 4 + (length if form == 4 else 0)
    return found


def check(rules, found):
    broken = []
    for number, line in enumerate(open(rules), 1):
        line = line.split("#")[0].split()
        if not line:
            continue
        piece, kind, *operations = line
        hit = [k for k in found if re.search(piece, k)]
        if not hit:
            broken.append(f"{rules}:{number}: no kernel is named like {piece}")
        for kernel in hit:
            for operation in operations:
                if (kind == "need") != (operation in found[kernel]):
                    broken.append(f"{kernel}: {'has no' if kind == 'need' else 'has'} {operation}")
    return broken


if __name__ == "__main__":
    arguments = sys.argv[1:]
    rules = None
    if arguments[:1] == ["--rules"]:
        rules, arguments = arguments[1], arguments[2:]
    if not arguments:
        sys.exit(__doc__)
    everything = {}
    for path in arguments:
        everything.update(kernels(path))
    if rules:
        problems = check(rules, everything)
        print("\n".join(problems) or f"{len(everything)} kernels keep the rules of {rules}")
        sys.exit(1 if problems else 0)
    for kernel, row in sorted(everything.items()):
        print(kernel, " ".join(f"{k}={v}" for k, v in row.items()))
