#include "apps/phasing/lab.h"

#include <filesystem>
#include <numbers>

#include "apps/cli/commands.h"
#include "apps/cli/report.h"
#include "apps/io/geometry_file.h"
#include "apps/io/lab_file.h"
#include "engine/device.h"
#include "engine/hdf5.h"

namespace fringe::cli {
namespace {

struct Options {
  std::string input, geometry;
  std::vector<std::string> outputs;
  double voxel_nm = 0;
  LabOptions lab;
};

int lab(const Options& o, const Common& common) {
  for (const auto& path : o.outputs) hdf5::require_writable(path);
  if (!common.json.empty()) hdf5::require_writable(common.json);
  require(!io::is_lab(o.input), "{}: is in the laboratory frame already", o.input);
  Reconstruction r = io::read_crystal(o.input);
  if (!o.geometry.empty())
    locate(r.pattern.geometry, io::read_diffractometer(o.geometry), r.pattern.intensity.extent, o.geometry);
  require(r.pattern.geometry.basis_vectors.has_value(),
          "{}: does not say where its voxels lie in reciprocal space; describe the diffractometer with --geometry FILE, "
          "here or in `fringe prepare`",
          o.input);
  LabOptions options = o.lab;
  options.voxel = o.voxel_nm * 1e-9;
  LabObject result = to_laboratory(r, options, thread_count(common));
  result.command = common.command_line;
  result.version = version();
  for (const auto& path : o.outputs)
    std::filesystem::path(path).extension() == ".vti" ? io::write_lab_vti(path, result) : io::write_lab(path, result);

  const auto& m = result.metrics;
  const auto& e = result.object.extent;
  if (!common.quiet) {
    fmt::print("grid      {} x {} x {} voxels of {:.2f} nm along x, y, z\n", e[2], e[1], e[0], result.voxel * 1e9);
    fmt::print("crystal   {:.0f} x {:.0f} x {:.0f} nm along x, y, z; {:.5f} um^3, on the sheared voxels {:.5f}\n",
               m.at("size_x") * 1e9, m.at("size_y") * 1e9, m.at("size_z") * 1e9, m.at("volume") * 1e18,
               m.at("volume_before") * 1e18);
    if (m.at("parts") > 1) fmt::print("parts     {:.0f}, each with a phase of its own\n", m.at("parts"));
    if (result.geometry.bragg) {
      if (result.geometry.energy)
        fmt::print("bragg     2 theta {:.3f} deg at the pattern's centre\n",
                   two_theta(result.geometry) * 180 / std::numbers::pi);
      fmt::print("lattice   {:.4f} A at the pattern's centre, {:.4f} A in the crystal's mean\n",
                 m.at("lattice_spacing_centre") * 1e10, m.at("lattice_spacing") * 1e10);
      fmt::print("strain    {:.2e} root mean square about the mean; displacement over {:.1f} pm\n", m.at("strain_rms"),
                 m.at("displacement_range") * 1e12);
    } else {
      fmt::print("strain    not known: the scattering vector is not; give --geometry FILE\n");
    }
    fmt::print("written   {}\n", fmt::join(o.outputs, ", "));
  }
  if (!common.json.empty()) {
    Report report = make_report(common);
    for (const auto& [name, value] : m) report.insert(name, value);
    report.insert("voxel", result.voxel);
    if (result.geometry.bragg && result.geometry.energy)
      report.insert("two_theta", two_theta(result.geometry) * 180 / std::numbers::pi);
    write_json(common.json, report);
  }
  return 0;
}

}  // namespace

void add_lab(CLI::App& app, Common& common, Action& action) {
  auto* c = app.add_subcommand("lab", "a retrieved crystal in laboratory coordinates: straight voxels, displacement, strain");
  auto o = std::make_shared<Options>();
  c->add_option("input", o->input, "CXI file with a crystal")->required()->type_name("RESULT");
  c->add_option("-o,--output", o->outputs,
                "crystal on straight voxels: .cxi, or .vti for ParaView; may be given several times")
      ->required()
      ->check(ends_in({".cxi", ".h5", ".hdf5", ".vti"}))
      ->type_name("FILE");
  c->add_option("--geometry", o->geometry,
                "the diffractometer as a TOML file (docs/laboratory-frame.md; default: what `prepare` stored in RESULT)")
      ->type_name("FILE");
  c->add_option("--voxel-size", o->voxel_nm, "edge of the voxels [nm] (default: as large as the sheared ones by volume)")
      ->check(positive());
  c->add_flag("--keep-ramp", o->lab.keep_ramp,
              "displacement and strain against the lattice of the pattern's centre, not the crystal's mean one");
  add_common_options(*c, common, false);
  c->callback([o, &common, &action] { action = [o, &common] { return lab(*o, common); }; });
}

}  // namespace fringe::cli
