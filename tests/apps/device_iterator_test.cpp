// The device's form of iterative phasing, on the CPU's kernels (tests/emulation has it on the emulated device).
#include "apps/phasing/device_iterator.h"

#include "apps/phasing/device_starts.h"
#include "tests/apps/iterator_case.h"

using namespace fringe;
using namespace fringe::test;

TEST_SUITE("device iterator") {
  TEST_CASE("every algorithm is PhaseIterator's to rounding, several starts side by side") {
    Context<float> context(cpu::table(), 2);
    check_steps(context, 3);
  }

  TEST_CASE("shrink-wrap, half supports and limited resolution are PhaseIterator's, with a threshold for each start") {
    Context<float> context(cpu::table(), 2);
    check_between_steps(context, 20);  // more thresholds than go with one command
  }

  TEST_CASE("on this machine's GPU, where it has one, both are so, too") {
    std::string why;
    const Backend backend = choose_backend("auto", why);
    if (backend.device->host_memory) {
      MESSAGE("left out: " << why);
      return;
    }
    Context<float> context(backend, 2);
    check_steps(context, 3);
    check_between_steps(context, 3);
  }

  TEST_CASE("a start does not depend on who runs beside it, nor on the number of threads") {
    const IteratorCase c;
    const PhaseProblem problem(c.pattern, c.free);
    Context<float> one(cpu::table(), 1), three(cpu::table(), 3);
    IteratorPair alone(one, c, problem, {}, 1), many(three, c, problem, {}, 4);
    for (auto* p : {&alone, &many}) p->device.run(Algorithm::hio, 5), p->device.run(Algorithm::er, 2), p->distance();
    CHECK(alone.seen[0].wrapped().data == many.seen[0].wrapped().data);
    CHECK(alone.device.read()[0].misfit == many.device.read()[0].misfit);
  }

  TEST_CASE("ML begins anew after anything else, and goes on where nothing else came between") {
    const IteratorCase c;
    const PhaseProblem problem(c.pattern, c.free);
    Context<float> context(cpu::table(), 2);
    IteratorPair p(context, c, problem, {}, 2);
    const std::vector<Algorithm> steps{Algorithm::hio, Algorithm::ml, Algorithm::ml, Algorithm::ml,
                                       Algorithm::er,  Algorithm::ml, Algorithm::ml, Algorithm::hio};
    for (const auto algorithm : steps) {
      p.device.run(algorithm, 1);
      for (auto& it : p.host) it.step(algorithm, {});
      CHECK(p.distance() < 1e-4);
    }
    p.device.run(Algorithm::ml, 2);
    p.device.use_half_supports();
    p.device.run(Algorithm::ml, 2);
    for (auto& it : p.host) {
      for (int i = 0; i < 2; ++i) it.step(Algorithm::ml, {});
      it.set_support(half_of(c.support));
      for (int i = 0; i < 2; ++i) it.step(Algorithm::ml, {});
    }
    CHECK(p.distance() < 1e-3);
  }

  TEST_CASE("more iterations and shrink-wraps than the history holds are all kept") {
    const IteratorCase c;
    const PhaseProblem problem(c.pattern, c.free);
    Context<float> context(cpu::table());
    IteratorPair p(context, c, problem, {}, 2);
    p.device.run(Algorithm::er, DeviceIterator::most_unread + 5);
    const std::vector<double> thresholds{0.1, 0.2};
    for (int i = 0; i < 70; ++i) p.device.shrink_wrap({}, thresholds, 0.5);
    const auto records = p.device.read();
    for (const auto& r : records) {
      CHECK(static_cast<Index>(r.misfit.size()) == DeviceIterator::most_unread + 5);
      CHECK(r.misfit.back() < 0.7 * r.misfit[1]);  // the first is of random phases on the amplitudes: nothing
      CHECK(r.support_voxels.size() == 70);
    }
    CHECK(p.device.read()[1].misfit.empty());
  }

  TEST_CASE(
      "starts side by side go through a recipe as each does alone: shrink-wraps, twins, resolution, ML between and last") {
    CrystalOptions crystal;
    crystal.size = 16;
    const auto pattern = expose(make_crystal(crystal, 3), {.photons = 1e6, .noise = true}, 3);
    IterateOptions o;
    o.recipe = parse_recipe("4*RAAR+3*ML+6*HIO+2*ML");
    o.shrink_wrap.start = 2, o.shrink_wrap.step = 3;
    o.shrink_wrap.stop = 12;
    o.detwin = 9, o.detwin_length = 2;
    o.low_resolution = 0.5, o.low_resolution_end = 0.6;
    const IterateProblem common(pattern, o);
    std::vector<std::unique_ptr<IterateStart>> starts;
    std::vector<IterateStart> alone;
    for (Index n = 0; n < 3; ++n) {
      starts.push_back(std::make_unique<IterateStart>(common, n, 1));
      alone.emplace_back(common, n, 1);
    }
    Context<float> context(cpu::table(), 2);
    DeviceStarts together(context, common, starts);
    while (!together.finished()) together.advance(2);
    together.keep();
    for (std::size_t n = 0; n < 3; ++n) {
      while (alone[n].iteration() < common.total) alone[n].step();
      CHECK(starts[n]->iteration() == 15);
      CHECK(starts[n]->chi2().epoch == alone[n].chi2().epoch);
      for (std::size_t i = 0; i < 15; ++i)
        CHECK(starts[n]->chi2().value[i] == doctest::Approx(alone[n].chi2().value[i]).epsilon(i < 5 ? 1e-5 : 1e-3));
      CHECK(starts[n]->size().epoch == alone[n].size().epoch);
      CHECK(starts[n]->size().value == alone[n].size().value);
      CHECK(starts[n]->whole_support().data == alone[n].whole_support().data);
    }
    CHECK(DeviceStarts::together({64, 64, 64}) == 8);
    CHECK(DeviceStarts::together({256, 256, 256}) == 1);
  }
}
