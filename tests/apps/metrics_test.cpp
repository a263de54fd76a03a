#include "apps/phasing/metrics.h"

#include <doctest/doctest.h>

#include <cmath>
#include <set>

#include "apps/phasing/random.h"
#include "apps/phasing/simulate.h"
#include "kernels/error.h"

using namespace fringe;

namespace {

Pattern small_pattern(std::uint64_t seed, Exposure exposure = {}) {
  CrystalOptions options;
  options.size = 32;
  return expose(make_crystal(options, seed), exposure, seed);
}

/// Two voxels in every three measured.
Mask some_mask(const Extent& extent) {
  Mask mask(extent, 1);
  for (std::size_t i = 0; i < mask.data.size(); i += 3) mask.data[i] = 0;
  return mask;
}

}  // namespace

TEST_SUITE("metrics") {
  TEST_CASE("the truth explains its own pattern: chi^2 = 0, r = 1, LLK = 0, whatever the scale") {
    const Pattern pattern = small_pattern(1);
    Volume<float> calculated = calculated_intensity(pattern.truth, pattern);
    for (auto& v : calculated.data) v *= 3.7F;
    const FitQuality fit = fit_quality(calculated, pattern);
    CHECK(fit.chi2 < 1e-12);
    CHECK(fit.pearson == doctest::Approx(1).epsilon(1e-12));
    CHECK(fit.llk < 1e-6);
    CHECK(fit.scale == doctest::Approx(1 / std::sqrt(3.7)));
  }

  TEST_CASE("chi^2, r and LLK of four voxels are those computed by hand") {
    Pattern pattern;
    pattern.intensity = Volume<float>({1, 1, 4});
    pattern.intensity.data = {1, 4, 9, 0};
    Volume<float> calculated({1, 1, 4});
    calculated.data = {4, 4, 4, 1};
    // c = (1*2 + 2*2 + 3*2 + 0) / 13 = 12/13; chi^2 = 1 - (sum sqrt(P I))^2 / (sum P sum I) = 1 - 144 / (13 * 14)
    CHECK(amplitude_scale(calculated, pattern) == doctest::Approx(12.0 / 13));
    CHECK(chi2(calculated, pattern) == doctest::Approx(1 - 144.0 / 182));
    // amplitudes 2 2 2 1 (mean 7/4) and 1 2 3 0 (mean 3/2): 1.5 / sqrt(0.75 * 5)
    CHECK(pearson(calculated, pattern) == doctest::Approx(1.5 / std::sqrt(3.75)));
    const double s = 14.0 / 13;
    CHECK(poisson_llk(calculated, pattern) ==
          doctest::Approx((std::log(1 / (4 * s)) + 4 * std::log(1 / s) + 9 * std::log(9 / (4 * s))) / 4));
  }

  TEST_CASE("voxels that were not measured change nothing, not even as NaN") {
    Pattern pattern = small_pattern(2, {1e5, true});
    pattern.mask = some_mask(pattern.intensity.extent);
    CrystalOptions options;
    options.size = 32;
    Volume<float> calculated = calculated_intensity(make_crystal(options, 77), pattern);
    const Mask free = make_free_mask(1, pattern.intensity.extent, pattern.mask);
    const FitQuality before = fit_quality(calculated, pattern, free);
    const auto shells = shell_sums(pattern.intensity, pattern.mask);
    for (std::size_t i = 0; i < calculated.data.size(); i += 3) calculated.data[i] = NAN, pattern.intensity.data[i] = NAN;
    const FitQuality after = fit_quality(calculated, pattern, free);
    CHECK(before.chi2 == after.chi2);
    CHECK(before.pearson == after.pearson);
    CHECK(before.llk == after.llk);
    CHECK(before.free_llk == after.free_llk);
    CHECK(before.chi2 > 0.01);
    CHECK(shells.value == shell_sums(pattern.intensity, pattern.mask).value);
  }

  TEST_CASE("the likelihood of the expected counts is about 1/2 where counts are not small, in held-out voxels too") {
    Pattern pattern;
    pattern.intensity = Volume<float>({32, 32, 32});
    Volume<float> expected(pattern.intensity.extent, 50);
    for (std::size_t i = 0; i < expected.data.size(); ++i) {
      Random random(3, Draw::test, i);
      pattern.intensity.data[i] = static_cast<float>(random.poisson(50));
    }
    const Mask free = make_free_mask(1, pattern.intensity.extent);
    const FitQuality fit = fit_quality(expected, pattern, free);
    CHECK(fit.llk == doctest::Approx(0.5).epsilon(0.03));
    CHECK(*fit.free_llk == doctest::Approx(0.5).epsilon(0.1));
  }

  TEST_CASE("held-out voxels do not enter the fit, the others do not enter free LLK") {
    Pattern pattern = small_pattern(4, {1e6, true});
    const Volume<float> calculated = calculated_intensity(pattern.truth, pattern);
    const Mask free = make_free_mask(5, pattern.intensity.extent);
    const FitQuality before = fit_quality(calculated, pattern, free);
    Volume<float> spoiled = calculated;
    for (std::size_t i = 0; i < spoiled.data.size(); ++i)
      if (free.data[i]) spoiled.data[i] *= 5;
    const FitQuality after = fit_quality(spoiled, pattern, free);
    CHECK(before.chi2 == after.chi2);
    CHECK(before.llk == after.llk);
    CHECK(*after.free_llk > *before.free_llk);
  }

  TEST_CASE("the difference of two free LLKs, and its error: what it scatters by when the noise is drawn again") {
    Pattern pattern;
    pattern.intensity = Volume<float>({16, 16, 16});
    Volume<float> expected(pattern.intensity.extent), other = expected;
    for (std::size_t i = 0; i < expected.data.size(); ++i) {
      expected.data[i] = 20 + 10 * std::sin(static_cast<float>(i));
      other.data[i] = expected.data[i] * (1 + 0.1F * std::sin(0.7F * static_cast<float>(i)));
    }
    const Mask free = make_free_mask(1, pattern.intensity.extent);
    constexpr int draws = 100;
    double sum = 0, squares = 0, errors = 0;
    for (std::uint64_t draw = 0; draw < draws; ++draw) {
      for (std::size_t i = 0; i < expected.data.size(); ++i) {
        Random random(draw, Draw::test, i);
        pattern.intensity.data[i] = static_cast<float>(random.poisson(expected.data[i]));
      }
      const Difference d = free_llk_difference(other, expected, pattern, free);
      CHECK(d.mean == doctest::Approx(free_llk(other, pattern, free) - free_llk(expected, pattern, free)).epsilon(1e-9));
      sum += d.mean;
      squares += d.mean * d.mean;
      errors += d.standard_error / draws;
    }
    const double scatter = std::sqrt((squares - sum * sum / draws) / (draws - 1));
    CHECK(errors == doctest::Approx(scatter).epsilon(0.25));
    CHECK(sum / draws > 0);  // the true expectation explains new counts better
    CHECK(free_llk_difference(other, other, pattern, free).standard_error == 0);
    CHECK_THROWS_WITH_AS(free_llk_difference(other, other, pattern, {}), doctest::Contains("no voxels were held out"), Error);
  }

  TEST_CASE("free LLK ranks the truth before a wrong crystal") {
    const Pattern pattern = small_pattern(5, {1e5, true});
    const Mask free = make_free_mask(1, pattern.intensity.extent);
    Volume<Complex> wrong = pattern.truth;
    for (auto& v : wrong.data) v = std::abs(v);  // its phase is lost
    const auto llk = [&](const Volume<Complex>& object) {
      return free_llk(calculated_intensity(object, pattern, free), pattern, free);
    };
    CHECK(llk(pattern.truth) < llk(wrong));
  }

  TEST_CASE("held-out voxels: the fraction asked for, in islands, measured, outside the central peak, by seed alone") {
    const Extent extent{64, 48, 56};
    const Mask measured = some_mask(extent);
    const Mask free = make_free_mask(1, extent, measured);
    CHECK(free.data == make_free_mask(1, extent, measured).data);
    CHECK(free.data != make_free_mask(2, extent, measured).data);
    double held = 0, available = 0;
    for (std::size_t i = 0; i < free.data.size(); ++i) {
      held += free.data[i];
      available += measured.data[i];
      if (free.data[i]) CHECK(measured.data[i] == 1);
    }
    CHECK(held / available >= 0.05);
    CHECK(held / available < 0.052);
    for (Index d = 30; d <= 34; ++d)
      for (Index h = 23; h <= 25; ++h)
        for (Index w = 27; w <= 29; ++w) CHECK(free(d, h, w) == 0);
    // Islands: with everything measured, most held-out voxels have held-out neighbours on both sides.
    const Mask whole = make_free_mask(1, extent);
    Index neighbours = 0, count = 0;
    for (Index d = 1; d < 63; ++d)
      for (Index h = 0; h < 48; ++h)
        for (Index w = 0; w < 56; ++w)
          if (whole(d, h, w)) ++count, neighbours += whole(d - 1, h, w) && whole(d + 1, h, w);
    CHECK(neighbours > count / 2);
  }

  TEST_CASE("shell sums are the amplitudes counted by hand, and anisotropic bases stretch the shells") {
    Volume<float> intensity({8, 8, 8}, 4);
    const auto shells = shell_sums(intensity);
    REQUIRE(shells.q.size() == 4);
    CHECK(shells.voxels[0] == 1);
    CHECK(shells.voxels[1] == 18);  // 6 faces at 1, 12 edges at 1.41
    CHECK(shells.value[1] == 36);
    const Basis stretched{{{2, 0, 0}, {0, 1, 0}, {0, 0, 1}}};
    const auto wide = shell_sums(intensity, {}, stretched);
    CHECK(wide.q.size() == 2);
    CHECK(wide.q[1] == 2);
  }

  TEST_CASE("PRTF is 1 for equal objects and small for objects that agree in nothing") {
    const Pattern pattern = small_pattern(6);
    const auto same = prtf({pattern.truth, pattern.truth}, pattern);
    for (const double v : same.value) CHECK(v == doctest::Approx(1).epsilon(1e-5));
    std::vector<Volume<Complex>> noise;
    for (std::uint64_t run = 0; run < 9; ++run) {
      noise.emplace_back(pattern.truth.extent);
      Random random(run, Draw::test, 1);
      for (auto& v : noise.back().data) v = Complex(static_cast<float>(random.normal()), static_cast<float>(random.normal()));
    }
    Pattern flat = pattern;
    std::fill(flat.intensity.data.begin(), flat.intensity.data.end(), 1.0F);
    CHECK(prtf(noise, flat).value.back() < 0.5);
  }

  TEST_CASE("the Fourier shell correlation of equal objects is 1, and falls where noise takes over") {
    CrystalOptions options;
    const auto truth = pad_or_crop(converted<std::complex<double>>(make_crystal(options, 7)), {64, 64, 64});
    for (const double v : fourier_shell_correlation(truth, truth).value) CHECK(v == doctest::Approx(1));
    CHECK_FALSE(crossing(fourier_shell_correlation(truth, truth), 0.5).has_value());
    ComplexField noisy = truth;
    Random random(1, Draw::test, 2);
    for (auto& v : noisy.data) v += 0.3 * std::complex<double>(random.normal(), random.normal());
    const auto curve = fourier_shell_correlation(noisy, truth);
    const auto half = crossing(curve, 0.5), third = crossing(curve, std::exp(-1.0));
    REQUIRE(half.has_value());
    REQUIRE(third.has_value());
    CHECK(*half > 2);
    CHECK(*third >= *half);
  }

  TEST_CASE("crossings are found between shells by linear interpolation") {
    const ShellCurve curve{{0, 1, 2, 3}, {1, 0.8, 0.4, 0.6}, {1, 1, 1, 1}};
    CHECK(*crossing(curve, 0.5) == doctest::Approx(1.75));
    CHECK_FALSE(crossing(curve, 0.3).has_value());
  }

  TEST_CASE("agreement of two objects: scale and phase are free, lost phases and lost voxels are counted") {
    CrystalOptions options;
    const auto truth = converted<std::complex<double>>(make_crystal(options, 8));
    ComplexField same = truth;
    for (auto& v : same.data) v *= std::polar(2.5, 0.7);
    auto agreement = object_agreement(same, truth);
    CHECK(agreement.error < 1e-7);
    CHECK(agreement.amplitude_error < 1e-7);
    CHECK(agreement.phase_error < 1e-7);
    CHECK(agreement.overlap == 1);
    ComplexField flat = truth;
    for (auto& v : flat.data) v = std::abs(v);
    agreement = object_agreement(flat, truth);
    CHECK(agreement.amplitude_error < 1e-7);
    CHECK(agreement.phase_error > 0.05);
    CHECK(agreement.error > 0.05);
    ComplexField half = truth;
    for (Index i = 0; i < half.size() / 2; ++i) half.data[static_cast<std::size_t>(i)] = 0;
    agreement = object_agreement(half, truth);
    CHECK(agreement.overlap == doctest::Approx(0.5).epsilon(0.1));
    CHECK(agreement.phase_error < 1e-7);
  }

  TEST_CASE("arrays that do not fit together are refused") {
    const Pattern pattern = small_pattern(9);
    CHECK_THROWS_WITH_AS(chi2(Volume<float>({2, 2, 2}), pattern),
                         "chi2: an array of 2 x 2 x 2 voxels does not fit one of 32 x 32 x 32", Error);
    CHECK_THROWS_AS(make_free_mask(1, {8, 8, 8}, {}, {.fraction = 0.9}), Error);
  }
}
