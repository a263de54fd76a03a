#include "kernels/cuda/fft_plans.h"

#include <map>
#include <tuple>

namespace fringe::cuda {
namespace {

std::map<std::tuple<Index, Index, Index, Index>, cufftHandle> plans;

void check_fft(const char* operation, cufftResult result, const char* tried, const Shape& s) {
  if (result == CUFFT_ALLOC_FAILED)
    fail<OutOfMemory>("{}: {} for {} failed: out of device memory; use a smaller pattern, or --device cpu", operation, tried,
                      s.str());
  if (result != CUFFT_SUCCESS)
    fail<DeviceError>("{}: {} for {} failed: cuFFT error {}", operation, tried, s.str(), static_cast<int>(result));
}

cufftHandle plan_for(const char* operation, const Shape& s) {
  auto& plan = plans[{s.n, s.d, s.h, s.w}];
  if (plan == 0) {
    int n[3] = {static_cast<int>(s.d), static_cast<int>(s.h), static_cast<int>(s.w)};
    const auto one = static_cast<int>(s.voxels());
    cufftHandle made = 0;
    check_fft(operation,
              fft_library().plan_many(&made, 3, n, nullptr, 1, one, nullptr, 1, one, CUFFT_C2C, static_cast<int>(s.n)),
              "a plan", s);
    plan = made;
  }
  return plan;
}

}  // namespace

void transform_fields(const char* operation, Stream& stream, const Shape& shape, const float* from, float* to, int direction) {
  const cufftHandle plan = plan_for(operation, shape);
  check_fft(operation, fft_library().set_stream(plan, static_cast<cudaStream_t>(stream.queue())), "the choice of stream",
            shape);
  auto* in = reinterpret_cast<cufftComplex*>(const_cast<float*>(from));  // read only, where it is not `to`
  check_fft(operation, fft_library().exec_c2c(plan, in, reinterpret_cast<cufftComplex*>(to), direction), "the transform",
            shape);
}

}  // namespace fringe::cuda
