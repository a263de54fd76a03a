#include "apps/phasing/agreement.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "apps/phasing/alignment.h"
#include "apps/phasing/random.h"
#include "apps/phasing/simulate.h"

using namespace fringe;

namespace {

Pattern crystal_pattern(std::uint64_t seed = 2) {
  CrystalOptions crystal;
  crystal.size = 32;
  return expose(make_crystal(crystal, seed), {.photons = 1e7}, seed);
}

Member member(std::uint64_t seed, double free_llk, Volume<Complex> object = {}) {
  return {seed, std::move(object), {{"free_llk", free_llk}, {"chi2", free_llk / 10}, {"pearson", 0.99}}};
}

/// The truth under noise, and, for odd seeds, as its twin, of another phase, one voxel aside.
Volume<Complex> disturbed(const Volume<Complex>& truth, std::uint64_t seed, float noise) {
  Random random(seed, Draw::test, 1);
  auto object = seed % 2 == 1 ? twin_of(truth) : truth;
  const auto turn = std::polar(1.0F, static_cast<float>(seed));
  Volume<Complex> out(object.extent);
  const Index shift = seed % 2 == 1 ? 1 : 0;
  for (Index d = 0; d < 16; ++d)
    for (Index h = 0; h < 16; ++h)
      for (Index w = 0; w < 16 - shift; ++w) {
        const auto v = object(d, h, w + shift) * turn;
        if (std::abs(v) > 0)
          out(d, h, w) =
              v + noise * Complex(static_cast<float>(random.normal()), static_cast<float>(random.normal())) * std::abs(v);
      }
  return out;
}

}  // namespace

TEST_SUITE("agreement") {
  TEST_CASE("the limit for outliers, by hand; the best member is the first of the smallest score") {
    const std::vector<Member> members{member(1, 3), member(2, 1), member(3, 2), member(4, 100), member(5, 1)};
    CHECK(best_of(members) == 1);
    // median 2, distances 1 1 0 98 1, their median 1
    CHECK(outlier_limit(members, 3) == doctest::Approx(2 + 3 * 1.4826));
    CHECK(outlier_limit(members, 0) == std::numeric_limits<double>::infinity());
    CHECK(outlier_limit({member(1, 4)}, 3) == 4);
    CHECK_THROWS_WITH_AS(best_of({}), doctest::Contains("no start"), Error);
    Member without;
    without.metrics["chi2"] = 0.5;
    CHECK(without.score() == 0.5);
  }

  TEST_CASE(
      "twins, shifts and phases are undone: the average is nearer to the truth than the members, the outlier is left out") {
    const auto pattern = crystal_pattern();
    std::vector<Member> members;
    for (std::uint64_t seed = 0; seed < 8; ++seed)
      members.push_back(member(seed, 1 + 0.01 * static_cast<double>(seed), disturbed(pattern.truth, seed, 0.3F)));
    members.push_back(member(8, 9, disturbed(crystal_pattern(5).truth, 8, 0)));
    const auto r = agreement(pattern, {}, members, {.threads = 2});
    CHECK(r.metrics.at("starts") == 9);
    CHECK(r.metrics.at("kept") == 8);
    CHECK(r.curves.at("start_kept").value == std::vector<double>{1, 1, 1, 1, 1, 1, 1, 1, 0});
    CHECK(r.metrics.at("best_seed") == 0);
    CHECK(r.curves.at("start_error").value[0] == 0);
    const double one = align(members[0].object, pattern.truth).error;
    CHECK(r.metrics.at("true_error") < 0.6 * one);
    CHECK(r.metrics.at("mode_weight") > 0.8);
    CHECK(r.metrics.at("mode_weight") < 0.99);
    CHECK(r.metrics.at("agreement_error") > one);
    CHECK(r.metrics.at("median_free_llk") == doctest::Approx(1.04));
    CHECK(r.curves.at("start_chi2").epoch.size() == 9);
    CHECK(r.modes.size() == 4);
    // A member is the truth times 1 + 0.3 (g + i h), g and h normal: relative deviation 0.3 of amplitude and of phase.
    double amplitude = 0, phase = 0, inside = 0;
    for (std::size_t i = 0; i < r.support.data.size(); ++i)
      if (r.support.data[i]) {
        amplitude += r.maps.at("amplitude_std").data[i] / r.maps.at("amplitude_mean").data[i];
        phase += r.maps.at("phase_std").data[i];
        ++inside;
      }
    CHECK(amplitude / inside == doctest::Approx(0.29).epsilon(0.2));
    CHECK(phase / inside == doctest::Approx(0.3).epsilon(0.2));
    CHECK(r.metrics.at("fsc_resolution_voxels") >= 2);
    CHECK(agreement(pattern, {}, members, {.deviations = 0}).metrics.at("kept") == 9);
  }

  TEST_CASE("equal members: everything agrees to the array's edge, and nothing is uncertain; one alone works") {
    auto pattern = crystal_pattern();
    const std::vector<Member> equal{member(1, 1, pattern.truth), member(2, 1, pattern.truth)};
    const auto r = agreement(pattern, {}, equal, {});
    CHECK(r.metrics.at("mode_weight") == doctest::Approx(1));
    CHECK(r.metrics.at("true_error") < 1e-3);
    CHECK(r.metrics.at("fsc_at_edge") == 1);
    CHECK(r.metrics.at("prtf_at_edge") == 1);
    for (const float v : r.maps.at("phase_std").data) CHECK(v < 2e-3F);
    const auto alone = agreement(pattern, {}, {member(1, 1, pattern.truth)}, {});
    CHECK(alone.metrics.at("kept") == 1);
    CHECK(alone.curves.count("fsc") == 0);
    // Where the geometry is known, lengths are in metres: 32 voxels of 5 nm, in period 2 pi / Q.
    auto& basis = pattern.geometry.basis_vectors.emplace();
    for (int k = 0; k < 3; ++k) basis[k][k] = 2 * 3.14159265358979 / (32 * 5e-9);
    const auto metres = agreement(pattern, {}, equal, {});
    CHECK(metres.metrics.at("prtf_resolution") == doctest::Approx(5e-9 * r.metrics.at("prtf_resolution_voxels")).epsilon(1e-6));
  }
}
