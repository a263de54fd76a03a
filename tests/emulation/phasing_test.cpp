// Iterative phasing on the emulated device: steps and whole runs against the CPU's, what is asked of the device meanwhile, and
// what is left when it fails.
#include <doctest/doctest.h>

#include <filesystem>

#include "apps/phasing/iterate.h"
#include "tests/apps/iterator_case.h"
#include "tests/emulation/counters.h"
#include "tests/emulation/emulated.h"

using namespace fringe;
using emulation::emulated;
using namespace fringe::test;

namespace {

const std::atomic<int> go{0};
void quietly(const IterateProgress&) {}

const Pattern& pattern() {
  static const Pattern p = [] {
    CrystalOptions crystal;
    crystal.size = 16;
    return expose(make_crystal(crystal, 3), {.photons = 1e6, .noise = true}, 3);
  }();
  return p;
}

IterateOptions short_run() {
  IterateOptions o;
  o.recipe = parse_recipe("10*RAAR+6*HIO+4*ML+4*ER");
  o.shrink_wrap.start = 4, o.shrink_wrap.step = 5;
  o.detwin = 6, o.detwin_length = 4;
  o.low_resolution = 0.5;
  o.starts = 3;
  o.threads = 2;
  return o;
}

/// A machine that is whole again when the test ends, however it ends.
struct Machine {
  ~Machine() { emulation::repair(); }
  emulation::Machine* operator->() const { return &emulation::machine(); }
};

}  // namespace

TEST_SUITE("phasing") {
  TEST_CASE("every algorithm and what comes between iterations are PhaseIterator's to rounding") {
    Context<float> device(emulated());
    check_steps(device, 2);
    check_between_steps(device, 2);
  }

  TEST_CASE("once its steps are recorded a run allocates nothing, waits for nothing, and is a graph for sixteen iterations") {
    const IteratorCase c;
    const PhaseProblem problem(c.pattern, c.free);
    Context<float> device(emulated());
    const std::vector<double> thresholds{0.2, 0.3};
    for (const auto algorithm : {Algorithm::er, Algorithm::hio, Algorithm::dm, Algorithm::cf, Algorithm::ml}) {
      CAPTURE(name(algorithm));
      IteratorPair p(device, c, problem, {}, 2);
      const auto round = [&] {
        p.device.run(algorithm, 16);
        p.device.shrink_wrap({}, thresholds, 0.6);
      };
      round(), round();  // as it is, and recorded
      const auto before = emulation::counters();
      round(), round();
      const auto& now = emulation::counters();
      CHECK(now.graphs == before.graphs + 2);
      // Thresholds, three of the blur, support, roll; where ML begins anew four arrays of zeros and x outside the support.
      CHECK(now.kernels - before.kernels == 2 * (algorithm == Algorithm::ml ? 11 : 6));
      CHECK(now.copies - before.copies == 2 * 4);  // misfits and sizes to their histories, x, the support
      CHECK(now.allocations == before.allocations);
      CHECK(now.waits == before.waits);
      const auto records = p.device.read();
      CHECK(emulation::counters().waits > before.waits);
      CHECK(records[1].misfit.size() == 64);
      CHECK(records[0].support_voxels.size() == 4);
    }
  }

  TEST_CASE("replayed steps are the same steps, bit for bit, and another block is another graph") {
    const IteratorCase c;
    const PhaseProblem problem(c.pattern, c.free);
    Context<float> device(emulated());
    IteratorPair one(device, c, problem, {}, 2), other(device, c, problem, {}, 2);
    for (int i = 0; i < 4; ++i) one.device.run(Algorithm::raar, 4), one.device.run(Algorithm::er, 2);
    for (int i = 0; i < 4; ++i) {
      for (int k = 0; k < 4; ++k) other.device.run(Algorithm::raar, 1);
      for (int k = 0; k < 2; ++k) other.device.run(Algorithm::er, 1);
    }
    one.distance(), other.distance();
    for (std::size_t n = 0; n < 2; ++n) CHECK(one.seen[n].wrapped().data == other.seen[n].wrapped().data);
    CHECK(one.device.read()[1].misfit == other.device.read()[1].misfit);
  }

  TEST_CASE("a whole run is the CPU's: the same seeds, supports, ML in between, and the same best start") {
    IterateOptions o = short_run();
    const auto host = iterate(pattern(), o, quietly, go);
    o.backend = emulated();
    Index calls = 0;
    const auto device = iterate(
        pattern(), o, [&](const IterateProgress& p) { calls += p.iteration == p.iterations; }, go);
    CHECK(calls > 0);
    CHECK(device.device == "cuda:0, emulated device");
    CHECK(device.failure.empty());
    CHECK(device.metrics.at("epochs") == 3 * 24);
    CHECK(device.metrics.at("best_seed") == host.metrics.at("best_seed"));
    CHECK(device.curves.at("support_voxels").value == host.curves.at("support_voxels").value);
    const auto &a = device.curves.at("chi2").value, &b = host.curves.at("chi2").value;
    REQUIRE(a.size() == 24);
    for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i] == doctest::Approx(b[i]).epsilon(1e-3));
    const auto &found = device.curves.at("start_free_llk").value, &expected = host.curves.at("start_free_llk").value;
    REQUIRE(found.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) CHECK(found[i] == doctest::Approx(expected[i]).epsilon(1e-2));
    for (std::size_t i = 0; i < device.object.data.size(); ++i)
      CHECK(std::abs(device.object.data[i] - host.object.data[i]) <
            1e-2 * std::abs(density_level(converted<std::complex<double>>(host.object))));
  }

  TEST_CASE("a checkpoint moves between CPU and device") {
    const auto file = (std::filesystem::temp_directory_path() / "fringe_emulated_phasing_test.h5").string();
    IterateOptions o = short_run();
    o.recipe = parse_recipe("100*RAAR+60*HIO+10*ML+300*ER");
    const Backend there = emulated(), here;
    for (const auto& [first, second] : {std::pair{there, here}, {here, there}}) {
      o.checkpoint = file;
      o.resume = false;
      o.backend = first;
      std::atomic<int> stop{0};
      iterate(
          pattern(), o,
          [&](const IterateProgress& p) {
            if (p.iteration > 100) stop = 2;
          },
          stop);
      o.resume = true;
      o.backend = second;
      const auto r = iterate(pattern(), o, quietly, go);
      CHECK(r.metrics.at("epochs") == 3 * 470);
      CHECK(r.curves.at("chi2").value.size() == 470);
      CHECK(r.curves.at("start_free_llk").value.size() == 3);
      CHECK(r.metrics.at("chi2") < 0.1);
    }
    std::filesystem::remove(file);
  }

  TEST_CASE("the device fails: what the host has seen is the result, and nothing seen is an error; coherence is the CPU's") {
    const Machine machine;
    IterateOptions o = short_run();
    o.backend = emulated();
    machine->kernel_error = 700, machine->failing_kernel = "modulus_projection";
    CHECK_THROWS_WITH_AS(iterate(pattern(), o, quietly, go), doctest::Contains("cudaErrorIllegalAddress"), DeviceError);
    emulation::repair();
    machine->allocations = 3;
    CHECK_THROWS_WITH_AS(iterate(pattern(), o, quietly, go), doctest::Contains("out of device memory"), OutOfMemory);
    emulation::repair();
    // A checkpoint has brought the iterates to the host: with the last block fails what came after.
    o.recipe = parse_recipe("130*HIO+8*CF");
    o.shrinks = false;
    o.detwin = 0;
    o.low_resolution = 1;
    o.checkpoint = (std::filesystem::temp_directory_path() / "fringe_emulated_phasing_failure.h5").string();
    o.checkpoint_interval = 0;
    machine->kernel_error = 700, machine->failing_kernel = "charge_flip";
    const auto r = iterate(pattern(), o, quietly, go);
    CHECK(r.failure.find("charge_flip") != std::string::npos);
    CHECK(r.curves.at("chi2").value.size() == 128);
    CHECK(r.metrics.at("starts") == 1);
    CHECK(r.curves.at("start_free_llk").value.empty());
    CHECK(std::isfinite(r.metrics.at("free_llk")));
    emulation::repair();
    std::filesystem::remove(o.checkpoint);
    o.coherence = CoherenceModel::gaussian;
    CHECK_THROWS_WITH_AS(iterate(pattern(), o, quietly, go),
                         "iterate: partial coherence is the CPU's; use --device cpu", Error);
  }
}
