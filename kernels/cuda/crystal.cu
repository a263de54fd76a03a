// Strategy: a voxel a thread at a time, blockIdx.y the crystal of a group; what is known of the group's crystals travels as
// parameters of the kernel (__grid_constant__: indexed where they lie). Sums and extremes block by block; the extremes' parts
// are gone through by every block that needs them. A crystal's noise is one Philox block a voxel.
#include "kernels/crystal.h"

#include "kernels/cuda/maximum.cuh"
#include "kernels/cuda/place.cuh"
#include "kernels/philox.h"

namespace fringe::cuda {
namespace {

constexpr int threads = 256;
constexpr Index forms_at_once = 8, most_at_once = 16;  // parameters have 4 KB

struct Forms {
  CrystalForm form[forms_at_once];
};
template <class V>
struct Items {
  V v[most_at_once];
};
struct Lengths {
  float d, h, w;
};

__device__ __forceinline__ double from_centre(unsigned i, unsigned extent) {
  return static_cast<int>(i) - static_cast<int>(extent / 2);
}

__global__ void __launch_bounds__(sample_threads)
    crystal_density_kernel(const __grid_constant__ Forms forms, bool smooth, const __grid_constant__ Extents e, unsigned voxels,
                           float* density, double* parts) {
  begin_kernel();
  const CrystalForm& form = forms.form[blockIdx.y];
  float* const out = density + static_cast<Index>(blockIdx.y) * voxels;
  sum_piece<2>(voxels, parts, [&](Index i, double(&sums)[2]) {
    const Place p(static_cast<unsigned>(i), e);
    const double v = crystals::density(form, from_centre(p.d, e.d), from_centre(p.h, e.h), from_centre(p.w, e.w), smooth);
    out[i] = static_cast<float>(v);  // (3)
    sums[0] += v;
    const bool face = p.d == 0 || p.h == 0 || p.w == 0 || p.d == e.d - 1 || p.h == e.h - 1 || p.w == e.w - 1;
    if (face && v > 0) sums[1] += 1;
  });
}

__global__ void __launch_bounds__(sample_threads) crystal_density_finish_kernel(unsigned pieces, double* parts, float* stats) {
  begin_kernel();
  double sums[2];
  add_pieces(sums, parts, pieces);
  if (threadIdx.x != 0) return;
  stats[2 * blockIdx.y] = static_cast<float>(sums[0]);  // (4)
  stats[2 * blockIdx.y + 1] = static_cast<float>(sums[1]);
}

__global__ void phase_noise_kernel(std::uint64_t seed, std::uint32_t purpose,
                                   const __grid_constant__ Items<std::uint64_t> series, unsigned plane, Index voxels,
                                   float2* noise) {
  begin_kernel();
  const Index first = static_cast<Index>(blockIdx.y) * voxels;
  for (Index i = global_thread(); i < voxels; i += global_threads()) {
    const auto d = static_cast<unsigned>(i / plane), block = static_cast<unsigned>(i - static_cast<Index>(d) * plane);
    const std::uint64_t index = series.v[blockIdx.y] << 16 | d;
    const philox::Block w =
        philox::block({block, purpose, static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32)},
                      {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
    double s, c;
    sincospi(2 * philox::open_unit(w[2], w[3]), &s, &c);
    noise[first + i] = make_float2(static_cast<float>(sqrt(-2 * log(philox::open_unit(w[0], w[1]))) * c), 0);  // (5)
  }
}

/// -(pi L q)^2
__device__ __forceinline__ float falloff(unsigned k, unsigned extent, float length) {
  const float q = static_cast<float>(k < extent - k ? k : extent - k) / static_cast<float>(extent) * 3.14159265F * length;
  return -q * q;
}

__global__ void gaussian_filter_kernel(const __grid_constant__ Items<Lengths> lengths, float factor,
                                       const __grid_constant__ Extents e, unsigned count, const float2* x, float2* y) {
  begin_kernel();
  for_each_place(count, e, [&](unsigned i, const Place& p) {
    const Lengths& l = lengths.v[p.n];
    const float g = factor * expf(falloff(p.d, e.d, l.d) + falloff(p.h, e.h, l.h) + falloff(p.w, e.w, l.w));
    const float2 v = x[i];
    y[i] = make_float2(g * v.x, g * v.y);  // (6)
  });
}

/// The real part of the field where the crystal's voxel lies.
struct Phase {
  const float2* field;
  Extents around, e;
  __device__ float at(unsigned n, const Place& p) const {
    const unsigned d = around.d / 2 - e.d / 2 + p.d, h = around.h / 2 - e.h / 2 + p.h, w = around.w / 2 - e.w / 2 + p.w;
    return field[around.at(n, d, h, w, 0)].x;
  }
};

__global__ void __launch_bounds__(sample_threads)
    crystal_extremes_kernel(const __grid_constant__ Phase phase, const float* density, unsigned voxels, float2* parts) {
  begin_kernel();
  float below = -INFINITY, high = -INFINITY;  // -low and high
  for (Index i = global_thread(); i < voxels; i += global_threads()) {
    if (!(density[static_cast<Index>(blockIdx.y) * voxels + i] > 0)) continue;
    const float phi = phase.at(blockIdx.y, Place(static_cast<unsigned>(i), phase.e));
    below = fmaxf(below, -phi), high = fmaxf(high, phi);
  }
  below = block_max(below), high = block_max(high);
  if (threadIdx.x == 0) parts[blockIdx.y * gridDim.x + blockIdx.x] = make_float2(below, high);
}

__global__ void __launch_bounds__(sample_threads)
    crystal_object_kernel(const __grid_constant__ Items<double> ranges, const __grid_constant__ Phase phase,
                          const float* density, unsigned voxels, const float2* parts, float2* object) {
  begin_kernel();
  const float2 part = threadIdx.x < gridDim.x ? parts[blockIdx.y * gridDim.x + threadIdx.x] : make_float2(-INFINITY, -INFINITY);
  const float low = -block_max(part.x), high = block_max(part.y);
  const double slope = high > low ? ranges.v[blockIdx.y] / (static_cast<double>(high) - static_cast<double>(low)) : 0.0;
  const Index first = static_cast<Index>(blockIdx.y) * voxels;
  for (Index i = global_thread(); i < voxels; i += global_threads()) {
    const float a = density[first + i];
    double s = 0, c = 0;
    if (a > 0) {
      const double phi = phase.at(blockIdx.y, Place(static_cast<unsigned>(i), phase.e));
      sincospi(slope * (phi - static_cast<double>(low)) * 0.3183098861837907, &s, &c);  // of pi: no case for large angles
    }
    object[first + i] = make_float2(a * static_cast<float>(c), a * static_cast<float>(s));  // (7)
  }
}

/// Calls body(first, count) for groups of at most `most` of n crystals.
template <class Body>
void in_groups(Index n, Index most, const Body& body) {
  for (Index first = 0; first < n; first += most) body(first, n - first < most ? n - first : most);
}

float2* pairs(View<float> x, Index at) { return reinterpret_cast<float2*>(x.data) + at; }
const float2* pairs(ConstView<float> x, Index at) { return reinterpret_cast<const float2*>(x.data) + at; }

}  // namespace

void crystal_density(Stream& stream, std::span<const CrystalForm> forms, bool smooth, View<float> density, View<float> stats) {
  crystals::require_density(forms.size(), density.shape, stats.shape);
  const Index voxels = density.shape.voxels();
  const unsigned pieces = sample_pieces(voxels);
  auto* parts = stream.scratch<double>(2 * forms_at_once * pieces);
  in_groups(density.shape.n, forms_at_once, [&](Index first, Index count) {
    Forms group{};
    for (Index k = 0; k < count; ++k) group.form[k] = forms[static_cast<std::size_t>(first + k)];
    LAUNCH(crystal_density_kernel, dim3(pieces, static_cast<unsigned>(count)), sample_threads, 0, stream, group, smooth,
           Extents(density.shape), static_cast<unsigned>(voxels), density.data + first * voxels, parts);
    LAUNCH(crystal_density_finish_kernel, dim3(1, static_cast<unsigned>(count)), sample_threads, 0, stream, pieces, parts,
           stats.data + 2 * first);
  });
}

void phase_noise(Stream& stream, std::uint64_t seed, std::uint32_t purpose, std::span<const std::uint64_t> series,
                 View<float> noise) {
  crystals::require_field("phase_noise", series.size(), noise.shape);
  const Shape& s = noise.shape;
  in_groups(s.n, most_at_once, [&](Index first, Index count) {
    Items<std::uint64_t> group{};
    for (Index k = 0; k < count; ++k) group.v[k] = series[static_cast<std::size_t>(first + k)];
    LAUNCH(phase_noise_kernel, dim3(grid_for(s.voxels(), threads), static_cast<unsigned>(count)), threads, 0, stream, seed,
           purpose, group, static_cast<unsigned>(s.h * s.w), s.voxels(), pairs(noise, first * s.voxels()));
  });
}

void gaussian_filter(Stream& stream, std::span<const std::array<double, 3>> lengths, double factor, ConstView<float> x,
                     View<float> y) {
  crystals::require_field("gaussian_filter", lengths.size(), x.shape);
  require_shape("gaussian_filter", "y", y.shape, x.shape);
  const Shape& s = x.shape;
  in_groups(s.n, most_at_once, [&](Index first, Index count) {
    Items<Lengths> group{};
    for (Index k = 0; k < count; ++k) {
      const auto& l = lengths[static_cast<std::size_t>(first + k)];
      group.v[k] = {static_cast<float>(l[0]), static_cast<float>(l[1]), static_cast<float>(l[2])};
    }
    const Index at = first * s.voxels(), voxels = count * s.voxels();
    LAUNCH(gaussian_filter_kernel, grid_for(voxels, threads), threads, 0, stream, group, static_cast<float>(factor),
           Extents(s.with_channels(1)), static_cast<unsigned>(voxels), pairs(x, at), pairs(y, at));
  });
}

void crystal_object(Stream& stream, std::span<const double> ranges, ConstView<float> density, ConstView<float> field,
                    View<float> object) {
  crystals::require_object(ranges.size(), density.shape, field.shape, object.shape);
  const Index voxels = density.shape.voxels();
  const unsigned pieces = sample_pieces(voxels);
  auto* parts = stream.scratch<float2>(most_at_once * pieces);
  in_groups(density.shape.n, most_at_once, [&](Index first, Index count) {
    Items<double> group{};
    for (Index k = 0; k < count; ++k) group.v[k] = ranges[static_cast<std::size_t>(first + k)];
    const Phase phase{pairs(field, first * field.shape.voxels()), Extents(field.shape.with_channels(1)),
                      Extents(density.shape)};
    const dim3 grid(pieces, static_cast<unsigned>(count));
    LAUNCH(crystal_extremes_kernel, grid, sample_threads, 0, stream, phase, density.data + first * voxels,
           static_cast<unsigned>(voxels), parts);
    LAUNCH(crystal_object_kernel, grid, sample_threads, 0, stream, group, phase, density.data + first * voxels,
           static_cast<unsigned>(voxels), parts, pairs(object, first * voxels));
  });
}

}  // namespace fringe::cuda
