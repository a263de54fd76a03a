#include "apps/cli/population.h"

namespace fringe::cli {
namespace {

/// LOW,HIGH or one number for both.
void add_range(CLI::App& c, const std::string& name, Range& range, const std::string& text, const std::string& group) {
  c.add_option_function<std::vector<double>>(
       name,
       [&range, name](const std::vector<double>& v) {
         if (v.size() > 2) throw CLI::ValidationError(name, "takes one number or LOW,HIGH");
         range = {v.front(), v.back()};
       },
       text)
      ->delimiter(',')
      ->expected(1, 2)
      ->option_text(range.low == range.high ? fmt::format("NUMBER|LOW,HIGH [{}]", range.low)
                                            : fmt::format("NUMBER|LOW,HIGH [{},{}]", range.low, range.high))
      ->group(group);
}

}  // namespace

void add_population_options(CLI::App& c, Population& p, const std::string& chosen_group) {
  const std::string group = chosen_group.empty() ? "Crystals" : chosen_group;
  c.add_option("--size", p.crystal.size, "extent of the patterns [voxels]; the crystals' arrays have half of it")
      ->capture_default_str()
      ->group(group);
  c.add_option_function<std::string>(
       "--shape", [&p](const std::string& name) { p.polyhedra = name == "polyhedron" ? 1
                                                                : name == "mixed"    ? 0.5
                                                                                     : 0; },
       "superellipsoid (Wu et al. 2021), polyhedron (facets, no centre of symmetry), or mixed: half of each")
      ->check(CLI::IsMember({"superellipsoid", "polyhedron", "mixed"}))
      ->option_text("NAME [superellipsoid]")
      ->group(group);
  c.add_option("--polyhedra", p.polyhedra, "share of polyhedra among the crystals")
      ->check(between(0, 1))
      ->group(group);
  add_range(c, "--phase-range", p.phase_range, "the phase inside covers [0, this] [rad]", group);
  add_range(
      c, "--photons", p.photons,
      "photons in a whole pattern, each voxel with Poisson noise; drawn uniformly in the logarithm; 0: no noise",
      group);
  add_range(c, "--semi-axis", p.crystal.semi_axis, "semi-axes a, b, c, or distances of facets [half the size]", group);
  add_range(c, "--exponent", p.crystal.exponent, "exponents e and n of the superellipsoids", group);
  add_range(c, "--correlation", p.crystal.correlation, "correlation lengths of the phase [half the size]", group);
  c.add_flag("--smooth-edge", p.crystal.smooth_edge, "voxels at the surface get the share of them that is inside")
      ->group(group);
}

std::map<std::string, double> describe_population(const Population& p) {
  std::map<std::string, double> d{{"polyhedra", p.polyhedra}, {"smooth_edge", p.crystal.smooth_edge}};
  const auto range = [&](const std::string& name, const Range& r) {
    d[name + "_low"] = r.low;
    d[name + "_high"] = r.high;
  };
  range("phase_range", p.phase_range);
  range("photons", p.photons);
  range("semi_axis", p.crystal.semi_axis);
  range("exponent", p.crystal.exponent);
  range("correlation", p.crystal.correlation);
  return d;
}

}  // namespace fringe::cli
