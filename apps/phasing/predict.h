// One pass of a trained network: a crystal from a pattern in milliseconds.
#pragma once
#include <map>
#include <string>

#include "apps/phasing/network_input.h"
#include "apps/phasing/pattern.h"
#include "engine/replay.h"
#include "layers/network.h"

namespace fringe {

class Predictor {
 public:
  /// Loads a model of `train` (or of `refine --save-model`). Throws Error when the file is none.
  Predictor(const std::string& model, int threads, const Backend& backend = {});

  /// The crystal as the network draws it, centred, scaled to the pattern, with chi2, pearson, llk, true_error (where
  /// the pattern has its truth) and seconds (of the pass alone). Throws Error for a pattern that the network cannot
  /// take.
  Reconstruction predict(const Pattern& pattern);

  const std::string& model() const { return path_; }
  const std::string& device() const { return device_; }  ///< in words

 private:
  std::string path_, device_;
  Checkpoint checkpoint_;
  Context<float> context_;
  FitInput input_;
  Network<float> network_;
  /// On a device patterns of one size are one graph, recorded at the second of them.
  struct Pass {
    int kind;
    Tensor<float> input, amplitude, phase;
  };
  Pass& pass_of(const Shape& input);
  std::map<Extent, Pass> passes_;
  Replay<float> replay_;
};

}  // namespace fringe
