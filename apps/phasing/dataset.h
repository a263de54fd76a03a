// Batches of simulated crystals for training: read from a set, or drawn as they are needed and never seen twice.
#pragma once
#include <optional>

#include "apps/io/crystal_set.h"
#include "apps/phasing/network_input.h"
#include "kernels/photon_noise.h"
#include "layers/supervised_loss.h"

namespace fringe {

struct DatasetOptions {
  std::string set;  ///< file of `simulate --count`; empty: crystals are drawn from `population`
  Population population;
  double validation_share = 0.05;  ///< of a set: its last crystals
  Index validation_count = 256;    ///< of drawn crystals
  bool augment = true;             ///< of sets: each visit in one of the 48 orientations of the cube
  bool noise = false;              ///< fresh Poisson noise for each visit (held-out crystals: once), photons as the population draws them
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
  // The same for a batch that is made on a device (device_batches.h), of visits `first` .. first + count - 1.
  bool stored() const { return set_.has_value(); }  ///< else drawn
  bool stores_patterns() const { return set_ && set_->has_patterns() && !options_.noise; }  ///< that are shown as they are
  std::uint64_t seed() const { return options_.seed; }
  /// A set's densities (count,n,n,n,2) and, where it stores patterns, intensities (count,N,N,N,1), in this visit's orientation.
  void stage(Index first, Index count, int threads, float* densities, float* intensities);
  /// Which crystals are drawn.
  struct Series {
    std::vector<std::uint64_t> indices;
    std::vector<Specimen> specimens;
  };
  Series series(Index first, Index count) const;
  /// The visits' fresh noise; empty where there is none.
  std::vector<PhotonExposure> exposures(Index first, Index count) const;

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
  void expose_anew(Item& item, std::uint64_t visit) const;  ///< of a set: its fresh noise, if any
  std::vector<Item> visits(Index first, Index step, Index count, int threads);
  std::vector<std::uint64_t> indices(Index first, Index step, Index count) const;
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
