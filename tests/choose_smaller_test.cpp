#include "kernels/choose_smaller.h"

#include "tests/support/arrays.h"
#include "tests/support/backends.h"

using namespace fringe;
using namespace fringe::test;

namespace {

Array<float> scores(std::initializer_list<float> values) {
  Array<float> a(sample_vector(static_cast<Index>(values.size())));
  std::copy(values.begin(), values.end(), a.begin());
  return a;
}

}  // namespace

TEST_SUITE("choose_smaller") {
  TEST_CASE("every sample comes whole from the candidate of smaller score; a is kept where they are equal or not numbers") {
    Stream stream(2);
    const float none = std::numeric_limits<float>::quiet_NaN(), most = std::numeric_limits<float>::infinity();
    const auto a_scores = scores({1, 2, 3, most, 1}), b_scores = scores({2, 1, 3, 5, none});
    const bool from_b[] = {false, true, false, true, false};
    for (const auto* table : backends())
      for (const Shape s : {Shape{5, 1, 1, 1, 1}, Shape{5, 3, 2, 5, 7}, Shape{5, 1, 1, 311, 3}}) {
        const auto a = random_array<float>(s, 1), b = random_array<float>(s, 2), c = random_array<float>(s, 3);
        Array<float> y(s), z(s);
        const std::vector<ChoiceSlot<float>> slots{{a, b, y}, {b, c, z}};
        table->choose_smaller(stream, a_scores, b_scores, slots);
        for (Index i = 0; i < s.size(); ++i) {
          const bool take_b = from_b[i / s.per_sample()];
          REQUIRE(y[i] == (take_b ? b : a)[i]);
          REQUIRE(z[i] == (take_b ? c : b)[i]);
        }
        y.check_canaries();
      }
  }

  TEST_CASE("the best of a run is kept in place, and its score after it") {
    Stream stream;
    for (const auto* table : backends()) {
      const Shape s{2, 2, 3, 4, 1};
      auto best = random_array<float>(s, 1), best_score = scores({0.5F, 0.5F});
      const auto first = best, now = random_array<float>(s, 2), now_score = scores({0.7F, 0.2F});
      const std::vector<ChoiceSlot<float>> keep{{best, now, best}}, score{{best_score, now_score, best_score}};
      table->choose_smaller(stream, best_score, now_score, keep);
      table->choose_smaller(stream, best_score, now_score, score);
      for (Index i = 0; i < s.size(); ++i) CHECK(best[i] == (i < s.per_sample() ? first : now)[i]);
      CHECK(best_score[0] == 0.5F);
      CHECK(best_score[1] == 0.2F);
    }
  }

  TEST_CASE("shapes that do not fit are refused") {
    Stream stream;
    const auto a = random_array<float>({2, 1, 1, 1, 3}, 1);
    Array<float> y({2, 1, 1, 1, 3});
    const std::vector<ChoiceSlot<float>> slots{{a, a, y}};
    const auto two = scores({1, 2}), three = scores({1, 2, 3});
    for (const auto* table : backends()) {
      CHECK_THROWS_WITH_AS(table->choose_smaller(stream, three, three, slots), "choose_smaller: 2 samples, 3 scores", Error);
      CHECK_THROWS_AS(table->choose_smaller(stream, two, three, slots), Error);
    }
  }
}
