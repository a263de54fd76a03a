#include "kernels/scalars.h"

namespace fringe::cpu {

void log_forward(Stream& stream, float offset, ConstView<float> x, View<float> y) {
  reference::log_forward<float>(stream, offset, x, y);
}
void log_backward(Stream& stream, float offset, ConstView<float> x, ConstView<float> dy, View<float> dx) {
  reference::log_backward<float>(stream, offset, x, dy, dx);
}
void weighted_sum_forward(Stream& stream, ConstView<float> a, std::span<const ConstView<float>> x,
                          View<float> y) {
  reference::weighted_sum_forward<float>(stream, a, x, y);
}
void weighted_sum_backward(Stream& stream, ConstView<float> a, Index k, ConstView<float> dy, View<float> dx) {
  reference::weighted_sum_backward<float>(stream, a, k, dy, dx);
}

}  // namespace fringe::cpu
