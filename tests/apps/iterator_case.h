// The device's form of iterative phasing against PhaseIterator: a pattern of unequal extents with a mask and held-out voxels,
// and what is asked of a DeviceIterator wherever its kernels run.
#pragma once
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "apps/phasing/device_iterator.h"
#include "tests/apps/iterator_pattern.h"

namespace fringe::test {

/// Some starts on the host and, once uploaded, side by side through a table of kernels.
struct IteratorPair {
  std::vector<PhaseIterator> host, seen;
  DeviceIterator device;

  IteratorPair(Context<float>& context, const IteratorCase& c, const PhaseProblem& problem, const PhaseStep& o, Index starts)
      : device(context, problem, o, starts) {
    for (Index n = 0; n < starts; ++n) {
      host.emplace_back(problem, 1).set_support(c.support);
      host.back().start_random(static_cast<std::uint64_t>(n) + 1);
      seen.emplace_back(problem, 1).set_support(c.support);
    }
    std::vector<const PhaseIterator*> from;
    for (const auto& it : host) from.push_back(&it);
    const std::vector<const Mask*> whole(host.size(), &c.support);
    device.upload(from, whole);
  }

  /// Largest relative distance of a start's x from the host's; brings `seen` up to date.
  double distance() {
    std::vector<PhaseIterator*> to;
    for (auto& it : seen) to.push_back(&it);
    device.download(to);
    double worst = 0;
    for (std::size_t n = 0; n < host.size(); ++n) {
      const auto a = seen[n].wrapped(), b = host[n].wrapped();
      double difference = 0, all = 0;
      for (std::size_t i = 0; i < a.data.size(); ++i)
        difference += std::norm(a.data[i] - b.data[i]), all += std::norm(b.data[i]);
      const double d = std::sqrt(difference / all);
      worst = std::isfinite(d) ? std::max(worst, d) : 1e30;
    }
    return worst;
  }
};

/// Every algorithm, with and without what PhaseStep can ask for, is PhaseIterator's to rounding.
inline void check_steps(Context<float>& context, Index starts) {
  const IteratorCase c;
  const PhaseProblem problem(c.pattern, c.free);
  PhaseStep plain, ranged, at_one;
  plain.beta = ranged.beta = 0.8;
  plain.charge_threshold = 0.8;  // flips some voxels, not all
  ranged.phase_range = {-0.9, 1.4};
  at_one.beta = 1;
  struct Kind {
    Algorithm algorithm;
    const PhaseStep* options;
  };
  for (const auto& [algorithm, options] : {Kind{Algorithm::er, &plain},
                                           {Algorithm::hio, &plain},
                                           {Algorithm::raar, &plain},
                                           {Algorithm::dm, &plain},
                                           {Algorithm::dm, &at_one},
                                           {Algorithm::sf, &plain},
                                           {Algorithm::cf, &plain},
                                           {Algorithm::er, &ranged},
                                           {Algorithm::hio, &ranged},
                                           {Algorithm::ml, &plain}}) {
    CAPTURE(name(algorithm));
    CAPTURE(options->phase_range.has_value());
    IteratorPair p(context, c, problem, *options, starts);
    p.device.run(algorithm, 3);  // as a graph of two and one of one
    const auto records = p.device.read();
    REQUIRE(static_cast<Index>(records.size()) == starts);
    for (std::size_t n = 0; n < records.size(); ++n) {
      REQUIRE(records[n].misfit.size() == 3);
      for (const double misfit : records[n].misfit)
        CHECK(misfit == doctest::Approx(p.host[n].step(algorithm, *options)).epsilon(1e-4));
    }
    CHECK(p.distance() < 1e-5);
  }
}

/// Shrink-wraps with a threshold for each start, halves of supports, amplitudes at limited resolution.
inline void check_between_steps(Context<float>& context, Index starts) {
  const IteratorCase c;
  const PhaseProblem problem(c.pattern, c.free);
  const PhaseStep options;
  for (const auto of : {ThresholdOf::maximum, ThresholdOf::rms, ThresholdOf::level}) {
    CAPTURE(static_cast<int>(of));
    IteratorPair p(context, c, problem, options, starts);
    ShrinkWrap o;
    o.of = of;
    std::vector<double> thresholds, sizes(p.host.size());
    for (Index n = 0; n < starts; ++n) thresholds.push_back(0.3 + 0.02 * static_cast<double>(n));
    const double sigma = 0.9;
    const Index margin = 3;
    std::vector<Mask> whole(p.host.size(), c.support);
    p.device.limit_resolution(0.5);
    for (auto& it : p.host) it.limit_resolution(0.5);
    const auto step = [&](Algorithm algorithm) {
      p.device.run(algorithm, 1);
      for (auto& it : p.host) it.step(algorithm, options);
    };
    step(Algorithm::er), step(Algorithm::hio);
    p.device.shrink_wrap(o, thresholds, sigma);
    for (std::size_t n = 0; n < p.host.size(); ++n) {
      const Mask support = shrink_wrap(p.host[n].centre(margin), margin, whole[n], o, thresholds[n], sigma);
      const auto shift = centring_shift(support);
      p.host[n].roll(shift);
      whole[n] = moved(support, shift);
      p.host[n].set_support(whole[n]);
      sizes[n] = static_cast<double>(voxels_in(whole[n]));
    }
    step(Algorithm::hio);
    CHECK(p.distance() < 1e-5);
    for (std::size_t n = 0; n < p.host.size(); ++n) CHECK(p.seen[n].support().data == whole[n].data);
    p.device.use_half_supports();
    for (std::size_t n = 0; n < p.host.size(); ++n) p.host[n].set_support(half_of(whole[n]));
    p.device.limit_resolution(1);
    for (auto& it : p.host) it.limit_resolution(1);
    step(Algorithm::raar);
    CHECK(p.distance() < 1e-5);
    for (std::size_t n = 0; n < p.host.size(); ++n) CHECK(p.seen[n].support().data == half_of(whole[n]).data);
    p.device.use_whole_supports();
    for (std::size_t n = 0; n < p.host.size(); ++n) p.host[n].set_support(whole[n]);
    step(Algorithm::er);
    CHECK(p.distance() < 1e-5);
    const auto records = p.device.read();
    for (std::size_t n = 0; n < records.size(); ++n) {
      CHECK(records[n].misfit.size() == 5);
      REQUIRE(records[n].support_voxels.size() == 1);
      CHECK(records[n].support_voxels[0] == sizes[n]);
      CHECK(sizes[n] > 20);
      CHECK(sizes[n] != static_cast<double>(voxels_in(c.support)));
    }
  }
}

}  // namespace fringe::test
