"""What cohere.py and phasing.py share: starts of cohere and PyNX in processes of their own, their processor seconds, and the
judge that is the same for all."""
import os
import pathlib
import resource
import subprocess
import sys

import numpy as np

ONE_THREAD = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1", OMP_WAIT_POLICY="passive",
                  POCL_CPU_MAX_CU_COUNT="1", PYTHONWARNINGS="ignore")

# amplitudes, result folder, seed, sequence. The shrink-wrap is that of cohere's examples, every tenth iteration as in fringe.
COHERE = """
import sys, numpy as np
from cohere_core.controller import phasing
np.random.seed(int(sys.argv[3]))
rec = phasing.create_rec({"algorithm_sequence": sys.argv[4], "reconstructions": 1, "hio_beta": 0.9,
    "initial_support_area": (0.5, 0.5, 0.5), "shrink_wrap_trigger": [1, 10], "shrink_wrap_type": "GAUSS",
    "shrink_wrap_threshold": 0.1, "shrink_wrap_gauss_sigma": 1.0, "twin_trigger": [2], "twin_halves": (0, 0)},
    sys.argv[1], "np", -1, debug=True)
assert rec.init_iter_loop() == 0 and rec.iterate() == 0
rec.save_res(sys.argv[2])
"""
PAPER_SEQUENCE = "50*ER+19*(50*HIO+50*ER)+50*ER"

# intensities with free voxels as -I - 1 and a mask (both with Q = 0 in the middle), result file, number of starts. What pynx-cdi-id01 does
# with its defaults: support from the autocorrelation, 600 RAAR with detwin after a quarter, 200 ER, support updates every 50, masked voxels
# zero for the first 350; the threshold drawn from 0.2 to 0.3, as its help has it for several runs, and changed by a tenth when the support
# diverges. With "psf" its option psf=True besides: partial coherence by a kernel that begins as a pseudo-Voigt of width 1 after two thirds of RAAR,
# updated every 5 iterations from then on. On the first OpenCL device there is:
# PyNX by itself looks for GPUs only.
PYNX = """
import sys, numpy as np
psf = sys.argv[4] == "psf"
from numpy.fft import ifftshift
import pyopencl
from pynx.processing_unit import default_processing_unit
default_processing_unit.set_device(pyopencl.get_platforms()[0].get_devices()[0], test_fft=False)
from pynx.cdi import CDI, RAAR, ER, DetwinRAAR, SupportUpdate, AutoCorrelationSupport, InitObjRandom, ScaleObj, LLK
from pynx.cdi import SupportTooSmall, SupportTooLarge, InitPSF
data = np.load(sys.argv[1])

def start(threshold):
    cdi = CDI(ifftshift(data["intensity"]).astype("f4"), mask=ifftshift(data["mask"]).astype("i1"))
    cdi = AutoCorrelationSupport(threshold=(0.09, 0.11)) * cdi
    cdi = ScaleObj(method="F") * InitObjRandom(src="support", amin=0, amax=1, phirange=2 * np.pi) * cdi
    update = SupportUpdate(threshold_relative=threshold, smooth_width=(2, 0.5, 500), method="rms", min_fraction=1e-4, max_fraction=0.7)
    for block in range(16):
        zero = bool(data["mask"].any()) and block < 7
        if block == 3:
            cdi = DetwinRAAR(beta=0.9, nb_cycle=10, zero_mask=zero) * cdi
        if psf and block == 8:
            cdi = InitPSF(model="pseudo-voigt", fwhm=1, eta=0.05) * cdi
        update_psf = 5 if psf and block >= 8 else 0
        step = (RAAR(beta=0.9, zero_mask=zero, update_psf=update_psf) if block < 12 else ER(zero_mask=zero, update_psf=update_psf))
        cdi = update * step**50 * cdi if block < 15 else step**50 * cdi
    return LLK() * cdi

found = {}
for seed in range(1, int(sys.argv[3]) + 1):
    np.random.seed(seed)
    threshold, cdi = np.random.uniform(0.2, 0.3), None
    while cdi is None:
        try:
            cdi = start(threshold)
        except SupportTooLarge:
            threshold *= 1.1
        except SupportTooSmall:
            threshold /= 1.1
    found[f"density{seed}"], found[f"llk{seed}"] = cdi.get_obj(shift=True), cdi.get_llk(normalized=True)[3]
    found[f"psf{seed}"] = cdi._psf_f if psf else np.zeros(0)
np.savez(sys.argv[2], **found)
"""


def timed(command):
    """Processor seconds of a command."""
    begin = resource.getrusage(resource.RUSAGE_CHILDREN)
    run = subprocess.run([str(c) for c in command], env=ONE_THREAD, capture_output=True, text=True)
    if run.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command[:3]))} ...: {run.stderr[-2000:] or run.stdout[-2000:]}")
    end = resource.getrusage(resource.RUSAGE_CHILDREN)
    return end.ru_utime + end.ru_stime - begin.ru_utime - begin.ru_stime


def cohere(folder, amplitude_file, seed):
    """Processor seconds and density of one start of the paper's 2000 iterations."""
    (folder / "cohere_start.py").write_text(COHERE)
    seconds = timed([sys.executable, folder / "cohere_start.py", amplitude_file, folder / "result", seed, PAPER_SEQUENCE])
    # cohere goes from the density to the detector with the transform of the other sign: the conjugate density has the same pattern.
    return seconds, np.conj(np.load(folder / "result/image.npy"))


def pynx(python, folder, data_file, starts, root="", psf=False):
    """Processor seconds of all starts; density, PyNX's own free LLK and what its illumination makes of an intensity, of each. `python`: the
    words of an interpreter that has pynx; `root`: the folder that is / for it."""
    inside = lambda path: pathlib.Path("/") / path.relative_to(root) if root else path
    (folder / "pynx_starts.py").write_text(PYNX)
    seconds = timed([*python, inside(folder / "pynx_starts.py"), inside(data_file), inside(folder / "pynx.npz"), starts, "psf" if psf else "-"])
    with np.load(folder / "pynx.npz") as found:
        return seconds, [(found[f"density{k}"], float(found[f"llk{k}"]), seen_through(found[f"psf{k}"])) for k in range(1, starts + 1)]


def seen_through(transform):
    """The convolution with a kernel whose real transform this is (Q = 0 at index 0), as a function of the intensity; none if empty."""
    if transform.size == 0:
        return lambda intensity: intensity
    return lambda intensity: np.maximum(np.fft.irfftn(np.fft.rfftn(intensity) * transform, intensity.shape, axes=(0, 1, 2)), 0)


def gaussian_transform(widths, shape):
    """Of the kernel of these rms widths [voxels of Q] (kernels/partial_coherence.h), for seen_through()."""
    frequencies = [np.fft.fftfreq(shape[0]), np.fft.fftfreq(shape[1]), np.fft.rfftfreq(shape[2])]
    d, h, w = (np.exp(-2 * (np.pi * width * u) ** 2) for width, u in zip(widths, frequencies))
    return d[:, None, None] * h[:, None] * w


def intensity_of(density):
    return np.abs(np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(density)))) ** 2


def judged(density, amplitude, measured, seen=seen_through(np.zeros(0))):
    """chi^2 at the best scale, and Pearson's r, of |F| as `seen` under its illumination, over the measured voxels."""
    f = np.sqrt(seen(intensity_of(density)))[measured]
    a = amplitude[measured]
    f *= (a @ f) / (f @ f)
    return float(np.sum((f - a) ** 2) / np.sum(a**2)), float(np.corrcoef(f, a)[0, 1])


def llk(density, intensity, voxels, seen=seen_through(np.zeros(0))):
    """mean of P - I + I log(I / P) at the scale sum I / sum P, as fringe's."""
    p, i = seen(intensity_of(density))[voxels], intensity[voxels]
    p = np.maximum(p * (i.sum() / p.sum()), 1e-9)
    return float(np.mean(p - i + np.where(i > 0, i * np.log(np.maximum(i, 1e-30) / p), 0)))


def padded(object_, shape):
    out = np.zeros(shape, complex)
    start = [(n - m) // 2 for n, m in zip(shape, object_.shape)]
    out[tuple(slice(s, s + m) for s, m in zip(start, object_.shape))] = object_
    return out


def central(density):
    """The middle half of a density, after moving its centre of mass there."""
    weight = np.abs(density) ** 2
    shift = []
    for axis, n in enumerate(density.shape):
        along = weight.sum(axis=tuple(k for k in range(3) if k != axis))
        angle = np.angle(np.sum(along * np.exp(2j * np.pi * np.arange(n) / n)))
        shift.append(n // 2 - int(round(angle * n / (2 * np.pi))))
    moved = np.roll(density, shift, (0, 1, 2))
    return moved[tuple(slice(n // 4, n // 4 + n // 2) for n in density.shape)]
