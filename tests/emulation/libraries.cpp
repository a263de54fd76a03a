// cuFFT's entry points over FFTW: the same arguments, checked, and the work queued on the emulated streams.
#include "kernels/cuda/libraries.h"

#include <fftw3.h>

#include <map>

#include "kernels/error.h"
#include "tests/emulation/counters.h"
#include "tests/emulation/internal.h"

namespace fringe::cuda {
namespace {

struct Plan {
  int n[3], batch;
  cudaStream_t stream;
};
std::map<cufftHandle, Plan> plans;

/// Packed, batched, three-dimensional, complex to complex: what the engine asks for, and nothing else.
cufftResult plan_many(cufftHandle* handle, int rank, int* n, int* input_embed, int, int, int* output_embed, int, int, cufftType type,
                      int batch) {
  if (rank != 3 || batch < 1 || n[0] < 1 || n[1] < 1 || n[2] < 1 || type != CUFFT_C2C || input_embed != nullptr || output_embed != nullptr)
    return CUFFT_INVALID_VALUE;
  *handle = static_cast<cufftHandle>(plans.size() + 1);
  plans[*handle] = {{n[0], n[1], n[2]}, batch, nullptr};
  return CUFFT_SUCCESS;
}

cufftResult set_stream(cufftHandle handle, cudaStream_t stream) {
  if (!plans.contains(handle)) return CUFFT_INVALID_PLAN;
  plans[handle].stream = stream;
  return CUFFT_SUCCESS;
}

cufftResult exec_c2c(cufftHandle handle, cufftComplex* in, cufftComplex* out, int direction) {
  if (!plans.contains(handle)) return CUFFT_INVALID_PLAN;
  const Plan plan = plans[handle];
  const auto voxels = static_cast<std::size_t>(plan.n[0]) * static_cast<std::size_t>(plan.n[1]) * static_cast<std::size_t>(plan.n[2]);
  const std::size_t bytes = voxels * static_cast<std::size_t>(plan.batch) * sizeof(cufftComplex);
  emulation::require_device_range(in, bytes, "cuFFT's input");
  emulation::require_device_range(out, bytes, "cuFFT's output");
  emulation::enqueue(plan.stream, [plan, in, out, direction, voxels] {
    const emulation::DeviceMemoryOpen open;
    const auto distance = static_cast<int>(voxels);
    auto* from = reinterpret_cast<fftwf_complex*>(in);
    auto* to = reinterpret_cast<fftwf_complex*>(out);
    const fftwf_plan p = fftwf_plan_many_dft(3, plan.n, plan.batch, from, nullptr, 1, distance, to, nullptr, 1, distance, direction,
                                             FFTW_ESTIMATE | FFTW_UNALIGNED);
    fftwf_execute(p);
    fftwf_destroy_plan(p);
  });
  return CUFFT_SUCCESS;
}

}  // namespace

int driver_version() { return emulation::machine().driver_version; }

const FftLibrary& fft_library() {
  require(emulation::machine().fft, "cuFFT was not found (libcufft.so.12 or .11); install it or set LD_LIBRARY_PATH");
  static const FftLibrary library{plan_many, set_stream, exec_c2c};
  return library;
}

}  // namespace fringe::cuda
