// Strategy: memory bound; the compiler's vectors for the baseline instruction set reach memory speed.
#include "kernels/add.h"

#include "kernels/cpu/parallel.h"

namespace fringe::cpu {

void add(Stream& stream, ConstView<float> a, ConstView<float> b, View<float> y) {
  require_shape("add", "b", b.shape, a.shape);
  require_shape("add", "y", y.shape, a.shape);
  parallel_ranges(stream, y.size(), 1 << 12, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) y[i] = a[i] + b[i];
  });
}

}  // namespace fringe::cpu
