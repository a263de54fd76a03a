// A small network and every loss against PyTorch's values and gradients (tests/golden/README.md).
#include <doctest/doctest.h>

#include "layers/diffraction.h"
#include "layers/network.h"

using namespace fringe;

namespace {

const char* golden_file = FRINGE_SOURCE_DIR "/tests/golden/small_network.h5";

/// Compares every element with the golden array `name`: largest difference over largest value.
template <class T>
void check_close(const Checkpoint& golden, const std::string& name, const Tensor<T>& found, double tolerance) {
  CAPTURE(name);
  const auto expected = golden.values(name);
  REQUIRE(static_cast<Index>(expected.size()) == found.size());
  double worst = 0, scale = 1e-300;
  for (Index i = 0; i < found.size(); ++i) {
    const double e = expected[static_cast<std::size_t>(i)];
    worst = std::max(worst, std::abs(static_cast<double>(found[i]) - e));
    scale = std::max(scale, std::abs(e));
  }
  CHECK(worst < tolerance * scale);
}

/// `tolerance` of values, losses and statistics; gradients, which have gone through twice as many sums, get `slack` times it.
template <class T>
void check_against_golden(const KernelTable<T>& table, double tolerance, double slack) {
  const auto golden = Checkpoint::load(golden_file);
  Context<T> context(table, 2);
  const auto load = [&](const char* name, Shape shape) {
    const Tensor<T> t(context, shape);
    golden.get(name, t);
    return t;
  };
  const Shape frame{2, 16, 16, 16, 1};
  const auto input = load("input", frame), measured = load("measured", frame), mask = load("mask", {1, 16, 16, 16, 1});
  Network<T> network(context,
                     {.levels = static_cast<Index>(golden.number("levels")), .width = static_cast<Index>(golden.number("width")),
                      .slope = golden.number("slope")},
                     1);
  network.load(golden);

  Tape<T> tape(context);
  const auto out = network.forward(tape, tape.constant(input));
  check_close(golden, "amplitude", out.amplitude.value(), tolerance);
  check_close(golden, "phase", out.phase.value(), tolerance);
  const auto f = diffract(out.amplitude, out.phase, frame);
  check_close(golden, "modulus", f.value(), tolerance);

  const auto relative = autograd::relative_l2(f, measured, mask, {.fit_scale = true});
  const auto error = autograd::relative_l2(f, measured, mask, {.root = true});
  const auto pearson = autograd::pearson_loss(f, measured, mask);
  const auto plain = autograd::pearson_loss(f, measured, mask, {.centred = false});
  const auto poisson = autograd::poisson_loss(f, measured, mask);
  const auto density = autograd::uniform_density(out.amplitude);
  check_close(golden, "loss.relative_l2", relative.value(), tolerance);
  check_close(golden, "loss.amplitude_error", error.value(), tolerance);
  check_close(golden, "loss.pearson", pearson.value(), tolerance);
  check_close(golden, "loss.pearson_plain", plain.value(), tolerance);
  check_close(golden, "loss.poisson", poisson.value(), tolerance);
  check_close(golden, "loss.uniform_density", density.value(), tolerance);

  const auto loss = autograd::weighted_sum<T>(
      {1, 1, T(0.5), T(0.7), T(0.01), T(0.3)},
      {autograd::log(relative), autograd::log(pearson), error, plain, poisson, autograd::log(density, T(1e-3))});
  check_close(golden, "loss", loss.value(), tolerance);
  tape.backward(loss);
  for (const auto* p : network.parameters()) check_close(golden, "gradient." + p->name, p->grad, slack * tolerance);
  for (const auto* b : network.buffers()) check_close(golden, "statistics." + b->name, b->value, tolerance);
}

}  // namespace

TEST_SUITE("golden") {
  TEST_CASE("the reference in double computes what PyTorch computes in double") {
    check_against_golden(reference::table<double>(), 1e-10, 10);
  }
  TEST_CASE("the CPU kernels in float stay within rounding of it") { check_against_golden(cpu::table(), 3e-5, 30); }
  TEST_CASE("the reference in float stays within rounding of it") {
    check_against_golden(reference::table<float>(), 3e-5, 30);
  }
}
