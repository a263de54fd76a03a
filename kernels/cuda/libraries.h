// The entry points of NVIDIA's libraries that are used, with the libraries' own types, opened at run time: the libraries are
// large, absent on most machines, and never linked. tests/emulation has the same table over FFTW.
#pragma once
#include <cufft.h>

namespace fringe::cuda {

struct FftLibrary {
  decltype(&::cufftPlanMany) plan_many = nullptr;
  decltype(&::cufftSetStream) set_stream = nullptr;
  decltype(&::cufftExecC2C) exec_c2c = nullptr;
};

/// The CUDA version that the driver on this machine supports, as 1000 major + 10 minor; 0 when there is no driver. It is asked
/// for at run time (libcuda.so.1), because the program must start without it.
int driver_version();

/// cuFFT. Throws Error, naming what was looked for, when it is not on this machine.
const FftLibrary& fft_library();

}  // namespace fringe::cuda
