// Partially coherent illumination: what the detector sees is the coherent intensity blurred by a kernel in Q.
//
//   P(Q) = sum_q K(q) |F(Q - q)|^2,   K >= 0, sum K = 1                                                 (1)
//
// Arrays are in the transform's own order: Q = 0 and q = 0 at index 0.
#pragma once
#include <memory>
#include <vector>

#include "apps/io/volume.h"

namespace fringe {

enum class CoherenceModel {
  full,      ///< K = delta
  gaussian,  ///< K = exp(-|q|^2 / (2 width^2)), the width fitted to the amplitudes
  lucy,      ///< K free within a small box, by the iteration of Richardson and Lucy (Clark, Huang, Harder and Robinson,
             ///< Nat. Commun. 3, 993 (2012), doi 10.1038/ncomms1994)
};

class Coherence {
 public:
  /// `width` of the kernel to begin with [voxels of Q].
  Coherence(const Extent& extent, CoherenceModel model, double width);
  ~Coherence();
  Coherence(Coherence&&) noexcept;

  /// out = (1) of `intensity`. They may be the same array.
  void blur(const float* intensity, float* out);

  /// A better kernel for the coherent `intensity`, given the measured amplitudes (negative: not measured).
  ///   gaussian  the width that minimises sum (sqrt P - a)^2, by golden section
  ///   lucy      ten times K <- K (I / P correlated with |F|^2) / sum |F|^2, not measured voxels having I / P = 1
  void update(const float* intensity, const float* amplitude);

  double width() const;  ///< root mean square of the kernel along one axis, averaged over the three [voxels of Q]

  /// All that changes: the kernel's box, in rows; and back again.
  std::vector<double> state() const;
  void restore(const std::vector<double>& state);

 private:
  struct Plans;
  void transform_kernel();
  void set_gaussian(double width);

  Extent extent_;
  CoherenceModel model_;
  std::array<Index, 3> reach_{};       ///< the box is 2 reach + 1 voxels wide
  std::vector<float> kernel_;          ///< of the box
  std::unique_ptr<Plans> plans_;
};

}  // namespace fringe
