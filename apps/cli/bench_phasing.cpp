#include "apps/cli/bench_phasing.h"

#include "apps/phasing/device_iterator.h"
#include "apps/phasing/device_simulation.h"
#include "apps/phasing/device_starts.h"

namespace fringe::cli {
namespace {

void bench_iterations(bench::Bench& bench, Context<float>& context, const Pattern& pattern, const std::string& shape) {
  const Mask free;
  const PhaseProblem problem(pattern, free);
  const auto& e = pattern.intensity.extent;
  const Mask support = support_of(converted<std::complex<double>>(pattern.truth), 0.5);
  const auto voxels = static_cast<double>(e[0] * e[1] * e[2]);
  // Two transforms, and what lies between them once: docs/cuda-kernels.md has it piece by piece.
  const Cost cost{2 * 5 * voxels * std::log2(voxels), 62 * voxels};
  for (const Index starts : {Index{1}, DeviceStarts::together(e)})
    for (const auto algorithm : {Algorithm::er, Algorithm::hio, Algorithm::raar, Algorithm::cf, Algorithm::dm, Algorithm::ml}) {
      DeviceIterator device(context, problem, {}, starts);
      std::vector<PhaseIterator> host;
      std::vector<const PhaseIterator*> from;
      for (Index n = 0; n < starts; ++n) {
        host.emplace_back(problem, context.stream.threads()).set_support(support);
        host.back().start_random(static_cast<std::uint64_t>(n) + 1);
      }
      for (const auto& it : host) from.push_back(&it);
      device.upload(from, std::vector<const Mask*>(host.size(), &support));
      constexpr int together = 8 * static_cast<int>(DeviceIterator::most_steps);
      const auto launch = [&] {
        device.run(algorithm, together);
        device.read();
      };
      bench.time(fmt::format("iteration {}", name(algorithm)), fmt::format("{} a start of {}", shape, starts), cost, 0, launch,
                 together * static_cast<int>(starts));
    }
}

void bench_simulation(bench::Bench& bench, Context<float>& context, const Population& population, const std::string& shape) {
  const Index count = crystals_at_once(population.crystal.size);
  std::vector<std::uint64_t> indices;
  std::vector<Specimen> specimens;
  for (Index k = 0; k < count; ++k) {
    indices.push_back(static_cast<std::uint64_t>(k));
    specimens.push_back(draw_specimen(population, 1, indices.back()));
  }
  const bench::Timing t = bench.time("simulated_pattern", shape, {}, 0, [&] { draw_crystals(context, 1, indices, specimens); },
                                     static_cast<int>(count));
  bench.value("simulated patterns a second " + shape, 1 / t.median);
  bench.note(fmt::format("{:<34} {:<26} {:.0f} crystals and patterns a second, {} at a time", "", shape, 1 / t.median, count));
}

}  // namespace

void bench_phasing(bench::Bench& bench, Index extent) {
  if (!bench.wanted("iteration") && !bench.wanted("simulated_pattern")) return;
  Context<float> context(bench.table(), bench.options().threads, *bench.backend().device);
  Population population;
  population.crystal.size = extent;
  population.polyhedra = 0.5;
  population.photons = {1e6, 1e8};
  const std::string shape = fmt::format("{}^3", extent);
  if (bench.wanted("iteration"))
    bench_iterations(bench, context, expose(make_crystal(population.crystal, 1), {.photons = 1e7}, 1), shape);
  if (bench.wanted("simulated_pattern")) bench_simulation(bench, context, population, shape);
}

}  // namespace fringe::cli
