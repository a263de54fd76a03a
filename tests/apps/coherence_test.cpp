// Partial coherence: the blur, and finding its kernel.
#include "apps/phasing/coherence.h"

#include <cmath>

#include "apps/phasing/fourier.h"
#include "apps/phasing/simulate.h"
#include "tests/apps/files.h"

using namespace fringe;

namespace {

/// |F|^2 of a small crystal, Q = 0 at index 0 and 100 000 photons.
std::vector<float> intensity() {
  CrystalOptions crystal;
  crystal.size = 32;
  const auto p = expose(make_crystal(crystal, 4), {.photons = 1e5}, 4);
  std::vector<float> out;
  for (Index d = 0; d < 32; ++d)
    for (Index h = 0; h < 32; ++h)
      for (Index w = 0; w < 32; ++w) out.push_back(p.intensity((d + 16) % 32, (h + 16) % 32, (w + 16) % 32));
  return out;
}

}  // namespace

TEST_SUITE("coherence") {
  TEST_CASE("blurring one voxel gives the kernel: a normalised Gaussian, around the ends") {
    Coherence c({16, 12, 20}, CoherenceModel::gaussian, 0.8);
    std::vector<float> point(16 * 12 * 20), out(point.size());
    point[0] = 5;
    c.blur(point.data(), out.data());
    double sum = 0;
    for (const float v : out) sum += static_cast<double>(v);
    CHECK(sum == doctest::Approx(5).epsilon(1e-5));
    const auto at = [&](Index d, Index h, Index w) { return static_cast<double>(out[static_cast<std::size_t>((d * 12 + h) * 20 + w)]); };
    CHECK(at(1, 0, 0) == doctest::Approx(at(0, 0, 0) * std::exp(-1 / (2 * 0.64))).epsilon(1e-4));
    CHECK(at(15, 11, 19) == doctest::Approx(at(0, 0, 0) * std::exp(-3 / (2 * 0.64))).epsilon(1e-4));
  }

  TEST_CASE("the width of a Gaussian kernel is found; Richardson and Lucy's kernel comes near it; states are exact") {
    const auto p = intensity();
    Coherence truth({32, 32, 32}, CoherenceModel::gaussian, 0.7);
    std::vector<float> blurred(p.size()), amplitude(p.size());
    truth.blur(p.data(), blurred.data());
    for (std::size_t i = 0; i < p.size(); ++i) amplitude[i] = i % 50 == 0 ? -1.0F : std::sqrt(blurred[i]);
    Coherence gaussian({32, 32, 32}, CoherenceModel::gaussian, 0.2);
    gaussian.update(p.data(), amplitude.data());
    CHECK(gaussian.width() == doctest::Approx(0.7).epsilon(0.02));
    Coherence lucy({32, 32, 32}, CoherenceModel::lucy, 0.4);
    for (int k = 0; k < 20; ++k) lucy.update(p.data(), amplitude.data());
    CHECK(lucy.width() == doctest::Approx(0.7).epsilon(0.15));
    Coherence copy({32, 32, 32}, CoherenceModel::lucy, 1.5);
    copy.restore(lucy.state());
    CHECK(copy.state() == lucy.state());
    CHECK_THROWS_AS(copy.restore({1, 2, 3}), Error);
  }
}
