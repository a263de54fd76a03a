// Strategy: kernels/cpu/convolution.h, with nothing before and nothing after.
#include "kernels/conv3d.h"

#include "kernels/cpu/convolution.h"

namespace fringe::cpu {

void conv3d_forward(Stream& stream, ConstView<float> x, ConstView<float> w, ConstView<float> b, View<float> y) {
  conv3d::require_forward(x.shape, w.shape, b ? &b.shape : nullptr, y.shape);
  convolve(stream, RowSource(x), w, false, b.data, y, {});
}

void conv3d_backward_data(Stream& stream, ConstView<float> dy, ConstView<float> w, View<float> dx) {
  conv3d::require_backward_data(dy.shape, w.shape, dx.shape);
  convolve(stream, RowSource(dy), w, true, nullptr, dx, {});
}

void conv3d_backward_weights(Stream& stream, ConstView<float> x, ConstView<float> dy, View<float> dw, View<float> db) {
  conv3d::require_backward_weights(x.shape, dy.shape, dw.shape, db ? &db.shape : nullptr);
  convolve_weights(stream, RowSource(x), RowSource(dy), dw, db.data);
}

}  // namespace fringe::cpu
