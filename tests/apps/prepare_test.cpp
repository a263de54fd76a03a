#include "apps/phasing/prepare.h"

#include <algorithm>
#include <cmath>

#include "apps/io/frames.h"
#include "apps/phasing/simulate.h"
#include "kernels/error.h"
#include "tests/apps/files.h"

using namespace fringe;
using namespace fringe::test;

namespace {
/// A noisy pattern of 32^3 as a scan whose peak lies at index 16.
RawScan simulated(double photons = 1e6) {
  CrystalOptions options;
  options.size = 32;
  return RawScan(expose(make_crystal(options, 3), {.photons = photons, .noise = true}, 3).intensity);
}
}  // namespace

TEST_SUITE("prepare") {
  TEST_CASE("amplitudes become counts, the smallest of them one photon") {
    RawScan scan(Volume<float>({1, 1, 3}));
    scan.counts.data = {0, 0.5F, 1.5F};
    CHECK(amplitudes_to_counts(scan, 0) == doctest::Approx(0.5));
    CHECK(scan.counts.data == std::vector<float>{0, 1, 9});
  }

  TEST_CASE("negative and NaN counts are an error that says where, or are masked when asked") {
    RawScan scan(Volume<float>({2, 2, 2}, 1));
    scan.counts(1, 0, 1) = -3;
    CHECK_THROWS_WITH_AS(mask_invalid(scan, false), doctest::Contains("frame 1, row 0, column 1 holds -3"), Error);
    scan.counts(0, 0, 0) = NAN;
    CHECK(mask_invalid(scan, true) == 2);
    CHECK(scan.photons() == 6);
  }

  TEST_CASE("dark fields are subtracted or mask, by what they look like; white fields level the pixels") {
    RawScan scan(Volume<float>({2, 1, 4}, 10));
    Volume<float> offset({1, 1, 4}, 3), hot({1, 1, 4}, 0);
    hot.data[2] = 100;
    RawScan a = scan, b = scan;
    CHECK(apply_dark(a, offset, DarkMode::automatic, 0) == 0);
    CHECK(a.counts.data[0] == 7);
    CHECK(apply_dark(b, hot, DarkMode::automatic, 0) == 2);
    CHECK(b.mask.data[2] == 0);
    Volume<float> white({1, 1, 4}, 2);
    white.data[0] = 1, white.data[3] = 0;
    CHECK(apply_white(scan, white) == 2);
    CHECK(scan.counts.data[0] == doctest::Approx(10 * (5.0 / 3)));
    CHECK(scan.mask.data[3] == 0);
  }

  TEST_CASE("a field larger than the frames is cut at the region of interest, one that does not contain it is refused") {
    RawScan scan(Volume<float>({1, 2, 2}, 1));
    Volume<float> field({1, 4, 4});
    for (std::size_t i = 0; i < 16; ++i) field.data[i] = static_cast<float>(i);
    CHECK(fit_field(field, scan, {1, 2}, "dark field")(0, 0, 0) == 6);
    CHECK_THROWS_WITH_AS(fit_field(field, scan, {3, 0}, "dark field"), doctest::Contains("they do not lie in it"), Error);
  }

  TEST_CASE("a hot voxel is masked, the Bragg peak is not") {
    RawScan scan = simulated();
    const RawScan before = scan;
    CHECK(mask_hot_voxels(scan) <= 2);
    CHECK(scan.mask(16, 16, 16) == 1);
    scan = before;
    scan.counts(3, 4, 5) = 1e5F;
    CHECK(mask_hot_voxels(scan) >= 1);
    CHECK(scan.mask(3, 4, 5) == 0);
  }

  TEST_CASE("a zeroed block amid signal is masked, empty corners of a dim pattern are not") {
    RawScan bright = simulated(1e8);
    Pattern p = resample(bright, {.centre = {16, 16, 16}, .size = {32, 32, 32}}, {});
    CHECK(mask_zero_blocks(p) == 0);
    for (Index d = 4; d < 12; ++d)
      for (Index h = 5; h < 12; ++h)
        for (Index w = 6; w < 13; ++w) p.intensity(d, h, w) = 0;
    const Index masked = mask_zero_blocks(p);
    CHECK(masked >= 8 * 7 * 7);
    CHECK(masked < 8 * 7 * 7 + 20);  // a zero by chance at its edge belongs to it, as far as anyone can tell
    CHECK_FALSE(p.measured((4 * 32 + 5) * 32 + 6));
    RawScan dim = simulated(1e3);
    Pattern q = resample(dim, {.centre = {16, 16, 16}, .size = {32, 32, 32}}, {});
    CHECK(mask_zero_blocks(q) == 0);
  }

  TEST_CASE("an alien is found, the crystal's own pattern is not taken for one") {
    RawScan scan = simulated(1e7);
    const auto before = scan.mask.data;
    mask_aliens(scan, {16, 16, 16});
    const auto wrongly = std::count(scan.mask.data.begin(), scan.mask.data.end(), 0);
    CHECK(wrongly < 32 * 32 * 32 / 50);
    scan.mask.data = before;
    for (Index i = -1; i <= 1; ++i)
      for (Index j = -1; j <= 1; ++j)
        for (Index k = -1; k <= 1; ++k) scan.counts(26 + i, 25 + j, 8 + k) += 5e4F;
    mask_aliens(scan, {16, 16, 16});
    CHECK(scan.mask(26, 25, 8) == 0);
    CHECK(scan.mask(16, 16, 16) == 1);
  }

  TEST_CASE("the centre is the brightest voxel, or the centre of mass of the peak") {
    const RawScan scan = simulated();
    for (const auto mode : {CentreMode::maximum, CentreMode::centre_of_mass}) {
      const auto c = find_centre(scan, mode);
      for (int k = 0; k < 3; ++k) CHECK(std::abs(c[k] - 16) <= 1);
    }
  }

  TEST_CASE("the object's extent is told from the autocorrelation within a fifth") {
    CrystalOptions options;
    options.size = 64;
    const auto crystal = make_crystal(options, 5);
    Index low[3] = {32, 32, 32}, high[3] = {0, 0, 0};
    for (Index d = 0; d < 32; ++d)
      for (Index h = 0; h < 32; ++h)
        for (Index w = 0; w < 32; ++w)
          if (crystal(d, h, w) != Complex(0)) {
            const Index x[3] = {d, h, w};
            for (int k = 0; k < 3; ++k) low[k] = std::min(low[k], x[k]), high[k] = std::max(high[k], x[k]);
          }
    const RawScan scan(expose(crystal, {.photons = 1e7, .noise = true}, 5).intensity);
    const auto share = object_extent(scan, {32, 32, 32});
    for (int k = 0; k < 3; ++k) CHECK(64 * share[k] == doctest::Approx(static_cast<double>(high[k] - low[k] + 1)).epsilon(0.2));
  }

  TEST_CASE("binning is the most that keeps the object within half the array") {
    CHECK(choose_binning({0.1, 0.24, 0.6}) == std::array<Index, 3>{4, 1, 1});
  }

  TEST_CASE("resampling sums photons, keeps the centre at half the extent, masks what is missing, and carries the geometry") {
    RawScan scan(Volume<float>({12, 12, 12}, 1));
    scan.counts(6, 6, 6) = 100;
    scan.mask(0, 6, 6) = 0;
    Geometry raw;
    raw.basis_vectors = {{{1e7, 0, 0}, {0, 2e7, 0}, {0, 0, 3e7}}};
    const Pattern p = resample(scan, {.centre = {6, 6, 6}, .binning = {2, 1, 1}, .size = {8, 8, 8}}, raw);
    CHECK(p.intensity(4, 4, 4) == 101);  // with its neighbour
    CHECK_FALSE(p.measured((0 * 8 + 4) * 8 + 4));  // outside the raw array
    CHECK(p.intensity(3, 3, 3) == 2);
    CHECK((*p.geometry.basis_vectors)[0][0] == 2e7);
    CHECK(p.geometry.binning == Extent{2, 1, 1});
    CHECK(p.geometry.origin == Extent{-3, 2, 2});
  }
}
