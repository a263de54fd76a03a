// Strategy: a voxel a thread at a time, blockIdx.y the sample; sums in double, block by block. What follows from a sample's
// sums is worked out by whoever needs it: every block of the pass at t1 adds the parts of the one at 0 (that is cheaper than a
// launch in between), every thread of (6) has its beta from three numbers.
#include "kernels/likelihood_step.h"

#include "kernels/cuda/place.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/support_update.h"

namespace fringe::cuda {
namespace {

constexpr int threads = 256;

__device__ __forceinline__ Index sample_start(Index count) { return static_cast<Index>(blockIdx.y) * count; }

__global__ void __launch_bounds__(sample_threads)
    likelihood_gradient_kernel(float background, float factor, const float* a, const float* scalars,
                               const float2* direction_field, float2* field, float2* gradient_field, Index voxels,
                               double* parts) {
  begin_kernel();
  const float t = scalars[2 * blockIdx.y + 1];
  const Index first = sample_start(voxels);
  sum_piece<1>(voxels, parts, [&](Index i, double(&sum)[1]) {
    float2 f = field[first + i];
    if (t != 0) {
      const float2 d = direction_field[first + i];
      f = make_float2(f.x + t * d.x, f.y + t * d.y);  // (1)
      field[first + i] = f;
    }
    const float target = a[i], p = f.x * f.x + f.y * f.y;
    const bool measured = target >= 0;
    const float scale = measured ? factor * (1 - target * target / (p + background)) : 0.0F;
    gradient_field[first + i] = make_float2(scale * f.x, scale * f.y);  // (2)
    const double difference = measured ? sqrtf(p) - target : 0.0F;
    sum[0] += difference * difference;
  });
}

__global__ void __launch_bounds__(sample_threads)
    likelihood_products_kernel(const float* support, const __grid_constant__ Extents e, const float2* before,
                               const float2* direction, float2* gradient, Index voxels, double* parts) {
  begin_kernel();
  const Index first = sample_start(voxels);
  const unsigned depth = e.d / 2, height = e.h / 2, width = e.w / 2;
  const float* const s = support + sample_start(static_cast<Index>(depth) * height * width);
  sum_piece<3>(voxels, parts, [&](Index i, double(&sums)[3]) {
    const Place at(static_cast<unsigned>(i), e);
    const unsigned d = support_update::box_index(at.d, e.d), h = support_update::box_index(at.h, e.h);
    const unsigned w = support_update::box_index(at.w, e.w);
    if (d < depth && h < height && w < width && s[(d * height + h) * width + w] != 0) {
      const float2 g = gradient[first + i], b = before[first + i], v = direction[first + i];
      const double re = g.x, im = g.y;
      sums[0] += re * re + im * im;  // (4)
      sums[1] += re * b.x + im * b.y;
      sums[2] += re * v.x + im * v.y;
    } else {
      gradient[first + i] = make_float2(0, 0);  // (3)
    }
  });
}

/// The sums of each sample as numbers.
template <int K>
__global__ void __launch_bounds__(sample_threads) likelihood_sums_kernel(unsigned pieces, double* parts, float* out) {
  begin_kernel();
  double sums[K];
  add_pieces(sums, parts, pieces);
  if (threadIdx.x != 0) return;
#pragma unroll
  for (int k = 0; k < K; ++k) out[K * blockIdx.y + k] = static_cast<float>(sums[k]);
}

__global__ void likelihood_direction_kernel(const float* products, const float* scalars, const float2* gradient, float2* before,
                                            float2* direction, Index voxels) {
  begin_kernel();
  const unsigned n = blockIdx.y;
  const auto beta = static_cast<float>(
      likelihood_step::beta(products[3 * n], products[3 * n + 1], products[3 * n + 2], scalars[2 * n]));  // (5)
  const Index first = sample_start(voxels);
  for (Index i = first + global_thread(); i < first + voxels; i += global_threads()) {
    const float2 g = gradient[i], d = direction[i];
    direction[i] = make_float2(beta * d.x - g.x, beta * d.y - g.y);  // (6)
    before[i] = g;
  }
}

struct SearchOperands {
  float background;
  const float* a;
  const float2 *field, *direction_field;
  Index voxels;
};

/// Adds this block's part of s(t) and c(t).
__device__ __forceinline__ void derivatives(const SearchOperands& o, float t, double* parts) {
  const Index first = sample_start(o.voxels);
  sum_piece<2>(o.voxels, parts, [&](Index i, double(&sums)[2]) {
    const float2 f = o.field[first + i], d = o.direction_field[first + i];
    float slope, curvature;
    likelihood_step::terms(f.x, f.y, d.x, d.y, o.a[i], o.background, t, slope, curvature);  // (7)
    sums[0] += slope;
    sums[1] += curvature;
  });
}

__global__ void __launch_bounds__(sample_threads)
    likelihood_slope_kernel(const __grid_constant__ SearchOperands o, double* at_zero) {
  begin_kernel();
  derivatives(o, 0, at_zero);
}

__global__ void __launch_bounds__(sample_threads)
    likelihood_correction_kernel(const __grid_constant__ SearchOperands o, double* at_zero, double* at_first) {
  begin_kernel();
  double sums[2];
  add_pieces(sums, at_zero, gridDim.x);
  derivatives(o, static_cast<float>(likelihood_step::first_step(sums[0], sums[1])), at_first);
}

__global__ void __launch_bounds__(sample_threads)
    likelihood_search_finish_kernel(unsigned pieces, double* at_zero, double* at_first, const float* products, float* scalars) {
  begin_kernel();
  double zero[2], first[2];
  add_pieces(zero, at_zero, pieces);
  add_pieces(first, at_first, pieces);
  if (threadIdx.x != 0) return;
  const double step = likelihood_step::first_step(zero[0], zero[1]);
  scalars[2 * blockIdx.y] = products[3 * blockIdx.y];
  scalars[2 * blockIdx.y + 1] = static_cast<float>(likelihood_step::corrected_step(step, first[0], first[1]));  // (8)
}

__global__ void likelihood_advance_kernel(const float* scalars, const float2* direction, float2* x, Index voxels) {
  begin_kernel();
  const float t = scalars[2 * blockIdx.y + 1];
  const Index first = sample_start(voxels);
  for (Index i = first + global_thread(); i < first + voxels; i += global_threads()) {
    const float2 d = direction[i], v = x[i];
    x[i] = make_float2(v.x + t * d.x, v.y + t * d.y);  // (9)
  }
}

const float2* pairs(ConstView<float> x) { return reinterpret_cast<const float2*>(x.data); }
float2* pairs(View<float> x) { return reinterpret_cast<float2*>(x.data); }
dim3 sums_grid(const Shape& s) { return dim3(sample_pieces(s.voxels()), static_cast<unsigned>(s.n)); }
dim3 voxel_grid(const Shape& s) { return dim3(grid_for(s.voxels(), threads), static_cast<unsigned>(s.n)); }

}  // namespace

void likelihood_gradient(Stream& stream, const LikelihoodParams& o, ConstView<float> a, ConstView<float> scalars,
                         ConstView<float> direction_field, View<float> field, View<float> gradient_field, View<float> misfit) {
  likelihood_step::require_gradient(a.shape, scalars.shape, direction_field.shape, field.shape, gradient_field.shape, misfit.shape);
  const dim3 grid = sums_grid(field.shape);
  auto* parts = stream.scratch<double>(field.shape.n * grid.x);
  LAUNCH(likelihood_gradient_kernel, grid, sample_threads, 0, stream, static_cast<float>(o.background),
         static_cast<float>(o.factor), a.data, scalars.data, pairs(direction_field), pairs(field), pairs(gradient_field),
         field.shape.voxels(), parts);
  LAUNCH(likelihood_sums_kernel<1>, dim3(1, grid.y), sample_threads, 0, stream, grid.x, parts, misfit.data);
}

void likelihood_products(Stream& stream, ConstView<float> support, ConstView<float> before, ConstView<float> direction,
                         View<float> gradient, View<float> products) {
  likelihood_step::require_products(support.shape, before.shape, direction.shape, gradient.shape, products.shape);
  const Shape& s = gradient.shape;
  const dim3 grid = sums_grid(s);
  auto* parts = stream.scratch<double>(3 * s.n * grid.x);
  LAUNCH(likelihood_products_kernel, grid, sample_threads, 0, stream, support.data, Extents(s.with_channels(1)), pairs(before),
         pairs(direction), pairs(gradient), s.voxels(), parts);
  LAUNCH(likelihood_sums_kernel<3>, dim3(1, grid.y), sample_threads, 0, stream, grid.x, parts, products.data);
}

void likelihood_direction(Stream& stream, ConstView<float> products, ConstView<float> scalars, ConstView<float> gradient,
                          View<float> before, View<float> direction) {
  likelihood_step::require_direction(products.shape, scalars.shape, gradient.shape, before.shape, direction.shape);
  LAUNCH(likelihood_direction_kernel, voxel_grid(gradient.shape), threads, 0, stream, products.data, scalars.data,
         pairs(gradient), pairs(before), pairs(direction), gradient.shape.voxels());
}

void likelihood_search(Stream& stream, const LikelihoodParams& o, ConstView<float> a, ConstView<float> field,
                       ConstView<float> direction_field, ConstView<float> products, View<float> scalars) {
  likelihood_step::require_search(a.shape, field.shape, direction_field.shape, products.shape, scalars.shape);
  const dim3 grid = sums_grid(field.shape);
  auto* at_zero = stream.scratch<double>(4 * field.shape.n * grid.x);
  double* at_first = at_zero + 2 * field.shape.n * grid.x;
  const SearchOperands operands{static_cast<float>(o.background), a.data, pairs(field), pairs(direction_field),
                                field.shape.voxels()};
  LAUNCH(likelihood_slope_kernel, grid, sample_threads, 0, stream, operands, at_zero);
  LAUNCH(likelihood_correction_kernel, grid, sample_threads, 0, stream, operands, at_zero, at_first);
  LAUNCH(likelihood_search_finish_kernel, dim3(1, grid.y), sample_threads, 0, stream, grid.x, at_zero, at_first, products.data,
         scalars.data);
}

void likelihood_advance(Stream& stream, ConstView<float> scalars, ConstView<float> direction, View<float> x) {
  likelihood_step::require_advance(scalars.shape, direction.shape, x.shape);
  LAUNCH(likelihood_advance_kernel, voxel_grid(x.shape), threads, 0, stream, scalars.data, pairs(direction), pairs(x),
         x.shape.voxels());
}

}  // namespace fringe::cuda
