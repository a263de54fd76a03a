// Strategy: the sum, then a sequence of random numbers for each voxel, in pieces of all samples' voxels.
#include "kernels/photon_noise.h"

#include "kernels/cpu/parallel.h"

namespace fringe::cpu {

void photon_noise(Stream& stream, std::uint64_t seed, std::uint32_t purpose, std::span<const PhotonExposure> exposures,
                  ConstView<float> x, View<float> y) {
  photon_noise::require_shapes(exposures.size(), x.shape, y.shape);
  const Index voxels = x.shape.voxels();
  for (Index n = 0; n < x.shape.n; ++n) {
    const auto& e = exposures[static_cast<std::size_t>(n)];
    const float* const from = x.data + n * voxels;
    float* const to = y.data + n * voxels;
    double sum = 0;
    parallel_sums<1>(stream, voxels, &sum, [&](Index begin, Index end, double* out) {
      *out = 0;
      for (Index i = begin; i < end; ++i) *out += static_cast<double>(from[i]);
    });
    parallel_ranges(stream, voxels, 256, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i)
        to[i] = static_cast<float>(photon_noise::counted(e, seed, purpose, static_cast<std::uint64_t>(i),
                                                         static_cast<double>(from[i]), e.photons / sum));
    });
  }
}

}  // namespace fringe::cpu
