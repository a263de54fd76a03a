#include "kernels/adam.h"

#include "tests/support/arrays.h"
#include "tests/support/backends.h"
#include "tests/support/gradcheck.h"

using namespace fringe;
using namespace fringe::test;

namespace {

template <class T>
Array<T> factors(double rate, Index step) {
  Array<T> a(channel_vector(2));
  const auto f = adam::factors<T>({}, rate, step);
  std::copy(f.begin(), f.end(), a.begin());
  return a;
}

}  // namespace

TEST_SUITE("adam") {
  TEST_CASE("math: the first step has the length of the rate, whatever the gradient") {
    Stream stream;
    const Shape s = channel_vector(2);
    Array<double> x(s), g(s), m(s), v(s);
    x[0] = x[1] = 1, g[0] = 5, g[1] = -0.01, m[0] = m[1] = v[0] = v[1] = 0;
    const std::vector<AdamSlot<double>> slots{{x, g, m, v}};
    reference::adam_step<double>(stream, {}, factors<double>(0.1, 1), slots);
    CHECK(x[0] == doctest::Approx(0.9));
    CHECK(x[1] == doctest::Approx(1.1));
  }

  TEST_CASE("backends: every table follows the reference over several steps") {
    Stream stream(2);
    const Shape s{1, 1, 3, 5, 7};
    for (const auto* table : backends()) {
      auto x = random_array<float>(s, 1);
      auto xd = cast<double>(x);
      Array<float> m(s), v(s);
      std::fill(m.begin(), m.end(), 0.0F), std::fill(v.begin(), v.end(), 0.0F);
      auto md = cast<double>(m), vd = cast<double>(v);
      for (Index t = 1; t <= 5; ++t) {
        const auto g = random_array<float>(s, 10 + static_cast<unsigned>(t));
        const auto gd = cast<double>(g);
        const std::vector<AdamSlot<float>> slots{{x, g, m, v}};
        const std::vector<AdamSlot<double>> slots_ref{{xd, gd, md, vd}};
        table->adam_step(stream, {}, factors<float>(0.01, t), slots);
        reference::adam_step<double>(stream, {}, factors<double>(0.01, t), slots_ref);
      }
      CHECK(relative_error(x, xd) < 1e-6);
      CHECK(relative_error(m, md) < 1e-6);
      CHECK(relative_error(v, vd) < 1e-6);
      x.check_canaries();
    }
  }

  TEST_CASE("slots of all sizes, cut anywhere by the threads, get what each would get alone") {
    const Shape sizes[] = {{1, 1, 1, 1, 5000}, {1, 1, 1, 1, 1}, {1, 1, 1, 1, 20001}, {1, 1, 1, 1, 17}, {1, 1, 1, 1, 4096}};
    std::vector<Array<float>> x, g, m, v;
    unsigned seed = 1;
    for (const Shape& s : sizes)
      for (auto* arrays : {&x, &g, &m, &v}) {
        arrays->push_back(random_array<float>(s, seed++));
        for (auto& a : arrays->back()) a = std::abs(a);
      }
    auto x1 = x, m1 = m, v1 = v;
    const auto third = factors<float>(0.01, 3);
    Stream one(1), three(3);
    std::vector<AdamSlot<float>> together;
    for (std::size_t i = 0; i < x.size(); ++i) {
      together.push_back({x[i], g[i], m[i], v[i]});
      const std::vector<AdamSlot<float>> alone{{x1[i], g[i], m1[i], v1[i]}};
      cpu::adam_step(one, {}, third, alone);
    }
    cpu::adam_step(three, {}, third, together);
    for (std::size_t i = 0; i < x.size(); ++i) {
      CHECK(std::equal(x[i].begin(), x[i].end(), x1[i].begin()));
      CHECK(std::equal(m[i].begin(), m[i].end(), m1[i].begin()));
      CHECK(std::equal(v[i].begin(), v[i].end(), v1[i].begin()));
      x[i].check_canaries();
    }
  }
}
