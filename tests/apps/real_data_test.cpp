// The chain from raw frames on the two public data sets, where they are: $FRINGE_DATA, or ../shared/data beside the tree.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "apps/io/cxi.h"
#include "tests/apps/files.h"

using namespace fringe;
using namespace fringe::test;

namespace {
std::string data_folder() {
  const char* named = std::getenv("FRINGE_DATA");
  const std::string folder = named ? named : FRINGE_SOURCE_DIR "/../shared/data";
  return std::filesystem::is_directory(folder) ? folder : "";
}
}  // namespace

TEST_SUITE("real data") {
  TEST_CASE("34-ID-C, scan 54: the frames become a pattern whose object fits") {
    const auto data = data_folder();
    if (data.empty()) {
      MESSAGE("skipped: no real data; set FRINGE_DATA to the folder that holds 34idc-S0054 and anl-64");
      return;
    }
    const Folder f("s54");
    const auto scan = data + "/34idc-S0054/";
    const auto o = fringe::test::fringe(f, "prepare '" + scan + "frames' --dark '" + scan + "dark.tif' --white '" + scan +
                                               "whitefield.tif' --roi 0,0 --geometry '" FRINGE_SOURCE_DIR
                                               "/examples/34idc.toml' -o '" + (f / "s.cxi") + "'");
    REQUIRE(o.code == 0);
    CHECK(o.out.find("2 theta 34.316 deg, lattice spacing 2.3348 A") != std::string::npos);
    CHECK(o.err.empty());
    const auto p = io::read_pattern(f / "s.cxi");
    CHECK(p.intensity.extent == Extent{64, 64, 64});
    CHECK(p.geometry.binning == Extent{2, 1, 1});
    // Frame step twice the raw one; |Q| = 2 pi / d.
    CHECK(2 * std::numbers::pi / std::hypot((*p.geometry.bragg)[0], (*p.geometry.bragg)[1], (*p.geometry.bragg)[2]) ==
          doctest::Approx(2.335e-10).epsilon(2e-4));
    CHECK((*p.geometry.voxel_size(p.intensity.extent))[1] == doctest::Approx(20.05e-9).epsilon(1e-3));
    double sum = 0;
    for (const float v : p.intensity.data) sum += static_cast<double>(v);
    CHECK(sum > 0.9 * 46155653);
    const auto largest = std::max_element(p.intensity.data.begin(), p.intensity.data.end()) - p.intensity.data.begin();
    for (const auto i : {largest / 4096, largest / 64 % 64, largest % 64}) CHECK(std::abs(static_cast<double>(i) - 32) <= 1);
  }

  TEST_CASE("anl-64: amplitudes become whole photons, the hole is masked") {
    const auto data = data_folder();
    if (data.empty()) {
      MESSAGE("skipped: no real data");
      return;
    }
    const Folder f("anl");
    const auto o = fringe::test::fringe(f, "prepare '" + data + "/anl-64/ft_crop_64.npy' --amplitude --centre 32,32,32 -o '" + (f / "a.cxi") + "'");
    REQUIRE(o.code == 0);
    const auto p = io::read_pattern(f / "a.cxi");
    double sum = 0, off = 0;
    for (const float v : p.intensity.data) {
      sum += static_cast<double>(v);
      if (v < 1000) off = std::max(off, std::abs(static_cast<double>(v) - std::round(static_cast<double>(v))));
    }
    CHECK(sum == doctest::Approx(828829397).epsilon(1e-4));
    CHECK(off < 0.02);
    Index masked = 0;
    for (Index i = 0; i < p.intensity.size(); ++i) masked += !p.measured(i);
    CHECK(masked > 400);
    CHECK(masked < 1000);
  }
}
