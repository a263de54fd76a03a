#include "autograd/tape.h"

#include "autograd/ops.h"
#include "tests/support/arrays.h"

using namespace fringe;
using namespace fringe::test;

namespace {
Parameter<double> make_parameter(Context<double>& context, Shape shape, unsigned seed) {
  Parameter<double> p{"p", Tensor<double>(context, shape), Tensor<double>(context, shape)};
  const auto values = random_array<double>(shape, seed);
  std::copy(values.begin(), values.end(), p.value.data());
  return p;
}
}  // namespace

TEST_SUITE("tape") {
  TEST_CASE("a value used twice receives the sum of its gradients") {
    Context<double> context(reference::table<double>());
    auto p = make_parameter(context, sample_vector(3), 1);
    for (int use = 1; use <= 3; ++use) {
      Tape<double> tape(context);
      const auto x = tape.parameter(p);
      const std::vector<Variable<double>> terms(static_cast<std::size_t>(use), x);
      tape.backward(autograd::weighted_sum<double>(std::vector<double>(terms.size(), 2.0), terms));
      for (Index i = 0; i < 3; ++i) CHECK(p.grad[i] == 2 * use);
    }
  }

  TEST_CASE("constants and tapes that do not record keep nothing for backward") {
    Context<double> context(reference::table<double>());
    auto p = make_parameter(context, sample_vector(3), 2);
    Tape<double> inference(context, false);
    const auto y = autograd::log(inference.parameter(p), 10.0);
    CHECK_FALSE(y.needs_grad());
    CHECK_THROWS_AS(inference.backward(y), Error);
    Tape<double> tape(context);
    CHECK_FALSE(autograd::log(tape.constant(p.value), 10.0).needs_grad());
    CHECK(autograd::log(tape.parameter(p), 10.0).needs_grad());
  }

  TEST_CASE("buffers return to the pool when the tape is cleared") {
    Context<double> context(reference::table<double>());
    auto p = make_parameter(context, sample_vector(1000), 3);
    const auto before = context.pool->bytes_in_use();
    Tape<double> tape(context);
    tape.backward(autograd::log(tape.parameter(p), 10.0));
    CHECK(context.pool->bytes_in_use() > before);
    tape.clear();
    CHECK(context.pool->bytes_in_use() == before);
  }
}
