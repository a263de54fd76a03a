// What users get wrong, or their disks and detectors do: every case ends with exit code 1 and a sentence that says what was
// wrong, and where.
#include <cmath>
#include <filesystem>

#include "apps/io/cxi.h"
#include "apps/io/hdf5_data.h"
#include "tests/apps/files.h"

using namespace fringe;
using namespace fringe::test;

namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

void refused(const Outcome& o, const std::string& message) {
  CAPTURE(message);
  CAPTURE(o.err);
  CHECK(o.code == 1);
  CHECK(contains(o.err, "fringe: error: "));
  CHECK(contains(o.err, message));
}

/// An uncompressed TIFF of 8 x 8 pixels of 16 bits, little-endian, one strip.
std::string tiff() {
  std::string out("II*\0", 4);
  const auto u16 = [&](unsigned v) { out += {static_cast<char>(v & 255), static_cast<char>(v >> 8 & 255)}; };
  const auto u32 = [&](unsigned v) { u16(v & 65535), u16(v >> 16); };
  u32(8 + 128);
  for (unsigned i = 0; i < 64; ++i) u16(i % 7);
  const unsigned tags[][3] = {{256, 3, 8}, {257, 3, 8}, {258, 3, 16}, {259, 3, 1},  {262, 3, 1},
                              {273, 4, 8}, {277, 3, 1}, {278, 3, 8},  {279, 4, 128}};
  u16(static_cast<unsigned>(std::size(tags)));
  for (const auto& [tag, type, value] : tags) u16(tag), u16(type), u32(1), u32(value);
  u32(0);
  return out;
}

std::string pattern(const Folder& f) {
  REQUIRE(fringe::test::fringe(f, "simulate -q -o '" + (f / "c.cxi") + "' --size 16 --seed 3").code == 0);
  return f / "c.cxi";
}

const std::string quick = " --epochs 4 --seeds 1 --width 2 --threads 1 ";

}  // namespace

TEST_SUITE("bad input") {
  TEST_CASE("a pattern that is no HDF5, cut short, flat, odd or complex is refused, and nothing is written") {
    const Folder f("bad");
    const auto refine = [&](const std::string& input) {
      return fringe::test::fringe(f, "refine '" + input + "' -o '" + (f / "r.cxi") + "'" + quick);
    };
    std::ofstream(f / "text.cxi") << "hello";
    refused(refine(f / "text.cxi"), "text.cxi: not an HDF5 file");
    const auto whole = contents(pattern(f));
    std::ofstream(f / "cut.cxi", std::ios::binary) << whole.substr(0, whole.size() / 2);
    refused(refine(f / "cut.cxi"), "cut.cxi: the HDF5 file is damaged or truncated");
    hdf5::write_atomically(f / "a.h5", [](hid_t file) {
      io::write_numbers(file, "/flat", std::vector<double>(64, 1), {8, 8});
      io::write_volume(file, "/odd", Volume<float>({9, 8, 8}, 1));
      io::write_volume(file, "/complex", Volume<Complex>({8, 8, 8}, 1));
      Volume<float> v({8, 8, 8}, 1);
      v(1, 2, 3) = NAN;
      io::write_volume(file, "/nan", v);
    });
    refused(refine((f / "a.h5") + ":/flat"), "a.h5: /flat is a 2-dimensional array (8, 8), expected a three-dimensional one");
    refused(refine((f / "a.h5") + ":/odd"), "a.h5:/odd: extents must be even, the pattern has 9 x 8 x 8 voxels");
    refused(refine((f / "a.h5") + ":/complex"), "a.h5: /complex does not hold real numbers");
    refused(refine((f / "a.h5") + ":/nan"), "the intensity at (1, 2, 3) is nan");
    CHECK_FALSE(std::filesystem::exists(f / "r.cxi"));
    refused(fringe::test::fringe(f, "prepare '" + (f / "a.h5") + ":/nan' -o '" + (f / "p.cxi") + "'"),
            "frame 1, row 2, column 3 holds nan; counts must be finite and not negative: --mask-invalid");
    CHECK_FALSE(std::filesystem::exists(f / "p.cxi"));
  }

  TEST_CASE("a corrupt frame among good ones is named") {
    const Folder f("bad");
    std::filesystem::create_directory(f / "frames");
    for (int i = 10; i < 20; ++i) std::ofstream(f / ("frames/f" + std::to_string(i) + ".tif"), std::ios::binary) << tiff();
    const auto prepare = [&] {
      return fringe::test::fringe(f, "prepare '" + (f / "frames") + "' -o '" + (f / "p.cxi") + "' --size 8 --bin 1,1,1");
    };
    const auto good = prepare();
    if (contains(good.err, "has no")) {
      MESSAGE("skipped: this build reads no TIFF");
      return;
    }
    CHECK(good.code == 0);
    std::ofstream(f / "frames/f14.tif", std::ios::binary) << tiff().substr(0, 100);
    refused(prepare(), "f14.tif: not a TIFF file, or damaged");
    std::ofstream(f / "frames/f14.tif") << "";
    refused(prepare(), "f14.tif: not a TIFF file, or damaged");
  }

  TEST_CASE("a file that is no model is refused before the work") {
    const Folder f("bad");
    const auto input = pattern(f);
    refused(fringe::test::fringe(f, "refine '" + input + "' -o '" + (f / "r.cxi") + "' --model '" + input + "'"),
            "c.cxi: an HDF5 file, but not a fringe model or checkpoint");
  }

  TEST_CASE(
      "a disk that fills up while the result is written is an error that says so; what fits is written, what was stays") {
    const Folder f("bad");
    const auto input = pattern(f);
    REQUIRE(fringe::test::fringe(f, "refine '" + input + "' -o '" + (f / "r.cxi") + "' -q" + quick).code == 0);
    const auto before = contents(f / "r.cxi");
    // No file may grow beyond 8 KiB, which is what a full disk does to a program that survives the signal.
    const auto o = fringe::test::fringe(
        f, "refine '" + input + "' -o '" + (f / "r.cxi") + "' --json '" + (f / "r.json") + "' -q" + quick,
        "trap '' XFSZ; ulimit -f 16; ");
    REQUIRE(before.size() > 8192);
    refused(o, "is the disk full?");
    CHECK(contents(f / "r.cxi") == before);
    CHECK(contains(contents(f / "r.json"), "\"chi2\": "));
    int strays = 0;
    for (const auto& entry : std::filesystem::directory_iterator(f / ""))
      strays += contains(entry.path().string(), "partial");
    CHECK(strays == 0);
  }

  TEST_CASE("half a geometry is said to be of no use") {
    const Folder f("bad");
    hdf5::write_atomically(f / "a.h5", [](hid_t file) {
      Volume<float> v({16, 16, 16}, 1);
      v(8, 8, 8) = 1000;
      io::write_volume(file, "/a", v);
    });
    const auto prepare = [&](const std::string& more) {
      return fringe::test::fringe(
                 f, "prepare '" + (f / "a.h5") + ":/a' -q --keep-hot --size 16 -o '" + (f / "p.cxi") + "' " + more)
          .err;
    };
    CHECK(contains(prepare("--energy 9 --delta 32 --rocking-step 0.005"), "no voxel size without --distance, --pixel-size"));
    CHECK_FALSE(contains(prepare("--energy 9"), "no voxel size"));
    CHECK(contains(prepare("--energy 9 --distance 0.5 --pixel-size 55 --rocking-step 0.005"), "the Bragg angle is 0"));
  }
}
