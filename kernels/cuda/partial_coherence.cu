// Strategy: one launch for each axis, a thread for each voxel and its sum over the axis; the kernel of the axis in shared memory.
// Neighbouring threads read neighbouring voxels along H and D; along W the line is in the cache. The square, or the quotient,
// is taken while the first axis is read, the root, or the product, while the last is written.
#include "kernels/partial_coherence.h"

#include "kernels/cuda/elementwise.cuh"

namespace fringe::cuda {
namespace {

struct Square {
  const float* m;
  __device__ float operator()(Index i) const { return m[i] * m[i]; }
};
struct Quotient {
  const float *dy, *y;
  __device__ float operator()(Index i) const { return y[i] > 0 ? dy[i] / y[i] : 0.0F; }
};
struct Plain {
  const float* x;
  __device__ float operator()(Index i) const { return x[i]; }
};
struct Keep {
  __device__ float operator()(float p, Index) const { return p; }
};
struct Root {
  float least;
  __device__ float operator()(float p, Index) const { return sqrtf(fmaxf(p, 0.0F) + least); }  // (3)
};
struct Product {
  const float* m;
  __device__ float operator()(float g, Index i) const { return m[i] * g; }  // (4)
};

/// out[i] = end(sum over the axis of k x), an axis of `n` voxels that lie `stride` apart.
template <class Read, class End>
__global__ void coherence_axis_kernel(const float* k, Index n, Index stride, Read x, End end, float* out, Index size) {
  begin_kernel();
  DYN_SHARED(float, taps);
  for (Index j = threadIdx.x; j < n; j += blockDim.x) taps[j] = k[j];
  __syncthreads();
  for (Index i = global_thread(); i < size; i += global_threads()) {
    const Index row = i / stride % n, first = i - row * stride;
    float sum = 0;
    for (Index j = 0; j < n; ++j) sum += taps[row >= j ? row - j : row - j + n] * x(first + j * stride);
    out[i] = end(sum, i);
  }
}

template <class Read, class End>
void blur_axis(Stream& stream, ConstView<float> k, Index stride, const Read& x, const End& end, float* out, Index size) {
  const auto kernel_bytes = static_cast<std::size_t>(k.size()) * sizeof(float);
  LAUNCH((coherence_axis_kernel<Read, End>), grid_for(size, elementwise_threads), elementwise_threads, kernel_bytes, stream, k.data,
         k.size(), stride, x, end, out, size);
}

template <class Read, class End>
void convolve(Stream& stream, const CoherenceKernel<ConstView<float>>& k, const Shape& s, const Read& x, const End& end, float* out) {
  auto* const along_w = stream.scratch<float>(2 * s.size());
  auto* const along_h = along_w + s.size();
  blur_axis(stream, k.w, 1, x, Keep{}, along_w, s.size());
  blur_axis(stream, k.h, s.w, Plain{along_w}, Keep{}, along_h, s.size());
  blur_axis(stream, k.d, s.h * s.w, Plain{along_h}, end, out, s.size());
}

}  // namespace

void partial_coherence_forward(Stream& stream, float epsilon, const CoherenceKernel<ConstView<float>>& k, ConstView<float> m,
                               View<float> y) {
  partial_coherence::require_shapes(k, m.shape, y.shape);
  convolve(stream, k, m.shape, Square{m.data}, Root{epsilon * epsilon}, y.data);
}

void partial_coherence_backward(Stream& stream, const CoherenceKernel<ConstView<float>>& k, ConstView<float> m, ConstView<float> y,
                                ConstView<float> dy, View<float> dm) {
  partial_coherence::require_shapes(k, m.shape, y.shape);
  require_shape("partial_coherence", "dy", dy.shape, y.shape);
  require_shape("partial_coherence", "dm", dm.shape, m.shape);
  convolve(stream, k, m.shape, Quotient{dy.data, y.data}, Product{m.data}, dm.data);
}

}  // namespace fringe::cuda
