// Strategy: blockIdx.x is a plane of a sample, blockIdx.y a piece of it, a thread makes one voxel at a time: its place in the
// box then costs one division. What a coefficient of 0 makes needless is not read: ER reads p in S alone, HIO x outside S
// alone but for the last row of a warp.
#include "kernels/support_update.h"

#include "kernels/cuda/place.cuh"
#include "kernels/cuda/reduce.cuh"

namespace fringe::cuda {
namespace {

constexpr int threads = 256;

struct Coefficients {
  float x_in, p_in, x_out, p_out;
};

/// The support of a voxel, sample n's box being `s`.
__device__ __forceinline__ bool in_support(const float* s, const Extents& e, unsigned d, unsigned h, unsigned w) {
  const unsigned i = support_update::box_index(d, e.d), j = support_update::box_index(h, e.h),
                 k = support_update::box_index(w, e.w);
  return i < e.d / 2 && j < e.h / 2 && k < e.w / 2 && s[(i * (e.h / 2) + j) * (e.w / 2) + k] != 0;
}

__device__ __forceinline__ unsigned box_voxels(const Extents& e) { return (e.d / 2) * (e.h / 2) * (e.w / 2); }

template <bool LimitsPhase>
__global__ void __launch_bounds__(threads)
    support_update_kernel(const __grid_constant__ Coefficients c,
                          const __grid_constant__ support_update::PhaseSector<float> sector, const float* support,
                          const float* sums, const __grid_constant__ Extents e, const float2* x, const float2* p, float2* y) {
  begin_kernel();
  const unsigned n = blockIdx.x / e.d, d = blockIdx.x - n * e.d, plane = e.h * e.w;
  const float* const s = support + static_cast<Index>(n) * box_voxels(e);
  float mr = 1, mi = 0;
  if (LimitsPhase && (sums[3 * n + 1] != 0 || sums[3 * n + 2] != 0)) mr = sums[3 * n + 1], mi = sums[3 * n + 2];
  const Index first = static_cast<Index>(blockIdx.x) * plane;
  for (unsigned i = blockIdx.y * threads + threadIdx.x; i < plane; i += gridDim.y * threads) {
    const unsigned h = i / e.w, w = i - h * e.w;
    bool in = in_support(s, e, d, h, w);
    if (LimitsPhase && in) {
      const float2 v = p[first + i];
      in = sector.holds(v.x * mr + v.y * mi, v.y * mr - v.x * mi);  // (2)
    }
    const float cx = in ? c.x_in : c.x_out, cp = in ? c.p_in : c.p_out;
    float2 sum = make_float2(0, 0);
    if (cx != 0) {
      const float2 v = x[first + i];
      sum = make_float2(cx * v.x, cx * v.y);
    }
    if (cp != 0) {
      const float2 v = p[first + i];
      sum = make_float2(sum.x + cp * v.x, sum.y + cp * v.y);
    }
    y[first + i] = sum;  // (1)
  }
}

__global__ void __launch_bounds__(sample_threads)
    density_sums_kernel(const float* support, const __grid_constant__ Extents e, const float2* x, Index voxels, double* parts) {
  begin_kernel();
  const float* const s = support + static_cast<Index>(blockIdx.y) * box_voxels(e);
  const float2* const xn = x + static_cast<Index>(blockIdx.y) * voxels;
  sum_piece<3>(voxels, parts, [&](Index i, double(&sums)[3]) {
    const Place at(static_cast<unsigned>(i), e);
    const double re = xn[i].x, im = xn[i].y, squares = re * re + im * im;
    sums[0] += squares;  // (3)
    if (!in_support(s, e, at.d, at.h, at.w)) return;
    const double m = sqrt(squares);
    sums[1] += re * m;
    sums[2] += im * m;
  });
}

__global__ void __launch_bounds__(sample_threads) density_sums_finish_kernel(unsigned pieces, double* parts, float* sums) {
  begin_kernel();
  double total[3];
  add_pieces(total, parts, pieces);
  if (threadIdx.x != 0) return;
  for (int k = 0; k < 3; ++k) sums[3 * blockIdx.y + k] = static_cast<float>(total[k]);
}

__global__ void charge_flip_kernel(float squared_threshold, const float* sums, Index voxels, const float2* p, float2* y) {
  begin_kernel();
  const float least = squared_threshold * sums[3 * blockIdx.y] / static_cast<float>(voxels);
  const Index first = static_cast<Index>(blockIdx.y) * voxels;
  for (Index i = global_thread(); i < voxels; i += global_threads()) {
    const float2 v = p[first + i];
    y[first + i] = v.x * v.x + v.y * v.y < least ? make_float2(-v.x, -v.y) : v;  // (4)
  }
}

const float2* pairs(ConstView<float> x) { return reinterpret_cast<const float2*>(x.data); }
float2* pairs(View<float> x) { return reinterpret_cast<float2*>(x.data); }

}  // namespace

void support_update(Stream& stream, const SupportUpdateParams& o, ConstView<float> support, ConstView<float> sums,
                    ConstView<float> x, ConstView<float> p, View<float> y) {
  support_update::require_shapes(o, support.shape, sums.shape, x.shape, p.shape, y.shape);
  const Coefficients c{static_cast<float>(o.x_in), static_cast<float>(o.p_in), static_cast<float>(o.x_out),
                       static_cast<float>(o.p_out)};
  const support_update::PhaseSector<float> sector(o);
  const Extents e(x.shape.with_channels(1));
  const dim3 grid(e.d * static_cast<unsigned>(x.shape.n), std::min(64U, blocks_for(e.h * e.w, static_cast<unsigned>(threads))));
  if (o.limits_phase)
    LAUNCH(support_update_kernel<true>, grid, threads, 0, stream, c, sector, support.data, sums.data, e, pairs(x), pairs(p),
           pairs(y));
  else
    LAUNCH(support_update_kernel<false>, grid, threads, 0, stream, c, sector, support.data, sums.data, e, pairs(x), pairs(p),
           pairs(y));
}

void density_sums(Stream& stream, ConstView<float> support, ConstView<float> x, View<float> sums) {
  support_update::require_shapes({}, support.shape, sums.shape, x.shape, x.shape, x.shape);
  require_shape("density_sums", "sums", sums.shape, {x.shape.n, 1, 1, 1, 3});
  const Index voxels = x.shape.voxels();
  const dim3 grid(sample_pieces(voxels), static_cast<unsigned>(x.shape.n));
  auto* parts = stream.scratch<double>(3 * x.shape.n * grid.x);
  LAUNCH(density_sums_kernel, grid, sample_threads, 0, stream, support.data, Extents(x.shape.with_channels(1)), pairs(x),
         voxels, parts);
  LAUNCH(density_sums_finish_kernel, dim3(1, grid.y), sample_threads, 0, stream, grid.x, parts, sums.data);
}

void charge_flip(Stream& stream, float threshold, ConstView<float> sums, ConstView<float> p, View<float> y) {
  require_shape("charge_flip", "y", y.shape, p.shape);
  require_shape("charge_flip", "sums", sums.shape, {p.shape.n, 1, 1, 1, 3});
  const Index voxels = p.shape.voxels();
  const dim3 grid(grid_for(voxels, threads), static_cast<unsigned>(p.shape.n));
  LAUNCH(charge_flip_kernel, grid, threads, 0, stream, threshold * threshold, sums.data, voxels, pairs(p), pairs(y));
}

}  // namespace fringe::cuda
