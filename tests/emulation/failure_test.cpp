// What is left of a run when the device fails in the middle of it: memory that runs out, a kernel that fails. The error says
// what, the best result so far is kept, and the program writes it.
#include <doctest/doctest.h>
#include <fcntl.h>

#include <cmath>
#include <cstdlib>
#include <optional>

#include "apps/cli/commands.h"
#include "apps/io/crystal_set.h"
#include "apps/io/cxi.h"
#include "apps/phasing/phase.h"
#include "apps/phasing/refine.h"
#include "apps/phasing/train.h"
#include "tests/apps/files.h"
#include "tests/emulation/counters.h"
#include "tests/emulation/emulated.h"
#include "tests/emulation/small_crystal.h"

using namespace fringe;
using fringe::test::Folder;

namespace {

const std::atomic<int> go{0};

/// A machine that is whole again when the test ends, however it ends.
struct Machine {
  ~Machine() { emulation::repair(); }
  emulation::Machine* operator->() const { return &emulation::machine(); }
};

RefineOptions small_run() {
  RefineOptions o;
  o.fit.network.levels = 1;
  o.fit.network.width = 1;
  o.fit.network.separable = false;
  o.fit.epochs = 4;
  o.fit.prior = {.weight = 0.3, .on = 0.5, .full = 0.6};  // from the third epoch on, and asks for memory
  o.starts = 1;
  o.polishing = {.steps = 2, .interval = 2};
  o.backend = emulation::emulated();
  REQUIRE(o.backend.index == 0);
  return o;
}

void ignore(const RefineProgress&) {}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

bool kernel_by_kernel() { return std::getenv("FRINGE_CUDA_SYNC") != nullptr; }

/// What the message has to say of the kernel: itself, where every launch is waited for, else what it was among.
bool names(const std::string& message, const std::string& kernel) {
  if (!kernel_by_kernel()) return contains(message, kernel) && contains(message, "FRINGE_CUDA_SYNC=1");
  return contains(message, kernel + " failed") && !contains(message, "put_kernel");
}

/// Runs the program within this one, whose GPU is the emulated one; what it says on stderr is the error.
int run_program(const std::vector<std::string>& arguments, std::string& error) {
  const Folder folder("failure_stderr");
  const std::string path = folder / "stderr";
  setenv("FRINGE_CHOICES", "off", 1);  // nothing is measured, and no file written
  std::fflush(stderr);
  const int kept = dup(2), file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  dup2(file, 2);
  std::vector<std::string> words{"fringe"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (auto& w : words) argv.push_back(w.data());
  const int code = cli::run(static_cast<int>(argv.size()), argv.data());
  std::fflush(stderr);
  dup2(kept, 2);
  close(kept), close(file);
  error = test::contents(path);
  return code;
}

}  // namespace

TEST_SUITE("failure") {
  TEST_CASE("memory runs out at any moment of a run: an error before anything was drawn, the best so far after") {
    if (kernel_by_kernel()) return;  // the same, slower
    const auto& counters = emulation::counters();
    const auto held = [&] { return counters.allocations - counters.frees; };
    const std::size_t before = counters.allocations, held_before = held();
    RefineOptions options = small_run();
    options.polish = false;
    CHECK(refine(emulation::small_pattern(), options, ignore, go).failure.empty());
    CHECK(held() == held_before);
    const std::size_t all = counters.allocations - before;
    options.polish = true;
    const Machine machine;
    int thrown = 0, kept = 0, unpolished = 0;
    // Nothing; on the way to the first step; in the first step of the second kind, twice; in the polish.
    for (const std::size_t n : {std::size_t{0}, all / 3, all - 2, all - 1, all + 2}) {
      CAPTURE(n);
      CAPTURE(all);
      machine->allocations = n;
      std::optional<Reconstruction> r;
      std::string message;
      try {
        r = refine(emulation::small_pattern(), options, ignore, go);
        message = r->failure;
      } catch (const OutOfMemory& e) {
        message = e.what();
      }
      CHECK(contains(message, "out of device memory: 1 MB asked for, 81"));
      CHECK(contains(message, "MB of 8192 MB free; use a smaller --width"));
      CHECK(contains(message, "--device cpu"));
      CHECK(held() == held_before);
      if (!r) {
        ++thrown;
        continue;
      }
      ++kept;
      REQUIRE(r->object.size() == 216);
      CHECK(std::isfinite(r->metrics.at("chi2")));
      CHECK(r->metrics.at("chi2") <= r->curves.at("chi2").value.front() * 1.01);
      CHECK(r->device == "cuda:0, emulated device");
      if (r->metrics.at("epochs") == 4) {  // the fit had ended: only the polish is missing
        ++unpolished;
        CHECK_FALSE(r->metrics.contains("polish_steps"));
      }
    }
    CHECK(thrown == 2);
    CHECK(kept == 3);
    CHECK(unpolished == 1);
  }

  TEST_CASE("a kernel fails in mid-run: the error names it, and what the host had seen is the result") {
    const Machine machine;
    RefineOptions options = small_run();
    options.fit.epochs = 10;
    options.starts = 2;
    options.trial = 0.3;
    // After the first trial the next start's first step runs kernel by kernel; after the second, the best's steps are replayed.
    for (const int trial : {1, 2}) {
      CAPTURE(trial);
      int trials = 0;
      Index epochs = 0;
      const auto r = refine(
          emulation::small_pattern(), options,
          [&](const RefineProgress& p) {
            epochs = p.epoch;
            if (++trials == trial) machine->kernel_error = 700, machine->failing_kernel = "relative_l2_difference";
          },
          go);
      emulation::repair();
      CHECK(trials == trial);
      CHECK(epochs == 3 * trial);
      CHECK(contains(r.failure, "cudaErrorIllegalAddress"));
      CHECK(names(r.failure, "relative_l2_difference_kernel"));
      if (trial == 2 && !kernel_by_kernel()) CHECK(contains(r.failure, "a recorded step of "));
      REQUIRE(r.object.size() == 216);
      CHECK(r.curves.at("chi2").value.size() == 3);
      CHECK(r.metrics.at("chi2") <= r.curves.at("chi2").value.front() * 1.01);
      CHECK(r.metrics.at("best_seed") >= 1);
      CHECK_FALSE(r.metrics.contains("polish_steps"));
    }
  }

  TEST_CASE("fringe refine writes what there is and ends with 1; what the device lost is no result") {
    if (kernel_by_kernel()) return;
    const Machine machine;
    const Folder folder("failure");
    const std::string input = folder / "pattern.cxi", output = folder / "result.cxi", report = folder / "report.json";
    io::write_pattern(input, emulation::small_pattern(), "test");
    std::vector<std::string> command{"refine", input, "-o", output, "-q", "--device", "cuda:0", "--width", "1",
                                     "--no-separable", "--no-polish", "--seeds", "1", "--epochs", "4", "--json", report};
    std::string error;
    const std::size_t before = emulation::counters().allocations;
    REQUIRE(run_program(command, error) == 0);
    const std::size_t all = emulation::counters().allocations - before;
    CHECK(io::read_reconstruction(output).configuration.count("interrupted") == 0);

    machine->allocations = all - 1;
    CHECK(run_program(command, error) == 1);
    CHECK(contains(error, "fringe: error: out of device memory: "));
    CHECK(contains(error, "; the best result so far is written"));
    const auto r = io::read_reconstruction(output);
    CHECK(r.object.size() == 216);
    CHECK(contains(r.configuration.at("interrupted"), "out of device memory"));
    CHECK(contains(test::contents(report), "\"interrupted\": true"));
    CHECK(contains(test::contents(report), "\"failure\": \"out of device memory"));

    std::filesystem::remove(output);
    emulation::repair();
    machine->memory = 0;
    CHECK(run_program(command, error) == 1);
    CHECK(contains(error, "0 MB of 0 MB free"));
    CHECK_FALSE(std::filesystem::exists(output));
  }

  TEST_CASE("predict sets a pattern aside for which memory runs out, and goes on; a kernel that fails ends it") {
    if (kernel_by_kernel()) return;
    const Machine machine;
    const Folder folder("failure_predict");
    const std::string model = folder / "model.h5", out = folder / "out";
    RefineOptions options = small_run();
    options.save_model = model;
    REQUIRE(refine(emulation::small_pattern(), options, ignore, go).failure.empty());
    Pattern larger = emulation::small_pattern();
    larger.truth = {};
    larger.intensity = pad_or_crop(larger.intensity, {16, 16, 16});
    std::vector<std::string> command{"predict", "-q", model, "-o", out, "--device", "cuda:0"};
    for (const char* name : {"a", "b", "c"}) {
      command.push_back(folder / (std::string(name) + ".cxi"));
      io::write_pattern(command.back(), *name == 'b' ? larger : emulation::small_pattern(), "test");
    }
    std::string error;
    const std::size_t before = emulation::counters().allocations;
    const std::string one = folder / "alone.cxi";
    REQUIRE(run_program({"predict", "-q", model, "-o", one, "--device", "cuda:0", folder / "a.cxi"}, error) == 0);
    machine->allocations = emulation::counters().allocations - before;
    CHECK(run_program(command, error) == 1);
    CHECK(contains(error, "b.cxi: out of device memory: "));
    CHECK_FALSE(contains(error, "c.cxi"));
    CHECK(std::filesystem::exists(out + "/a.cxi"));
    CHECK_FALSE(std::filesystem::exists(out + "/b.cxi"));
    CHECK(std::filesystem::exists(out + "/c.cxi"));
    emulation::repair();
    std::filesystem::remove_all(out);
    machine->kernel_error = 700, machine->failing_kernel = "expand_kernel";
    CHECK(run_program(command, error) == 1);
    CHECK(contains(error, "cudaErrorIllegalAddress"));
    CHECK(contains(error, "expand_kernel"));
    CHECK_FALSE(std::filesystem::exists(out + "/c.cxi"));
  }

  TEST_CASE("ensemble leaves out the start that the device did not finish") {
    if (kernel_by_kernel()) return;
    const Machine machine;
    const Folder folder("failure_ensemble");
    const std::string input = folder / "pattern.cxi", output = folder / "ensemble.cxi";
    io::write_pattern(input, emulation::small_pattern(), "test");
    const std::string starts = folder / "starts";
    const std::vector<std::string> command{"ensemble", input, "-o", output, "-q", "--device", "cuda:0", "--method", "refine",
                                           "--starts", "2", "--epochs", "3", "--width", "1", "--folder", starts};
    std::string error;
    const std::size_t before = emulation::counters().allocations;
    REQUIRE(run_program(command, error) == 0);
    const std::size_t all = emulation::counters().allocations - before;
    std::filesystem::remove_all(output);
    std::filesystem::remove_all(starts);
    machine->allocations = all - 1;
    CHECK(run_program(command, error) == 0);
    CHECK_MESSAGE(contains(error, "left out: start 1: out of device memory: "), error);
    CHECK(std::filesystem::exists(output));
  }

  TEST_CASE("simulate: what fails on the device is gone on with by the same command; the set is the CPU's, to rounding") {
    const Machine machine;
    const Folder folder("failure_simulate");
    const std::string by_device = folder / "device.h5", by_cpu = folder / "cpu.h5";
    std::vector<std::string> command{"simulate", "-q", "--count", "5", "--size", "12", "--semi-axis", "0.22,0.3", "--photons",
                                     "1e4,1e5", "--shape", "mixed", "-o", by_cpu};
    std::string error;
    REQUIRE(run_program(command, error) == 0);
    command.back() = by_device;
    command.insert(command.end(), {"--device", "cuda:0"});
    machine->kernel_error = 700, machine->failing_kernel = "photon_noise";
    CHECK(run_program(command, error) == 1);
    CHECK(names(error, "photon_noise_kernel"));
    CHECK_FALSE(std::filesystem::exists(by_device));
    emulation::repair();
    const std::size_t before = emulation::counters().kernels;
    REQUIRE(run_program(command, error) == 0);
    CHECK(emulation::counters().kernels > before);
    const io::CrystalSet found(by_device), expected(by_cpu);
    REQUIRE(found.count() == 5);
    for (Index k = 0; k < 5; ++k) {
      const auto a = found.object(k), b = expected.object(k);
      float worst = 0;
      for (std::size_t i = 0; i < a.data.size(); ++i) worst = std::max(worst, std::abs(a.data[i] - b.data[i]));
      CHECK(worst < 1e-4F);
      CHECK(found.specimen(k).exposure.photons == expected.specimen(k).exposure.photons);
      const auto counted = found.intensity(k), wanted = expected.intensity(k);
      std::size_t differ = 0;
      for (std::size_t i = 0; i < counted.data.size(); ++i) differ += counted.data[i] != wanted.data[i];
      CHECK(differ * 500 < counted.data.size());
    }
  }

  TEST_CASE("train ends with the best model so far") {
    const Machine machine;
    TrainOptions options;
    options.data.population.crystal = emulation::small_crystal();
    options.data.validation_count = 1;
    options.network.levels = 1;
    options.network.width = 1;
    options.network.separable = false;
    options.samples = 1, options.batch = 1, options.micro_batch = 1;
    options.epochs = 3;
    options.backend = small_run().backend;
    const auto run = [&](Index last) {
      return train(
          options, Ranks(),
          [&](const TrainProgress& p) {
            if (p.step == last) machine->kernel_error = 700, machine->failing_kernel = "adam_step";
          },
          go);
    };
    const auto r = run(2);
    CHECK(names(r.failure, "adam_step_kernel"));
    CHECK(r.epochs.size() == 2);
    CHECK(r.best_epoch >= 1);
    CHECK(r.best.number("model.size") == 12);
    emulation::repair();
    machine->kernel_error = 700;
    CHECK_THROWS_AS(run(0), DeviceError);
  }

  TEST_CASE("memory runs out while training: an error before an epoch has ended, the best model so far after, and nothing leaks") {
    if (kernel_by_kernel()) return;
    const Machine machine;
    const Folder folder("failure_train");
    const std::string model = folder / "model.h5", set = folder / "set.h5";
    std::string error;
    REQUIRE(run_program({"simulate", "-q", "--count", "5", "--size", "12", "--semi-axis", "0.22,0.3", "-o", set}, error) == 0);
    // The second epoch is SGD's, and its momentum the last that asks for memory.
    const std::vector<std::string> command{"train", set, "-o", model, "-q", "--device", "cuda:0", "--width", "1", "--levels", "1",
                                           "--epochs", "2", "--batch", "2", "--micro-batch", "1", "--schedule", "alternating"};
    const auto& counters = emulation::counters();
    const auto held = [&] { return counters.allocations - counters.frees; };
    TrainOptions options;
    options.data.set = set;
    options.network.levels = 1;
    options.network.width = 1;
    options.network.separable = false;
    options.batch = 2, options.micro_batch = 1;
    options.epochs = 2;
    options.schedule = {.schedule = Schedule::alternating, .rate = 0.002, .period = 1};
    options.backend = small_run().backend;
    const auto run = [&] { return train(options, Ranks(), [](const TrainProgress&) {}, go); };
    const std::size_t before = counters.allocations, held_before = held();
    REQUIRE(run().failure.empty());
    CHECK(held() == held_before);
    const std::size_t all = counters.allocations - before;
    for (const std::size_t n : {std::size_t{0}, all / 3, all - 1}) {
      CAPTURE(n);
      machine->allocations = n;
      std::optional<TrainResult> r;
      std::string message;
      try {
        r = run();
        message = r->failure;
      } catch (const OutOfMemory& e) {
        message = e.what();
      }
      CHECK(contains(message, "out of device memory: 1 MB asked for, 81"));
      CHECK(contains(message, "use a smaller --width, --micro-batch"));
      CHECK(held() == held_before);
      CHECK(r.has_value() == (n == all - 1));
      if (!r) continue;
      CHECK(r->best_epoch == 1);
      CHECK(r->epochs.size() == 1);
      CHECK(r->best.number("model.size") == 12);
      CHECK(r->last.numbers.empty());
    }
    emulation::repair();
    machine->memory = 0;
    CHECK(run_program(command, error) == 1);
    CHECK(contains(error, "0 MB of 0 MB free"));
    CHECK_FALSE(std::filesystem::exists(model));
  }

  TEST_CASE("phase: a device that fails while projections, or the network, run leaves the best so far, and the command goes on") {
    if (kernel_by_kernel()) return;
    const Machine machine;
    const Folder folder("failure_phase");
    const std::string input = folder / "pattern.cxi", output = folder / "result.cxi", report = folder / "report.json";
    io::write_pattern(input, emulation::small_pattern(), "test");
    const std::vector<std::string> command{"phase", input, "-o", output, "-q", "--device", "cuda:0", "--json", report};
    std::string error;
    // Nothing was found yet.
    machine->memory = 0;
    CHECK(run_program(command, error) == 1);
    CHECK_MESSAGE(contains(error, "no start came to its end: start 0: out of device memory: "), error);
    CHECK(contains(error, "0 MB of 0 MB free; use a smaller"));
    CHECK_FALSE(std::filesystem::exists(output));
    emulation::repair();

    // The third start fails; two have ended.
    PhaseOptions options{.backend = small_run().backend};
    std::size_t told = 0;
    const auto found = phase(
        emulation::small_pattern(), options,
        [&](const PhaseProgress& p) {
          if (p.share >= 2.0 / 40 && told++ == 0) machine->kernel_error = 700, machine->failing_kernel = "modulus_projection";
        },
        go);
    emulation::repair();
    CHECK(told > 0);
    CHECK(contains(found.result.failure, "cudaErrorIllegalAddress"));
    CHECK(names(found.result.failure, "modulus_projection_kernel"));
    CHECK(found.result.metrics.at("searched") == 2);
    CHECK(std::isfinite(found.result.metrics.at("free_llk")));
    CHECK(found.result.object.size() == 216);

    // The CPU has searched and was stopped; the network, on the device, fails in its first step, or finds no memory.
    options.folder = output + ".phase";
    options.backend = {};
    std::atomic<int> stop{0};
    phase(
        emulation::small_pattern(), options, [&](const PhaseProgress& p) { stop = contains(p.step, "network") ? 2 : 0; }, stop);
    for (const bool memory : {false, true}) {
      CAPTURE(memory);
      if (memory)
        machine->allocations = 20;
      else
        machine->kernel_error = 700, machine->failing_kernel = "adam_step";
      CHECK(run_program(command, error) == 1);
      emulation::repair();
      // The network's steps are eager or recorded by then, and the message names the latest sixteen kernels, or the record.
      CHECK_MESSAGE(contains(error, memory ? "out of device memory: " : "kernels launched since the last wait"), error);
      CHECK(contains(error, "; the best result so far is written"));
      const auto r = io::read_reconstruction(output);
      CHECK(r.object.size() == 216);
      CHECK(r.metrics.at("searched") == 40);
      CHECK(contains(r.configuration.at("interrupted"), memory ? "out of device memory" : "cudaErrorIllegalAddress"));
      CHECK(contains(test::contents(report), "\"failure\": \""));
      CHECK(std::filesystem::exists(output + ".phase"));
      std::filesystem::remove(output);
    }
  }
}
