#include "layers/network.h"

#include <cmath>

namespace fringe {

void NetworkOptions::save(Checkpoint& c) const {
  c.numbers["network.levels"] = static_cast<double>(levels);
  c.numbers["network.inputs"] = static_cast<double>(inputs);
  c.numbers["network.width"] = static_cast<double>(width);
  c.numbers["network.slope"] = slope;
  c.numbers["network.batch_norm"] = batch_norm;
  c.numbers["network.separable"] = separable;
  c.numbers["network.phase_scale"] = phase_scale;
  c.texts["network.upsampling"] = upsampling == Upsampling::nearest ? "nearest" : "trilinear";
  c.texts["network.phase_head"] = phase_head == PhaseHead::tanh ? "tanh" : "relu";
}

NetworkOptions NetworkOptions::load(const Checkpoint& c) {
  NetworkOptions o;
  o.levels = static_cast<Index>(c.number("network.levels"));
  if (c.numbers.contains("network.inputs")) o.inputs = static_cast<Index>(c.number("network.inputs"));
  o.width = static_cast<Index>(c.number("network.width"));
  o.slope = c.number("network.slope");
  o.batch_norm = c.number("network.batch_norm") != 0;
  o.separable = c.number("network.separable") != 0;
  o.phase_scale = c.number("network.phase_scale");
  o.upsampling = c.text("network.upsampling") == "trilinear" ? Upsampling::trilinear : Upsampling::nearest;
  o.phase_head = c.text("network.phase_head") == "relu" ? PhaseHead::relu : PhaseHead::tanh;
  return o;
}

template <class T>
Network<T>::Network(Context<T>& context, const NetworkOptions& options, std::uint64_t seed)
    : context_(context), options_(options), seed_(seed) {
  require(options.levels >= 1 && options.levels <= 8, "network: levels must be 1 to 8, not {}", options.levels);
  require(options.width >= 1 && options.width <= 512, "network: width must be 1 to 512, not {}", options.width);
  Index in = options.inputs;
  for (Index i = 0; i < options.levels; ++i) {
    encoder_.push_back(make_block(fmt::format("encoder.{}", i), in, options.width << i));
    in = options.width << i;
  }
  amplitude_ = make_decoder("amplitude");
  phase_ = make_decoder("phase");
}

template <class T>
auto Network<T>::make_convolution(const std::string& name, Shape shape) -> Convolution {
  const double bound = 1 / std::sqrt(static_cast<double>(shape.size() / shape.c));
  const auto make = [&](const std::string& leaf, Shape s) {
    Parameter<T>& p = parameters_.emplace_back(
        Parameter<T>{name + leaf, Tensor<T>(context_, s), Tensor<T>(context_, s)});
    const auto stream = static_cast<std::uint64_t>(parameters_.size());
    std::vector<T> values(static_cast<std::size_t>(s.size()));
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<T>(bound * (2 * philox::uniform(seed_, stream, i) - 1));
    p.value.from_host(values);
    p.grad.fill(T(0));
    return &p;
  };
  return {make(".weight", shape), make(".bias", channel_vector(shape.c))};
}

template <class T>
auto Network<T>::make_norm(const std::string& name, Index channels) -> Norm {
  const auto parameter = [&](const std::string& leaf, T value) {
    Parameter<T>& p = parameters_.emplace_back(Parameter<T>{name + leaf, Tensor<T>(context_, channel_vector(channels)),
                                                            Tensor<T>(context_, channel_vector(channels))});
    p.value.fill(value);
    p.grad.fill(T(0));
    return &p;
  };
  const auto buffer = [&](const std::string& leaf, T value) {
    Buffer<T>& b = buffers_.emplace_back(Buffer<T>{name + leaf, Tensor<T>(context_, channel_vector(channels))});
    b.value.fill(value);
    return &b;
  };
  return {parameter(".gamma", T(1)), parameter(".beta", T(0)), buffer(".running_mean", T(0)),
          buffer(".running_var", T(1))};
}

template <class T>
auto Network<T>::make_block(const std::string& name, Index in, Index out) -> Block {
  Block b;
  b.conv = make_convolution(name + ".conv", {3, 3, 3, in, out});
  if (options_.batch_norm) b.conv_norm = make_norm(name + ".conv_norm", out);
  if (options_.separable) {
    b.separable.emplace();
    (*b.separable)[0] = make_convolution(name + ".separable.d", {3, 1, 1, out, out});
    (*b.separable)[1] = make_convolution(name + ".separable.h", {1, 3, 1, out, out});
    (*b.separable)[2] = make_convolution(name + ".separable.w", {1, 1, 3, out, out});
    if (options_.batch_norm) b.separable_norm = make_norm(name + ".separable_norm", out);
  }
  return b;
}

template <class T>
auto Network<T>::make_decoder(const std::string& name) -> Decoder {
  Decoder d;
  const Index blocks = options_.levels - 1;
  for (Index j = 0; j < blocks; ++j)
    d.blocks.push_back(make_block(fmt::format("{}.{}", name, j), options_.width << (blocks - j),
                                  options_.width << (blocks - j - 1)));
  d.head = make_convolution(name + ".head", {3, 3, 3, options_.width, 1});
  return d;
}

template <class T>
Variable<T> Network<T>::convolve(Tape<T>& tape, const Variable<T>& x, const Convolution& c) {
  return autograd::conv3d(x, tape.parameter(*c.weight), tape.parameter(*c.bias));
}

template <class T>
Variable<T> Network<T>::activate(Tape<T>& tape, const Variable<T>& x, std::optional<Norm>& norm,
                                 Statistics statistics) {
  const auto slope = static_cast<T>(options_.slope);
  if (!norm) return autograd::leaky_relu(x, slope);
  const auto gamma = tape.parameter(*norm->gamma), beta = tape.parameter(*norm->beta);
  const auto y = autograd::leaky_relu(x, slope);
  return statistics == Statistics::batch ? autograd::batch_norm(y, gamma, beta, *norm->mean, *norm->var)
                                         : autograd::batch_norm_eval(y, gamma, beta, *norm->mean, *norm->var);
}

template <class T>
Variable<T> Network<T>::run(Tape<T>& tape, const Variable<T>& x, Block& block, Statistics statistics) {
  auto y = activate(tape, convolve(tape, x, block.conv), block.conv_norm, statistics);
  if (!block.separable) return y;
  const auto& [d, h, w] = *block.separable;
  const auto p = [&](Parameter<T>* parameter) { return tape.parameter(*parameter); };
  y = autograd::separable_conv3d(
      y, SeparableWeights<Variable<T>>{p(d.weight), p(d.bias), p(h.weight), p(h.bias), p(w.weight), p(w.bias)});
  return activate(tape, y, block.separable_norm, statistics);
}

template <class T>
Variable<T> Network<T>::run(Tape<T>& tape, Variable<T> x, Decoder& decoder, Statistics statistics) {
  const bool nearest = options_.upsampling == Upsampling::nearest;
  for (auto& block : decoder.blocks)
    x = run(tape, nearest ? autograd::upsample_nearest(x) : autograd::upsample_trilinear(x), block, statistics);
  return convolve(tape, x, decoder.head);
}

template <class T>
autograd::Activation<T> Network<T>::run(Tape<T>& tape, const autograd::Activation<T>& x, Block& block, Statistics statistics,
                                        bool pool) {
  const auto p = [&](Parameter<T>* parameter) { return tape.parameter(*parameter); };
  const auto end = [&](const std::optional<Norm>& norm, bool last) {
    autograd::FusedEnd<T> e{static_cast<T>(options_.slope), {}, last && pool};
    if (norm)
      e.norm = {p(norm->gamma), p(norm->beta), norm->mean, norm->var, statistics == Statistics::running};
    return e;
  };
  auto y = autograd::fused_conv3d<T>(x, p(block.conv.weight), p(block.conv.bias), end(block.conv_norm, !block.separable));
  if (!block.separable) return y;
  const auto& [d, h, w] = *block.separable;
  return autograd::fused_separable_conv3d<T>(y, {p(d.weight), p(d.bias), p(h.weight), p(h.bias), p(w.weight), p(w.bias)},
                                             end(block.separable_norm, true));
}

template <class T>
Variable<T> Network<T>::run(Tape<T>& tape, autograd::Activation<T> x, Decoder& decoder, Statistics statistics, bool relu) {
  for (auto& block : decoder.blocks) {
    // Trilinear upsampling is a weighted mean: it commutes with the pending normalisation.
    if (options_.upsampling == Upsampling::nearest)
      x.upsampled = true;
    else
      x.x = autograd::upsample_trilinear(x.x);
    x = run(tape, x, block, statistics, false);
  }
  return autograd::fused_conv3d<T>(x, tape.parameter(*decoder.head.weight), tape.parameter(*decoder.head.bias),
                                   {relu ? T(0) : T(1), {}, false})
      .x;
}

template <class T>
auto Network<T>::forward(Tape<T>& tape, const Variable<T>& input, Statistics statistics) -> Output {
  const Shape s = input.shape();
  const Index step = Index{1} << options_.levels;
  require(s.c == options_.inputs, "network: input has {} channels, expected {}", s.c, options_.inputs);
  require(s.d % step == 0 && s.h % step == 0 && s.w % step == 0,
          "network: with {} levels extents must be multiples of {}, the input is {}", options_.levels, step, s.str());
  const bool tanh = options_.phase_head == PhaseHead::tanh;
  if (options_.fused) {
    autograd::Activation<T> x{input, {}, false};
    for (auto& block : encoder_) x = run(tape, x, block, statistics, true);
    Output out;
    tape.side_by_side({[&] { out.amplitude = run(tape, x, amplitude_, statistics, true); },
                       [&] {
                         out.phase = run(tape, x, phase_, statistics, !tanh);
                         if (tanh) out.phase = autograd::scaled_tanh(out.phase, static_cast<T>(options_.phase_scale));
                       }});
    return out;
  }
  Variable<T> x = input;
  for (auto& block : encoder_) x = autograd::max_pool(run(tape, x, block, statistics));
  const auto amplitude = autograd::leaky_relu(run(tape, x, amplitude_, statistics), T(0));
  auto phase = run(tape, x, phase_, statistics);
  phase = tanh ? autograd::scaled_tanh(phase, static_cast<T>(options_.phase_scale)) : autograd::leaky_relu(phase, T(0));
  return {amplitude, phase};
}

template <class T>
std::vector<Parameter<T>*> Network<T>::parameters() {
  std::vector<Parameter<T>*> all;
  for (auto& p : parameters_) all.push_back(&p);
  return all;
}

template <class T>
std::vector<Buffer<T>*> Network<T>::buffers() {
  std::vector<Buffer<T>*> all;
  for (auto& b : buffers_) all.push_back(&b);
  return all;
}

template <class T>
Index Network<T>::parameter_count() {
  Index count = 0;
  for (const auto& p : parameters_) count += p.value.size();
  return count;
}

template <class T>
void Network<T>::save(Checkpoint& checkpoint) const {
  options_.save(checkpoint);
  for (const auto& p : parameters_) checkpoint.put("network." + p.name, p.value);
  for (const auto& b : buffers_) checkpoint.put("network." + b.name, b.value);
}

template <class T>
void Network<T>::load(const Checkpoint& checkpoint) {
  for (const auto& p : parameters_) checkpoint.get("network." + p.name, p.value);
  for (const auto& b : buffers_) checkpoint.get("network." + b.name, b.value);
}

template class Network<float>;
template class Network<double>;

}  // namespace fringe
