// Supervised training on the emulated device: batches made there, steps that are graphs, against the CPU's.
#include <doctest/doctest.h>

#include <cmath>

#include "apps/io/crystal_set.h"
#include "apps/phasing/device_simulation.h"
#include "apps/phasing/training_steps.h"
#include "tests/apps/files.h"
#include "tests/emulation/counters.h"
#include "tests/emulation/emulated.h"
#include "tests/emulation/small_crystal.h"

using namespace fringe;
using emulation::emulated;
using fringe::test::Folder;

namespace {

const std::atomic<int> go{0};

/// Steps of six crystals in three micro-batches, as small as crystals can be.
TrainOptions small_training() {
  TrainOptions o;
  o.data.population.crystal = emulation::small_crystal();
  o.data.validation_count = 2;
  o.network.levels = 1;
  o.network.width = 1;
  o.network.separable = false;  // training_step_test has all of the network
  o.samples = 12;
  o.batch = 6;
  o.micro_batch = 2;
  o.epochs = 2;
  return o;
}

/// A set of the small crystals, with its patterns or without.
std::string write_set(const std::string& path, Index count, bool patterns) {
  io::CrystalSetLayout layout;
  layout.count = count, layout.size = 12, layout.patterns = patterns;
  io::CrystalSetWriter writer(path, layout);
  for (Index i = 0; i < count; ++i) {
    io::SetEntry e;
    e.specimen.crystal = emulation::small_crystal();
    e.object = make_crystal(e.specimen.crystal, 4, static_cast<std::uint64_t>(i));
    if (patterns) e.intensity = expose(e.object, {.photons = 1e6}, 4, static_cast<std::uint64_t>(i)).intensity;
    writer.write(i, {e});
  }
  writer.finish();
  return path;
}

/// Sum |a - b| / sum |b|.
double share(const Tensor<float>& a, const Tensor<float>& b) {
  const Tensor<float> x = a.to_host(), y = b.to_host();
  REQUIRE(x.shape() == y.shape());
  double difference = 0, all = 0;
  for (Index i = 0; i < x.size(); ++i)
    difference += std::abs(static_cast<double>(x[i] - y[i])), all += std::abs(static_cast<double>(y[i]));
  REQUIRE(all > 0);
  return difference / all;
}

/// Largest difference of what two models have learned, relative to the largest number of each array.
double difference(const Checkpoint& a, const Checkpoint& b) {
  double worst = 0;
  int arrays = 0;
  for (const std::string name : {"encoder.0.conv.weight", "encoder.0.conv_norm.gamma", "encoder.0.conv_norm.running_mean",
                                 "encoder.0.conv_norm.running_var", "amplitude.head.weight", "phase.head.weight"}) {
    const auto x = a.array_values("network." + name), y = b.array_values("network." + name);
    REQUIRE(x.size() == y.size());
    double off = 0, scale = 1e-30;
    for (std::size_t i = 0; i < x.size(); ++i)
      off = std::max(off, std::abs(x[i] - y[i])), scale = std::max(scale, std::abs(y[i]));
    worst = std::max(worst, off / scale);
    ++arrays;
  }
  REQUIRE(arrays == 6);
  return worst;
}

TrainResult run(const TrainOptions& options) {
  return train(options, Ranks(), [](const TrainProgress&) {}, go);
}

/// What TrainingSteps works on.
struct Bench {
  Context<float> context;
  Dataset data;
  Network<float> network;
  Optimizer<float> optimizer;
  Ranks ranks;
  TrainingSteps steps;
  bool stopping = false;

  static NetworkOptions with_inputs(const TrainOptions& o) {
    NetworkOptions n = o.network;
    n.inputs = input_channels(o.input);
    return n;
  }
  explicit Bench(const TrainOptions& o)
      : context(o.backend), data(o.data), network(context, with_inputs(o), 1), optimizer(context, network.parameters()),
        steps(context, o, ranks, data, network, optimizer) {}
  void step(Index i, Method method = Method::adam) { steps.step(i, {method, 1e-3}, stopping); }
};

}  // namespace

TEST_SUITE("training") {
  TEST_CASE("batches made on the device are the host's: of sets with and without patterns, drawn, with noise, every input") {
    const Folder folder("training_batches");
    const std::string stored = write_set(folder / "patterns.h5", 9, true), objects = write_set(folder / "objects.h5", 9, false);
    for (const std::string& set : {stored, objects, std::string()})
      for (const bool noise : {false, true})
        for (const auto input : {FitInput::autocorrelation, FitInput::logarithm, FitInput::amplitude}) {
          if (noise ? input == FitInput::amplitude : input == FitInput::logarithm) continue;  // one kernel
          CAPTURE(set);
          CAPTURE(noise);
          CAPTURE(name(input));
          DatasetOptions o;
          o.set = set;
          o.population.crystal = emulation::small_crystal();
          o.noise = noise;
          if (noise) o.population.photons = {1e6, 1e7};
          Dataset a(o), b(o);
          Context<float> host(cpu::table()), device(emulated());
          DeviceBatches batches(device, emulated(), b, input, 3, true);
          for (const Index first : {Index{0}, Index{6}}) {  // the set's second round begins in the second
            const Batch expected = a.training(host, input, first, 1, 3);
            batches.next(first);
            const Batch& found = batches.make();
            for (const bool twin : {false, true}) {
              const auto& x = twin ? found.targets.twin : found.targets.given;
              const auto& y = twin ? expected.targets.twin : expected.targets.given;
              CHECK(share(x.amplitude, y.amplitude) < 1e-5);
              CHECK(share(x.phase, y.phase) < 1e-3);
              CHECK(share(x.field, y.field) < 1e-3);
            }
            CHECK(share(found.targets.magnitude, expected.targets.magnitude) < 2e-3);
            // An autocorrelation is of rounding alone outside the crystal's, and its root magnifies that.
            CHECK(share(found.input, expected.input) < (input == FitInput::autocorrelation ? 2e-2 : 5e-3));
          }
        }
  }

  TEST_CASE("training of several micro-batches to a step follows the CPU's: from sets, drawn, with noise, ADAM and SGD") {
    const Folder folder("training_follows");
    const std::string stored = write_set(folder / "patterns.h5", 14, true);
    for (const int kind : {0, 1, 2, 3}) {
      CAPTURE(kind);
      TrainOptions options = small_training();
      if (kind != 1) options.data.set = stored;  // whose mean image takes less of the emulation's time
      if (kind == 2) options.data.noise = true, options.data.population.photons = {1e6, 1e7};
      if (kind == 3) {
        options.schedule = {.schedule = Schedule::alternating, .rate = 0.002, .period = 1};
        options.weights.term = PhaseTerm::paper, options.network.phase_head = PhaseHead::relu;
        options.input = FitInput::amplitude;
        options.twin_invariant = false;
        options.network.fused = false;
      }
      const auto host = run(options);
      options.backend = emulated();
      const auto device = run(options);
      REQUIRE(device.epochs.size() == 2);
      for (std::size_t i = 0; i < 2; ++i) {
        CHECK(device.epochs[i].training_loss == doctest::Approx(host.epochs[i].training_loss).epsilon(1e-3));
        CHECK(device.epochs[i].validation.loss == doctest::Approx(host.epochs[i].validation.loss).epsilon(1e-2));
      }
      MESSAGE("largest difference of the weights: " << difference(device.last, host.last));
      CHECK(difference(device.last, host.last) < 0.02);
    }
  }

  TEST_CASE("steps from a set allocate nothing and wait for nothing once they are recorded: a graph for each micro-batch") {
    const Folder folder("training_counts");
    for (const bool patterns : {true, false}) {
      TrainOptions options = small_training();
      options.data.set = write_set(folder / (patterns ? "patterns.h5" : "objects.h5"), 20, patterns);
      options.backend = emulated();
      Bench bench(options);
      const auto& device = emulated().device->counters();
      for (Index i = 0; i < 4; ++i) {
        const auto before = emulation::counters();
        const std::size_t waits = device.waits;
        bench.step(i);
        const auto& now = emulation::counters();
        CHECK(device.waits == waits);
        CHECK(now.waits - before.waits <= 3);  // for room in the staging memory: at most once a micro-batch
        if (i == 0) continue;
        CHECK(now.allocations == before.allocations);
        // The second step records, but for the kind that the first has met twice.
        CHECK(now.graphs == before.graphs + 3);
        if (i == 1) continue;
        CHECK(now.kernels == before.kernels + 1);  // what sets the optimizer's numbers
        CHECK(now.copies == before.copies + 3 * (patterns ? 5 : 3));  // upload, taken over, the losses
      }
      CHECK(bench.steps.read().size() == 4);
      CHECK(device.holds > 0);
    }
  }

  TEST_CASE("steps of drawn crystals wait for the forms that fit alone, as often as drawing does") {
    TrainOptions options = small_training();
    options.backend = emulated();
    Bench bench(options);
    Context<float> drawing(emulated());
    const Tensor<float> field(drawing, {2, 12, 12, 12, 2}), objects(drawing, {2, 6, 6, 6, 2});
    const auto& device = emulated().device->counters();
    for (Index i = 0; i < 3; ++i) {
      std::size_t waits = device.waits;
      for (Index m = 0; m < 3; ++m) {
        const auto series = bench.data.series(6 * i + 2 * m, 2);
        draw_objects(drawing, bench.data.seed(), series.indices, series.specimens, field, objects);
      }
      const std::size_t rounds = device.waits - waits;
      CHECK(rounds >= 3);
      waits = device.waits;
      const auto before = emulation::counters();
      bench.step(i);
      CHECK(device.waits - waits == rounds);
      if (i == 0) continue;
      CHECK(emulation::counters().allocations == before.allocations);
      CHECK(emulation::counters().graphs == before.graphs + 3);
    }
    const auto losses = bench.steps.read();
    REQUIRE(losses.size() == 3);
    for (const double loss : losses) CHECK(std::isfinite(loss));
  }

  TEST_CASE("more steps than the history holds: they are read by themselves, and none is lost") {
    TrainOptions options = small_training();
    options.batch = options.micro_batch = 2;
    TrainOptions on_host = options;
    options.backend = emulated();
    Bench device(options), host(on_host);
    for (Index i = 0; i < TrainingSteps::most_unread + 3; ++i) device.step(i), host.step(i);
    const auto found = device.steps.read(), expected = host.steps.read();
    REQUIRE(found.size() == static_cast<std::size_t>(TrainingSteps::most_unread) + 3);
    for (std::size_t i = 0; i < found.size(); ++i) CHECK(found[i] == doctest::Approx(expected[i]).epsilon(0.02));
    CHECK(device.steps.read().empty());
  }

  TEST_CASE("an interrupted training goes on bit for bit on the device, and can move to the CPU") {
    const Folder folder("training_resume");
    TrainOptions options = small_training();
    options.data.set = write_set(folder / "set.h5", 14, true);
    options.backend = emulated();
    const auto whole = run(options);
    options.checkpoint = folder / "run.h5";
    std::atomic<int> stop{0};
    const auto first = train(
        options, Ranks(), [&](const TrainProgress& p) { stop = p.step == 2 ? 2 : 0; }, stop);
    CHECK(first.epochs.size() == 1);
    options.resume = true;
    const std::string copied = folder / "copy.h5";
    std::filesystem::copy_file(options.checkpoint, copied);
    const auto resumed = run(options);
    CHECK(difference(resumed.last, whole.last) == 0);
    REQUIRE(resumed.epochs.size() == 2);
    CHECK(resumed.epochs[1].training_loss == whole.epochs[1].training_loss);
    CHECK(resumed.epochs[1].validation.loss == whole.epochs[1].validation.loss);
    options.checkpoint = copied;
    options.backend = {};
    const auto moved = run(options);
    CHECK(difference(moved.last, whole.last) < 0.02);
    CHECK(moved.epochs[1].training_loss == doctest::Approx(whole.epochs[1].training_loss).epsilon(1e-2));
  }
}
