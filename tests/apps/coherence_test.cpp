// Partial coherence: the blur, and finding its kernel.
#include "apps/phasing/coherence.h"

#include <algorithm>
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
  TEST_CASE("blurring a Gaussian gives a wider one, along each axis by its own width, around the ends; known widths stay") {
    const std::array<double, 3> widths{0.4, 1.1, 0.7};
    constexpr double before = 1.2;
    const Extent e{16, 18, 20};
    Volume<float> spot(e);
    const auto distance = [](Index i, Index n) { return static_cast<double>(std::min(i, n - i)); };
    const auto for_each = [&](const auto& body) {
      std::size_t i = 0;
      for (Index d = 0; d < e[0]; ++d)
        for (Index h = 0; h < e[1]; ++h)
          for (Index w = 0; w < e[2]; ++w) body(i++, std::array{distance(d, e[0]), distance(h, e[1]), distance(w, e[2])});
    };
    for_each([&](std::size_t i, const std::array<double, 3>& x) {
      spot.data[i] = static_cast<float>(std::exp(-(x[0] * x[0] + x[1] * x[1] + x[2] * x[2]) / (2 * before * before)));
    });
    auto blurred = spot;
    blur(blurred, widths);
    double sum = 0, first_sum = 0;
    std::array<double, 3> second{};
    for_each([&](std::size_t i, const std::array<double, 3>& x) {
      const auto v = static_cast<double>(blurred.data[i]);
      sum += v, first_sum += static_cast<double>(spot.data[i]);
      for (std::size_t k = 0; k < 3; ++k) second[k] += v * x[k] * x[k];
    });
    CHECK(sum == doctest::Approx(first_sum).epsilon(1e-4));
    for (std::size_t k = 0; k < 3; ++k)
      CHECK(std::sqrt(second[k] / sum) == doctest::Approx(std::hypot(before, widths[k])).epsilon(0.01));
    Coherence known(e, widths);
    known.update(spot.data.data(), spot.data.data());
    CHECK(known.widths() == widths);
  }

  TEST_CASE("the width of a Gaussian kernel is found; Richardson and Lucy's kernel comes near it; states are exact") {
    const auto p = intensity();
    Coherence truth({32, 32, 32}, CoherenceModel::gaussian, 0.7);
    std::vector<float> blurred(p.size()), amplitude(p.size());
    truth.blur(p.data(), blurred.data());
    for (std::size_t i = 0; i < p.size(); ++i) amplitude[i] = i % 50 == 0 ? -1.0F : std::sqrt(blurred[i]);
    Coherence gaussian({32, 32, 32}, CoherenceModel::gaussian, 0.2);
    gaussian.update(p.data(), amplitude.data());
    CHECK(gaussian.width() < 0.2 + Coherence::stride + 0.01);
    for (int k = 0; k < 4; ++k) gaussian.update(p.data(), amplitude.data());
    CHECK(gaussian.width() == doctest::Approx(0.7).epsilon(0.02));
    for (const double width : gaussian.widths()) CHECK(width == doctest::Approx(0.7).epsilon(0.03));
    Coherence lucy({32, 32, 32}, CoherenceModel::lucy, 0.4);
    for (int k = 0; k < 20; ++k) lucy.update(p.data(), amplitude.data());
    CHECK(lucy.width() == doctest::Approx(0.7).epsilon(0.15));
    Coherence copy({32, 32, 32}, CoherenceModel::lucy, 1.5);
    copy.restore(lucy.state());
    CHECK(copy.state() == lucy.state());
    CHECK_THROWS_AS(copy.restore({1, 2, 3}), Error);
  }
}
