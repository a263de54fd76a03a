// The steps of iterative phasing, against their definitions written with the double-precision transform.
#include "apps/phasing/phase_iterator.h"

#include <algorithm>
#include <cmath>

#include "tests/apps/files.h"
#include "tests/apps/iterator_pattern.h"

using namespace fringe;
using Z = std::complex<double>;

namespace {

struct Case : fringe::test::IteratorCase {
  ComplexField x;  ///< the iterate to begin with, of the pattern's extent

  Case() {
    x = ComplexField(pattern.intensity.extent);
    for (std::size_t i = 0; i < x.data.size(); ++i)
      x.data[i] = std::polar(1 + std::sin(0.3 * static_cast<double>(i)), 0.7 * static_cast<double>(i));
  }

  bool in_support(std::size_t i) const {
    const auto s = pad_or_crop(support, x.extent);
    return s.data[i] != 0;
  }
  /// P_M x
  ComplexField project(ComplexField f) const {
    fourier_forward(f);
    for (Index i = 0; i < f.size(); ++i) {
      const auto at = static_cast<std::size_t>(i);
      if (!pattern.measured(i) || free.data[at] != 0) continue;
      f.data[at] *= std::sqrt(static_cast<double>(pattern.intensity.data[at])) / std::max(std::abs(f.data[at]), 1e-300);
    }
    fourier_inverse(f);
    return f;
  }
  double chi2() const {
    auto f = x;
    fourier_forward(f);
    double sum = 0, all = 0;
    for (Index i = 0; i < f.size(); ++i) {
      const auto at = static_cast<std::size_t>(i);
      if (!pattern.measured(i) || free.data[at] != 0) continue;
      const double a = std::sqrt(static_cast<double>(pattern.intensity.data[at]));
      sum += (std::abs(f.data[at]) - a) * (std::abs(f.data[at]) - a);
      all += a * a;
    }
    return sum / all;
  }
};

/// The whole iterate: a box with margins that make it the pattern's extent, per axis of what centre() gives.
ComplexField iterate_of(const PhaseIterator& it, const Extent& e) {
  Volume<Complex> wide = it.centre(*std::max_element(e.begin(), e.end()) / 4);
  return converted<Z>(pad_or_crop(wide, e));
}

double distance(const ComplexField& a, const ComplexField& b) {
  double sum = 0, all = 0;
  for (std::size_t i = 0; i < a.data.size(); ++i) sum += std::norm(a.data[i] - b.data[i]), all += std::norm(b.data[i]);
  return std::sqrt(sum / all);
}

}  // namespace

TEST_SUITE("phase iterator") {
  TEST_CASE("every step is what its equation says, twice in a row") {
    const Case c;
    const PhaseProblem problem(c.pattern, c.free);
    const double beta = 0.8;
    for (const auto algorithm : {Algorithm::er, Algorithm::hio, Algorithm::raar, Algorithm::dm, Algorithm::sf, Algorithm::cf}) {
      CAPTURE(name(algorithm));
      PhaseIterator it(problem, 1);
      it.set_support(c.support);
      it.start_from(converted<Complex>(c.x));
      Case expected = c;
      PhaseStep o;
      o.beta = beta;
      o.charge_threshold = 0.8;  // flips some voxels, not all
      for (int round = 0; round < 2; ++round) {
        CAPTURE(round);
        CHECK(it.step(algorithm, o) == doctest::Approx(expected.chi2()).epsilon(1e-4));
        const ComplexField x = expected.x, p = expected.project(x);
        ComplexField second;
        if (algorithm == Algorithm::dm) {
          second = x;
          for (std::size_t i = 0; i < x.data.size(); ++i)
            second.data[i] = (1 - 1 / beta) * (c.in_support(i) ? x.data[i] : 0) + x.data[i] / beta;
          second = expected.project(second);
        }
        double mean = 0;
        for (const auto& v : x.data) mean += std::norm(v) / static_cast<double>(x.size());
        const auto s = pad_or_crop(c.support, x.extent);
        for (std::size_t i = 0; i < x.data.size(); ++i) {
          const bool in = s.data[i] != 0;
          const Z xi = x.data[i], pi = p.data[i], rm = 2.0 * pi - xi;
          Z& out = expected.x.data[i];
          switch (algorithm) {
            case Algorithm::er: out = in ? pi : 0; break;
            case Algorithm::hio: out = in ? pi : xi - beta * pi; break;
            case Algorithm::raar: out = beta / 2 * ((in ? rm : -rm) + xi) + (1 - beta) * pi; break;
            case Algorithm::dm: out = xi + beta * ((in ? (1 + 1 / beta) * pi - xi / beta : 0) - second.data[i]); break;
            case Algorithm::sf: out = in ? pi : -pi; break;
            default: out = std::abs(pi) < o.charge_threshold * std::sqrt(mean) ? -pi : pi;
          }
        }
        CHECK(distance(iterate_of(it, x.extent), expected.x) < 1e-5);
      }
    }
  }

  TEST_CASE("the difference map at beta 1 needs one projection and is the same map") {
    const Case c;
    const PhaseProblem problem(c.pattern, c.free);
    PhaseIterator one(problem, 1), near(problem, 1);
    for (auto* it : {&one, &near}) it->set_support(c.support), it->start_from(converted<Complex>(c.x));
    one.step(Algorithm::dm, {.beta = 1});
    near.step(Algorithm::dm, {.beta = 1 + 1e-6});
    CHECK(distance(iterate_of(one, c.x.extent), iterate_of(near, c.x.extent)) < 1e-4);
  }

  TEST_CASE("phases out of range count as outside the support") {
    const Case c;
    const PhaseProblem problem(c.pattern, c.free);
    for (const std::array<double, 2> range : {std::array{-0.4, 0.9}, std::array{-2.0, 2.5}}) {
      PhaseIterator it(problem, 1);
      it.set_support(c.support);
      it.start_from(converted<Complex>(c.x));
      PhaseStep o;
      o.phase_range = range;
      it.step(Algorithm::er, o);
      const auto s = pad_or_crop(c.support, c.x.extent);
      Z mean = 0;
      for (std::size_t i = 0; i < c.x.data.size(); ++i)
        if (s.data[i]) mean += c.x.data[i] * std::abs(c.x.data[i]);
      auto p = c.project(c.x);
      Index cut = 0;
      for (std::size_t i = 0; i < p.data.size(); ++i) {
        const double phase = std::arg(p.data[i] * std::conj(mean));
        const bool in = s.data[i] != 0 && phase >= range[0] && phase <= range[1];
        cut += s.data[i] != 0 && !in;
        if (!in) p.data[i] = 0;
      }
      CHECK(cut > 50);
      CHECK(distance(iterate_of(it, c.x.extent), p) < 1e-4);
    }
  }

  TEST_CASE("threads, and going on from a saved state, change no bit") {
    const Case c;
    const PhaseProblem problem(c.pattern, c.free);
    const std::vector<Algorithm> first{Algorithm::hio, Algorithm::er, Algorithm::raar, Algorithm::ml, Algorithm::ml},
        second{Algorithm::ml, Algorithm::hio, Algorithm::er, Algorithm::dm, Algorithm::ml};
    const auto run = [&](PhaseIterator& it, const std::vector<Algorithm>& steps) {
      for (const auto a : steps) it.step(a, {});
    };
    PhaseIterator whole(problem, 1), threaded(problem, 3), resumed(problem, 2);
    for (auto* it : {&whole, &threaded}) it->set_support(c.support), it->start_random(7), run(*it, first);
    resumed.set_support(c.support);
    resumed.restore(whole.state());
    for (auto* it : {&whole, &threaded, &resumed}) run(*it, second);
    CHECK(whole.state() == threaded.state());
    CHECK(whole.state() == resumed.state());
  }

  TEST_CASE("ML climbs the likelihood, keeps to the support, and ends at the truth when it begins nearby") {
    CrystalOptions crystal;
    crystal.size = 16;
    const Pattern pattern = expose(make_crystal(crystal, 2), {.photons = 1e6}, 2);
    const PhaseProblem problem(pattern, {});
    PhaseIterator it(problem, 1);
    Mask support(pattern.truth.extent);
    for (std::size_t i = 0; i < support.data.size(); ++i) support.data[i] = pattern.truth.data[i] != Complex(0);
    it.set_support(support);
    Volume<Complex> object = pattern.truth;
    double power = 0;  // the truth has density 1, the pattern photons
    for (const float v : pattern.intensity.data) power += static_cast<double>(v) / static_cast<double>(pattern.intensity.size());
    double mass = 0;
    for (const auto& v : object.data) mass += static_cast<double>(std::norm(v));
    for (std::size_t i = 0; i < object.data.size(); ++i)
      object.data[i] *= static_cast<float>(std::sqrt(power / mass) * (1 + 0.3 * std::sin(static_cast<double>(i))));
    it.start_from(object);
    const auto llk = [&] { return poisson_llk(calculated_intensity(it.centre(), pattern), pattern); };
    double last = llk();
    const double begin = last;
    for (int k = 0; k < 40; ++k) {
      it.step(Algorithm::ml, {});
      const double now = llk();
      CHECK(now <= last + 1e-6);  // the background in the logarithm moves the maximum by less
      last = now;
    }
    CHECK(last < 1e-4 * begin);
    const auto result = it.centre();
    for (std::size_t i = 0; i < support.data.size(); ++i)
      if (support.data[i] == 0) CHECK(result.data[i] == Complex(0));
  }

  TEST_CASE("rolling moves the iterate around the ends and nothing else") {
    const Case c;
    const PhaseProblem problem(c.pattern, c.free);
    PhaseIterator it(problem, 1);
    it.set_support(c.support);
    it.start_from(converted<Complex>(c.x));
    it.roll({3, -2, 5});
    const auto e = c.x.extent;
    ComplexField expected(e);
    for (Index d = 0; d < e[0]; ++d)
      for (Index h = 0; h < e[1]; ++h)
        for (Index w = 0; w < e[2]; ++w) expected((d + 3) % e[0], (h - 2 + e[1]) % e[1], (w + 5) % e[2]) = c.x(d, h, w);
    CHECK(distance(iterate_of(it, e), expected) < 1e-6);
  }

  TEST_CASE("at limited resolution the amplitudes are those of the pattern times a Gaussian") {
    const Case c;
    const PhaseProblem problem(c.pattern, {});
    Pattern limited = c.pattern;
    const auto e = c.x.extent;
    for (Index d = 0; d < e[0]; ++d)
      for (Index h = 0; h < e[1]; ++h)
        for (Index w = 0; w < e[2]; ++w) {
          double q2 = 0;
          const Index at[3] = {d, h, w};
          for (int k = 0; k < 3; ++k) q2 += std::pow(2.0 * static_cast<double>(at[k] - e[k] / 2) / static_cast<double>(e[k]), 2);
          limited.intensity(d, h, w) *= static_cast<float>(std::exp(-q2 / (0.4 * 0.4)));
        }
    const PhaseProblem direct(limited, {});
    PhaseIterator a(problem, 1), b(direct, 1);
    for (auto* it : {&a, &b}) it->set_support(c.support), it->start_from(converted<Complex>(c.x));
    a.limit_resolution(0.4);
    for (auto* it : {&a, &b}) it->step(Algorithm::hio, {});
    CHECK(distance(iterate_of(a, e), iterate_of(b, e)) < 1e-5);
  }
}
