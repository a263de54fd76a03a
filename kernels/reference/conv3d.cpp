#include "kernels/conv3d.h"

#include "kernels/bfloat16.h"

namespace fringe {

namespace conv3d {

Shape output_shape(const Shape& x, const Shape& w) {
  const auto [kd, kh, kw, ci, co] = w;
  require(kd % 2 == 1 && kh % 2 == 1 && kw % 2 == 1, "conv3d: kernel sizes must be odd, weights have shape {}", w.str());
  require(ci == x.c, "conv3d: weights have {} input channels, x has {}", ci, x.c);
  return x.with_channels(co);
}

Cost cost(const Shape& x, const Shape& w, std::size_t element_bytes) {
  const auto y = output_shape(x, w);
  const auto taps = static_cast<double>(w.n * w.d * w.h);
  return {.flops = 2 * static_cast<double>(x.rows()) * taps * static_cast<double>(x.c * y.c),
          .bytes = static_cast<double>(element_bytes) * static_cast<double>(x.size() + w.size() + y.size())};
}

void require_forward(const Shape& x, const Shape& w, const Shape* b, const Shape& y) {
  require_shape("conv3d", "y", y, output_shape(x, w));
  if (b) require_shape("conv3d", "b", *b, channel_vector(w.c));
}

void require_backward_data(const Shape& dy, const Shape& w, const Shape& dx) {
  require_shape("conv3d", "dy", dy, output_shape(dx, w));
}

void require_backward_weights(const Shape& x, const Shape& dy, const Shape& dw, const Shape* db) {
  require_shape("conv3d", "dy", dy, output_shape(x, dw));
  if (db) require_shape("conv3d", "db", *db, channel_vector(dw.c));
}

}  // namespace conv3d

namespace reference {
namespace {

/// Calls f(input voxel, output voxel, tap) for every pair of voxels that a tap of the kernel connects; voxels and taps
/// are flat indices.
template <class F>
void for_each_tap(const Shape& x, const Shape& w, const F& f) {
  const auto [kd, kh, kw, ci, co] = w;
  for (Index n = 0; n < x.n; ++n)
    for (Index d = 0; d < x.d; ++d)
      for (Index h = 0; h < x.h; ++h)
        for (Index v = 0; v < x.w; ++v)
          for (Index i = 0; i < kd; ++i)
            for (Index j = 0; j < kh; ++j)
              for (Index k = 0; k < kw; ++k) {
                const Index xd = d + i - kd / 2, xh = h + j - kh / 2, xw = v + k - kw / 2;
                if (xd < 0 || xd >= x.d || xh < 0 || xh >= x.h || xw < 0 || xw >= x.w) continue;
                f(((n * x.d + xd) * x.h + xh) * x.w + xw, ((n * x.d + d) * x.h + h) * x.w + v, (i * kh + j) * kw + k);
              }
}

/// A factor as the stream's precision has it. The reference knows bfloat16; in all others it is exact.
struct Factor {
  bool rounded;
  explicit Factor(const Stream& s) : rounded(s.precision() == Precision::bfloat16) {}
  template <class T>
  T operator()(T v) const {
    return rounded ? to_bfloat16(v) : v;
  }
};

}  // namespace

template <class T>
void conv3d_forward(Stream& stream, ConstView<T> x, ConstView<T> w, ConstView<T> b, View<T> y) {
  conv3d::require_forward(x.shape, w.shape, b ? &b.shape : nullptr, y.shape);
  const Index ci = x.shape.c, co = y.shape.c;
  const Factor f(stream);
  for (Index v = 0; v < y.shape.rows(); ++v)
    for (Index o = 0; o < co; ++o) y[v * co + o] = b ? b[o] : T(0);
  for_each_tap(x.shape, w.shape, [&](Index in, Index out, Index tap) {  // (1)
    for (Index c = 0; c < ci; ++c)
      for (Index o = 0; o < co; ++o) y[out * co + o] += f(x[in * ci + c]) * f(w[(tap * ci + c) * co + o]);
  });
}

template <class T>
void conv3d_backward_data(Stream& stream, ConstView<T> dy, ConstView<T> w, View<T> dx) {
  conv3d::require_backward_data(dy.shape, w.shape, dx.shape);
  const Index ci = dx.shape.c, co = dy.shape.c;
  const Factor f(stream);
  for (Index i = 0; i < dx.size(); ++i) dx[i] = 0;
  for_each_tap(dx.shape, w.shape, [&](Index in, Index out, Index tap) {  // (2)
    for (Index c = 0; c < ci; ++c)
      for (Index o = 0; o < co; ++o) dx[in * ci + c] += f(dy[out * co + o]) * f(w[(tap * ci + c) * co + o]);
  });
}

template <class T>
void conv3d_backward_weights(Stream& stream, ConstView<T> x, ConstView<T> dy, View<T> dw, View<T> db) {
  conv3d::require_backward_weights(x.shape, dy.shape, dw.shape, db ? &db.shape : nullptr);
  const Index ci = x.shape.c, co = dy.shape.c;
  const Factor f(stream);
  for (Index i = 0; i < dw.size(); ++i) dw[i] = 0;
  for_each_tap(x.shape, dw.shape, [&](Index in, Index out, Index tap) {  // (3)
    for (Index c = 0; c < ci; ++c)
      for (Index o = 0; o < co; ++o) dw[(tap * ci + c) * co + o] += f(x[in * ci + c]) * f(dy[out * co + o]);
  });
  if (!db) return;
  for (Index o = 0; o < co; ++o) db[o] = 0;
  for (Index v = 0; v < dy.shape.rows(); ++v)
    for (Index o = 0; o < co; ++o) db[o] += dy[v * co + o];  // (4)
}

template Conv3dForward<float> conv3d_forward<float>;
template Conv3dForward<double> conv3d_forward<double>;
template Conv3dBackwardData<float> conv3d_backward_data<float>;
template Conv3dBackwardData<double> conv3d_backward_data<double>;
template Conv3dBackwardWeights<float> conv3d_backward_weights<float>;
template Conv3dBackwardWeights<double> conv3d_backward_weights<double>;

}  // namespace reference
}  // namespace fringe
