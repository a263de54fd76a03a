#include "apps/phasing/alignment.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numbers>

#include "apps/phasing/metrics.h"
#include "apps/phasing/simulate.h"
#include "kernels/error.h"

using namespace fringe;

namespace {

Volume<Complex> crystal(std::uint64_t seed, double phase_range = 1, Index size = 32) {
  CrystalOptions options;
  options.size = size;
  options.phase_range = phase_range;
  return make_crystal(options, seed);
}

/// The same without the frequencies near Nyquist's, in an array twice as large: sub-voxel shifts of a sharp edge are not
/// defined, those of a smooth one are.
Volume<Complex> smooth_crystal(std::uint64_t seed, double phase_range = 1) {
  auto field = pad_or_crop(converted<std::complex<double>>(crystal(seed, phase_range)), {32, 32, 32});
  fourier_forward(field);
  for (Index d = 0; d < 32; ++d)
    for (Index h = 0; h < 32; ++h)
      for (Index w = 0; w < 32; ++w) {
        const auto k2 = static_cast<double>((d - 16) * (d - 16) + (h - 16) * (h - 16) + (w - 16) * (w - 16));
        field(d, h, w) *= std::exp(-k2 / 30);
      }
  fourier_inverse(field);
  return converted<Complex>(field);
}

/// `object` on a padded grid, moved by `shift`, times exp(i phase) and 2.
Volume<Complex> displaced(const Volume<Complex>& object, const std::array<double, 3>& shift, double phase) {
  const auto& n = object.extent;
  auto field = shifted(pad_or_crop(converted<std::complex<double>>(object), {2 * n[0], 2 * n[1], 2 * n[2]}), shift);
  for (auto& v : field.data) v *= std::polar(2.0, phase);
  return converted<Complex>(field);
}

}  // namespace

TEST_SUITE("alignment") {
  TEST_CASE("a known sub-voxel shift, the twin and the phase are found and removed") {
    const auto reference = smooth_crystal(1);
    for (const bool twin : {false, true})
      for (const auto& shift : {std::array<double, 3>{0.3, -1.45, 2.7}, std::array<double, 3>{0, 0.5, -0.5}}) {
        const auto moved = displaced(twin ? twin_of(reference) : reference, shift, 1.1);
        const Alignment a = align(moved, reference);
        CHECK(a.error < 1e-3);
        CHECK(a.twin == twin);
        CHECK(a.scale == doctest::Approx(0.5).epsilon(1e-4));
        // The twin of an object at +s is at -s, and the twin of a phase is its negative.
        for (int k = 0; k < 3; ++k) CHECK(a.shift[k] == doctest::Approx(twin ? shift[k] : -shift[k]).epsilon(1e-4));
        CHECK(std::remainder(a.phase - (twin ? 1.1 : -1.1), 2 * std::numbers::pi) == doctest::Approx(0).epsilon(1e-4));
        const auto agreement = object_agreement(a.object, a.reference);
        CHECK(agreement.error < 1e-3);
        CHECK(agreement.error == doctest::Approx(a.error).epsilon(1e-2));
        CHECK(agreement.phase_error < 1e-3);
      }
  }

  TEST_CASE("an object moved to the edge of its array comes back whole") {
    const auto reference = crystal(2);
    Volume<Complex> moved(reference.extent);
    // As far to the low corner as it goes without losing a voxel.
    Index low[3] = {16, 16, 16};
    for (Index d = 0; d < 16; ++d)
      for (Index h = 0; h < 16; ++h)
        for (Index w = 0; w < 16; ++w)
          if (std::abs(reference(d, h, w)) > 0) low[0] = std::min(low[0], d), low[1] = std::min(low[1], h), low[2] = std::min(low[2], w);
    for (Index d = low[0]; d < 16; ++d)
      for (Index h = low[1]; h < 16; ++h)
        for (Index w = low[2]; w < 16; ++w) moved(d - low[0], h - low[1], w - low[2]) = reference(d, h, w);
    const Alignment a = align(moved, reference);
    CHECK(a.error < 1e-6);
    for (int k = 0; k < 3; ++k) CHECK(a.shift[k] == doctest::Approx(static_cast<double>(low[k])).epsilon(1e-6));
    const auto back = pad_or_crop(a.object, reference.extent);
    for (std::size_t i = 0; i < back.data.size(); ++i)
      CHECK(std::abs(back.data[i] - std::complex<double>(reference.data[i])) < 1e-5);
  }

  TEST_CASE("without sub-voxel refinement nothing is interpolated") {
    const auto reference = crystal(3);
    const Alignment a = align(displaced(reference, {1, -2, 3}, 0), reference, {.subvoxel = false});
    CHECK(a.shift == std::array<double, 3>{-1, 2, -3});
    CHECK(a.error < 1e-6);
  }

  TEST_CASE("the error is the same from either side and does not depend on threads") {
    const auto a = crystal(4), b = crystal(5);
    const double forward = align(a, b).error, backward = align(b, a).error;
    CHECK(forward > 0.05);
    CHECK(forward == doctest::Approx(backward).epsilon(1e-5));
    CHECK(align(a, b, {.threads = 2}).error == forward);
  }

  TEST_CASE("a strongly strained crystal is aligned, too") {
    const auto reference = smooth_crystal(6, 12);
    const Alignment a = align(displaced(twin_of(reference), {0.45, 0.55, -0.4}, -2), reference);
    CHECK(a.twin);
    CHECK(a.error < 1e-3);
  }

  TEST_CASE("a linear phase ramp, a pattern off centre, is removed when asked") {
    const auto reference = crystal(7);
    Volume<Complex> ramped = reference;
    const double q[3] = {0.4, -1.3, 0.7};  // voxels of the pattern of twice the extent
    for (Index d = 0; d < 16; ++d)
      for (Index h = 0; h < 16; ++h)
        for (Index w = 0; w < 16; ++w)
          ramped(d, h, w) *= Complex(std::polar(1.0, 2 * std::numbers::pi / 32 *
                                                         (q[0] * static_cast<double>(d - 8) + q[1] * static_cast<double>(h - 8) +
                                                          q[2] * static_cast<double>(w - 8))));
    CHECK(align(ramped, reference).error > 0.3);
    CHECK(align(ramped, reference, {.remove_ramp = true}).error < 1e-3);
    auto straight = ramped;
    auto own = reference;
    const auto found = remove_ramp(straight), native = remove_ramp(own);
    for (int k = 0; k < 3; ++k) CHECK(found[k] - native[k] == doctest::Approx(q[k]).epsilon(1e-3));
  }

  TEST_CASE("different extents are aligned on a common grid; zero objects are refused") {
    const auto reference = crystal(8);
    const Alignment a = align(displaced(reference, {3.5, 0, 0}, 0), reference);
    CHECK(a.object.extent == Extent{48, 48, 48});
    CHECK_THROWS_AS(align(Volume<Complex>({4, 4, 4}), reference), Error);
  }
}
