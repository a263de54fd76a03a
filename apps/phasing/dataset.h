// Batches of simulated crystals for training: read from a set, or drawn as they are needed and never seen twice.
#pragma once
#include <optional>

#include "apps/io/crystal_set.h"
#include "apps/phasing/network_input.h"
#include "layers/supervised_loss.h"

namespace fringe {

struct DatasetOptions {
  std::string set;  ///< file of `simulate --count`; empty: crystals are drawn from `population`
  Population population;
  double validation_share = 0.05;  ///< of a set: its last crystals
  Index validation_count = 256;    ///< of drawn crystals
  bool augment = true;             ///< of sets: each visit in one of the 48 orientations of the cube
  bool noise = false;              ///< fresh Poisson noise for each visit, photons as the population draws them
  std::uint64_t seed = 1;
};

/// What the network gets, and what it should draw. Phases of targets.given.phase cover [0, range] inside the crystal, 0
/// outside; targets.given.field is turned so that the mean of the crystal's density is real: so is the twin's.
struct Batch {
  Tensor<float> input;
  SupervisedTargets<float> targets;
};

class Dataset {
 public:
  /// Throws Error when the set cannot be read or the population not be drawn.
  explicit Dataset(const DatasetOptions& options);

  /// From now on crystals that are drawn are drawn by the kernels of this context: the same ones, to rounding.
  void draw_on(Context<float>& context) { context_ = &context; }

  Index size() const { return size_; }                ///< N
  Index training_count() const { return training_; }  ///< crystals of a set; 0: no end
  Index validation_count() const { return validation_; }

  /// Visits number `first`, first + step, ... of the training, `count` of them; a set is gone through in a new order
  /// each time.
  Batch training(Context<float>& context, FitInput input, Index first, Index step, Index count);
  /// Held-out crystals `first`, first + step, ...
  Batch validation(Context<float>& context, FitInput input, Index first, Index step, Index count);

 private:
  struct Item {
    Volume<Complex> object;
    Volume<float> intensity;  ///< of the set, or drawn with the object; empty: computed from it
    double photons = 0;       ///< of the noise to be drawn; 0: none
    std::uint64_t noise_index = 0;
  };
  std::vector<Item> draw(const std::vector<std::uint64_t>& indices, bool training, int threads) const;
  Item read(Index i) const;
  Batch assemble(Context<float>& context, FitInput input, const std::vector<Item>& items) const;
  const std::vector<Index>& order(Index round);

  DatasetOptions options_;
  Context<float>* context_ = nullptr;  ///< of draw_on()
  std::optional<io::CrystalSet> set_;
  Index size_ = 0, training_ = 0, validation_ = 0;
  Index round_ = -1;
  std::vector<Index> order_;
};

}  // namespace fringe
