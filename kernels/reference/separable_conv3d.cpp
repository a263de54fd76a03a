#include "kernels/separable_conv3d.h"

#include "kernels/conv3d.h"

namespace fringe {

void separable_conv3d::require_kernels(const Shape& wd, const Shape& wh, const Shape& ww) {
  require(wd.d == 1 && wd.h == 1, "separable_conv3d: the first kernel must be K x 1 x 1, it is {}", wd.str());
  require(wh.n == 1 && wh.h == 1, "separable_conv3d: the second kernel must be 1 x K x 1, it is {}", wh.str());
  require(ww.n == 1 && ww.d == 1, "separable_conv3d: the third kernel must be 1 x 1 x K, it is {}", ww.str());
}

namespace reference {

template <class T>
void separable_conv3d_forward(Stream& stream, ConstView<T> x, const SeparableWeights<ConstView<T>>& k, View<T> u, View<T> v,
                              View<T> y) {
  separable_conv3d::require_kernels(k.wd.shape, k.wh.shape, k.ww.shape);
  conv3d_forward<T>(stream, x, k.wd, k.bd, u);  // (1)
  conv3d_forward<T>(stream, u, k.wh, k.bh, v);
  conv3d_forward<T>(stream, v, k.ww, k.bw, y);
}

template <class T>
void separable_conv3d_backward(Stream& stream, ConstView<T> x, ConstView<T> u, ConstView<T> v,
                               const SeparableWeights<ConstView<T>>& k, ConstView<T> dy, View<T> dv, View<T> du, View<T> dx,
                               const SeparableWeights<View<T>>& g) {
  separable_conv3d::require_kernels(k.wd.shape, k.wh.shape, k.ww.shape);
  conv3d_backward_weights<T>(stream, v, dy, g.ww, g.bw);  // (2)
  conv3d_backward_data<T>(stream, dy, k.ww, dv);
  conv3d_backward_weights<T>(stream, u, dv, g.wh, g.bh);
  conv3d_backward_data<T>(stream, dv, k.wh, du);
  conv3d_backward_weights<T>(stream, x, du, g.wd, g.bd);
  if (dx) conv3d_backward_data<T>(stream, du, k.wd, dx);
}

template SeparableConv3dForward<float> separable_conv3d_forward<float>;
template SeparableConv3dForward<double> separable_conv3d_forward<double>;
template SeparableConv3dBackward<float> separable_conv3d_backward<float>;
template SeparableConv3dBackward<double> separable_conv3d_backward<double>;

}  // namespace reference
}  // namespace fringe
