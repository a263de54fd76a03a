#include "kernels/fused_separable_conv3d.h"

#include "kernels/conv3d.h"

namespace fringe::reference {

template <class T>
void fused_separable_conv3d_forward(Stream& stream, T slope, const Reading<T>& x, const SeparableWeights<ConstView<T>>& k,
                                    View<T> u, View<T> v, View<T> y, View<T> statistics) {
  separable_conv3d::require_kernels(k.wd.shape, k.wh.shape, k.ww.shape);
  fused_conv3d::require_operand("fused_separable_conv3d", x);
  if (statistics) fused_conv3d::require_statistics("fused_separable_conv3d", statistics.shape, y.shape.c);
  const Shape full = x.shape(), middle = full.with_channels(k.bd.shape.c);
  T* memory = stream.scratch<T>(full.size() + (u ? 0 : 2 * middle.size()));
  const View<T> z(memory, full);
  if (!u) u = {memory + full.size(), middle};
  if (!v) v = {memory + full.size() + middle.size(), middle};
  read_through(x, z);
  conv3d_forward<T>(stream, z, k.wd, k.bd, u);  // (1)
  conv3d_forward<T>(stream, u, k.wh, k.bh, v);
  conv3d_forward<T>(stream, v, k.ww, k.bw, y);
  for (Index i = 0; i < y.size(); ++i) y[i] = y[i] > 0 ? y[i] : slope * y[i];
  if (statistics) measure_statistics<T>(y, statistics);
}

template <class T>
void fused_separable_conv3d_backward(Stream& stream, const Reading<T>& x, ConstView<T> u, ConstView<T> v,
                                     const SeparableWeights<ConstView<T>>& k, const PendingGradient<T>& p, View<T> dv, View<T> du,
                                     View<T> dx, View<T> daffine, const SeparableWeights<View<T>>& gradients) {
  separable_conv3d::require_kernels(k.wd.shape, k.wh.shape, k.ww.shape);
  fused_conv3d::require_operand("fused_separable_conv3d", x);
  fused_conv3d::require_operand("fused_separable_conv3d", p);
  if (dx) require_shape("fused_separable_conv3d", "dx", dx.shape, x.x.shape);
  if (daffine) require_shape("fused_separable_conv3d", "daffine", daffine.shape, x.affine.shape);
  const Shape full = x.shape();
  T* memory = stream.scratch<T>(p.y.size() + 2 * full.size());
  const View<T> g(memory, p.y.shape), z(memory + p.y.size(), full), dz(z.data + z.size(), full);
  form_gradient(p, g);
  conv3d_backward_weights<T>(stream, v, g, gradients.ww, gradients.bw);  // (2)
  conv3d_backward_data<T>(stream, g, k.ww, dv);
  conv3d_backward_weights<T>(stream, u, dv, gradients.wh, gradients.bh);
  conv3d_backward_data<T>(stream, dv, k.wh, du);
  read_through(x, z);
  conv3d_backward_weights<T>(stream, z, du, gradients.wd, gradients.bd);
  if (!dx) return;
  conv3d_backward_data<T>(stream, du, k.wd, dz);
  finish_data_gradient<T>(x, dz, dx, daffine);
}

template FusedSeparableConv3dForward<float> fused_separable_conv3d_forward<float>;
template FusedSeparableConv3dForward<double> fused_separable_conv3d_forward<double>;
template FusedSeparableConv3dBackward<float> fused_separable_conv3d_backward<float>;
template FusedSeparableConv3dBackward<double> fused_separable_conv3d_backward<double>;

}  // namespace fringe::reference
