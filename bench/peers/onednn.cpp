// Times oneDNN's 3-D convolutions (forward, data gradient, weight gradient; float32 or bfloat16) on the shapes of the network of
// layers/network.h at 64^3, in channels-last and in the layouts oneDNN prefers, without the reorders between them. Prints one
// JSON object: the sums over one training step.
//
//   g++ -O2 -std=c++17 bench/peers/onednn.cpp -o onednn -ldnnl && ./onednn 16 [bf16]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dnnl.hpp>
#include <unordered_map>
#include <vector>

using dnnl::memory;

namespace {

struct Layer {
  long ci, co, n;
  memory::dims kernel;
};

std::vector<Layer> network(long width) {
  std::vector<Layer> layers;
  const auto block = [&](long ci, long co, long n) {
    layers.push_back({ci, co, n, {3, 3, 3}});
    for (const memory::dims& k : {memory::dims{3, 1, 1}, memory::dims{1, 3, 1}, memory::dims{1, 1, 3}})
      layers.push_back({co, co, n, k});
  };
  for (int i = 0; i < 4; ++i) block(i == 0 ? 1 : width << (i - 1), width << i, 64 >> i);
  for (int decoder = 0; decoder < 2; ++decoder) {
    for (int j = 2; j >= 0; --j) block(width << (j + 1), width << j, 32 >> j);
    layers.push_back({width, 1, 32, {3, 3, 3}});
  }
  return layers;
}

const dnnl::engine engine(dnnl::engine::kind::cpu, 0);

/// Median seconds of five or more executions.
double timed(const dnnl::primitive& primitive, const std::unordered_map<int, memory>& arguments) {
  using Clock = std::chrono::steady_clock;
  dnnl::stream stream(engine);
  std::vector<double> times;
  double total = 0;
  for (int i = 0; i < 2; ++i) primitive.execute(stream, arguments);
  stream.wait();
  while (total < 0.05 || times.size() < 5) {
    const auto start = Clock::now();
    primitive.execute(stream, arguments);
    stream.wait();
    times.push_back(std::chrono::duration<double>(Clock::now() - start).count());
    total += times.back();
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

memory filled(const memory::desc& desc) {
  memory m(desc, engine);
  std::memset(m.get_data_handle(), 0, desc.get_size());  // no NaN, no denormals
  return m;
}

/// Forward, data gradient (0 for the first layer), weight gradient [s].
void time_layer(const Layer& l, memory::data_type type, bool channels_last, double* seconds) {
  const auto tag = channels_last ? memory::format_tag::ndhwc : memory::format_tag::any;
  const memory::dims stride{1, 1, 1}, pad{l.kernel[0] / 2, l.kernel[1] / 2, l.kernel[2] / 2};
  const memory::desc src({1, l.ci, l.n, l.n, l.n}, type, tag), dst({1, l.co, l.n, l.n, l.n}, type, tag),
      weights({l.co, l.ci, l.kernel[0], l.kernel[1], l.kernel[2]}, type, memory::format_tag::any),
      bias({l.co}, memory::data_type::f32, memory::format_tag::a);
  const auto algorithm = dnnl::algorithm::convolution_direct;
  const dnnl::convolution_forward::primitive_desc forward(engine, dnnl::prop_kind::forward_training, algorithm, src, weights, bias,
                                                          dst, stride, pad, pad);
  seconds[0] = timed(dnnl::convolution_forward(forward),
                     {{DNNL_ARG_SRC, filled(forward.src_desc())}, {DNNL_ARG_WEIGHTS, filled(forward.weights_desc())},
                      {DNNL_ARG_BIAS, filled(forward.bias_desc())}, {DNNL_ARG_DST, filled(forward.dst_desc())}});
  seconds[1] = 0;
  if (l.ci > 1) {
    const dnnl::convolution_backward_data::primitive_desc data(engine, algorithm, src, weights, dst, stride, pad, pad, forward);
    seconds[1] = timed(dnnl::convolution_backward_data(data),
                       {{DNNL_ARG_DIFF_SRC, filled(data.diff_src_desc())}, {DNNL_ARG_WEIGHTS, filled(data.weights_desc())},
                        {DNNL_ARG_DIFF_DST, filled(data.diff_dst_desc())}});
  }
  const dnnl::convolution_backward_weights::primitive_desc gradient(engine, algorithm, src, weights, bias, dst, stride, pad, pad,
                                                                    forward);
  seconds[2] = timed(
      dnnl::convolution_backward_weights(gradient),
      {{DNNL_ARG_SRC, filled(gradient.src_desc())}, {DNNL_ARG_DIFF_WEIGHTS, filled(gradient.diff_weights_desc())},
       {DNNL_ARG_DIFF_BIAS, filled(gradient.diff_bias_desc())}, {DNNL_ARG_DIFF_DST, filled(gradient.diff_dst_desc())}});
}

}  // namespace

int main(int argc, char** argv) {
  const long width = argc > 1 ? std::atol(argv[1]) : 8;
  const bool bf16 = argc > 2 && std::strcmp(argv[2], "bf16") == 0;
  const auto type = bf16 ? memory::data_type::bf16 : memory::data_type::f32;
  double total[2] = {}, best = 0;
  for (const auto& layer : network(width)) {
    double seconds[2][3];
    for (int last = 0; last < 2; ++last) {
      time_layer(layer, type, last == 1, seconds[last]);
      for (const double s : seconds[last]) total[last] += s;
    }
    for (int i = 0; i < 3; ++i) best += std::min(seconds[0][i], seconds[1][i]);
  }
  const auto* v = dnnl_version();
  std::printf("{\"peer\": \"onednn\", \"version\": \"%d.%d.%d\", \"width\": %ld, \"bf16\": %s, \"preferred_layout\": %.6g, "
              "\"channels_last\": %.6g, \"best_of_both_per_layer\": %.6g}\n",
              v->major, v->minor, v->patch, width, bf16 ? "true" : "false", total[0], total[1], best);
}
