#include "layers/supervised_loss.h"

#include "tests/support/arrays.h"

using namespace fringe;
using namespace fringe::test;

namespace {

Tensor<double> tensor(Context<double>& context, Shape shape, unsigned seed, bool positive) {
  const Tensor<double> t(context, shape);
  const auto values = random_array<double>(shape, seed);
  for (Index i = 0; i < t.size(); ++i) t[i] = positive ? std::abs(values[i]) + 0.1 : values[i];
  return t;
}

SupervisedTargets<double>::Image image(Context<double>& context, Shape half, unsigned seed) {
  return {tensor(context, half, seed, true), tensor(context, half, seed + 1, true),
          tensor(context, half.with_channels(2), seed + 2, false)};
}

}  // namespace

TEST_SUITE("supervised_loss") {
  TEST_CASE(
      "it is the smaller one of the losses towards image and twin, in value and gradient, for each sample by itself") {
    Context<double> context(reference::table<double>());
    const Shape half{3, 2, 2, 2, 1};
    for (const auto term : {PhaseTerm::paper, PhaseTerm::field}) {
      SupervisedTargets<double> t{image(context, half, 1), image(context, half, 5),
                                  tensor(context, {3, 4, 4, 4, 1}, 9, true)};
      SupervisedTargets<double> given = t, twin = t;
      given.twin = {};
      twin.given = t.twin;
      twin.twin = {};
      Parameter<double> a{"a", tensor(context, half, 20, true), tensor(context, half, 21, true)};
      Parameter<double> phi{"phi", tensor(context, half, 22, true), tensor(context, half, 23, true)};
      const SupervisedWeights weights{1, 2, 3, term};
      const auto run = [&](const SupervisedTargets<double>& targets, std::vector<double>& gradient) {
        Tape<double> tape(context);
        const Network<double>::Output out{tape.parameter(a), tape.parameter(phi)};
        const auto loss = supervised_loss<double>(out, targets, weights);
        tape.backward(loss);
        gradient.assign(phi.grad.data(), phi.grad.data() + phi.grad.size());
        return std::vector<double>(loss.value().data(), loss.value().data() + 3);
      };
      std::vector<double> g_both, g_given, g_twin;
      const auto both = run(t, g_both), first = run(given, g_given), second = run(twin, g_twin);
      bool some_given = false, some_twin = false;
      for (std::size_t n = 0; n < 3; ++n) {
        CHECK(both[n] == std::min(first[n], second[n]));
        const bool is_twin = second[n] < first[n];
        some_twin = some_twin || is_twin;
        some_given = some_given || !is_twin;
        for (std::size_t i = 8 * n; i < 8 * n + 8; ++i) CHECK(g_both[i] == (is_twin ? g_twin[i] : g_given[i]));
      }
      CHECK((some_given || some_twin));
    }
  }

  TEST_CASE("a prediction that equals the target, or its twin, has no loss") {
    Context<double> context(reference::table<double>());
    const Shape half{1, 2, 2, 2, 1};
    const auto amplitude = tensor(context, half, 1, true), phase = tensor(context, half, 2, true);
    for (const bool as_twin : {false, true}) {
      Tape<double> tape(context);
      const Network<double>::Output out{tape.constant(amplitude), tape.constant(phase)};
      const auto rho = autograd::polar(out.amplitude, out.phase);
      const Tensor<double> magnitude =
          autograd::modulus(autograd::fft3d(autograd::pad_centred(rho, Shape{1, 4, 4, 4, 1})), 1e-6).value();
      const SupervisedTargets<double>::Image same{amplitude, phase, rho.value()};
      const auto other = image(context, half, 30);
      const SupervisedTargets<double> targets{as_twin ? other : same, as_twin ? same : other, magnitude};
      for (const auto term : {PhaseTerm::paper, PhaseTerm::field})
        CHECK(supervised_loss<double>(out, targets, {1, 1, 1, term}).value()[0] < 1e-12);
    }
  }
}
