// Strategy: the sum of each sample block by block (blockIdx.y: the sample of a group); then every block adds the parts, and a
// thread draws for a voxel at a time. Threads of a warp wait for the one that rejects most: with the means of a pattern, most
// of them below 10, that is a few rounds.
#include "kernels/photon_noise.h"

#include "kernels/cuda/reduce.cuh"

namespace fringe::cuda {
namespace {

constexpr Index most_at_once = 16;

struct Exposures {
  PhotonExposure v[most_at_once];
};

__global__ void __launch_bounds__(sample_threads) photon_sum_kernel(const float* x, Index voxels, double* parts) {
  begin_kernel();
  const float* const from = x + static_cast<Index>(blockIdx.y) * voxels;
  sum_piece<1>(voxels, parts, [&](Index i, double(&sum)[1]) { sum[0] += from[i]; });
}

__global__ void __launch_bounds__(sample_threads)
    photon_noise_kernel(std::uint64_t seed, std::uint32_t purpose, const __grid_constant__ Exposures exposures, const float* x,
                        Index voxels, double* parts, float* y) {
  begin_kernel();
  double sum[1];
  add_pieces(sum, parts, gridDim.x);
  const PhotonExposure& e = exposures.v[blockIdx.y];
  const double scale = e.photons / sum[0];
  const Index first = static_cast<Index>(blockIdx.y) * voxels;
  for (Index i = global_thread(); i < voxels; i += global_threads())
    y[first + i] = static_cast<float>(
        photon_noise::counted(e, seed, purpose, static_cast<std::uint64_t>(i), static_cast<double>(x[first + i]), scale));
}

}  // namespace

void photon_noise(Stream& stream, std::uint64_t seed, std::uint32_t purpose, std::span<const PhotonExposure> exposures,
                  ConstView<float> x, View<float> y) {
  photon_noise::require_shapes(exposures.size(), x.shape, y.shape);
  const Index voxels = x.shape.voxels();
  const unsigned pieces = sample_pieces(voxels);
  auto* parts = stream.scratch<double>(most_at_once * pieces);
  for (Index first = 0; first < x.shape.n; first += most_at_once) {
    Exposures group{};
    const Index count = x.shape.n - first < most_at_once ? x.shape.n - first : most_at_once;
    for (Index k = 0; k < count; ++k) group.v[k] = exposures[static_cast<std::size_t>(first + k)];
    const dim3 grid(pieces, static_cast<unsigned>(count));
    LAUNCH(photon_sum_kernel, grid, sample_threads, 0, stream, x.data + first * voxels, voxels, parts);
    LAUNCH(photon_noise_kernel, grid, sample_threads, 0, stream, seed, purpose, group, x.data + first * voxels, voxels, parts,
           y.data + first * voxels);
  }
}

}  // namespace fringe::cuda
