// The engine on a CUDA device, emulated or real: where tensors lie, and a whole training step of a small network - forward,
// diffraction, loss, backward, optimizer - against the CPU's.
#include "engine/optimizer.h"
#include "engine/replay.h"
#include "layers/diffraction.h"
#include "layers/network.h"
#include "layers/supervised_loss.h"
#include "tests/support/arrays.h"

using namespace fringe;
using namespace fringe::test;

namespace {

const Device& gpu() {
  static const Device& device = cuda::device(0);
  return device;
}

Tensor<float> random_tensor(Context<float>& context, Shape shape, unsigned seed, bool positive = false) {
  const Tensor<float> t(context, shape);
  std::vector<float> values;
  for (const float v : random_array<float>(shape, seed)) values.push_back(positive ? std::abs(v) : v);
  t.from_host(values);
  return t;
}

/// Largest difference over largest value; NaN when something is not finite.
double difference(const Tensor<float>& a, const Tensor<float>& b) {
  const Tensor<float> x = a.to_host(), y = b.to_host();
  REQUIRE(x.shape() == y.shape());
  double worst = 0, scale = 1e-30;
  for (Index i = 0; i < x.size(); ++i) {
    if (!std::isfinite(x[i]) || !std::isfinite(y[i])) return std::numeric_limits<double>::quiet_NaN();
    worst = std::max(worst, static_cast<double>(std::abs(x[i] - y[i])));
    scale = std::max(scale, static_cast<double>(std::abs(y[i])));
  }
  return worst / scale;
}

/// The share of elements whose relative difference, as above, is more than `limit`.
double share_beyond(double limit, const Tensor<float>& a, const Tensor<float>& b) {
  const Tensor<float> x = a.to_host(), y = b.to_host();
  double scale = 1e-30;
  for (Index i = 0; i < y.size(); ++i) scale = std::max(scale, static_cast<double>(std::abs(y[i])));
  Index beyond = 0;
  for (Index i = 0; i < y.size(); ++i) beyond += !(std::abs(x[i] - y[i]) <= limit * scale);
  return static_cast<double>(beyond) / static_cast<double>(y.size());
}

bool same_bits(const Tensor<float>& a, const Tensor<float>& b) {
  const Tensor<float> x = a.to_host(), y = b.to_host();
  return std::equal(x.data(), x.data() + x.size(), y.data());
}

/// A network with all that its training needs, on one device.
struct Trainee {
  Context<float>& context;
  Network<float> network;
  Optimizer<float> optimizer;
  Tape<float> tape;
  Tensor<float> input, measured, weights;
  Tensor<float> loss, amplitude;  ///< of the last step

  Trainee(Context<float>& c, const NetworkOptions& options, Index extent, std::uint64_t seed = 5)
      : context(c), network(c, options, seed), optimizer(c, network.parameters()), tape(c),
        input(random_tensor(c, {1, extent, extent, extent, 1}, 1)), measured(random_tensor(c, input.shape(), 2, true)),
        weights(random_tensor(c, input.shape(), 3, true)), loss(c, sample_vector(1)), amplitude(c, half(extent)) {}
  static Shape half(Index extent) { return {1, extent / 2, extent / 2, extent / 2, 1}; }

  /// The loss of `fringe refine`.
  void compute(Method method) {
    const auto out = network.forward(tape, tape.constant(input));
    const auto f = diffract(out.amplitude, out.phase, input.shape());
    const auto l = autograd::weighted_sum<float>(
        {1, 1, 0.3F}, {autograd::log(autograd::pearson_loss(f, measured, weights), 1e-7F),
                       autograd::log(autograd::relative_l2(f, measured, weights, {.fit_scale = true}), 1e-8F),
                       autograd::log(autograd::uniform_density(out.amplitude), 1e-3F)});
    loss.copy_from(l.value());
    amplitude.copy_from(out.amplitude.value());
    tape.backward(l);
    optimizer.apply(method);
    tape.clear();
  }
  void step(const StepPlan& plan) {
    optimizer.prepare(plan);
    compute(plan.method);
  }
  float loss_now() const { return loss.to_host()[0]; }
};

}  // namespace

TEST_SUITE("training_step") {
  TEST_CASE("tensors on a device: values move when told to, and the host cannot touch them by accident") {
    Context<float> context(cuda::table(), 1, gpu());
    CHECK(&context.host() != &context);
    CHECK(&context.host().host() == &context.host());
    const Shape s{2, 3, 1, 5, 3};
    const Tensor<float> t(context, s), u(context, s), host(context.host(), s);
    CHECK_FALSE(t.on_host());
    CHECK(host.on_host());
    const auto values = random_array<float>(s, 1);
    t.from_host({values.begin(), values.end()});
    u.fill(7);
    const std::string refusal = "tensor: the host program cannot touch the memory of device 'cuda'; to_host() makes a copy";
    CHECK_THROWS_WITH_AS(t[0], refusal.c_str(), Error);
    CHECK_THROWS_WITH_AS(t.data(), refusal.c_str(), Error);
    CHECK_THROWS_AS(t.span(), Error);
    const Tensor<float> back = t.to_host();
    CHECK(std::equal(values.begin(), values.end(), back.data()));
    CHECK(u.to_host()[s.size() - 1] == 7);
    u.copy_from(t);
    CHECK(same_bits(u, t));
    host.copy_from(back);
    CHECK(same_bits(to_device(context, host), t));
    CHECK(to_device(context, t).view().data == t.view().data);
    CHECK(to_device(context.host(), host).data() == host.data());
    CHECK_THROWS_WITH_AS(u.copy_from(host), doctest::Contains("one tensor is in host memory, the other on a device"), Error);
    CHECK_THROWS_AS(host.copy_from(u), Error);
    CHECK_THROWS_AS(t.from_host(std::vector<float>(3)), Error);
    const Tensor<float> few(context, channel_vector(3));
    few.put({1, 2, 3});
    CHECK(few.to_host()[2] == 3);
    CHECK_THROWS_AS(few.put({1, 2}), Error);

    Tape<float> tape(context);
    CHECK_THROWS_WITH_AS(
        tape.constant(host),
        "tape: constant of shape (2, 3, 1, 5, 3) does not lie on device 'cuda'; to_device() makes a copy there", Error);
    CHECK_THROWS_WITH_AS(autograd::relative_l2(tape.constant(t), host, {}), doctest::Contains("the target of relative_l2"),
                         Error);
  }

  TEST_CASE("a buffer that is returned is handed out again, and nothing asks the device for memory") {
    Context<float> context(cuda::table(), 1, gpu());
    const float* first = nullptr;
    for (int i = 0; i < 3; ++i) {
      const Tensor<float> t(context, {1, 4, 4, 4, 1});
      if (i == 0) first = t.view().data;
      CHECK(t.view().data == first);
    }
    CHECK(context.pool->allocations() == 1);
  }

  TEST_CASE("the same seed gives the same initial weights on both, and a checkpoint moves between them") {
    Context<float> host(cpu::table()), device(cuda::table(), 1, gpu());
    const NetworkOptions options{.levels = 2, .width = 3};
    Network<float> a(host, options, 7), b(device, options, 7), c(device, options, 8);
    for (std::size_t i = 0; i < a.parameters().size(); ++i) {
      CHECK(same_bits(a.parameters()[i]->value, b.parameters()[i]->value));
      CHECK(same_bits(a.parameters()[i]->grad, b.parameters()[i]->grad));
    }
    CHECK_FALSE(same_bits(a.parameters()[0]->value, c.parameters()[0]->value));
    Checkpoint from_host, from_device;
    a.save(from_host);
    c.load(from_host);
    c.save(from_device);
    for (auto* p : c.parameters())
      CHECK(from_device.array_values("network." + p->name) == from_host.array_values("network." + p->name));
  }

  TEST_CASE("two training steps equal the CPU's: loss, picture, gradients, statistics, updated weights") {
    struct Case {
      bool fused;
      Index extent, width;
    };
    for (const auto& [fused, extent, width] : {Case{true, 16, 2}, Case{false, 8, 2}}) {
      CAPTURE(fused);
      CAPTURE(extent);
      Context<float> host(cpu::table()), device(cuda::table(), 1, gpu());
      const NetworkOptions options{.levels = 2, .width = width, .fused = fused};
      Trainee a(host, options, extent), b(device, options, extent);
      for (const StepPlan& plan : {StepPlan{Method::sgd, 1e-3}, StepPlan{Method::adam, 1e-3}}) {
        a.step(plan);
        b.step(plan);
        CHECK(static_cast<double>(b.loss_now()) == doctest::Approx(static_cast<double>(a.loss_now())).epsilon(1e-5));
        CHECK(difference(b.amplitude, a.amplitude) < 1e-4);
        double worst_gradient = 0, worst_value = 0, beyond = 0, count = 0;
        for (std::size_t i = 0; i < a.network.parameters().size(); ++i) {
          auto *p = a.network.parameters()[i], *q = b.network.parameters()[i];
          CAPTURE(p->name);
          const double gradient = difference(q->grad, p->grad), value = difference(q->value, p->value);
          worst_gradient = std::max(worst_gradient, gradient), worst_value = std::max(worst_value, value);
          CHECK(gradient < 1e-3);
          // ADAM's step has the length of the rate however small the gradient is: where rounding decides its sign, so it does
          // the step's. Few gradients are that small.
          CHECK(value < (plan.method == Method::sgd ? 1e-4 : 0.1));
          const auto size = static_cast<double>(p->value.size());
          beyond += size * share_beyond(1e-4, q->value, p->value), count += size;
        }
        CHECK(beyond < 0.01 * count);
        for (std::size_t i = 0; i < a.network.buffers().size(); ++i)
          CHECK(difference(b.network.buffers()[i]->value, a.network.buffers()[i]->value) < 1e-5);
        MESSAGE("largest differences: gradients " << worst_gradient << ", weights " << worst_value);
      }
    }
  }

  TEST_CASE("supervised loss and gradient equal the CPU's, each sample with the nearer of crystal and twin") {
    Context<float> host(cpu::table()), device(cuda::table(), 1, gpu());
    const Shape half{3, 4, 4, 4, 1};
    std::vector<Tensor<float>> losses, gradients;
    for (auto* context : {&host, &device}) {
      const auto image = [&](unsigned seed) {
        return SupervisedTargets<float>::Image{random_tensor(*context, half, seed, true),
                                               random_tensor(*context, half, seed + 1, true),
                                               random_tensor(*context, half.with_channels(2), seed + 2)};
      };
      const SupervisedTargets<float> targets{image(1), image(5), random_tensor(*context, {3, 8, 8, 8, 1}, 9, true)};
      for (const auto term : {PhaseTerm::paper, PhaseTerm::field}) {
        Parameter<float> a{"a", random_tensor(*context, half, 20, true), Tensor<float>(*context, half)};
        Parameter<float> phi{"phi", random_tensor(*context, half, 22, true), Tensor<float>(*context, half)};
        Tape<float> tape(*context);
        const auto loss = supervised_loss<float>({tape.parameter(a), tape.parameter(phi)}, targets, {1, 2, 3, term});
        tape.backward(loss);
        losses.push_back(loss.value().to_host());
        gradients.push_back(a.grad.to_host());
        gradients.push_back(phi.grad.to_host());
      }
    }
    for (std::size_t i = 0; i < 2; ++i) CHECK(difference(losses[2 + i], losses[i]) < 1e-6);
    for (std::size_t i = 0; i < 4; ++i) CHECK(difference(gradients[4 + i], gradients[i]) < 1e-5);
  }

  TEST_CASE("after the first step nothing is allocated and nobody waits") {
    Context<float> context(cuda::table(), 1, gpu());
    Trainee t(context, {.levels = 2, .width = 2}, 8);
    t.step({Method::adam, 1e-3});
    context.stream.wait();
    const auto& counters = gpu().counters();
    const std::size_t allocations = counters.allocations, waits = counters.waits, moves = context.moves();
    for (int i = 0; i < 2; ++i) t.step({Method::adam, 1e-3 / (i + 1)});
    CHECK(counters.allocations == allocations);
    CHECK(counters.waits == waits);
    CHECK(context.moves() == moves);
    CHECK(std::isfinite(t.loss_now()));
    CHECK(counters.waits == waits + 1);  // reading the loss is what waits
  }

  TEST_CASE("recorded and replayed steps are bitwise those that run one kernel at a time, while rate and step number change") {
    Context<float> context(cuda::table(), 1, gpu());
    const NetworkOptions options{.levels = 2, .width = 2};
    Trainee eager(context, options, 8), replayed(context, options, 8);
    Replay<float> replay(context);
    const auto& counters = gpu().counters();
    const std::size_t replays = counters.replays;
    std::size_t allocations = 0, waits = 0;
    std::vector<float> losses, losses_replayed;
    for (Index i = 0; i < 7; ++i) {
      const StepPlan plan{i % 2 == 0 ? Method::adam : Method::sgd, 1e-3 / static_cast<double>(i + 1)};
      replayed.optimizer.prepare(plan);
      replay.run(plan.method == Method::adam ? 0 : 1, [&] { replayed.compute(plan.method); });
      eager.step(plan);
      if (i == 4) allocations = counters.allocations, waits = counters.waits;  // each kind has been run and recorded by now
      if (i < 4) {
        losses.push_back(eager.loss_now());
        losses_replayed.push_back(replayed.loss_now());
      }
    }
    CHECK(counters.replays - replays == 5);
    CHECK(counters.allocations == allocations);
    CHECK(counters.waits == waits);
    losses.push_back(eager.loss_now());
    losses_replayed.push_back(replayed.loss_now());
    for (const float loss : losses) CHECK(std::isfinite(loss));
    CHECK(losses == losses_replayed);
    CHECK(losses[0] != losses[1]);
    for (std::size_t i = 0; i < eager.network.parameters().size(); ++i)
      CHECK(same_bits(eager.network.parameters()[i]->value, replayed.network.parameters()[i]->value));
    for (std::size_t i = 0; i < eager.network.buffers().size(); ++i)
      CHECK(same_bits(eager.network.buffers()[i]->value, replayed.network.buffers()[i]->value));
  }

  TEST_CASE("a fork: each part sees what was there before, and after the join all that the parts made, eager and recorded") {
    Context<float> context(cuda::table(), 1, gpu());
    const Shape shape{1, 8, 8, 8, 16};
    const Tensor<float> x(context, shape), result(context, shape);
    const auto step = [&] {
      Tensor<float> before(context, shape);
      context.launch(&KernelTable<float>::add, "add", x.read(), x.read(), before.view());  // 2 x
      Tensor<float> made[2];
      Fork<float> fork(context);
      for (int round = 0; round < 3; ++round)
        for (std::size_t k = 0; k < 2; ++k)
          fork.run(k, [&] {
            CHECK(context.part() == k + 1);
            const Tensor<float> y(context, shape);
            const auto& from = round == 0 ? before : made[k];
            context.launch(&KernelTable<float>::add, "add", from.read(), (k == 0 ? from : before).read(), y.view());
            made[k] = y;
          });
      fork.join();
      CHECK(context.part() == 0);
      before = {};
      const Tensor<float> other(context, shape);
      context.launch(&KernelTable<float>::add, "add", made[0].read(), made[1].read(), other.view());
      result.copy_from(other);
    };
    Replay<float> replay(context);
    for (int i = 0; i < 5; ++i) {
      x.fill(static_cast<float>(i + 1));
      replay.run(0, step);
      const Tensor<float> values = result.to_host();  // 16 x + 8 x
      CHECK(std::count(values.data(), values.data() + values.size(), 24.0F * static_cast<float>(i + 1)) == values.size());
    }
  }

  TEST_CASE("a fork: what a part gives back to the context's pool is not handed out before the join") {
    Context<float> context(cuda::table(), 1, gpu());
    const Shape shape{1, 4, 4, 4, 1};
    Tensor<float> x(context, shape);
    const float* const place = x.view().data;
    {
      Fork<float> fork(context);
      fork.run(0, [&] { x = {}; });
      for (const std::size_t k : {0, 1})
        fork.run(k, [&] {
          const Tensor<float> y(context, shape);
          CHECK(y.view().data != place);
          y.fill(static_cast<float>(k));
          CHECK(y.to_host()[0] == static_cast<float>(k));
        });
      CHECK_THROWS_WITH_AS(Fork<float>{context}, "fork: within a fork", Error);
    }
    const Tensor<float> y(context, shape);
    CHECK(y.view().data == place);
  }

  TEST_CASE("a fork whose part fails is joined: the context works on, eager and when recorded") {
    Context<float> context(cuda::table(), 1, gpu());
    const Tensor<float> x(context, channel_vector(4));
    x.fill(1);
    for (const int failing : {1, 2}) {
      Replay<float> replay(context);
      int calls = 0;
      const auto step = [&] {
        ++calls;
        Fork<float> fork(context);
        fork.run(0, [&] {
          const Tensor<float> y(context, x.shape());
          context.launch(&KernelTable<float>::add, "add", x.read(), x.read(), y.view());
          if (calls == failing) fail("the part fails");
        });
        fork.join();
      };
      if (failing == 2) replay.run(0, step);
      CHECK_THROWS_WITH_AS(replay.run(0, step), "the part fails", Error);
      CHECK(context.part() == 0);
      replay.run(0, step);
      CHECK(x.to_host()[0] == 1);
    }
  }

  TEST_CASE("what is made while records exist does not get their memory; scratch memory that moves has them made anew") {
    Context<float> context(cuda::table(), 1, gpu());
    Trainee eager(context, {.levels = 1, .width = 2}, 4), replayed(context, {.levels = 1, .width = 2}, 4);
    Replay<float> replay(context);
    const StepPlan plan{Method::adam, 1e-3};
    const auto both = [&] {
      replayed.optimizer.prepare(plan);
      replay.run(0, [&] { replayed.compute(plan.method); });
      eager.step(plan);
    };
    for (int i = 0; i < 3; ++i) both();
    std::vector<Tensor<float>> others;
    for (const Index size : {1, 2, 8, 64, 128, 256})
      for (int i = 0; i < 20; ++i) others.emplace_back(context, channel_vector(size)).fill(3);
    const std::size_t moves = context.stream.moves();
    context.stream.scratch<float>(static_cast<Index>(context.stream.scratch_bytes()));
    CHECK(context.stream.moves() == moves + 1);
    for (int i = 0; i < 2; ++i) both();
    for (const auto& t : others) {
      const Tensor<float> values = t.to_host();
      REQUIRE(std::count(values.data(), values.data() + values.size(), 3.0F) == values.size());
    }
    CHECK(eager.loss_now() == replayed.loss_now());
    for (std::size_t i = 0; i < eager.network.parameters().size(); ++i)
      CHECK(same_bits(eager.network.parameters()[i]->value, replayed.network.parameters()[i]->value));
  }

  TEST_CASE("a step that allocates or waits cannot be recorded, and says so") {
    Context<float> context(cuda::table(), 1, gpu());
    const Tensor<float> x(context, channel_vector(4));
    x.fill(1);
    for (const bool allocates : {true, false}) {
      Replay<float> replay(context);
      int calls = 0;
      const auto step = [&] {
        x.fill(static_cast<float>(++calls));
        if (calls == 2) allocates ? (void)gpu().allocate(1 << 20) : context.stream.wait();
      };
      replay.run(0, step);
      CHECK_THROWS_AS(replay.run(0, step), Error);
      CHECK(x.to_host()[0] == 1);  // the stream works on
    }
  }
}
