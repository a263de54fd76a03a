#!/usr/bin/env python3
"""Writes small_network.h5: what PyTorch, in double precision, makes of a small network of fringe's architecture.

Needs torch 2.x, numpy and h5py; the file it wrote is committed, so that nobody needs them to run the tests. The layers here
are PyTorch's own (conv3d, batch_norm, leaky_relu, max_pool3d, interpolate, fft): only the order in which they are called
is written down twice, here and in layers/network.cpp.

    python3 tests/golden/make_golden.py tests/golden/small_network.h5
"""
import sys

import h5py
import numpy as np
import torch
import torch.nn.functional as F

torch.manual_seed(20)
torch.set_default_dtype(torch.float64)
LEVELS, WIDTH, SLOPE, SIZE, BATCH = 2, 3, 0.01, 16, 2

arrays = {}  # in fringe's layout
parameters = {}


def single(t):
    """Rounded to float, so that both of fringe's precisions read the same numbers."""
    return t.float().double()


def convolution(name, kernel, c_in, c_out):
    bound = (c_in * np.prod(kernel)) ** -0.5
    parameters[name + ".weight"] = single((torch.rand(c_out, c_in, *kernel) * 2 - 1) * bound).requires_grad_()
    parameters[name + ".bias"] = single((torch.rand(c_out) * 2 - 1) * bound).requires_grad_()


def norm(name, channels):
    parameters[name + ".gamma"] = single(1 + 0.1 * torch.randn(channels)).requires_grad_()
    parameters[name + ".beta"] = single(0.1 * torch.randn(channels)).requires_grad_()


def block(name, c_in, c_out):
    convolution(name + ".conv", (3, 3, 3), c_in, c_out)
    norm(name + ".conv_norm", c_out)
    for axis, kernel in (("d", (3, 1, 1)), ("h", (1, 3, 1)), ("w", (1, 1, 3))):
        convolution(f"{name}.separable.{axis}", kernel, c_out, c_out)
    norm(name + ".separable_norm", c_out)


channels = 1
for i in range(LEVELS):
    block(f"encoder.{i}", channels, WIDTH << i)
    channels = WIDTH << i
for decoder in ("amplitude", "phase"):
    for j in range(LEVELS - 1):
        block(f"{decoder}.{j}", WIDTH << (LEVELS - 1 - j), WIDTH << (LEVELS - 2 - j))
    convolution(f"{decoder}.head", (3, 3, 3), WIDTH, 1)

statistics = {}


def run_convolution(x, name):
    w = parameters[name + ".weight"]
    return F.conv3d(x, w, parameters[name + ".bias"], padding=[k // 2 for k in w.shape[2:]])


def run_norm(x, name):
    mean, var = torch.zeros(x.shape[1]), torch.ones(x.shape[1])
    y = F.batch_norm(x, mean, var, parameters[name + ".gamma"], parameters[name + ".beta"], training=True, momentum=0.1,
                     eps=1e-5)
    statistics[name + ".running_mean"], statistics[name + ".running_var"] = mean, var
    return y


def run_block(x, name):
    x = run_norm(F.leaky_relu(run_convolution(x, name + ".conv"), SLOPE), name + ".conv_norm")
    for axis in "dhw":
        x = run_convolution(x, f"{name}.separable.{axis}")
    return run_norm(F.leaky_relu(x, SLOPE), name + ".separable_norm")


def run_decoder(x, name):
    for j in range(LEVELS - 1):
        x = run_block(F.interpolate(x, scale_factor=2, mode="nearest"), f"{name}.{j}")
    return run_convolution(x, name + ".head")


def forward(x):
    for i in range(LEVELS):
        x = F.max_pool3d(run_block(x, f"encoder.{i}"), 2)
    return torch.relu(run_decoder(x, "amplitude")), torch.pi * torch.tanh(run_decoder(x, "phase"))


def diffract(amplitude, phase):
    edge = SIZE // 4  # from SIZE/2 to SIZE, the centre voxel SIZE/4 going to SIZE/2
    field = F.pad(torch.polar(amplitude, phase), [edge] * 6)
    f = torch.fft.fftn(field, dim=(2, 3, 4))
    # fringe's fft3d has its zero frequency in the middle of the array, and the object's centre voxel at its origin.
    f = torch.fft.fftshift(f, dim=(2, 3, 4))
    return (f.real**2 + f.imag**2 + 1e-12) ** 0.5


def sums(x):
    return x.sum(dim=(1, 2, 3, 4))


def relative_l2(p, t, w):
    """At the scale that makes it smallest."""
    s = (sums(w * p * t) / sums(w * p * p)).view(-1, 1, 1, 1, 1)
    return sums(w * (s * p - t) ** 2) / sums(w * t * t)


def amplitude_error(p, t, w):
    return (sums(w * (p - t) ** 2) / sums(w * t * t)).sqrt()


def pearson(p, t, w, centred=True):
    if centred:
        p = p - (sums(w * p) / sums(w)).view(-1, 1, 1, 1, 1)
        t = t - (sums(w * t) / sums(w)).view(-1, 1, 1, 1, 1)
    return 1 - sums(w * p * t) / (sums(w * p * p) * sums(w * t * t)).sqrt()


def poisson(p, t, w, floor=1e-3):
    s = (sums(w * t * t) / sums(w * p * p)).detach().view(-1, 1, 1, 1, 1)
    rate, i = s * p * p + floor, t * t
    return sums(w * (rate - i + torch.special.xlogy(i, i / rate))) / sums(w)


def uniform_density(a):
    level = (sums(a**3) / sums(a**2)).detach().view(-1, 1, 1, 1, 1)
    return sums(a**2 * (a - level) ** 2) / (level.flatten() ** 2 * sums(a**2))


def store(name, t):
    """(N,C,D,H,W) to (N,D,H,W,C); weights (Co,Ci,Kd,Kh,Kw) to (Kd,Kh,Kw,Ci,Co); vectors to (1,1,1,1,C)."""
    t = t.detach().numpy()
    if name.endswith(".weight"):
        t = t.transpose(2, 3, 4, 1, 0)
    elif t.ndim == 5:
        t = t.transpose(0, 2, 3, 4, 1)
    else:
        t = t.reshape(1, 1, 1, 1, -1)
    arrays[name] = np.ascontiguousarray(t)


x = single(torch.rand(BATCH, 1, SIZE, SIZE, SIZE))
measured = single(torch.randn(BATCH, 1, SIZE, SIZE, SIZE).abs() * 10)
mask = (torch.rand(1, 1, SIZE, SIZE, SIZE) > 0.1).double()
amplitude, phase = forward(x)
f = diffract(amplitude, phase)

losses = {
    "relative_l2": relative_l2(f, measured, mask),
    "amplitude_error": amplitude_error(f, measured, mask),
    "pearson": pearson(f, measured, mask),
    "pearson_plain": pearson(f, measured, mask, centred=False),
    "poisson": poisson(f, measured, mask),
    "uniform_density": uniform_density(amplitude),
}
# Every loss in one sum, so that one set of gradients tests all of them.
loss = (losses["relative_l2"].log() + losses["pearson"].log() + 0.5 * losses["amplitude_error"]
        + 0.7 * losses["pearson_plain"] + 0.01 * losses["poisson"] + 0.3 * (losses["uniform_density"] + 1e-3).log())
loss.sum().backward()

for name, t in {"input": x, "measured": measured, "mask": mask, "amplitude": amplitude, "phase": phase, "modulus": f}.items():
    store(name, t)
for name, t in losses.items():
    store("loss." + name, t)
store("loss", loss)
for name, p in parameters.items():
    store("network." + name, p)
    store("gradient." + name, p.grad)
for name, t in statistics.items():
    store("statistics." + name, t)
    store("network." + name, torch.zeros_like(t) if name.endswith("mean") else torch.ones_like(t))

with h5py.File(sys.argv[1], "w") as file:
    file.attrs.create("format", np.bytes_("fringe checkpoint 1"))
    group = file.create_group("arrays")
    for name, a in arrays.items():
        big = a.size > 1024
        group.create_dataset(name, data=a, track_times=False, **({"compression": 9, "shuffle": True} if big else {}))
    numbers = file.create_group("numbers")
    for name, value in {"levels": LEVELS, "width": WIDTH, "slope": SLOPE}.items():
        numbers.attrs[name] = float(value)
    texts = file.create_group("texts")
    texts.attrs.create("made_by", np.bytes_(f"tests/golden/make_golden.py, torch {torch.__version__}"))
