#include "apps/phasing/prepare.h"

#include <cmath>
#include <numbers>

#include "apps/cli/commands.h"
#include "apps/cli/report.h"
#include "apps/io/cxi.h"
#include "apps/io/frames.h"
#include "apps/io/geometry_file.h"
#include "apps/phasing/geometry.h"
#include "engine/hdf5.h"

namespace fringe::cli {
namespace {

struct Options {
  std::vector<std::string> frames;
  std::string output, dark, white, mask, sample, geometry;
  bool amplitude = false;
  double amplitude_scale = 0, dark_threshold = 0, threshold = 0;
  DarkMode dark_mode = DarkMode::automatic;
  std::vector<Index> roi;
  std::vector<std::string> boxes;
  bool mask_invalid = false, hot = true, zero_blocks = true, aliens = false, strict = false;
  std::string centre = "maximum";
  std::vector<Index> crop, bin;
  Index size = 64;
  double energy_kev = 0, distance = 0, pixel_um = 0, delta = 0, gamma = 0, step = 0;
};

/// "d0:d1,h0:h1,w0:w1"
Box parse_box(const std::string& text) {
  Box b;
  int used = 0;
  long v[6];
  if (std::sscanf(text.c_str(), "%ld:%ld,%ld:%ld,%ld:%ld%n", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &used) != 6 ||
      used != static_cast<int>(text.size()))
    throw CLI::ValidationError("--mask-box", fmt::format("'{}' is not of the form d0:d1,h0:h1,w0:w1", text));
  for (int k = 0; k < 3; ++k) b.begin[k] = v[2 * k], b.end[k] = v[2 * k + 1];
  return b;
}

std::array<Index, 3> parse_centre(const Options& o, const RawScan& scan) {
  if (o.centre == "maximum") return find_centre(scan, CentreMode::maximum);
  if (o.centre == "com") return find_centre(scan, CentreMode::centre_of_mass);
  long v[3];
  std::sscanf(o.centre.c_str(), "%ld,%ld,%ld", &v[0], &v[1], &v[2]);
  for (int k = 0; k < 3; ++k)
    require(v[k] >= 0 && v[k] < scan.counts.extent[k], "prepare: the centre ({}) lies outside the frames, {} x {} x {} voxels",
            o.centre, scan.counts.extent[0], scan.counts.extent[1], scan.counts.extent[2]);
  return {v[0], v[1], v[2]};
}

/// From --geometry FILE or from 34-ID-C's angles; nothing where neither was given.
std::optional<Diffractometer> diffractometer(const Options& o) {
  if (!o.geometry.empty()) return io::read_diffractometer(o.geometry);
  std::vector<std::string> missing;
  if (!(o.energy_kev > 0)) missing.push_back("--energy");
  if (!(o.distance > 0)) missing.push_back("--distance");
  if (!(o.pixel_um > 0)) missing.push_back("--pixel-size");
  if (o.step == 0) missing.push_back("--rocking-step");
  if (!missing.empty()) {
    if (o.step != 0 || o.delta != 0 || o.gamma != 0)  // somebody who gives these wants voxels
      fmt::print(stderr, "fringe: warning: no voxel size without {}\n", fmt::join(missing, ", "));
    return {};
  }
  constexpr double degree = std::numbers::pi / 180;
  auto d = Diffractometer::two_circle(o.delta * degree, o.gamma * degree, o.step * degree);
  d.energy = o.energy_kev * 1.602176634e-16;
  d.distance = o.distance;
  d.pixel_height = d.pixel_width = o.pixel_um * 1e-6;
  return d;
}

int prepare(const Options& o, const Common& common) {
  hdf5::require_writable(o.output);
  if (!common.json.empty()) hdf5::require_writable(common.json);
  const auto placed = diffractometer(o);
  RawScan scan(io::read_frames(o.frames));
  const auto raw = scan.counts.extent;
  const auto say = [&](const std::string& text) {
    if (!common.quiet) fmt::print("{}\n", text);
  };
  const auto warn = [](const std::string& text) { fmt::print(stderr, "fringe: warning: {}\n", text); };
  const auto count = [&](const char* what, Index voxels) {
    if (voxels > 0) say(fmt::format("masked    {} voxels: {}", voxels, what));
  };
  say(fmt::format("frames    {} of {} x {} pixels", raw[0], raw[1], raw[2]));

  if (!o.mask.empty()) count("the mask file", apply_mask(scan, io::read_field(o.mask)));
  for (const auto& box : o.boxes) count("a box", mask_box(scan, parse_box(box)));
  if (o.amplitude) say(fmt::format("scale     one photon is an amplitude of {:.6g}", amplitudes_to_counts(scan, o.amplitude_scale)));
  count("not finite or negative", mask_invalid(scan, o.mask_invalid));
  const double all_photons = scan.photons();
  require(all_photons > 0, "{}: all counts are zero", o.frames[0]);
  const auto field = [&](const std::string& path, const char* name) {
    const auto f = io::read_field(path);
    std::array<Index, 2> roi{0, 0};
    if (!o.roi.empty())
      roi = {o.roi[0], o.roi[1]};
    else if (f.extent[1] != raw[1] || f.extent[2] != raw[2])
      warn(fmt::format("the {} has {} x {} pixels, the frames {} x {}: taken to begin at row 0, column 0 of it; say otherwise "
                       "with --roi ROW,COLUMN",
                       name, f.extent[1], f.extent[2], raw[1], raw[2]));
    return fit_field(f, scan, roi, name);
  };
  if (!o.dark.empty()) count("dark field", apply_dark(scan, field(o.dark, "dark field"), o.dark_mode, o.dark_threshold));
  if (!o.white.empty()) count("dead in the white field", apply_white(scan, field(o.white, "white field")));
  if (o.hot) count("hot", mask_hot_voxels(scan));
  if (o.threshold > 0) apply_threshold(scan, o.threshold);

  Sampling sampling;
  sampling.centre = parse_centre(o, scan);
  if (o.aliens) count("aliens", mask_aliens(scan, sampling.centre));
  const auto extent = object_extent(scan, sampling.centre);
  sampling.size = {o.size, o.size, o.size};
  if (!o.bin.empty()) {
    sampling.binning = {o.bin[0], o.bin[1], o.bin[2]};
  } else if (o.crop.empty()) {
    sampling.binning = choose_binning(extent);
    // Binning is for what would not fit into --size otherwise; a small array is not made coarser than it is.
    for (int k = 0; k < 3; ++k)
      sampling.binning[k] = std::clamp<Index>((raw[k] + o.size / 2) / o.size, 1, sampling.binning[k]);
  } else {
    for (int k = 0; k < 3; ++k) sampling.binning[k] = std::max<Index>(1, o.crop[static_cast<std::size_t>(k)] / o.size);
  }
  if (!o.crop.empty())
    for (int k = 0; k < 3; ++k) {
      const Index crop = o.crop[static_cast<std::size_t>(k)];
      require(crop % sampling.binning[k] == 0, "prepare: --crop {} is not a multiple of the binning {} along axis {}", crop,
              sampling.binning[k], k);
      sampling.size[k] = crop / sampling.binning[k];
    }
  for (int k = 0; k < 3; ++k)
    require(sampling.size[k] % 2 == 0 && sampling.size[k] >= 8,
            "prepare: the pattern must have an even number of voxels, at least 8, along every axis, not {}", sampling.size[k]);

  Geometry known;
  if (o.energy_kev > 0) known.energy = o.energy_kev * 1.602176634e-16;
  if (o.distance > 0) known.distance = o.distance;
  if (o.pixel_um > 0) known.pixel_size_x = known.pixel_size_y = o.pixel_um * 1e-6;
  Pattern pattern = resample(scan, sampling, known);
  if (placed)
    locate(pattern.geometry, *placed, pattern.intensity.extent, o.geometry.empty() ? "prepare" : o.geometry);
  if (o.zero_blocks) count("blocks of zeros amid signal, in the pattern", mask_zero_blocks(pattern));
  pattern.sample = o.sample;
  double kept = 0;
  Index unmeasured = 0;
  for (Index i = 0; i < pattern.intensity.size(); ++i) {
    kept += static_cast<double>(pattern.intensity.data[static_cast<std::size_t>(i)]);
    unmeasured += !pattern.measured(i);
  }
  io::require_usable(pattern, o.frames[0]);

  const auto& b = sampling.binning;
  const auto& c = sampling.centre;
  std::array<double, 3> voxels, oversampling;
  bool fits = true;
  for (int k = 0; k < 3; ++k) {
    const double share = extent[k] * static_cast<double>(b[k]);
    voxels[k] = share * static_cast<double>(sampling.size[k]);
    oversampling[k] = 1 / share;
    fits = fits && share <= 0.45;  // the extent is told a little too small
  }
  say(fmt::format("centre    frame {}, row {}, column {} ({})", c[0], c[1], c[2], o.centre));
  say(fmt::format("pattern   {} x {} x {} voxels of {} x {} x {} raw ones, {} not measured", sampling.size[0],
                  sampling.size[1], sampling.size[2], b[0], b[1], b[2], unmeasured));
  say(fmt::format("photons   {:.6g}, {:.1f} % of the frames'", kept, 100 * kept / all_photons));
  say(fmt::format("object    about {:.0f} x {:.0f} x {:.0f} voxels; oversampling {:.1f} x {:.1f} x {:.1f}", voxels[0],
                  voxels[1], voxels[2], oversampling[0], oversampling[1], oversampling[2]));
  if (const auto v = pattern.geometry.voxel_size(pattern.intensity.extent))
    say(fmt::format("voxel     {:.2f} x {:.2f} x {:.2f} nm", (*v)[0] * 1e9, (*v)[1] * 1e9, (*v)[2] * 1e9));
  if (pattern.geometry.bragg)
    say(fmt::format("bragg     2 theta {:.3f} deg, lattice spacing {:.4f} A",
                    two_theta(pattern.geometry) * 180 / std::numbers::pi, lattice_spacing(pattern.geometry) * 1e10));
  if (!fits) {
    const std::string text = fmt::format(
        "the object is too large: about {:.0f} x {:.0f} x {:.0f} voxels, and only half the array, {} x {} x {}, can hold it; use "
        "less binning (--bin)",
        voxels[0], voxels[1], voxels[2], sampling.size[0] / 2, sampling.size[1] / 2, sampling.size[2] / 2);
    require(!o.strict, "{}", text);
    warn(text);
  }
  if (kept < 0.5 * all_photons)
    warn(fmt::format("only {:.0f} % of the photons are kept; is the centre right?", 100 * kept / all_photons));
  io::write_pattern(o.output, pattern, common.command_line);
  say("written   " + o.output);
  if (!common.json.empty()) {
    Report r = make_report(common);
    r.insert("photons", kept);
    r.insert("photons_share", kept / all_photons);
    r.insert("centre", toml::array{c[0], c[1], c[2]});
    r.insert("binning", toml::array{b[0], b[1], b[2]});
    r.insert("object_extent", toml::array{voxels[0], voxels[1], voxels[2]});
    r.insert("oversampling", toml::array{oversampling[0], oversampling[1], oversampling[2]});
    r.insert("not_measured", unmeasured);
    r.insert("fits", fits);
    if (pattern.geometry.bragg) {
      r.insert("two_theta", two_theta(pattern.geometry) * 180 / std::numbers::pi);
      r.insert("lattice_spacing", lattice_spacing(pattern.geometry));
    }
    write_json(common.json, r);
  }
  return 0;
}

}  // namespace

void add_prepare(CLI::App& app, Common& common, Action& action) {
  auto* c = app.add_subcommand("prepare", "detector frames to a pattern: masks, centring, cropping, binning");
  auto o = std::make_shared<Options>();
  c->add_option("frames", o->frames, "a folder or list of .tif files, an .npy, or file.h5:/path/to/array (three-dimensional)")
      ->required()
      ->type_name("FRAMES");
  c->add_option("-o,--output", o->output, "CXI file with the pattern")->required()->type_name("FILE");
  c->add_option("--size", o->size, "extent of the pattern [voxels]")->capture_default_str();
  c->add_flag("--amplitude", o->amplitude, "the numbers are amplitudes, not counts");
  c->add_option("--amplitude-scale", o->amplitude_scale, "amplitude of one photon (default: the smallest that is not zero)")
      ->check(positive())
      ->needs("--amplitude");
  c->add_option("--dark", o->dark, "dark field")->type_name("FILE");
  c->add_option("--dark-mode", o->dark_mode,
                "subtract it, or mask the pixels above --dark-threshold (default: subtract where most of it is not zero)")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, DarkMode>{{"subtract", DarkMode::subtract}, {"mask", DarkMode::mask}}))
      ->option_text("NAME");
  c->add_option("--dark-threshold", o->dark_threshold, "[counts]")->capture_default_str();
  c->add_option("--white", o->white, "white field: sensitivity of the pixels")->type_name("FILE");
  c->add_option("--roi", o->roi, "row and column of dark and white field at which the frames begin")->delimiter(',')->expected(2)
      ->type_name("ROW,COLUMN");
  c->add_option("--mask", o->mask, "pixels (or voxels) that are not zero in this file are not used")->type_name("FILE");
  c->add_option("--mask-box", o->boxes, "voxels not to be used: d0:d1,h0:h1,w0:w1 of the frames, ends excluded; repeatable")
      ->type_name("BOX");
  c->add_flag("--mask-invalid", o->mask_invalid, "mask counts that are negative or not finite, instead of an error");
  c->add_option("--threshold", o->threshold, "counts below become zero")->check(not_negative());
  c->add_flag_callback("--keep-hot", [o] { o->hot = false; }, "do not mask single hot voxels");
  c->add_flag_callback("--keep-zero-blocks", [o] { o->zero_blocks = false; }, "do not mask blocks of zeros amid signal");
  c->add_flag("--aliens", o->aliens, "mask peaks that have no counterpart at -Q");
  c->add_option("--centre", o->centre, "maximum, com (centre of mass), or FRAME,ROW,COLUMN")
      ->capture_default_str()
      ->check([](const std::string& text) {
        long v[3];
        int used = 0;
        const bool good = text == "maximum" || text == "com" ||
                          (std::sscanf(text.c_str(), "%ld,%ld,%ld%n", &v[0], &v[1], &v[2], &used) == 3 &&
                           used == static_cast<int>(text.size()));
        return good ? std::string() : "'" + text + "' is not maximum, com or FRAME,ROW,COLUMN";
      });
  c->add_option("--crop", o->crop, "raw voxels to keep along each axis (default: from the object's extent)")->delimiter(',')->expected(3)
      ->type_name("D,H,W");
  c->add_option("--bin", o->bin, "raw voxels per voxel along each axis (default: from the object's extent)")
      ->delimiter(',')
      ->expected(3)
      ->check(positive())
      ->type_name("D,H,W");
  c->add_flag("--strict", o->strict, "an object too large for half the array is an error, not a warning");
  c->add_option("--sample", o->sample, "name of the sample, for the file")->type_name("NAME");
  const std::string group = "Geometry (for voxel sizes and `fringe lab`): a file, or 34-ID-C's angles";
  auto* file = c->add_option("--geometry", o->geometry, "the diffractometer as a TOML file (docs/laboratory-frame.md)")
                   ->type_name("FILE")
                   ->group(group);
  const auto number = [&](const char* name, double& value, const char* text) {
    c->add_option(name, value, text)->group(group)->excludes(file);
  };
  number("--energy", o->energy_kev, "photon energy [keV]");
  number("--distance", o->distance, "sample to detector [m]");
  number("--pixel-size", o->pixel_um, "of the detector [um]");
  number("--delta", o->delta, "rotation of the detector arm about the vertical [deg]");
  number("--gamma", o->gamma, "elevation of the detector arm [deg]");
  number("--rocking-step", o->step, "rotation of the sample about the vertical from frame to frame [deg]");
  add_common_options(*c, common, false);
  c->callback([o, &common, &action] {
    for (const auto& box : o->boxes) parse_box(box);
    action = [o, &common] { return prepare(*o, common); };
  });
}

}  // namespace fringe::cli
