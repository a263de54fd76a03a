#include "kernels/photon_noise.h"

namespace fringe {

void photon_noise::require_shapes(std::size_t exposures, const Shape& x, const Shape& y) {
  require(static_cast<Index>(exposures) == x.n, "photon_noise: {} exposures for {} samples", exposures, x.n);
  require_shape("photon_noise", "x", x, x.with_channels(1));
  require_shape("photon_noise", "y", y, x);
}

namespace reference {

template <class T>
void photon_noise(Stream&, std::uint64_t seed, std::uint32_t purpose, std::span<const PhotonExposure> exposures, ConstView<T> x,
                  View<T> y) {
  photon_noise::require_shapes(exposures.size(), x.shape, y.shape);
  const Index voxels = x.shape.voxels();
  for (Index n = 0; n < x.shape.n; ++n) {
    const auto& e = exposures[static_cast<std::size_t>(n)];
    double sum = 0;
    for (Index i = n * voxels; i < (n + 1) * voxels; ++i) sum += static_cast<double>(x[i]);
    for (Index i = 0; i < voxels; ++i) {
      const Index at = n * voxels + i;
      y[at] = static_cast<T>(photon_noise::counted(e, seed, purpose, static_cast<std::uint64_t>(i), static_cast<double>(x[at]),
                                                   e.photons / sum));
    }
  }
}

template PhotonNoise<float> photon_noise<float>;
template PhotonNoise<double> photon_noise<double>;

}  // namespace reference
}  // namespace fringe
