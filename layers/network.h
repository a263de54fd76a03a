// The network of Wu et al. (npj Comput. Mater. 7, 175 (2021)): one encoder of a diffraction pattern, and two decoders, for
// amplitude and phase of the crystal that made it.
//
//   encoder block i    conv_block (w 2^i channels), separable_block, max_pool           for i = 0 .. levels-1
//   decoder block j    upsampling by 2, conv_block (w 2^(levels-2-j) channels), separable_block,  j = 0 .. levels-2
//   heads              3x3x3 convolution to one channel: ReLU for the amplitude; scale * tanh, or ReLU, for the phase
//
// where conv_block is a 3x3x3 convolution -> LeakyReLU -> BatchNorm and separable_block 3x1x1 -> 1x3x1 -> 1x1x3
// convolutions -> LeakyReLU -> BatchNorm. The output has half the input's extent.
#pragma once
#include <array>
#include <deque>
#include <memory>
#include <numbers>
#include <optional>
#include <string>

#include "autograd/ops.h"
#include "engine/checkpoint.h"

namespace fringe {

enum class PhaseHead {
  tanh,  ///< phase_scale * tanh: any phase
  relu,  ///< as in the paper: phases >= 0
};

enum class Upsampling { nearest, trilinear };

struct NetworkOptions {
  Index levels = 4;        ///< poolings; the input's extent must be a multiple of 2^levels
  Index inputs = 1;        ///< channels of the input
  Index width = 8;         ///< channels of the first block, doubled at every level
  double slope = 0.01;     ///< of LeakyReLU
  bool batch_norm = true;
  bool separable = true;   ///< the second half of every block
  Upsampling upsampling = Upsampling::nearest;
  PhaseHead phase_head = PhaseHead::tanh;
  double phase_scale = std::numbers::pi;  ///< [rad]
  bool fused = true;  ///< by operations that do several steps in one pass; false: one step each, the oracle. Not saved

  void save(Checkpoint& checkpoint) const;
  static NetworkOptions load(const Checkpoint& checkpoint);
  bool operator==(const NetworkOptions&) const = default;
};

template <class T>
class Network {
 public:
  /// Weights and biases of a convolution uniform within +-1/sqrt(fan in), from `seed`; gamma = 1, beta = 0.
  Network(Context<T>& context, const NetworkOptions& options, std::uint64_t seed);

  struct Output {
    Variable<T> amplitude, phase;  ///< (N, D/2, H/2, W/2, 1)
  };
  enum class Statistics { batch, running };  ///< what BatchNorm normalises by

  /// input (N,D,H,W,inputs). Throws Error when an extent is no multiple of 2^levels.
  Output forward(Tape<T>& tape, const Variable<T>& input, Statistics statistics = Statistics::batch);

  const NetworkOptions& options() const { return options_; }
  std::vector<Parameter<T>*> parameters();
  std::vector<Buffer<T>*> buffers();
  Index parameter_count();

  void save(Checkpoint& checkpoint) const;
  /// Throws Error when the checkpoint is of a network of another shape.
  void load(const Checkpoint& checkpoint);

 private:
  struct Convolution {
    Parameter<T>*weight, *bias;
  };
  struct Norm {
    Parameter<T>*gamma, *beta;
    Buffer<T>*mean, *var;
  };
  struct Block {
    Convolution conv;
    std::optional<Norm> conv_norm;
    std::optional<std::array<Convolution, 3>> separable;
    std::optional<Norm> separable_norm;
  };
  struct Decoder {
    std::vector<Block> blocks;
    Convolution head;
  };

  Convolution make_convolution(const std::string& name, Shape weight);
  Norm make_norm(const std::string& name, Index channels);
  Block make_block(const std::string& name, Index in, Index out);
  Decoder make_decoder(const std::string& name);
  Variable<T> convolve(Tape<T>& tape, const Variable<T>& x, const Convolution& c);
  Variable<T> activate(Tape<T>& tape, const Variable<T>& x, std::optional<Norm>& norm, Statistics statistics);
  Variable<T> run(Tape<T>& tape, const Variable<T>& x, Block& block, Statistics statistics);
  Variable<T> run(Tape<T>& tape, Variable<T> x, Decoder& decoder, Statistics statistics);
  // The same by fused operations.
  autograd::Activation<T> run(Tape<T>& tape, const autograd::Activation<T>& x, Block& block, Statistics statistics, bool pool);
  Variable<T> run(Tape<T>& tape, autograd::Activation<T> x, Decoder& decoder, Statistics statistics, bool relu);

  Context<T>& context_;
  NetworkOptions options_;
  std::uint64_t seed_;
  std::deque<Parameter<T>> parameters_;
  std::deque<Buffer<T>> buffers_;
  std::vector<Block> encoder_;
  Decoder amplitude_, phase_;
};

}  // namespace fringe
