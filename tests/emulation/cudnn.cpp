// cuDNN's entry points in plain loops: the same arguments, checked, and the work queued on the emulated streams. It is
// there with EMU_CUDNN=1. Of the algorithms it lists, the first is not supported, the second not deterministic; kernels
// of five it cannot do.
#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "kernels/cuda/cudnn_library.h"
#include "kernels/error.h"
#include "tests/emulation/internal.h"

namespace fringe::cuda {
namespace {

struct Array {
  int n, c, d, h, w;
  std::size_t size() const {
    return static_cast<std::size_t>(n) * static_cast<std::size_t>(c) * static_cast<std::size_t>(d) *
           static_cast<std::size_t>(h) * static_cast<std::size_t>(w);
  }
  /// Channels last.
  std::size_t at(int in, int ic, int id, int ih, int iw) const {
    return static_cast<std::size_t>((((in * d + id) * h + ih) * w + iw) * c + ic);
  }
};
struct Convolution {
  int padding[3];
};
cudaStream_t stream = nullptr;
constexpr std::size_t work_bytes = 1000;
constexpr int good_algorithm = 1;

template <class Handle, class T>
cudnnStatus_t make(Handle* handle) {
  *handle = reinterpret_cast<Handle>(new T{});
  return CUDNN_STATUS_SUCCESS;
}
template <class T, class Handle>
T& of(Handle handle) {
  return *reinterpret_cast<T*>(handle);
}

cudnnStatus_t set_tensor(cudnnTensorDescriptor_t t, cudnnDataType_t type, int count, const int extent[],
                         const int stride[]) {
  const int n = extent[0], c = extent[1], d = extent[2], h = extent[3], w = extent[4];
  const int wanted[] = {d * h * w * c, 1, h * w * c, w * c, c};
  if (type != CUDNN_DATA_FLOAT || count != 5 || !std::equal(wanted, wanted + 5, stride)) return CUDNN_STATUS_BAD_PARAM;
  of<Array>(t) = {n, c, d, h, w};
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t set_filter(cudnnFilterDescriptor_t f, cudnnDataType_t type, cudnnTensorFormat_t format, int count,
                         const int extent[]) {
  if (type != CUDNN_DATA_FLOAT || format != CUDNN_TENSOR_NHWC || count != 5) return CUDNN_STATUS_BAD_PARAM;
  of<Array>(f) = {extent[0], extent[1], extent[2], extent[3], extent[4]};
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t set_convolution(cudnnConvolutionDescriptor_t c, int count, const int padding[], const int stride[],
                              const int dilation[], cudnnConvolutionMode_t mode, cudnnDataType_t type) {
  constexpr int ones[] = {1, 1, 1};
  if (count != 3 || !std::equal(ones, ones + 3, stride) || !std::equal(ones, ones + 3, dilation) ||
      mode != CUDNN_CROSS_CORRELATION || type != CUDNN_DATA_FLOAT)
    return CUDNN_STATUS_BAD_PARAM;
  std::copy(padding, padding + 3, of<Convolution>(c).padding);
  return CUDNN_STATUS_SUCCESS;
}

template <class Performance>
cudnnStatus_t list(const Array& w, int most, int* count, Performance* found) {
  if (most < 3) return CUDNN_STATUS_BAD_PARAM;
  *count = 3;
  for (int i = 0; i < 3; ++i) {
    found[i] = {};
    found[i].algo = static_cast<decltype(found[i].algo)>(i == 2 ? good_algorithm : 0);
    found[i].status = i == 0 || w.d == 5 ? CUDNN_STATUS_NOT_SUPPORTED : CUDNN_STATUS_SUCCESS;
    found[i].determinism = i == 2 ? CUDNN_DETERMINISTIC : CUDNN_NON_DETERMINISTIC;
    found[i].memory = work_bytes;
  }
  return CUDNN_STATUS_SUCCESS;
}

/// f(output voxel and channel, input voxel and channel, weight) for every product of the convolution.
template <class F>
void for_products(const Array& x, const Array& y, const Array& w, const Convolution& k, const F& f) {
  for (int n = 0; n < y.n; ++n)
    for (int d = 0; d < y.d; ++d)
      for (int h = 0; h < y.h; ++h)
        for (int v = 0; v < y.w; ++v)
          for (int i = 0; i < w.d; ++i)
            for (int j = 0; j < w.h; ++j)
              for (int l = 0; l < w.w; ++l) {
                const int xd = d + i - k.padding[0], xh = h + j - k.padding[1], xw = v + l - k.padding[2];
                if (xd < 0 || xd >= x.d || xh < 0 || xh >= x.h || xw < 0 || xw >= x.w) continue;
                for (int o = 0; o < w.n; ++o)
                  for (int c = 0; c < w.c; ++c) f(y.at(n, o, d, h, v), x.at(n, c, xd, xh, xw), w.at(o, c, i, j, l));
              }
}

/// result[index] += a[..] b[..], index and factors by `pick` from a product's three places.
template <class Pick>
cudnnStatus_t carry_out(const Array& x, const Array& y, const Array& w, const Convolution& k, const float* a,
                        std::size_t of_a, const float* b, std::size_t of_b, float* result, std::size_t of_result,
                        int algorithm, void* work, std::size_t bytes, const void* alpha, const void* beta,
                        const Pick& pick) {
  if (algorithm != good_algorithm || bytes < work_bytes || *static_cast<const float*>(alpha) != 1 ||
      *static_cast<const float*>(beta) != 0 || x.c != w.c || y.c != w.n || x.n != y.n || x.d != y.d || x.h != y.h ||
      x.w != y.w)
    return CUDNN_STATUS_BAD_PARAM;
  emulation::require_device_range(a, 4 * of_a, "cuDNN's first operand");
  emulation::require_device_range(b, 4 * of_b, "cuDNN's second operand");
  emulation::require_device_range(result, 4 * of_result, "cuDNN's result");
  emulation::require_device_range(work, bytes, "cuDNN's work space");
  emulation::enqueue(stream, [=] {
    const emulation::DeviceMemoryOpen open;
    std::vector<double> sums(of_result);
    for_products(x, y, w, k, [&](std::size_t in_y, std::size_t in_x, std::size_t in_w) {
      const auto [at, i, j] = pick(in_y, in_x, in_w);
      sums[at] += static_cast<double>(a[i]) * static_cast<double>(b[j]);
    });
    for (std::size_t i = 0; i < of_result; ++i) result[i] = static_cast<float>(sums[i]);
    std::memset(work, 0xff, bytes);
  });
  return CUDNN_STATUS_SUCCESS;
}
using Three = std::array<std::size_t, 3>;

}  // namespace

const CudnnLibrary& cudnn_library() {
  require(emulation::setting("EMU_CUDNN", 0) != 0, "libcudnn.so.{} was not found", CUDNN_MAJOR);
  static const CudnnLibrary library{
      .get_version = []() -> std::size_t { return 91234; },
      .error_string =
          [](cudnnStatus_t status) {
            return status == CUDNN_STATUS_BAD_PARAM ? "CUDNN_STATUS_BAD_PARAM" : "CUDNN_STATUS";
          },
      .create = [](cudnnHandle_t* handle) { return make<cudnnHandle_t, int>(handle); },
      .set_stream = [](cudnnHandle_t, cudaStream_t s) { return stream = s, CUDNN_STATUS_SUCCESS; },
      .create_tensor = [](cudnnTensorDescriptor_t* t) { return make<cudnnTensorDescriptor_t, Array>(t); },
      .set_tensor = set_tensor,
      .create_filter = [](cudnnFilterDescriptor_t* f) { return make<cudnnFilterDescriptor_t, Array>(f); },
      .set_filter = set_filter,
      .create_convolution =
          [](cudnnConvolutionDescriptor_t* c) { return make<cudnnConvolutionDescriptor_t, Convolution>(c); },
      .set_convolution = set_convolution,
      .set_math =
          [](cudnnConvolutionDescriptor_t, cudnnMathType_t math) {
            return math == CUDNN_DEFAULT_MATH || math == CUDNN_FMA_MATH ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_BAD_PARAM;
          },
      .forward_algorithms = [](cudnnHandle_t, cudnnTensorDescriptor_t, cudnnFilterDescriptor_t w,
                               cudnnConvolutionDescriptor_t, cudnnTensorDescriptor_t, int most, int* count,
                               cudnnConvolutionFwdAlgoPerf_t* found) { return list(of<Array>(w), most, count, found); },
      .data_algorithms =
          [](cudnnHandle_t, cudnnFilterDescriptor_t w, cudnnTensorDescriptor_t, cudnnConvolutionDescriptor_t,
             cudnnTensorDescriptor_t, int most, int* count,
             cudnnConvolutionBwdDataAlgoPerf_t* found) { return list(of<Array>(w), most, count, found); },
      .filter_algorithms =
          [](cudnnHandle_t, cudnnTensorDescriptor_t, cudnnTensorDescriptor_t, cudnnConvolutionDescriptor_t,
             cudnnFilterDescriptor_t w, int most, int* count,
             cudnnConvolutionBwdFilterAlgoPerf_t* found) { return list(of<Array>(w), most, count, found); },
      .forward =
          [](cudnnHandle_t, const void* alpha, cudnnTensorDescriptor_t xd, const void* x, cudnnFilterDescriptor_t wd,
             const void* w, cudnnConvolutionDescriptor_t k, cudnnConvolutionFwdAlgo_t algorithm, void* work,
             std::size_t bytes, const void* beta, cudnnTensorDescriptor_t yd, void* y) {
            const auto &of_x = of<Array>(xd), &of_y = of<Array>(yd), &of_w = of<Array>(wd);
            return carry_out(of_x, of_y, of_w, of<Convolution>(k), static_cast<const float*>(x), of_x.size(),
                             static_cast<const float*>(w), of_w.size(), static_cast<float*>(y), of_y.size(), algorithm,
                             work, bytes, alpha, beta, [](std::size_t iy, std::size_t ix, std::size_t iw) {
                               return Three{iy, ix, iw};
                             });
          },
      .data =
          [](cudnnHandle_t, const void* alpha, cudnnFilterDescriptor_t wd, const void* w, cudnnTensorDescriptor_t yd,
             const void* dy, cudnnConvolutionDescriptor_t k, cudnnConvolutionBwdDataAlgo_t algorithm, void* work,
             std::size_t bytes, const void* beta, cudnnTensorDescriptor_t xd, void* dx) {
            const auto &of_x = of<Array>(xd), &of_y = of<Array>(yd), &of_w = of<Array>(wd);
            return carry_out(of_x, of_y, of_w, of<Convolution>(k), static_cast<const float*>(dy), of_y.size(),
                             static_cast<const float*>(w), of_w.size(), static_cast<float*>(dx), of_x.size(), algorithm,
                             work, bytes, alpha, beta, [](std::size_t iy, std::size_t ix, std::size_t iw) {
                               return Three{ix, iy, iw};
                             });
          },
      .filter =
          [](cudnnHandle_t, const void* alpha, cudnnTensorDescriptor_t xd, const void* x, cudnnTensorDescriptor_t yd,
             const void* dy, cudnnConvolutionDescriptor_t k, cudnnConvolutionBwdFilterAlgo_t algorithm, void* work,
             std::size_t bytes, const void* beta, cudnnFilterDescriptor_t wd, void* dw) {
            const auto &of_x = of<Array>(xd), &of_y = of<Array>(yd), &of_w = of<Array>(wd);
            return carry_out(of_x, of_y, of_w, of<Convolution>(k), static_cast<const float*>(x), of_x.size(),
                             static_cast<const float*>(dy), of_y.size(), static_cast<float*>(dw), of_w.size(),
                             algorithm, work, bytes, alpha, beta, [](std::size_t iy, std::size_t ix, std::size_t iw) {
                               return Three{iw, ix, iy};
                             });
          },
  };
  return library;
}

}  // namespace fringe::cuda
