// The program's fits on the emulated device: refine, polish and predict, against the CPU's.
#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>

#include "apps/phasing/predict.h"
#include "apps/phasing/refine.h"
#include "apps/phasing/uniform_density_fit.h"
#include "tests/apps/simulation_case.h"
#include "tests/emulation/counters.h"
#include "tests/emulation/emulated.h"
#include "tests/emulation/small_crystal.h"

using namespace fringe;
using emulation::emulated;

namespace {

const std::atomic<int> go{0};

FitOptions small_fit() {
  FitOptions o;
  o.network.levels = 1;
  o.network.width = 2;
  o.network.separable = false;  // training_step_test has all of the network
  o.epochs = 12;
  o.prior = {.weight = 0.3, .on = 0.4, .full = 0.6};  // a second kind of step, from the sixth epoch on
  return o;
}

double difference(const Volume<Complex>& a, const Volume<Complex>& b) {
  REQUIRE(a.extent == b.extent);
  double worst = 0, scale = 0;
  for (std::size_t i = 0; i < a.data.size(); ++i) {
    worst = std::max(worst, static_cast<double>(std::abs(a.data[i] - b.data[i])));
    scale = std::max(scale, static_cast<double>(std::abs(b.data[i])));
  }
  return worst / scale;
}

}  // namespace

TEST_SUITE("fit") {
  TEST_CASE("devices: auto takes the GPU that can be used, and says in one line why there is none") {
    std::string why;
    const Backend chosen = choose_backend("auto", why);
    CHECK(chosen.index == 0);
    CHECK(chosen.name() == "cuda:0, emulated device");
    CHECK(why.empty());
    auto& machine = emulation::machine();
    machine.driver_error = 35, machine.driver_version = 0;
    CHECK(choose_backend("auto", why).device->host_memory);
    CHECK(why == "no NVIDIA driver (libcuda.so.1 was not found)");
    CHECK_THROWS_WITH_AS(choose_backend("cuda", why), "cuda:0: no NVIDIA driver (libcuda.so.1 was not found); use --device cpu",
                         Error);
    machine = {};
    machine.capability = 70;
    CHECK(choose_backend("auto", why).index == -1);
    CHECK(why == "emulated device has compute capability 7.0, at least 8.0 is needed");
    machine = {};
    machine.fft = false;
    CHECK(choose_backend("auto", why).index == -1);
    CHECK(why.starts_with("cuFFT was not found"));
    machine = {};
  }

  TEST_CASE("a fit follows the CPU's epoch by epoch, allocates nothing and waits for nothing once its steps are recorded") {
    Context<float> host(cpu::table()), device(emulated());
    const Mask free;
    const FitProblem a(host, emulation::small_pattern(), free, FitInput::logarithm), b(device, emulation::small_pattern(), free, FitInput::logarithm);
    NetworkFit fit(host, a, small_fit(), 1), other(device, b, small_fit(), 1);
    for (int i = 0; i < 12; ++i) {
      const auto before = emulation::counters();
      fit.step();
      other.step();
      const auto& now = emulation::counters();
      const bool first_of_its_kind = i == 0 || i == 5;
      if (!first_of_its_kind) CHECK(now.allocations == before.allocations);
      if (!first_of_its_kind && i != 1 && i != 6) {  // neither the first of its kind nor the one that is recorded
        CHECK(now.graphs == before.graphs + 1);
        CHECK(now.kernels - before.kernels <= 4);  // what sets the step's numbers, and the row of the history
      }
      CHECK(now.waits == before.waits);
      CHECK(now.copies == before.copies);
    }
    CHECK(other.unread() == 12);
    CHECK_THROWS_AS(other.forget_best(), Error);
    const auto expected = fit.read(), found = other.read();
    REQUIRE(found.size() == 12);
    for (std::size_t i = 0; i < 12; ++i) {
      CAPTURE(i);
      CHECK(found[i].number == static_cast<Index>(i) + 1);
      const double tolerance = 1e-4 * std::pow(2, static_cast<double>(i));  // the last bit's difference grows from step to step
      CHECK(found[i].loss == doctest::Approx(expected[i].loss).epsilon(std::min(0.05, tolerance)));
      CHECK(found[i].chi2 == doctest::Approx(expected[i].chi2).epsilon(std::min(0.05, tolerance)));
      CHECK(found[i].prior == doctest::Approx(expected[i].prior).epsilon(std::min(0.1, 10 * tolerance)));
    }
    CHECK(found.back().loss < found.front().loss);
    CHECK(other.best().number == fit.best().number);
    MESSAGE("difference of the best objects: " << difference(other.best_object(), fit.best_object()));
    CHECK(difference(other.best_object(), fit.best_object()) < 0.1);
  }

  TEST_CASE("a fit that is interrupted, saved and loaded goes on bit for bit, and can move to the CPU") {
    Context<float> device(emulated()), host(cpu::table());
    const Mask free;
    const FitProblem problem(device, emulation::small_pattern(), free, FitInput::logarithm), at_host(host, emulation::small_pattern(), free, FitInput::logarithm);
    FitOptions options = small_fit();
    options.epochs = 6;
    options.schedule = {.schedule = Schedule::alternating, .rate = 0.002, .period = 2};
    NetworkFit whole(device, problem, options, 1), first(device, problem, options, 1), second(device, problem, options, 9),
        moved(host, at_host, options, 9);
    for (int i = 0; i < 6; ++i) whole.step();
    for (int i = 0; i < 3; ++i) first.step();
    first.read();
    Checkpoint c;
    first.save(c);
    second.load(c);
    moved.load(c);
    for (int i = 0; i < 3; ++i) second.step(), moved.step();
    const auto expected = whole.read(), found = second.read(), cpu = moved.read();
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK(found[i].loss == expected[i + 3].loss);
      CHECK(cpu[i].loss == doctest::Approx(expected[i + 3].loss).epsilon(1e-3));
    }
    CHECK(second.best_object().data == whole.best_object().data);
    CHECK(second.best().loss == whole.best().loss);
  }

  TEST_CASE("more steps than the history holds: the fit looks by itself, and no epoch is lost") {
    Context<float> device(emulated());
    const Mask free;
    const FitProblem problem(device, emulation::small_pattern(), free, FitInput::logarithm);
    FitOptions options = small_fit();
    options.network.width = 1;
    options.epochs = NetworkFit::most_unread + 3;
    NetworkFit fit(device, problem, options, 1);
    while (!fit.finished()) fit.step();
    CHECK(fit.unread() == options.epochs);
    const auto epochs = fit.read();
    REQUIRE(static_cast<Index>(epochs.size()) == options.epochs);
    double best = epochs[0].loss;
    for (std::size_t i = 0; i < epochs.size(); ++i) {
      CHECK(epochs[i].number == static_cast<Index>(i) + 1);
      best = std::min(best, epochs[i].loss);
    }
    CHECK(fit.best().loss == best);
  }

  TEST_CASE("refine with trials, polish and a saved model runs on the device; the model predicts the same on both") {
    const auto model = (std::filesystem::temp_directory_path() / "fringe_emulated_fit_test.h5").string();
    RefineOptions options;
    options.fit = small_fit();
    options.fit.epochs = 10;
    options.starts = 2;
    options.trial = 0.3;
    options.polishing = {.steps = 4, .interval = 2};
    options.save_model = model;
    options.backend = emulated();
    Index calls = 0;
    const auto count = [&](const RefineProgress& p) {
      CHECK(std::isfinite(p.chi2));
      ++calls;
    };
    const auto r = refine(emulation::small_pattern(), options, count, go);
    CHECK(calls == 3);  // the ends of two trials, and the end
    CHECK(r.device == "cuda:0, emulated device");
    CHECK(r.metrics.at("epochs") == 13);
    CHECK(std::isfinite(r.metrics.at("free_llk")));
    CHECK(r.curves.at("chi2").epoch.back() == 10);
    Predictor host(model, 1), device(model, 1, emulated());
    const auto first = device.predict(emulation::small_pattern()).object;
    CHECK(difference(first, host.predict(emulation::small_pattern()).object) < 1e-3);
    // The second pattern is recorded; from the third on, and after another size between, a pattern is one graph.
    CHECK(device.predict(emulation::small_pattern()).object.data == first.data);
    Pattern other = emulation::small_pattern();
    other.truth = {};
    other.intensity = pad_or_crop(other.intensity, {16, 16, 16});
    const auto larger = device.predict(other).object;
    CHECK(difference(larger, host.predict(other).object) < 1e-3);
    const auto before = emulation::counters();
    CHECK(device.predict(emulation::small_pattern()).object.data == first.data);
    const auto& now = emulation::counters();
    CHECK(now.graphs == before.graphs + 1);
    CHECK(now.kernels == before.kernels);
    CHECK(now.allocations == before.allocations);
    CHECK(now.copies == before.copies + 3);  // the pattern, amplitudes and phases
    std::filesystem::remove(model);
  }

  TEST_CASE("the fit of nearly uniform density is the CPU's") {
    const Pattern& pattern = emulation::small_pattern();
    const Mask free = make_free_mask(1, pattern.intensity.extent);
    const auto fits = [&](const Backend& backend) {
      Context<float> context(backend);
      return fit_uniform_density(
          context, pattern, free, pattern.truth, {.strengths = {30, 300}, .steps = 4}, [](double) {}, go);
    };
    const auto device = fits(emulated()), host = fits({});
    REQUIRE(device.size() == 2);
    for (std::size_t i = 0; i < 2; ++i) {
      CHECK(device[i].loss == doctest::Approx(host[i].loss).epsilon(1e-3));
      CHECK(difference(device[i].object, host[i].object) < 1e-3);
    }
    CHECK(difference(host[1].object, host[0].object) > 1e-3);
  }

  TEST_CASE("crystals drawn on the device are the CPU's, and so are their counts") {
    Context<float> device(emulated());
    test::check_drawn(device, false);
    test::check_drawn(device, true);
  }
}
