#!/usr/bin/env python3
"""conv3d_floors.py [WIDTH] [SIZE] [LEVELS]: what the convolutions of the network cost at least, as the tables of
docs/cuda-convolution.md. Flops are 2 * voxels * taps * Ci * Co; bytes are those of x, w and y once each in float32. The floor of
a layer is the longer of its products at the device's data-sheet rate and its bytes at the data-sheet bandwidth; forward, batch 1.
A prediction, not a measurement: no kernel reaches it."""
import sys

# Data sheets, dense: TFLOP/s of tf32 and bfloat16 tensor cores and of float32, TB/s. V100 has neither format: float32.
devices = {"H200": (494, 989, 67, 4.8), "A100": (156, 312, 19.5, 2.0), "RTX 4090": (82.6, 165, 82.6, 1.01), "V100": (None, None, 15.7, 0.9)}


def layers(width, size, levels):
    cin = 1
    for level in range(levels):
        extent, c = size >> level, width << level
        yield f"encoder {level} 3x3x3", extent, 27, cin, c, 1
        yield f"encoder {level} separable, each of 3", extent, 3, c, c, 3
        cin = c
    for block in range(levels - 1):
        extent = size >> (levels - 1 - block)
        c = width << (levels - 2 - block)
        yield f"decoders {block} 3x3x3, each of 2", extent, 27, 2 * c, c, 2
        yield f"decoders {block} separable, each of 6", extent, 3, c, c, 6
    yield "heads 3x3x3, each of 2", size // 2, 27, width, 1, 2


def floors(flops, bytes_, device, taps_on_plain_cores):
    tf32, bf16, f32, bandwidth = devices[device]
    rates = [tf32 / 3, tf32, bf16] if tf32 else [f32]
    if taps_on_plain_cores:
        rates = [f32] * len(rates)
    return [max(flops / rate, bytes_ / bandwidth) / 1e6 for rate in rates]  # [us]


def main():
    width, size, levels = (int(a) for a in (sys.argv[1:] + ["32", "64", "4"][len(sys.argv) - 1:]))
    names = [d for d in devices]
    print(f"| layer (w = {width}, {size}^3) | extent | taps | Ci -> Co | MFLOP | MB | " +
          " | ".join(d + (" tf32x3 / tf32 / bf16" if devices[d][0] else " float32") for d in names) + " |")
    print("|---|---|---|---|---|---|" + "---|" * len(names))
    totals, all_flops, all_bytes = {d: None for d in names}, 0, 0
    for name, extent, taps, ci, co, count in layers(width, size, levels):
        voxels = extent ** 3
        flops, bytes_ = 2 * voxels * taps * ci * co, 4 * (voxels * (ci + co) + taps * ci * co)
        taps_on_plain_cores = ci == 1 or co == 1
        all_flops += count * flops
        all_bytes += count * bytes_
        cells = []
        for d in names:
            t = floors(flops, bytes_, d, taps_on_plain_cores)
            totals[d] = [a + count * b for a, b in zip(totals[d] or [0] * len(t), t)]
            cells.append(" / ".join(f"{v:.1f}" for v in t))
        print(f"| {name} | {extent}^3 | {taps} | {ci} -> {co} | {flops / 1e6:.0f} | {bytes_ / 1e6:.1f} | " + " | ".join(cells) + " |")
    print(f"| forward, all | | | | {all_flops / 1e6:.0f} | {all_bytes / 1e6:.0f} | " +
          " | ".join(" / ".join(f"{v:.0f}" for v in totals[d]) for d in names) + " |")


if __name__ == "__main__":
    main()
