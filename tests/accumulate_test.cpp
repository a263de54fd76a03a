#include "kernels/accumulate.h"

#include "tests/support/arrays.h"
#include "tests/support/backends.h"

using namespace fringe;
using namespace fringe::test;

TEST_SUITE("accumulate") {
  TEST_CASE("math: a sum is begun, and goes on") {
    Stream stream;
    Array<double> x(channel_vector(2)), y(channel_vector(2));
    x[0] = 3, x[1] = -1;
    const std::vector<AccumulateSlot<double>> slots{{x, y}};
    reference::accumulate<double>(stream, {.overwrite = true, .divisor = 2}, slots);
    CHECK(y[0] == 1.5);
    reference::accumulate<double>(stream, {.overwrite = false, .divisor = 4}, slots);
    CHECK(y[0] == 2.25);
    CHECK(y[1] == -0.75);
  }

  TEST_CASE("backends: every table has the reference's bits, of few and many arrays of all sizes, with any number of threads") {
    for (const auto* table : backends())
      for (const int threads : {1, 3})
        for (const std::size_t count : {std::size_t{1}, std::size_t{5}, std::size_t{131}}) {
          Stream stream(threads);
          const Shape sizes[] = {{1, 1, 1, 1, 1}, {3, 3, 3, 5, 17}, {1, 1, 1, 1, 1023}, {1, 1, 1, 41, 1024}, {1, 1, 1, 1, 4}};
          std::vector<Array<float>> x, y, expected;
          for (std::size_t i = 0; i < count; ++i) {
            x.push_back(random_array<float>(sizes[(i + 1) % 5], static_cast<unsigned>(i)));
            y.emplace_back(sizes[(i + 1) % 5]);
          }
          expected = y;
          std::vector<AccumulateSlot<float>> slots, wanted;
          for (std::size_t i = 0; i < count; ++i) slots.push_back({x[i], y[i]}), wanted.push_back({x[i], expected[i]});
          for (const AccumulateParams<float>& p :
               {AccumulateParams<float>{true, 3}, AccumulateParams<float>{false, 7}, AccumulateParams<float>{false, 1}}) {
            table->accumulate(stream, p, slots);
            reference::accumulate<float>(stream, p, wanted);
          }
          for (std::size_t i = 0; i < count; ++i) {
            REQUIRE(std::equal(y[i].begin(), y[i].end(), expected[i].begin()));
            y[i].check_canaries();
          }
        }
  }

  TEST_CASE("arrays of different shapes are refused") {
    Stream stream;
    const auto x = random_array<float>(channel_vector(3), 1);
    Array<float> y(channel_vector(4));
    const std::vector<AccumulateSlot<float>> slots{{x, y}};
    for (const auto* table : backends()) CHECK_THROWS_AS(table->accumulate(stream, {}, slots), Error);
  }
}
