#include "apps/io/cxi.h"

#include <cmath>
#include <cstring>

#include "apps/io/hdf5_data.h"
#include "apps/io/vti.h"
#include "apps/phasing/simulate.h"
#include "tests/apps/files.h"

using namespace fringe;
using namespace fringe::test;

namespace {

Pattern small_pattern() {
  CrystalOptions options;
  options.size = 16;
  Pattern p = expose(make_crystal(options, 1), {.photons = 1e5}, 1);
  p.mask = Volume<std::uint8_t>(p.intensity.extent, 1);
  p.mask.data[7] = 0;
  p.geometry = cubic_geometry(p.intensity.extent, 10e-9);
  p.geometry.energy = 1.44e-15;
  p.geometry.distance = 0.5;
  p.geometry.bragg = {1e10, 2e10, -3e9};
  p.geometry.binning = {2, 1, 1};
  p.geometry.origin = {-3, 4, 5};
  p.sample = "gold";
  return p;
}

Reconstruction small_result() {
  Reconstruction r;
  r.pattern = small_pattern();
  r.object = r.pattern.truth;
  r.support = Volume<std::uint8_t>(r.object.extent, 1);
  r.calculated = r.pattern.intensity;
  r.metrics = {{"chi2", 0.25}, {"epochs", 10}};
  r.curves["chi2"] = {{1, 2, 3}, {0.5, 0.4, 0.25}};
  r.configuration["width"] = "8";
  r.command = "fringe refine";
  r.version = "0.1.0";
  r.device = "CPU";
  r.start_time = "2026-11-24T00:00:00Z";
  return r;
}

void write_array(const std::string& path, const Volume<float>& v) {
  hdf5::write_atomically(path, [&](hid_t file) { io::write_volume(file, "/scan/counts", v); });
}

}  // namespace

TEST_SUITE("cxi") {
  TEST_CASE("a pattern comes back as it was written: intensities, mask, geometry, truth") {
    const Folder folder("cxi");
    const Pattern p = small_pattern();
    io::write_pattern(folder / "p.cxi", p, "fringe simulate");
    const Pattern q = io::read_pattern(folder / "p.cxi");
    CHECK(q.intensity.data == p.intensity.data);
    CHECK(q.mask.data == p.mask.data);
    CHECK(q.truth.data == p.truth.data);
    CHECK(q.sample == "gold");
    CHECK(*q.geometry.energy == *p.geometry.energy);
    CHECK(q.geometry.binning == p.geometry.binning);
    CHECK(*q.geometry.bragg == *p.geometry.bragg);
    CHECK(q.geometry.origin == p.geometry.origin);
    CHECK((*q.geometry.voxel_size(q.intensity.extent))[1] == doctest::Approx(10e-9));
    CHECK_FALSE(io::is_reconstruction(folder / "p.cxi"));
    CHECK(io::read_object(folder / "p.cxi").data == p.truth.data);
    CHECK_FALSE(std::filesystem::exists(folder / "p.cxi.partial"));
  }

  TEST_CASE("a reconstruction comes back as it was written, curves and settings included") {
    const Folder folder("cxi");
    const Reconstruction r = small_result();
    io::write_reconstruction(folder / "r.cxi", r);
    const Reconstruction q = io::read_reconstruction(folder / "r.cxi");
    CHECK(io::is_reconstruction(folder / "r.cxi"));
    CHECK(q.object.data == r.object.data);
    CHECK(q.support.data == r.support.data);
    CHECK(q.calculated.data == r.calculated.data);
    CHECK(q.pattern.intensity.data == r.pattern.intensity.data);
    CHECK(q.pattern.truth.data == r.pattern.truth.data);
    CHECK(q.metrics == r.metrics);
    CHECK(q.configuration == r.configuration);
    CHECK(q.curves.at("chi2").value == r.curves.at("chi2").value);
    CHECK(q.command == r.command);
    CHECK(q.start_time == r.start_time);
  }

  TEST_CASE("the places are those that CXI and PyNX know") {
    const Folder folder("cxi");
    io::write_reconstruction(folder / "r.cxi", small_result());
    const auto file = hdf5::open(folder / "r.cxi");
    CHECK(*io::read_number(file.get(), "/cxi_version") == 150);
    CHECK(io::is_complex(file.get(), "/entry_1/data_1/data"));
    CHECK(io::is_complex(file.get(), "/entry_last/image_1/data"));
    CHECK(*io::read_text(file.get(), "/entry_1/image_1/data_space") == "real");
    CHECK(*io::read_text(file.get(), "/entry_1/image_1/data_type") == "electron density");
    CHECK(io::read_extent(file.get(), "/entry_1/image_1/mask") == std::vector<Index>{8, 8, 8});
    CHECK(io::read_numbers(file.get(), "/entry_1/image_1/image_size").size() == 3);
    CHECK(*io::read_number(file.get(), "/entry_1/instrument_1/beam_1/incident_wavelength") == doctest::Approx(1.3795e-10).epsilon(1e-4));
    CHECK(*io::read_text(file.get(), "/entry_1/process_1/configuration/width") == "8");
  }

  TEST_CASE("any array of intensities is read by FILE:/path; a wrong path lists what is there") {
    const Folder folder("cxi");
    write_array(folder / "a.h5", Volume<float>({8, 10, 12}, 2.0F));
    const Pattern p = io::read_pattern((folder / "a.h5") + ":/scan/counts");
    CHECK(p.intensity.extent == Extent{8, 10, 12});
    CHECK(p.measured(0));
    CHECK_THROWS_WITH_AS(io::read_pattern((folder / "a.h5") + ":/scan/count"),
                         doctest::Contains("there is no array /scan/count; it holds /scan/counts (8, 10, 12)"), Error);
    CHECK_THROWS_WITH_AS(io::read_pattern(folder / "a.h5"), doctest::Contains("it holds /scan/counts"), Error);
  }

  TEST_CASE("what cannot be phased is refused with the reason") {
    const Folder folder("cxi");
    const auto refused = [&](const Volume<float>& v, const std::string& reason) {
      write_array(folder / "a.h5", v);
      CHECK_THROWS_WITH_AS(io::read_pattern((folder / "a.h5") + ":/scan/counts"), doctest::Contains(reason.c_str()), Error);
    };
    refused(Volume<float>({8, 8, 9}, 1), "extents must be even, the pattern has 8 x 8 x 9 voxels");
    refused(Volume<float>({8, 8, 6}, 1), "at least 8 are needed");
    refused(Volume<float>({8, 8, 8}, 0), "every measured intensity is zero");
    Volume<float> v({8, 8, 8}, 1);
    v(1, 2, 3) = -4;
    refused(v, "the intensity at (1, 2, 3) is -4");
    v(1, 2, 3) = NAN;
    refused(v, "the intensity at (1, 2, 3) is nan");
  }

  TEST_CASE("missing, foreign, two-dimensional and truncated files are errors, never crashes") {
    const Folder folder("cxi");
    CHECK_THROWS_WITH_AS(io::read_pattern(folder / "none.cxi"), doctest::Contains("no such file"), Error);
    std::ofstream(folder / "text.cxi") << "hello";
    CHECK_THROWS_WITH_AS(io::read_pattern(folder / "text.cxi"), doctest::Contains("not an HDF5 file"), Error);
    hdf5::write_atomically(folder / "flat.h5", [](hid_t file) { io::write_numbers(file, "/a", std::vector<double>(64, 1), {8, 8}); });
    CHECK_THROWS_WITH_AS(io::read_pattern((folder / "flat.h5") + ":/a"), doctest::Contains("2-dimensional array (8, 8)"), Error);
    io::write_reconstruction(folder / "whole.cxi", small_result());
    const auto bytes = contents(folder / "whole.cxi");
    for (int i = 0; i < 40; ++i) {
      std::ofstream(folder / "cut.cxi", std::ios::binary) << bytes.substr(0, bytes.size() * static_cast<std::size_t>(i) / 40);
      CHECK_THROWS_AS(io::read_reconstruction(folder / "cut.cxi"), Error);
      CHECK_THROWS_AS(io::read_pattern(folder / "cut.cxi"), Error);
    }
  }

  TEST_CASE("a file that cannot be written leaves the old one and nothing else") {
    const Folder folder("cxi");
    CHECK_THROWS_WITH_AS(io::write_pattern(folder / "no/p.cxi", small_pattern(), ""), doctest::Contains("does not exist"), Error);
    io::write_pattern(folder / "p.cxi", small_pattern(), "first");
    CHECK_THROWS_AS(hdf5::write_atomically(folder / "p.cxi", [](hid_t) { fail("half way"); }), Error);
    CHECK(io::read_pattern(folder / "p.cxi").sample == "gold");
    int files = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder / "")) ++files;
    CHECK(files == 1);
  }

  TEST_CASE("the VTI file has the extent, the spacing in nm and the bytes of three arrays") {
    const Folder folder("vti");
    const auto r = small_result();
    io::write_vti(folder / "r.vti", r);
    const auto text = contents(folder / "r.vti");
    CHECK(text.find("WholeExtent=\"0 7 0 7 0 7\"") != std::string::npos);
    CHECK(text.find("Spacing=\"10") != std::string::npos);
    const auto data = text.find("\n_") + 2;
    float first = 0;
    const std::size_t middle = (4 * 8 + 4) * 8 + 4;
    std::memcpy(&first, text.data() + data + 8 + 4 * middle, 4);
    CHECK(first == doctest::Approx(std::abs(r.object.data[middle])));
    CHECK(text.size() > data + 3 * 8 + 512 * 9);
  }
  TEST_CASE("the VTI file is read by VTK itself") {
    if (std::system("python3 -c 'import vtk' 2>/dev/null") != 0) {
      MESSAGE("skipped: python3 has no vtk");
      return;
    }
    const Folder folder("vti");
    io::write_vti(folder / "r.vti", small_result());
    std::ofstream(folder / "read.py") << "import sys, vtk\nr = vtk.vtkXMLImageDataReader()\nr.SetFileName(sys.argv[1])\nr.Update()\n"
                                         "i = r.GetOutput()\np = i.GetPointData()\n"
                                         "assert i.GetDimensions() == (8, 8, 8)\n"
                                         "assert [p.GetArrayName(k) for k in range(3)] == ['amplitude', 'phase', 'support']\n"
                                         "assert abs(p.GetArray('amplitude').GetValue((4 * 8 + 4) * 8 + 4) - 1) < 1e-6\n";
    CHECK(std::system(("python3 '" + (folder / "read.py") + "' '" + (folder / "r.vti") + "'").c_str()) == 0);
  }
}
