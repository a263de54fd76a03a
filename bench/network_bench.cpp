// The network as a whole. A training step is what `fringe refine` does once an epoch: forward, loss, backward, ADAM.
#include "bench/suite.h"
#include "engine/optimizer.h"
#include "engine/replay.h"
#include "layers/diffraction.h"
#include "layers/network.h"

namespace fringe::bench {
namespace {

struct Layer {
  Shape x, w;
  bool first;  ///< its input is the pattern: no data gradient
};

/// The convolutions of the network in the order they run.
std::vector<Layer> convolutions(const NetworkOptions& o, const NetworkCase& c) {
  std::vector<Layer> layers;
  Index n = c.extent, channels = 1;
  const auto block = [&](Index out) {
    const Shape x{c.batch, n, n, n, channels};
    layers.push_back({x, {3, 3, 3, channels, out}, layers.empty()});
    for (const Shape k : {Shape{3, 1, 1, out, out}, Shape{1, 3, 1, out, out}, Shape{1, 1, 3, out, out}})
      layers.push_back({x.with_channels(out), k, false});
    channels = out;
  };
  for (Index i = 0; i < o.levels; ++i, n /= 2) block(o.width << i);
  const Index bottom = n;
  for (int decoder = 0; decoder < 2; ++decoder) {
    n = bottom;
    channels = o.width << (o.levels - 1);
    for (Index j = o.levels - 2; j >= 0; --j) {
      n *= 2;
      block(o.width << j);
    }
    layers.push_back({{c.batch, n, n, n, channels}, {3, 3, 3, channels, 1}, false});
  }
  return layers;
}

Tensor<float> filled(Context<float>& context, Shape shape, bool positive) {
  const Tensor<float> t(context.host(), shape);
  for (Index i = 0; i < t.size(); ++i) {
    const auto v = static_cast<float>(philox::normal(7, positive ? 1 : 0, static_cast<std::uint64_t>(i)));
    t[i] = positive ? std::abs(v) : v;
  }
  return to_device(context, t);
}

/// Each convolution's three kernels, one after another: the sum of their times against the flops of direct convolution, and with
/// `rows` a row for each.
void bench_convolutions(Bench& bench, const NetworkOptions& options, const NetworkCase& c, const std::string& shape, bool rows) {
  Cost total;
  double seconds = 0;
  for (const auto& layer : convolutions(options, c)) {
    const auto& k = bench.table();
    auto& s = bench.stream();
    Operands o(s);
    const auto x = o.random(layer.x), dy = o.random(layer.x.with_channels(layer.w.c)), w = o.random(layer.w),
               b = o.random(channel_vector(layer.w.c)), y = o.result(dy.shape), dx = o.result(x.shape), dw = o.result(w.shape),
               db = o.result(b.shape);
    const Cost cost = conv3d::cost(layer.x, layer.w, sizeof(float));
    const auto pass = [&](const char* name, const Launch& launch) {
      const Timing t = bench.repeat(launch, bench.options().seconds / 10);
      const std::string what = fmt::format("{}^3 {}x{}x{} {}-{}", layer.x.d, layer.w.n, layer.w.d, layer.w.h, layer.w.w, layer.w.c);
      if (rows) bench.report(fmt::format("layer_{}", name), what, cost, 0, t);
      seconds += t.median;
      total = total + cost;
    };
    pass("forward", [&] { k.conv3d_forward(s, x, w, b, y); });
    pass("weights", [&] { k.conv3d_backward_weights(s, x, dy, dw, db); });
    if (!layer.first) pass("data", [&] { k.conv3d_backward_data(s, dy, w, dx); });
  }
  bench.value("convolutions of a step [ms] " + shape, seconds * 1e3);
  bench.note(fmt::format("network_convolutions {}: {:.2f} ms for the convolutions of one step, {:.2f} Gflop, {:.1f} GFLOP/s, "
                         "{:.0f} % of the matrix product", shape, seconds * 1e3, total.flops / 1e9, total.flops / seconds / 1e9,
                         100 * bench.roofs().share({total.flops, 0}, seconds)));
}

}  // namespace

void bench_network(Bench& bench, const NetworkCase& c) {
  NetworkOptions options;
  options.width = c.width;
  options.fused = bench.options().fused;
  const std::string shape = fmt::format("{}^3 w={} batch {}", c.extent, c.width, c.batch);
  const bool layers = bench.options().filter == "layers";  // sixty rows, for whom they are the question
  if (layers || bench.wanted("network_convolutions")) {
    bench.roofs();
    bench_convolutions(bench, options, c, shape, layers);
  }
  Cost forward, step;
  for (const auto& layer : convolutions(options, c)) {
    const Cost cost = conv3d::cost(layer.x, layer.w, sizeof(float));
    forward = forward + cost;
    for (int i = 0; i < (layer.first ? 2 : 3); ++i) step = step + cost;
  }
  if (!bench.wanted("inference") && !bench.wanted("training_step")) return;
  Context<float> context(bench.table(), bench.options().threads, *bench.backend().device);
  context.stream.set_precision(bench.options().precision);
  Replay<float> replay(context);  // on a device one graph, as in a fit
  enum Kind { predicting, training };
  Network<float> network(context, options, 1);
  const Shape frame{c.batch, c.extent, c.extent, c.extent, 1};
  const auto input = filled(context, frame, true), measured = filled(context, frame, true);
  if (bench.wanted("inference")) {
    const auto predict = [&] {
      Tape<float> tape(context, false);
      network.forward(tape, tape.constant(input), Network<float>::Statistics::running);
    };
    replay.run(predicting, predict);
    bench.time("inference", shape, forward, 0, [&] {
      replay.run(predicting, predict);
      context.stream.wait();
    });
  }
  if (bench.wanted("training_step")) {
    Optimizer<float> optimizer(context, network.parameters());
    Tape<float> tape(context);
    const auto run = [&] {
      const auto out = network.forward(tape, tape.constant(input));
      const auto f = diffract(out.amplitude, out.phase, frame, 1e-6F, options.fused);
      const auto loss = autograd::weighted_sum<float>(
          {1, 1}, {autograd::log(autograd::pearson_loss(f, measured, {}), 1e-7F),
                   autograd::log(autograd::relative_l2(f, measured, {}, {.fit_scale = true}), 1e-8F)});
      tape.backward(loss);
      optimizer.apply(Method::adam);
      tape.clear();
    };
    const int together = bench.on_host() ? 1 : 20;  // a fit on a device looks at 20 steps at a time
    const auto steps_of_a_fit = [&] {
      for (int i = 0; i < together; ++i) {
        optimizer.prepare({Method::adam, 1e-4});
        replay.run(training, run);
      }
      context.stream.wait();
    };
    const Timing timing = bench.time("training_step", shape, step, 0, steps_of_a_fit, together);
    bench.value("training_step, flops of direct convolution, share of the matrix product, " + shape,
                bench.roofs().share({step.flops, 0}, timing.median));
    if (bench.options().profile) {
      Profile profile;
      context.profile = &profile;
      constexpr int steps = 20;
      for (int i = 0; i < steps; ++i) optimizer.prepare({Method::adam, 1e-4}), run();
      context.profile = nullptr;
      const double elapsed = profile.elapsed();
      double inside = 0;
      for (const auto& [name, entry] : profile.kernels()) inside += entry.seconds;
      bench.value("outside kernels, share of the step, " + shape, 1 - inside / elapsed);
      bench.note(profile.table(elapsed, steps));
    }
    const auto peak =
        static_cast<double>(context.pool->peak_bytes() + replay.pool().peak_bytes() + context.scratch_bytes()) / 1e6;
    bench.value("peak memory [MB] " + shape, peak);
    bench.note(fmt::format("{:<34} {:<26} peak memory {:.1f} MB, {:.1f} MB a pattern, scratch {:.1f} MB", "", shape, peak,
                           peak / static_cast<double>(c.batch), static_cast<double>(context.scratch_bytes()) / 1e6));
  }
}

}  // namespace fringe::bench
