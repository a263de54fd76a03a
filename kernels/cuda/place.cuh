// From the number of an element to its place in an array, in 32-bit arithmetic (64-bit divisions cost a hundred instructions).
#pragma once
#include "kernels/cuda/launch.cuh"
#include "kernels/view.h"

namespace fringe::cuda {

/// Extents of an array of less than 2^31 elements.
struct Extents {
  unsigned d, h, w, c;

  explicit Extents(const Shape& s)
      : d(static_cast<unsigned>(s.d)), h(static_cast<unsigned>(s.h)), w(static_cast<unsigned>(s.w)), c(static_cast<unsigned>(s.c)) {
    require(s.size() < (Index{1} << 31), "cuda: an array of shape {} has more than 2^31 elements", s.str());
  }
  __device__ unsigned at(unsigned n, unsigned id, unsigned ih, unsigned iw, unsigned ic) const {
    return (((n * d + id) * h + ih) * w + iw) * c + ic;
  }
};

struct Place {
  unsigned n, d, h, w, c;

  __device__ Place(unsigned i, const Extents& e) {
    c = i % e.c, i /= e.c;
    w = i % e.w, i /= e.w;
    h = i % e.h, i /= e.h;
    d = i % e.d, n = i / e.d;
  }
};

/// Calls f(i, place of i) for the elements of an array, shared among all threads of the grid.
template <class F>
__device__ __forceinline__ void for_each_place(unsigned count, const Extents& e, const F& f) {
  for (unsigned i = static_cast<unsigned>(global_thread()); i < count; i += static_cast<unsigned>(global_threads())) f(i, Place(i, e));
}

}  // namespace fringe::cuda
