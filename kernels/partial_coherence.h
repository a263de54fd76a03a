// partial_coherence: the modulus that a detector sees when the illumination is not fully coherent.
//
// The crystal's autocorrelation is multiplied by the degree of coherence g, a Gaussian; in Q the coherent intensity m^2 is
// convolved with its transform (Clark, Huang, Harder and Robinson, Nat. Commun. 3, 993 (2012), doi 10.1038/ncomms1994). With the
// root mean square width w [voxels of Q] of that kernel along an axis of n voxels:
//
//   (1)  k(j) = 1/n sum_u g(u) cos(2 pi u j / n),   g(u) = exp(-2 pi^2 w^2 u^2 / n^2),   u = -n/2 ... n/2
//   (2)  P = K m^2,   K = the circular convolutions with k along D, H and W
//   (3)  y = sqrt(max(P, 0) + epsilon^2)
//   (4)  dm = m K (dy / y), K being its own transpose; 0 where y = 0
//
// (1) is exact wherever the crystal fills less than half of its array: the Gaussian sampled in Q would not be, at the widths below
// one voxel that matter. Its sum is 1; w = 0 leaves m as it is.
//
// Shapes   m, y, dy, dm (N,D,H,W,1); k one value per voxel of an axis: (1,D,1,1,1), (1,1,H,1,1), (1,1,1,W,1).
// Saved    m and y.
// Cost     2 (D + H + W) flops for each voxel, each way; scratch: two arrays of m's size.
#pragma once
#include "kernels/stream.h"
#include "kernels/view.h"

namespace fringe {

template <class T>
struct CoherenceKernel {
  T d, h, w;  ///< (1) along each axis
};

template <class T>
using PartialCoherenceForward = void(Stream&, T epsilon, const CoherenceKernel<ConstView<T>>& k, ConstView<T> m, View<T> y);
template <class T>
using PartialCoherenceBackward = void(Stream&, const CoherenceKernel<ConstView<T>>& k, ConstView<T> m, ConstView<T> y,
                                      ConstView<T> dy, View<T> dm);

namespace partial_coherence {
/// g(u) of (1).
double degree_of_coherence(double width, Index u, Index n);
/// k of (1), n values.
template <class T>
void fill_kernel(double width, Index n, T* k);
/// Throws unless the shapes are those above.
template <class T>
void require_shapes(const CoherenceKernel<ConstView<T>>& k, const Shape& m, const Shape& y);
}  // namespace partial_coherence

namespace reference {
template <class T>
PartialCoherenceForward<T> partial_coherence_forward;
template <class T>
PartialCoherenceBackward<T> partial_coherence_backward;
}  // namespace reference
namespace cpu {
PartialCoherenceForward<float> partial_coherence_forward;
PartialCoherenceBackward<float> partial_coherence_backward;
}  // namespace cpu
namespace cuda {
PartialCoherenceForward<float> partial_coherence_forward;
PartialCoherenceBackward<float> partial_coherence_backward;
}  // namespace cuda

}  // namespace fringe
