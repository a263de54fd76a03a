#include "apps/phasing/network_output.h"

namespace fringe {

Volume<Complex> object_of(const Tensor<float>& amplitude, const Tensor<float>& phase) {
  const Shape s = amplitude.shape();
  Volume<Complex> object({s.d, s.h, s.w});
  const Tensor<float> a = amplitude.to_host(), phi = phase.to_host();
  for (Index i = 0; i < s.size(); ++i)
    object.data[static_cast<std::size_t>(i)] = std::polar(a[i] < 0 ? 0.0F : a[i], phi[i]);
  return object;
}

AmplitudeAndPhase amplitude_and_phase(Context<float>& host, const Volume<Complex>& object, double level) {
  const auto& e = object.extent;
  const Shape shape{1, e[0], e[1], e[2], 1};
  AmplitudeAndPhase drawn{{host, shape}, {host, shape}};
  for (Index i = 0; i < shape.size(); ++i) {
    const auto v = object.data[static_cast<std::size_t>(i)];
    drawn.amplitude[i] = static_cast<float>(static_cast<double>(std::abs(v)) / level);
    drawn.phase[i] = std::arg(v);
  }
  return drawn;
}

}  // namespace fringe
