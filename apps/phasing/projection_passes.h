// The passes over voxels between the Fourier transforms of iterative phasing: each array is read and written once, in
// vectors, with run-time dispatch over the instruction sets. Complex arrays are interleaved floats; what sums return is
// added in an order that depends on n alone.
#pragma once
#include "apps/io/volume.h"

namespace fringe::passes {

/// F <- factor a F / |F| where a >= 0 (measured), factor F elsewhere; returns sum (|F| - a)^2 of the F that came in.
double modulus(Complex* f, const float* amplitude, float factor, Index n);

/// F <- factor F sqrt(I / P), I = a^2, P the blurred |F|^2 (partial coherence); returns sum (sqrt P - a)^2. P is taken as a tenth of
/// |F|^2 where it is less, as no kernel of less than a voxel leaves it: a voxel must not grow without bounds.
double blurred_modulus(Complex* f, const float* amplitude, const float* blurred, float factor, Index n);

/// |F|^2
void intensity(const Complex* f, float* out, Index n);

/// The linear updates: x' = x_in x + p_in p inside the support, x_out x + p_out p outside.
struct LinearUpdate {
  float x_in = 0, p_in = 1, x_out = 0, p_out = 0;
};
/// `support`: 1 or 0. The result goes to x and, for the next transform, to p.
void linear_update(const LinearUpdate& update, const float* support, Complex* x, Complex* p, Index n);

/// Where a phase is allowed: u = p conj(reference), low <= arg u <= high, as half-planes.
struct PhaseRange {
  float reference_re = 1, reference_im = 0;
  float low_re = 1, low_im = 0, high_re = 1, high_im = 0;  ///< exp(i low), exp(i high)
  bool wide = false;                                       ///< high - low >= pi: either half-plane is enough
};
/// linear_update() where voxels whose p is outside the range count as outside the support.
void ranged_update(const LinearUpdate& update, const PhaseRange& range, const float* support, Complex* x, Complex* p,
                   Index n);

/// Charge flipping: x' = -p where |p| < delta, else p; to x and p.
void flip_charges(float delta, Complex* x, Complex* p, Index n);

/// With b a background of a few hundredths of a photon (a logarithm of nothing has no gradient):
///   L = sum over measured voxels of |F|^2 + b - I log(|F|^2 + b)
/// G = factor (1 - I / (|F|^2 + b)) F, 0 where nothing was measured. Returns sum (|F| - a)^2.
double likelihood_gradient(const Complex* f, const float* amplitude, float background, float factor, Complex* g, Index n);
/// F <- F + t D
void advance(Complex* f, const Complex* d, float t, Index n);
/// g <- g in the support (1 or 0), 0 outside; then the sums |g|^2 and Re g conj(before).
void masked_products(const float* support, Complex* g, const Complex* before, double* power, double* overlap, Index n);
/// First and second derivative of L(F + t D) by t.
void likelihood_slope(const Complex* f, const Complex* d, const float* amplitude, float background, float t, double* slope,
                      double* curvature, Index n);

}  // namespace fringe::passes
