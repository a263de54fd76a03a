// The API of descriptors and algorithms is used, which cuDNN 9 keeps beside its graphs: of the algorithms that it lists
// for a convolution, fastest first by its own estimate, the first that it says is deterministic and supported is taken.
// Descriptors and choice are made at the first use of a shape and kept to the end.
#include "kernels/cuda/cudnn.h"

#include <map>

#include "kernels/cuda/check.h"
#include "kernels/cuda/cudnn_library.h"

namespace fringe::cuda::cudnn {
namespace {

struct Plan {
  bool usable = false;
  cudnnTensorDescriptor_t x = nullptr, y = nullptr;  ///< of the arrays with Ci and with Co channels
  cudnnFilterDescriptor_t w = nullptr;
  cudnnConvolutionDescriptor_t convolution = nullptr;
  int algorithm = 0;  ///< of the pass's own kind
  std::size_t workspace = 0;
};

std::map<Convolution, Plan> plans;
cudnnHandle_t handle = nullptr;
std::string why_not;
bool asked = false;

void check_cudnn(cudnnStatus_t status, const char* tried) {
  if (status != CUDNN_STATUS_SUCCESS) [[unlikely]]
    fail<DeviceError>("cuDNN: {} failed: {}", tried, cudnn_library().error_string(status));
}

/// cuDNN and a handle, once; false with a reason.
bool there() {
  if (!asked) {
    asked = true;
    try {
      if (const auto status = cudnn_library().create(&handle); status != CUDNN_STATUS_SUCCESS) {
        handle = nullptr;
        why_not = fmt::format("cuDNN does not start: {}", cudnn_library().error_string(status));
      }
    } catch (const Error& error) {
      why_not = error.what();
    }
  }
  return handle != nullptr;
}

/// Channels last: extents in cuDNN's order (N, C, D, H, W), strides of ours.
cudnnTensorDescriptor_t tensor(const Shape& volume, Index channels) {
  const int n = static_cast<int>(volume.n), c = static_cast<int>(channels), d = static_cast<int>(volume.d),
            h = static_cast<int>(volume.h), w = static_cast<int>(volume.w);
  const int extents[] = {n, c, d, h, w}, strides[] = {d * h * w * c, 1, h * w * c, w * c, c};
  cudnnTensorDescriptor_t made = nullptr;
  check_cudnn(cudnn_library().create_tensor(&made), "making a descriptor");
  check_cudnn(cudnn_library().set_tensor(made, CUDNN_DATA_FLOAT, 5, extents, strides), "describing an array");
  return made;
}

/// Takes the first good one of what `list` gives.
template <class Performance, class List>
void choose_algorithm(Plan& plan, const List& list) {
  Performance found[16];
  int count = 0;
  if (list(16, &count, found) != CUDNN_STATUS_SUCCESS) return;
  for (int i = 0; i < count && !plan.usable; ++i)
    if (found[i].status == CUDNN_STATUS_SUCCESS && found[i].determinism == CUDNN_DETERMINISTIC) {
      plan.usable = true;
      plan.algorithm = static_cast<int>(found[i].algo);
      plan.workspace = found[i].memory;
    }
}

Plan make(const Convolution& c) {
  const CudnnLibrary& l = cudnn_library();
  Plan p;
  p.x = tensor(c.volume, c.kernel.w);
  p.y = tensor(c.volume, c.kernel.c);
  const int kernel[] = {static_cast<int>(c.kernel.n), static_cast<int>(c.kernel.d), static_cast<int>(c.kernel.h)};
  const int filter[] = {static_cast<int>(c.kernel.c), static_cast<int>(c.kernel.w), kernel[0], kernel[1], kernel[2]};
  const int padding[] = {kernel[0] / 2, kernel[1] / 2, kernel[2] / 2}, ones[] = {1, 1, 1};
  check_cudnn(l.create_filter(&p.w), "making a descriptor");
  check_cudnn(l.set_filter(p.w, CUDNN_DATA_FLOAT, CUDNN_TENSOR_NHWC, 5, filter), "describing weights");
  check_cudnn(l.create_convolution(&p.convolution), "making a descriptor");
  check_cudnn(l.set_convolution(p.convolution, 3, padding, ones, ones, CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT),
              "describing a convolution");
  check_cudnn(l.set_math(p.convolution, c.tf32 ? CUDNN_DEFAULT_MATH : CUDNN_FMA_MATH), "choosing the numeric format");
  switch (c.pass) {
    case Pass::forward:
      choose_algorithm<cudnnConvolutionFwdAlgoPerf_t>(p, [&](int most, int* count, auto* found) {
        return l.forward_algorithms(handle, p.x, p.w, p.convolution, p.y, most, count, found);
      });
      break;
    case Pass::data:
      choose_algorithm<cudnnConvolutionBwdDataAlgoPerf_t>(p, [&](int most, int* count, auto* found) {
        return l.data_algorithms(handle, p.w, p.y, p.convolution, p.x, most, count, found);
      });
      break;
    case Pass::weights:
      choose_algorithm<cudnnConvolutionBwdFilterAlgoPerf_t>(p, [&](int most, int* count, auto* found) {
        return l.filter_algorithms(handle, p.x, p.y, p.convolution, p.w, most, count, found);
      });
      break;
  }
  return p;
}

const Plan& plan_for(const Convolution& c) {
  const auto found = plans.find(c);
  return found != plans.end() ? found->second : plans.emplace(c, make(c)).first->second;
}

}  // namespace

bool can(const Convolution& c) {
  if (!there() || c.volume.rows() * std::max(c.kernel.w, c.kernel.c) >= (Index{1} << 31)) return false;
  try {
    return plan_for(c).usable;
  } catch (const DeviceError&) {  // a shape that it does not even describe
    plans[c] = {};
    return false;
  }
}

std::size_t workspace(const Convolution& c) { return plan_for(c).workspace; }

void run(Stream& stream, const Convolution& c, const float* a, const float* b, float* result, void* workspace) {
  constexpr float one = 1, zero = 0;
  const CudnnLibrary& l = cudnn_library();
  const Plan& p = plan_for(c);
  check_cudnn(l.set_stream(handle, static_cast<cudaStream_t>(stream.queue())), "the choice of stream");
  switch (c.pass) {
    case Pass::forward:
      check_cudnn(
          l.forward(handle, &one, p.x, a, p.w, b, p.convolution, static_cast<cudnnConvolutionFwdAlgo_t>(p.algorithm),
                    workspace, p.workspace, &zero, p.y, result),
          "a convolution");
      break;
    case Pass::data:
      check_cudnn(
          l.data(handle, &one, p.w, b, p.y, a, p.convolution, static_cast<cudnnConvolutionBwdDataAlgo_t>(p.algorithm),
                 workspace, p.workspace, &zero, p.x, result),
          "a data gradient");
      break;
    case Pass::weights:
      check_cudnn(l.filter(handle, &one, p.x, a, p.y, b, p.convolution,
                           static_cast<cudnnConvolutionBwdFilterAlgo_t>(p.algorithm), workspace, p.workspace, &zero,
                           p.w, result),
                  "a weight gradient");
      break;
  }
}

std::string version(std::string& why_none) {
  why_none.clear();
  if (!there()) {
    why_none = why_not;
    return {};
  }
  const std::size_t v = cudnn_library().get_version();
  return fmt::format("{}.{}.{}", v / 10000, v / 100 % 100, v % 100);
}

}  // namespace fringe::cuda::cudnn
