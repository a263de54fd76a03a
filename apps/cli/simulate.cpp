#include <algorithm>
#include <cmath>

#include "apps/cli/commands.h"
#include "apps/cli/report.h"
#include "apps/io/cxi.h"
#include "apps/phasing/simulate.h"
#include "engine/hdf5.h"

namespace fringe::cli {
namespace {

struct Options {
  std::string output;
  CrystalOptions crystal;
  Exposure exposure;
  double voxel_size = 0;  // [m]
  std::uint64_t index = 0;
  bool noise_free = false;
};

int simulate(const Options& o, const Common& common) {
  hdf5::require_writable(o.output);
  if (!common.json.empty()) hdf5::require_writable(common.json);
  const int threads = thread_count(common);
  const auto crystal = make_crystal(o.crystal, common.seed, o.index, threads);
  Pattern pattern = expose(crystal, o.exposure, common.seed, o.index, threads);
  pattern.sample = fmt::format("simulated crystal {}, seed {}", o.index, common.seed);
  if (o.voxel_size > 0) pattern.geometry = cubic_geometry(pattern.intensity.extent, o.voxel_size);
  io::write_pattern(o.output, pattern, common.command_line);

  const auto& e = crystal.extent;
  Index inside = 0, low[3] = {e[0], e[1], e[2]}, high[3] = {-1, -1, -1};
  for (Index d = 0; d < e[0]; ++d)
    for (Index h = 0; h < e[1]; ++h)
      for (Index w = 0; w < e[2]; ++w)
        if (crystal(d, h, w) != Complex(0)) {
          ++inside;
          const Index at[3] = {d, h, w};
          for (int axis = 0; axis < 3; ++axis)
            low[axis] = std::min(low[axis], at[axis]), high[axis] = std::max(high[axis], at[axis]);
        }
  double photons = 0;
  float largest = 0;
  for (const float v : pattern.intensity.data) photons += static_cast<double>(v), largest = std::max(largest, v);
  if (!common.quiet)
    fmt::print("crystal   {} voxels inside, {} x {} x {}\npattern   {}^3 voxels, {:.4g} photons, maximum {:.4g}, {}\n"
               "written   {}\n",
               inside, high[0] - low[0] + 1, high[1] - low[1] + 1, high[2] - low[2] + 1, o.crystal.size, photons, largest,
               o.exposure.noise ? "with Poisson noise" : "noise-free", o.output);
  if (!common.json.empty()) {
    Report r = make_report(common);
    r.insert("voxels_inside", inside);
    r.insert("photons", photons);
    r.insert("maximum", static_cast<double>(largest));
    r.insert("noise", o.exposure.noise);
    write_json(common.json, r);
  }
  return 0;
}

}  // namespace

void add_simulate(CLI::App& app, Common& common, Action& action) {
  auto* c = app.add_subcommand("simulate", "draw one crystal and its diffraction pattern, as one CXI file");
  auto o = std::make_shared<Options>();
  c->add_option("-o,--output", o->output, "CXI file with truth and pattern")->required()->type_name("FILE");
  c->add_option("--size", o->crystal.size, "extent of the pattern [voxels]; the crystal's array has half of it")
      ->capture_default_str();
  c->add_option("--photons", o->exposure.photons, "photons in the whole pattern, each voxel with Poisson noise (default: no noise)");
  c->add_flag("--noise-free", o->noise_free, "no noise even with --photons");
  c->add_option("--phase-range", o->crystal.phase_range, "the phase inside covers [0, this] [rad]")->capture_default_str();
  c->add_option("--shape", o->crystal.shape, "superellipsoid (Wu et al. 2021) or polyhedron (facets, no centre of symmetry)")
      ->transform(CLI::CheckedTransformer(std::map<std::string, CrystalShape>{{"superellipsoid", CrystalShape::superellipsoid},
                                                                            {"polyhedron", CrystalShape::polyhedron}}))
      ->option_text("NAME=superellipsoid");
  c->add_option("--index", o->index, "number of the crystal in the series of this seed")->capture_default_str();
  c->add_flag("--smooth-edge", o->crystal.smooth_edge, "voxels at the surface get the share of them that is inside");
  c->add_option("--voxel-size", o->voxel_size, "edge of a voxel of the crystal [m], for scale bars")->check(CLI::PositiveNumber);
  add_common_options(*c, common);
  c->callback([c, o, &common, &action] {
    o->exposure.noise = c->count("--photons") > 0 && !o->noise_free;
    action = [o, &common] { return simulate(*o, common); };
  });
}

}  // namespace fringe::cli
