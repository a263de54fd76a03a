// `fringe lab` and its files as users meet them.
#include <cmath>
#include <cstring>

#include "apps/io/cxi.h"
#include "apps/io/lab_file.h"
#include "apps/phasing/simulate.h"
#include "engine/hdf5.h"
#include "tests/apps/files.h"

using namespace fringe;
using namespace fringe::test;

namespace {

const std::string example = FRINGE_SOURCE_DIR "/examples/34idc.toml";

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// A simulated crystal's pattern, and what a perfect retrieval would make of it.
void write_files(const Folder& f) {
  CrystalOptions options;
  options.size = 32;
  options.shape = CrystalShape::polyhedron;
  Pattern p = expose(make_crystal(options, 4), {.photons = 1e6}, 4);
  io::write_pattern(f / "p.cxi", p, "test");
  Reconstruction r;
  r.pattern = p;
  r.object = p.truth;
  r.support = Volume<std::uint8_t>(r.object.extent);
  for (std::size_t i = 0; i < r.support.data.size(); ++i) r.support.data[i] = r.object.data[i] != Complex(0);
  r.calculated = p.intensity;
  r.metrics = {{"chi2", 0.0}};
  io::write_reconstruction(f / "r.cxi", r);
}

}  // namespace

TEST_SUITE("lab command") {
  TEST_CASE("lab, show, info, compare: files, numbers, report") {
    const Folder f("lab");
    write_files(f);
    const auto o = fringe::test::fringe(f, "lab '" + (f / "r.cxi") + "' --geometry '" + example + "' -o '" + (f / "l.cxi") +
                                               "' -o '" + (f / "l.vti") + "' --json '" + (f / "l.json") + "'");
    CHECK(o.code == 0);
    CHECK(o.err.empty());
    CHECK(contains(o.out, "2 theta 34.316 deg"));
    for (const std::string key : {"volume", "size_x", "lattice_spacing", "two_theta", "strain_rms", "voxel", "chi2"})
      CHECK(contains(contents(f / "l.json"), "\"" + key + "\": "));
    REQUIRE(io::is_lab(f / "l.cxi"));
    CHECK_FALSE(io::is_lab(f / "r.cxi"));
    const auto lab = io::read_lab(f / "l.cxi");
    CHECK(lab.metrics.at("volume") == doctest::Approx(lab.metrics.at("volume_before")).epsilon(0.02));
    CHECK(lab.strain.extent == lab.object.extent);
    CHECK(contains(fringe::test::fringe(f, "info '" + (f / "l.cxi") + "'").out, "/entry_1/image_1/strain ("));
    CHECK(contains(fringe::test::fringe(f, "compare '" + (f / "l.cxi") + "' '" + (f / "l.cxi") + "'").out,
                   "true error         0.0000"));
    const auto show = fringe::test::fringe(f, "show '" + (f / "l.cxi") + "' -o '" + (f / "l.png") + "'");
    if (contains(show.err, "has no Cairo"))
      MESSAGE("skipped: this build has no Cairo");
    else
      CHECK(contents(f / "l.png").substr(1, 3) == "PNG");
    // The geometry that `prepare` stored does the same; a pattern with its truth is a crystal, too.
    auto r = io::read_reconstruction(f / "r.cxi");
    r.pattern.geometry = lab.geometry;
    io::write_reconstruction(f / "stored.cxi", r);
    CHECK(fringe::test::fringe(f, "lab '" + (f / "stored.cxi") + "' -o '" + (f / "s.cxi") + "' -q").out.empty());
    CHECK(io::read_lab(f / "s.cxi").object.data == lab.object.data);
    CHECK(fringe::test::fringe(
              f, "lab '" + (f / "p.cxi") + "' --geometry '" + example + "' -o '" + (f / "s.cxi") + "' --voxel-size 15")
              .code == 0);
    CHECK(io::read_lab(f / "s.cxi").voxel == doctest::Approx(15e-9));
  }

  TEST_CASE("what is stored comes back") {
    const Folder f("lab");
    write_files(f);
    REQUIRE(fringe::test::fringe(f, "lab '" + (f / "r.cxi") + "' --geometry '" + example + "' -o '" + (f / "l.cxi") + "' -q")
                .code == 0);
    const auto a = io::read_lab(f / "l.cxi");
    io::write_lab(f / "again.cxi", a);
    const auto b = io::read_lab(f / "again.cxi");
    CHECK(a.object.data == b.object.data);
    CHECK(a.support.data == b.support.data);
    CHECK(a.displacement.data == b.displacement.data);
    CHECK(a.phase.data == b.phase.data);
    CHECK(a.origin == b.origin);
    CHECK(a.voxel == b.voxel);
    CHECK(a.metrics == b.metrics);
    CHECK(*a.geometry.bragg == *b.geometry.bragg);
    CHECK(a.command == b.command);
    // u = -phase / |Q|, and the grid's origin puts the centre of mass at 0.
    const double q = 2 * 3.14159265358979 / a.metrics.at("lattice_spacing");
    double mass = 0, moment = 0;
    for (Index z = 0; z < a.support.extent[0]; ++z)
      for (Index y = 0; y < a.support.extent[1]; ++y)
        for (Index x = 0; x < a.support.extent[2]; ++x)
          if (a.support(z, y, x)) {
            mass += 1, moment += a.origin[0] + a.voxel * static_cast<double>(x);
            CHECK(static_cast<double>(a.displacement(z, y, x)) ==
                  doctest::Approx(-static_cast<double>(a.phase(z, y, x)) / q).epsilon(1e-4));
          }
    CHECK(std::abs(moment / mass) < 0.1 * a.voxel);
  }

  TEST_CASE("bad input is refused with its reason") {
    const Folder f("lab");
    write_files(f);
    const auto lab = [&](const std::string& arguments) {
      return fringe::test::fringe(f, "lab " + arguments + " -o '" + (f / "l.cxi") + "'");
    };
    const auto refused = [&](const std::string& arguments, const std::string& message) {
      CAPTURE(message);
      const auto o = lab(arguments);
      CHECK(o.code == 1);
      CHECK(contains(o.err, message));
    };
    refused("'" + (f / "none.cxi") + "'", "none.cxi: no such file");
    refused("'" + (f / "r.cxi") + "'", "r.cxi: does not say where its voxels lie in reciprocal space");
    refused("'" + (f / "r.cxi") + "' --geometry '" + (f / "none.toml") + "'", "none.toml: no such file");
    const auto text = contents(example);
    std::ofstream(f / "g.toml") << text.substr(0, text.find("[scan]"));
    refused("'" + (f / "r.cxi") + "' --geometry '" + (f / "g.toml") + "'", "g.toml: the key scan is missing");
    std::ofstream(f / "g.toml") << text.substr(0, text.find("rotations = ")) << "rotations = []\n"
                                << text.substr(text.find("[scan]"));
    refused("'" + (f / "r.cxi") + "' --geometry '" + (f / "g.toml") + "'",
            "g.toml: the detector stands in the direct beam, the Bragg angle is 0");
    hdf5::write_atomically(f / "real.h5", [](hid_t) {});
    refused("'" + (f / "real.h5") + "'", "there is no complex object");
    REQUIRE(lab("'" + (f / "r.cxi") + "' --geometry '" + example + "' -q").code == 0);
    refused("'" + (f / "l.cxi") + "'", "is in the laboratory frame already");
    CHECK(lab("'" + (f / "r.cxi") + "' --voxel-size 0").code == 2);
  }

  TEST_CASE("the VTI file has true spacing and all fields, and VTK itself reads it") {
    const Folder f("lab");
    write_files(f);
    REQUIRE(fringe::test::fringe(f, "lab '" + (f / "r.cxi") + "' --geometry '" + example + "' -o '" + (f / "l.cxi") +
                                        "' -o '" + (f / "l.vti") + "' --voxel-size 12.5 -q")
                .code == 0);
    const auto lab = io::read_lab(f / "l.cxi");
    const auto text = contents(f / "l.vti");
    const auto& e = lab.object.extent;
    CHECK(contains(text, "WholeExtent=\"0 " + std::to_string(e[2] - 1) + " 0 " + std::to_string(e[1] - 1) + " 0 " +
                             std::to_string(e[0] - 1) + "\""));
    CHECK(contains(text, "Spacing=\"12.5 12.5 12.5\""));
    // The fourth array, strain, as its header says.
    const auto at = text.find("Name=\"strain\"");
    REQUIRE(at != std::string::npos);
    const auto offset = std::stoul(text.substr(text.find("offset=\"", at) + 8));
    std::uint64_t bytes = 0;
    const auto data = text.data() + text.find("\n_") + 2 + offset;
    std::memcpy(&bytes, data, 8);
    CHECK(bytes == 4 * lab.strain.data.size());
    CHECK(std::memcmp(data + 8, lab.strain.data.data(), bytes) == 0);
    if (std::system("python3 -c 'import vtk' 2>/dev/null") != 0) {
      MESSAGE("skipped the reading by VTK: python3 has no vtk");
      return;
    }
    std::ofstream(f / "read.py")
        << "import sys, vtk\nr = vtk.vtkXMLImageDataReader()\nr.SetFileName(sys.argv[1])\nr.Update()\n"
           "i = r.GetOutput()\np = i.GetPointData()\n"
           "names = [p.GetArrayName(k) for k in range(p.GetNumberOfArrays())]\n"
           "assert names == ['amplitude', 'phase', 'displacement', 'strain', 'support'], names\n"
           "assert max(abs(s - 12.5) for s in i.GetSpacing()) < 1e-9\n"
           "inside = p.GetArray('support')\n"
           "n = sum(inside.GetValue(k) for k in range(inside.GetNumberOfTuples()))\n"
           "assert abs(n * 12.5 ** 3 / float(sys.argv[2]) - 1) < 1e-6, n\n"
           "print(i.GetDimensions(), i.GetSpacing(), i.GetOrigin(), names)\n";
    CHECK(std::system(("python3 '" + (f / "read.py") + "' '" + (f / "l.vti") + "' " +
                       std::to_string(lab.metrics.at("volume") * 1e27) + " >&2")
                          .c_str()) == 0);
  }
}
