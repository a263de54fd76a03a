// scalars: the little arithmetic that makes one loss of several, on vectors with one number per sample.
//
//   log           (1)  y = log(x + offset)          (2)  dx = dy / (x + offset)
//   weighted_sum  (3)  y = sum_k a_k x_k             (4)  dx_k = a_k dy
//
// Shapes   x, y and their gradients alike; a (1,1,1,1,K), where they lie, so that a captured step can be replayed with others.
// Saved    x for the logarithm, nothing for the sum.
// The vectors are as long as the batch: every backend computes them with the reference's loops where they lie in host
// memory.
#pragma once
#include <span>

#include "kernels/stream.h"
#include "kernels/view.h"

namespace fringe {

template <class T>
using LogForward = void(Stream&, T offset, ConstView<T> x, View<T> y);
template <class T>
using LogBackward = void(Stream&, T offset, ConstView<T> x, ConstView<T> dy, View<T> dx);
template <class T>
using WeightedSumForward = void(Stream&, ConstView<T> a, std::span<const ConstView<T>> x, View<T> y);
/// dx of term k.
template <class T>
using WeightedSumBackward = void(Stream&, ConstView<T> a, Index k, ConstView<T> dy, View<T> dx);

namespace weighted_sum {
inline void require_terms(const Shape& a, std::size_t terms) {
  require(a == channel_vector(static_cast<Index>(terms)), "weighted_sum: {} weights for {} terms", a.size(), terms);
}
inline void require_term(const Shape& a, Index k) {
  require(k >= 0 && k < a.c, "weighted_sum: term {} of {}", k, a.c);
}
}  // namespace weighted_sum

namespace reference {
template <class T>
LogForward<T> log_forward;
template <class T>
LogBackward<T> log_backward;
template <class T>
WeightedSumForward<T> weighted_sum_forward;
template <class T>
WeightedSumBackward<T> weighted_sum_backward;
}  // namespace reference
namespace cpu {
LogForward<float> log_forward;
LogBackward<float> log_backward;
WeightedSumForward<float> weighted_sum_forward;
WeightedSumBackward<float> weighted_sum_backward;
}  // namespace cpu
namespace cuda {
LogForward<float> log_forward;
LogBackward<float> log_backward;
WeightedSumForward<float> weighted_sum_forward;
WeightedSumBackward<float> weighted_sum_backward;
}  // namespace cuda

}  // namespace fringe
