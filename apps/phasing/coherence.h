// Partially coherent illumination: what the detector sees is the coherent intensity blurred by a kernel in Q.
//
//   P(Q) = sum_q K(q) |F(Q - q)|^2,   K >= 0, sum K = 1                                                 (1)
//
// Arrays are in the transform's own order: Q = 0 and q = 0 at index 0.
#pragma once
#include <array>
#include <memory>
#include <vector>

#include "apps/io/volume.h"

namespace fringe {

enum class CoherenceModel {
  full,      ///< K = delta
  gaussian,  ///< that of kernels/partial_coherence.h, the widths along the three axes fitted to the amplitudes
  lucy,      ///< K free within a small box, by the iteration of Richardson and Lucy (Clark, Huang, Harder and Robinson,
             ///< Nat. Commun. 3, 993 (2012), doi 10.1038/ncomms1994)
};

class Coherence {
 public:
  /// `width` of the kernel to begin with [voxels of Q].
  Coherence(const Extent& extent, CoherenceModel model, double width);
  /// A Gaussian of these widths along D, H, W. Where they are known, update() leaves them alone.
  Coherence(const Extent& extent, const std::array<double, 3>& widths, bool known = true);
  ~Coherence();
  Coherence(Coherence&&) noexcept;

  /// out = (1) of `intensity`. They may be the same array.
  void blur(const float* intensity, float* out);

  /// A better kernel for the coherent `intensity`, given the measured amplitudes (negative: not measured).
  ///   gaussian  the widths that minimise sum (sqrt P - a)^2, one after another, twice, each by golden section. None moves by more
  ///             than `stride`, nor beyond `widest`: the first crystals of a run are none, and blur would explain them away
  ///   lucy      ten times K <- K (I / P correlated with |F|^2) / sum |F|^2, not measured voxels having I / P = 1
  void update(const float* intensity, const float* amplitude);

  double width() const;  ///< root mean square of the kernel along one axis, averaged over the three [voxels of Q]
  const std::array<double, 3>& widths() const { return widths_; }  ///< of a Gaussian
  static constexpr double stride = 0.2, widest = 1.5;

  /// All that changes, and back again: the widths of a Gaussian, else the kernel's box, in rows.
  std::vector<double> state() const;
  void restore(const std::vector<double>& state);

 private:
  struct Plans;
  void transform_kernel();
  void set_gaussian(const std::array<double, 3>& widths);
  std::vector<float> gaussian_box(double width) const;

  Extent extent_;
  CoherenceModel model_;
  bool known_ = false;
  std::array<double, 3> widths_{};
  std::array<Index, 3> reach_{};       ///< the box is 2 reach + 1 voxels wide
  std::vector<float> kernel_;          ///< of the box; a Gaussian has none
  std::unique_ptr<Plans> plans_;
};

/// (1) of a Gaussian of these widths along D, H, W, in place; Q = 0 anywhere.
void blur(Volume<float>& intensity, const std::array<double, 3>& widths);

}  // namespace fringe
