#include <algorithm>
#include <cmath>
#include <filesystem>

#include "apps/cli/coherence.h"
#include "apps/cli/commands.h"
#include "apps/cli/population.h"
#include "apps/cli/progress.h"
#include "apps/cli/report.h"
#include "apps/io/crystal_set.h"
#include "apps/io/cxi.h"
#include "apps/phasing/device_simulation.h"
#include "apps/phasing/outcome.h"
#include "apps/phasing/parallel.h"
#include "apps/phasing/simulate.h"
#include "engine/hdf5.h"

namespace fringe::cli {
namespace {

struct Options {
  std::string output;
  CrystalOptions crystal;
  Exposure exposure;
  std::array<double, 3> coherence{};
  double voxel_size = 0;  // [m]
  std::uint64_t index = 0;
  bool noise_free = false;
  // of a set
  Index count = 0;
  Population population;
  bool objects_only = false;
};

/// Entries number `first`, first + 1, ... of a set, drawn one by one by threads that share them, or all at once by a device.
std::vector<io::SetEntry> draw_entries(const Options& o, std::uint64_t seed, Index first, Index count, Context<float>& context) {
  std::vector<io::SetEntry> entries(static_cast<std::size_t>(count));
  std::vector<std::uint64_t> indices;
  std::vector<Specimen> specimens;
  for (Index k = 0; k < count; ++k) {
    indices.push_back(static_cast<std::uint64_t>(first + k));
    specimens.push_back(draw_specimen(o.population, seed, indices.back()));
  }
  DrawnCrystals drawn;
  const bool by_device = !context.device().host_memory;
  if (by_device) drawn = draw_crystals(context, seed, indices, specimens, !o.objects_only);
  parallel_items(count, context.stream.threads(), [&](Index i) {
    const auto k = static_cast<std::size_t>(i);
    io::SetEntry& e = entries[k];
    e.specimen = specimens[k];
    if (by_device) {
      e.object = std::move(drawn.objects[k]);
      if (!o.objects_only) e.intensity = std::move(drawn.intensities[k]);
      return;
    }
    e.object = make_crystal(e.specimen.crystal, seed, indices[k]);
    if (!o.objects_only) e.intensity = expose(e.object, e.specimen.exposure, seed, indices[k]).intensity;
  });
  return entries;
}

/// Draws `o.count` crystals, block after block.
int simulate_set(const Options& o, const Common& common) {
  if (!common.json.empty()) hdf5::require_writable(common.json);
  io::CrystalSetLayout layout{o.count, o.population.crystal.size, !o.objects_only, {}, {}, {"version", "command"}};
  layout.parameters = describe_population(o.population);
  layout.texts = {{"seed", std::to_string(common.seed)}, {"version", FRINGE_VERSION}, {"command", common.command_line}};
  // Unless a device is asked for, the CPU: then a seed names the same bits everywhere.
  const Backend backend = common.device.empty() ? Backend{} : chosen_backend(common, false);
  const int threads = thread_count(common);
  Context<float> context(backend, threads);
  const bool on_host = context.device().host_memory;
  try_population(o.population, common.seed);  // before there is a file that another command would have to go on with
  const bool resumed = std::filesystem::exists(o.output + ".partial");
  io::CrystalSetWriter writer(o.output, layout);
  const Index before = writer.completed();
  if (resumed && !common.quiet)
    fmt::print("going on with {}.partial, {} of {} crystals are there\n", o.output, before, o.count);
  watch_signals();
  const auto start = Clock::now();
  Index done = before, drawn = 0;
  double drawing_seconds = 0;
  {
    ProgressLine line(common.quiet);
    const Index block = on_host ? 16 * threads : crystals_at_once(o.population.crystal.size);
    for (Index first = 0; first < o.count && stop_signal == 0; first += block) {
      const Index entries = std::min(block, o.count - first);
      bool there = true;
      for (Index i = first; i < first + entries; ++i) there = there && writer.complete(i);
      if (there) continue;
      const auto drawing = Clock::now();
      const auto batch = draw_entries(o, common.seed, first, entries, context);
      drawing_seconds += since(drawing);
      drawn += entries;
      writer.write(first, batch);
      done = writer.completed();
      const double rate = static_cast<double>(done - before) / since(start);
      line.show(fmt::format("crystal {}/{}  {:.1f} a second  {} left", done, o.count, rate,
                            duration(static_cast<double>(o.count - done) / rate)),
                done == o.count);
    }
  }
  const double seconds = since(start), rate = static_cast<double>(done - before) / seconds;
  const double drawing_rate = drawn > 0 ? static_cast<double>(drawn) / drawing_seconds : 0;
  if (stop_signal == 0) writer.finish();
  if (!common.quiet)
    fmt::print("{} crystals of {}^3 voxels{}, {:.1f} a second {} ({:.1f} without the file)\n{}\n", done, o.population.crystal.size,
               o.objects_only ? ", without patterns" : "", rate,
               on_host ? fmt::format("with {} threads", threads) : "on " + backend.name(), drawing_rate,
               stop_signal == 0 ? "written   " + o.output : "interrupted: the same command goes on from here");
  if (!common.json.empty()) {
    Report r = make_report(common);
    r.insert("crystals", done);
    r.insert("seconds", seconds);
    r.insert("crystals_per_second", rate);
    r.insert("drawn_per_second", drawing_rate);
    if (!on_host) r.insert("device", backend.name());
    for (const auto& [name, value] : layout.parameters) r.insert(name, value);
    write_json(common.json, r);
  }
  return exit_code();
}

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
  auto* c = app.add_subcommand("simulate",
                               "draw one crystal and its diffraction pattern, as one CXI file; or a set of them (--count)");
  auto o = std::make_shared<Options>();
  c->add_option("-o,--output", o->output, "CXI file with truth and pattern; with --count an HDF5 file")
      ->required()
      ->type_name("FILE");
  c->add_option("--count", o->count, "draw a set of so many crystals; an interrupted set is gone on with by the same command")
      ->check(CLI::Range(Index{1}, Index{1} << 31));
  c->add_flag("--objects-only", o->objects_only, "a set without its patterns: training computes them, the file is a fifth");
  c->add_flag("--noise-free", o->noise_free, "no noise even with --photons");
  c->add_option("--index", o->index, "number of the crystal in the series of this seed")->capture_default_str();
  add_population_options(*c, o->population, "");
  c->add_option("--voxel-size", o->voxel_size, "edge of a voxel of the crystal [m], for scale bars")->check(positive());
  add_coherence_option(*c, o->coherence,
                       "partial coherence: the pattern is blurred by a Gaussian of this rms width [voxels of Q] (one number: along "
                       "all axes)");
  add_common_options(*c, common);
  add_device_option(*c, common, "drawing a set", "cpu");
  c->callback([c, o, &common, &action] {
    const bool set = o->count > 0;
    for (const char* one : {"--index", "--voxel-size", "--coherence"})
      if (set && c->count(one) > 0) throw CLI::ValidationError(one, "is of a single crystal, not of a set (--count)");
    for (const char* many : {"--objects-only", "--device"})
      if (!set && c->count(many) > 0) throw CLI::ValidationError(many, "is of sets: --count N");
    if (o->noise_free) o->population.photons = {0, 0};
    action = [o, set, c, &common] {
      if (set) return simulate_set(*o, common);
      const Specimen s = draw_specimen(o->population, common.seed, o->index);
      o->crystal = s.crystal;
      o->exposure = s.exposure;
      o->exposure.coherence = o->coherence;
      // The number of photons means something without noise, too: the scale.
      if (o->noise_free && c->count("--photons") > 0)
        o->exposure.photons = std::stod(c->get_option("--photons")->results().front());
      return simulate(*o, common);
    };
  });
}

}  // namespace fringe::cli
