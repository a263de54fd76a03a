#include "layers/network.h"

#include <filesystem>

#include "engine/optimizer.h"
#include "layers/diffraction.h"
#include "tests/support/arrays.h"

using namespace fringe;
using namespace fringe::test;

namespace {

template <class T>
Tensor<T> random_tensor(Context<T>& context, Shape shape, unsigned seed, bool positive = false) {
  const Tensor<T> t(context, shape);
  const auto values = random_array<T>(shape, seed);
  for (Index i = 0; i < t.size(); ++i) t[i] = positive ? std::abs(values[i]) : values[i];
  return t;
}

/// The loss of the default recipe: log(1 - r) + log(chi^2) + 0.3 log(P + 1e-3).
template <class T>
Variable<T> recipe_loss(Tape<T>& tape, Network<T>& network, const Tensor<T>& input, const Tensor<T>& measured) {
  const auto out = network.forward(tape, tape.constant(input));
  const auto f = diffract(out.amplitude, out.phase, input.shape(), T(1e-6), network.options().fused);
  const auto r = autograd::log(autograd::pearson_loss(f, measured, {}));
  const auto chi2 = autograd::log(autograd::relative_l2(f, measured, {}, {.fit_scale = true}));
  const auto prior = autograd::log(autograd::uniform_density(out.amplitude), T(1e-3));
  return autograd::weighted_sum<T>({1, 1, T(0.3)}, {r, chi2, prior});
}

}  // namespace

TEST_SUITE("network") {
  TEST_CASE("sizes are those of the paper's class: parameters at four levels, output half the input") {
    Context<float> context(cpu::table());
    CHECK(Network<float>(context, {.width = 8}, 1).parameter_count() == doctest::Approx(0.29e6).epsilon(0.02));
    CHECK(Network<float>(context, {.width = 16}, 1).parameter_count() == doctest::Approx(1.17e6).epsilon(0.01));
    CHECK(Network<float>(context, {.width = 32}, 1).parameter_count() == doctest::Approx(4.66e6).epsilon(0.01));
    Network<float> network(context, {.levels = 2, .width = 2}, 1);
    Tape<float> tape(context, false);
    const auto out = network.forward(tape, tape.constant(random_tensor(context, {2, 8, 4, 12, 1}, 1)));
    CHECK(out.amplitude.shape() == Shape{2, 4, 2, 6, 1});
    CHECK(out.phase.shape() == Shape{2, 4, 2, 6, 1});
    for (Index i = 0; i < out.amplitude.value().size(); ++i) {
      CHECK(out.amplitude.value()[i] >= 0);
      CHECK(std::abs(out.phase.value()[i]) <= 3.1416F);
    }
  }

  TEST_CASE("an extent that the poolings do not divide is refused") {
    Context<float> context(cpu::table());
    Network<float> network(context, {.levels = 2, .width = 2}, 1);
    Tape<float> tape(context, false);
    CHECK_THROWS_WITH_AS(network.forward(tape, tape.constant(random_tensor(context, {1, 8, 6, 8, 1}, 1))),
                         "network: with 2 levels extents must be multiples of 4, the input is (1, 8, 6, 8, 1)", Error);
  }

  TEST_CASE("the CPU network computes what the reference computes in double, values and gradients") {
    const NetworkOptions options{.levels = 2, .width = 3};
    const Shape shape{1, 16, 16, 16, 1};
    Context<float> fast(cpu::table(), 2);
    Context<double> exact(reference::table<double>());
    Network<float> a(fast, options, 7);
    Network<double> b(exact, options, 7);
    for (std::size_t i = 0; i < a.parameters().size(); ++i)  // the same rounded weights
      for (Index k = 0; k < a.parameters()[i]->value.size(); ++k)
        b.parameters()[i]->value[k] = a.parameters()[i]->value[k];
    Tape<float> tape_a(fast);
    Tape<double> tape_b(exact);
    const auto loss_a = recipe_loss(tape_a, a, random_tensor(fast, shape, 2), random_tensor(fast, shape, 3, true));
    const auto loss_b = recipe_loss(tape_b, b, random_tensor(exact, shape, 2), random_tensor(exact, shape, 3, true));
    CHECK(loss_a.value()[0] == doctest::Approx(loss_b.value()[0]).epsilon(1e-4));
    tape_a.backward(loss_a);
    tape_b.backward(loss_b);
    for (std::size_t i = 0; i < a.parameters().size(); ++i) {
      CAPTURE(a.parameters()[i]->name);
      double worst = 0, scale = 1e-6;
      for (Index k = 0; k < a.parameters()[i]->grad.size(); ++k) {
        worst = std::max(worst, std::abs(a.parameters()[i]->grad[k] - b.parameters()[i]->grad[k]));
        scale = std::max(scale, std::abs(b.parameters()[i]->grad[k]));
      }
      CHECK(worst < 2e-2 * scale);
    }
  }

  TEST_CASE("gradient: of every kind of parameter against central differences in double") {
    Context<double> context(reference::table<double>());
    for (const NetworkOptions& options :
         {NetworkOptions{.levels = 2, .width = 2}, NetworkOptions{.levels = 2, .width = 2, .phase_head = PhaseHead::relu},
          NetworkOptions{.levels = 2, .width = 2, .upsampling = Upsampling::trilinear},
          NetworkOptions{.levels = 2, .width = 2, .batch_norm = false, .separable = false}}) {
      Network<double> network(context, options, 5);
      const auto input = random_tensor(context, {2, 8, 8, 8, 1}, 4), measured = random_tensor(context, {2, 8, 8, 8, 1}, 5, true);
      const auto evaluate = [&](bool differentiate) {
        Tape<double> tape(context);
        const auto loss = recipe_loss(tape, network, input, measured);
        if (differentiate) tape.backward(loss);
        return loss.value()[0] + loss.value()[1];
      };
      // The prior's level is a constant of its gradient: leave the prior out of the numeric derivative.
      const auto fit = [&](bool differentiate) {
        Tape<double> tape(context);
        const auto out = network.forward(tape, tape.constant(input));
        const auto f = diffract(out.amplitude, out.phase, input.shape());
        const auto loss = autograd::weighted_sum<double>(
            {1, 1}, {autograd::log(autograd::pearson_loss(f, measured, {})),
                     autograd::log(autograd::relative_l2(f, measured, {}, {.fit_scale = true}))});
        if (differentiate) tape.backward(loss);
        return loss.value()[0] + loss.value()[1];
      };
      CHECK(std::isfinite(evaluate(true)));
      fit(true);
      for (auto* p : network.parameters()) {
        CAPTURE(p->name);
        const Index k = p->value.size() / 2;
        const double analytic = p->grad[k], keep = p->value[k], h = 1e-6;
        p->value[k] = keep + h;
        const double above = fit(false);
        p->value[k] = keep - h;
        const double below = fit(false);
        p->value[k] = keep;
        CHECK((above - below) / (2 * h) == doctest::Approx(analytic).epsilon(1e-4).scale(1e-2));
      }
    }
  }

  TEST_CASE("fused and unfused networks are the same function in double, in training and in prediction") {
    Context<double> context(reference::table<double>());
    const auto input = random_tensor(context, {2, 8, 8, 8, 1}, 1), measured = random_tensor(context, {2, 8, 8, 8, 1}, 2, true);
    for (NetworkOptions options :
         {NetworkOptions{.levels = 2, .width = 2}, NetworkOptions{.levels = 2, .width = 2, .upsampling = Upsampling::trilinear},
          NetworkOptions{.levels = 2, .width = 2, .phase_head = PhaseHead::relu},
          NetworkOptions{.levels = 2, .width = 2, .batch_norm = false}, NetworkOptions{.levels = 2, .width = 2, .separable = false}}) {
      Network<double> fused(context, options, 1);
      options.fused = false;
      Network<double> plain(context, options, 1);
      for (auto* p : plain.parameters())
        if (p->name.ends_with("gamma")) p->value[0] = -0.5;  // pooling takes the smallest there
      for (std::size_t i = 0; i < plain.parameters().size(); ++i) fused.parameters()[i]->value.copy_from(plain.parameters()[i]->value);
      double loss[2];
      for (auto* network : {&fused, &plain}) {
        Tape<double> tape(context);
        const auto l = recipe_loss(tape, *network, input, measured);
        loss[network == &plain] = l.value()[0] + l.value()[1];
        tape.backward(l);
      }
      CHECK(loss[0] == doctest::Approx(loss[1]).epsilon(1e-10));
      for (std::size_t i = 0; i < fused.parameters().size(); ++i) {
        const auto &a = fused.parameters()[i]->grad, &b = plain.parameters()[i]->grad;
        CAPTURE(fused.parameters()[i]->name);
        double scale = 1e-3;
        for (Index k = 0; k < b.size(); ++k) scale = std::max(scale, std::abs(b[k]));
        for (Index k = 0; k < b.size(); ++k) CHECK(std::abs(a[k] - b[k]) < 1e-9 * scale);
      }
      Tape<double> tape(context, false);
      const auto a = fused.forward(tape, tape.constant(input), Network<double>::Statistics::running);
      const auto b = plain.forward(tape, tape.constant(input), Network<double>::Statistics::running);
      for (Index k = 0; k < a.phase.value().size(); ++k) {
        CHECK(a.phase.value()[k] == doctest::Approx(b.phase.value()[k]).epsilon(1e-9));
        CHECK(a.amplitude.value()[k] == doctest::Approx(b.amplitude.value()[k]).epsilon(1e-9));
      }
    }
  }

  TEST_CASE("two training runs are bitwise equal") {
    Context<float> context(cpu::table(), 2);
    const auto input = random_tensor(context, {1, 16, 16, 16, 1}, 1), measured = random_tensor(context, {1, 16, 16, 16, 1}, 2, true);
    Network<float> first(context, {.levels = 2, .width = 8}, 1), second(context, {.levels = 2, .width = 8}, 1);
    for (auto* network : {&first, &second}) {
      Optimizer<float> optimizer(context, network->parameters());
      for (int i = 0; i < 3; ++i) {
        Tape<float> tape(context);
        tape.backward(recipe_loss(tape, *network, input, measured));
        optimizer.step({Method::adam, 0.001});
      }
    }
    for (std::size_t i = 0; i < first.parameters().size(); ++i) {
      const auto &a = first.parameters()[i]->value, &b = second.parameters()[i]->value;
      CHECK(std::equal(a.data(), a.data() + a.size(), b.data()));
    }
  }

  TEST_CASE("a repeated training step allocates nothing after the first") {
    Context<float> context(cpu::table(), 2);
    Network<float> network(context, {.levels = 2, .width = 4}, 1);
    Optimizer<float> optimizer(context, network.parameters());
    const auto input = random_tensor(context, {1, 16, 16, 16, 1}, 1), measured = random_tensor(context, {1, 16, 16, 16, 1}, 2, true);
    const auto step = [&] {
      Tape<float> tape(context);
      tape.backward(recipe_loss(tape, network, input, measured));
      optimizer.step({Method::adam, 0.001});
    };
    step();
    const auto allocations = context.pool->allocations();
    const auto scratch = context.stream.scratch_bytes();
    for (int i = 0; i < 3; ++i) step();
    CHECK(context.pool->allocations() == allocations);
    CHECK(context.stream.scratch_bytes() == scratch);
  }

  TEST_CASE("SGD's momentum exists from its first step on, in memory and in checkpoints") {
    Context<float> context(cpu::table(), 1);
    Network<float> network(context, {.levels = 2, .width = 4}, 1);
    std::size_t all = 0;
    for (auto* p : network.parameters()) {
      p->grad.fill(1);
      all += (static_cast<std::size_t>(p->value.size()) * sizeof(float) + 63) / 64 * 64;
    }
    Optimizer<float> optimizer(context, network.parameters());
    const auto before = context.pool->bytes_in_use();
    const auto held = [&] { return context.pool->bytes_in_use() - before; };
    const std::string momentum = "optimizer.momentum." + network.parameters().front()->name;
    const auto saved = [&] {
      Checkpoint c;
      optimizer.save(c);
      return c;
    };
    optimizer.step({Method::adam, 1e-3});
    CHECK(held() == 0);
    const auto without = saved();
    CHECK_FALSE(without.has(momentum));
    optimizer.step({Method::sgd, 1e-3});
    CHECK(held() == all);
    const auto with = saved();
    CHECK(with.array_values(momentum).front() == 1);
    optimizer.load(without);
    CHECK(held() == 0);
    optimizer.load(with);
    CHECK(held() == all);
    CHECK(saved().array_values(momentum) == with.array_values(momentum));
  }

  TEST_CASE("training from a checkpoint goes on bit for bit, ADAM and SGD alternating") {
    const auto path = (std::filesystem::temp_directory_path() / "fringe_network_test.h5").string();
    const NetworkOptions options{.levels = 2, .width = 4};
    const ScheduleOptions schedule{.schedule = Schedule::alternating, .rate = 1e-3, .period = 2};
    Context<float> context(cpu::table(), 2);
    const auto input = random_tensor(context, {1, 16, 16, 16, 1}, 1), measured = random_tensor(context, {1, 16, 16, 16, 1}, 2, true);
    const auto train = [&](Network<float>& network, Optimizer<float>& optimizer, Index begin, Index end) {
      for (Index i = begin; i < end; ++i) {
        Tape<float> tape(context);
        tape.backward(recipe_loss(tape, network, input, measured));
        optimizer.step(plan_step(schedule, i, 10));
      }
    };
    Network<float> whole(context, options, 3), first(context, options, 3), second(context, options, 4);
    Optimizer<float> o1(context, whole.parameters()), o2(context, first.parameters()), o3(context, second.parameters());
    train(whole, o1, 0, 7);
    train(first, o2, 0, 3);
    Checkpoint saved;
    first.save(saved);
    o2.save(saved);
    const bool files = !Checkpoint::library().empty();  // else what would be in the file is as good
    if (files) saved.save(path);
    const auto loaded = files ? Checkpoint::load(path) : saved;
    CHECK(NetworkOptions::load(loaded) == options);
    second.load(loaded);
    o3.load(loaded);
    train(second, o3, 3, 7);
    for (std::size_t i = 0; i < whole.parameters().size(); ++i)
      CHECK(std::equal(whole.parameters()[i]->value.data(),
                       whole.parameters()[i]->value.data() + whole.parameters()[i]->value.size(),
                       second.parameters()[i]->value.data()));
    Network<float> wider(context, {.levels = 2, .width = 8}, 3);
    CHECK_THROWS_WITH_AS(wider.load(loaded), doctest::Contains("the network expects (3, 3, 3, 1, 8)"), Error);
    std::filesystem::remove(path);
  }
}
