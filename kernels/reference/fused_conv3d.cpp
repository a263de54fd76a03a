#include "kernels/fused_conv3d.h"

#include "kernels/conv3d.h"
#include "kernels/max_pool.h"

namespace fringe {

namespace fused_conv3d {

void require_reading(const char* operation, const Shape& x, bool upsampled, const Shape* affine) {
  require(x.size() > 0, "{}: x has shape {}{}", operation, x.str(), upsampled ? ", upsampled" : "");
  if (affine) require_shape(operation, "affine", *affine, batch_norm_fold::affine_shape(x.c));
}

void require_gradient(const char* operation, const Shape& dz, const Shape* which, const Shape& y, const Shape* fold) {
  require_shape(operation, "dz", dz, which ? max_pool::output_shape(y) : y);
  if (which) require_shape(operation, "which", *which, dz);
  if (fold) require_shape(operation, "fold", *fold, batch_norm_fold::affine_shape(y.c));
}

void require_statistics(const char* operation, const Shape& statistics, Index channels) {
  require_shape(operation, "statistics", statistics, batch_norm_fold::statistics_shape(channels));
}

}  // namespace fused_conv3d

namespace reference {

template <class T>
void read_through(const Reading<T>& r, View<T> y) {
  const Index step = r.upsampled ? 2 : 1, channels = y.shape.c;
  for (Index n = 0; n < y.shape.n; ++n)
    for (Index d = 0; d < y.shape.d; ++d)
      for (Index h = 0; h < y.shape.h; ++h)
        for (Index w = 0; w < y.shape.w; ++w)
          for (Index c = 0; c < channels; ++c) {
            const T x = r.x(n, d / step, h / step, w / step, c);
            y(n, d, h, w, c) = r.affine ? r.affine[c] * (x - r.affine[channels + c]) + r.affine[2 * channels + c] : x;  // (1)
          }
}

template <class T>
void form_gradient(const PendingGradient<T>& p, View<T> g) {
  const Index channels = g.shape.c;
  for (Index n = 0; n < g.shape.n; ++n)
    for (Index d = 0; d < g.shape.d; ++d)
      for (Index h = 0; h < g.shape.h; ++h)
        for (Index w = 0; w < g.shape.w; ++w)
          for (Index c = 0; c < channels; ++c) {
            const auto number = static_cast<std::uint8_t>(4 * (d % 2) + 2 * (h % 2) + w % 2);
            T dz = 0;
            if (!p.which)
              dz = p.dz(n, d, h, w, c);
            else if (p.which(n, d / 2, h / 2, w / 2, c) == number)
              dz = p.dz(n, d / 2, h / 2, w / 2, c);
            const T y = p.y(n, d, h, w, c);
            const T dy = p.fold ? p.fold[c] * dz + p.fold[channels + c] * y + p.fold[2 * channels + c] : dz;
            g(n, d, h, w, c) = y > 0 ? dy : p.slope * dy;  // (4)
          }
}

template <class T>
void measure_statistics(ConstView<T> y, View<T> statistics) {
  const Index channels = y.shape.c, rows = y.shape.rows();
  for (Index c = 0; c < channels; ++c) {  // (3)
    double sum = 0, squares = 0;
    for (Index r = 0; r < rows; ++r) sum += static_cast<double>(y[r * channels + c]);
    const double mean = sum / static_cast<double>(rows);
    for (Index r = 0; r < rows; ++r) {
      const double v = static_cast<double>(y[r * channels + c]) - mean;
      squares += v * v;
    }
    statistics[c] = static_cast<T>(mean);
    statistics[channels + c] = static_cast<T>(squares / static_cast<double>(rows));
  }
}

template <class T>
void finish_data_gradient(const Reading<T>& r, ConstView<T> full, View<T> dx, View<T> daffine) {
  const Index step = r.upsampled ? 2 : 1, channels = dx.shape.c;
  for (Index i = 0; i < dx.size(); ++i) dx[i] = 0;
  for (Index n = 0; n < full.shape.n; ++n)
    for (Index d = 0; d < full.shape.d; ++d)
      for (Index h = 0; h < full.shape.h; ++h)
        for (Index w = 0; w < full.shape.w; ++w)
          for (Index c = 0; c < channels; ++c) dx(n, d / step, h / step, w / step, c) += full(n, d, h, w, c);  // (5)
  if (!daffine) return;
  for (Index c = 0; c < channels; ++c) {  // (6)
    double sum = 0, moment = 0;
    for (Index i = c; i < dx.size(); i += channels) {
      sum += static_cast<double>(dx[i]);
      moment += static_cast<double>(dx[i]) * static_cast<double>(r.x[i] - r.affine[channels + c]);
    }
    daffine[c] = static_cast<T>(moment);
    daffine[channels + c] = static_cast<T>(-static_cast<double>(r.affine[c]) * sum);
    daffine[2 * channels + c] = static_cast<T>(sum);
  }
}

template <class T>
void fused_conv3d_forward(Stream& stream, T slope, const Reading<T>& x, ConstView<T> w, ConstView<T> b, View<T> y,
                          View<T> statistics) {
  fused_conv3d::require_operand("fused_conv3d", x);
  if (statistics) fused_conv3d::require_statistics("fused_conv3d", statistics.shape, y.shape.c);
  const View<T> z(stream.scratch<T>(x.shape().size()), x.shape());
  read_through(x, z);
  conv3d_forward<T>(stream, z, w, b, y);
  for (Index i = 0; i < y.size(); ++i) y[i] = y[i] > 0 ? y[i] : slope * y[i];  // (2)
  if (statistics) measure_statistics<T>(y, statistics);
}

template <class T>
void fused_conv3d_backward_data(Stream& stream, const PendingGradient<T>& p, ConstView<T> w, const Reading<T>& x, View<T> dx,
                                View<T> daffine) {
  fused_conv3d::require_operand("fused_conv3d", x);
  fused_conv3d::require_operand("fused_conv3d", p);
  require_shape("fused_conv3d", "dx", dx.shape, x.x.shape);
  if (daffine) require_shape("fused_conv3d", "daffine", daffine.shape, x.affine.shape);
  T* memory = stream.scratch<T>(p.y.size() + x.shape().size());
  const View<T> g(memory, p.y.shape), full(memory + p.y.size(), x.shape());
  form_gradient(p, g);
  conv3d_backward_data<T>(stream, g, w, full);
  finish_data_gradient<T>(x, full, dx, daffine);
}

template <class T>
void fused_conv3d_backward_weights(Stream& stream, const Reading<T>& x, const PendingGradient<T>& p, View<T> dw, View<T> db) {
  fused_conv3d::require_operand("fused_conv3d", x);
  fused_conv3d::require_operand("fused_conv3d", p);
  T* memory = stream.scratch<T>(p.y.size() + x.shape().size());
  const View<T> g(memory, p.y.shape), z(memory + p.y.size(), x.shape());
  read_through(x, z);
  form_gradient(p, g);
  conv3d_backward_weights<T>(stream, z, g, dw, db);  // (7)
}

template FusedConv3dForward<float> fused_conv3d_forward<float>;
template FusedConv3dForward<double> fused_conv3d_forward<double>;
template FusedConv3dBackwardData<float> fused_conv3d_backward_data<float>;
template FusedConv3dBackwardData<double> fused_conv3d_backward_data<double>;
template FusedConv3dBackwardWeights<float> fused_conv3d_backward_weights<float>;
template FusedConv3dBackwardWeights<double> fused_conv3d_backward_weights<double>;
template void read_through(const Reading<float>&, View<float>);
template void read_through(const Reading<double>&, View<double>);
template void form_gradient(const PendingGradient<float>&, View<float>);
template void form_gradient(const PendingGradient<double>&, View<double>);
template void measure_statistics(ConstView<float>, View<float>);
template void measure_statistics(ConstView<double>, View<double>);
template void finish_data_gradient(const Reading<float>&, ConstView<float>, View<float>, View<float>);
template void finish_data_gradient(const Reading<double>&, ConstView<double>, View<double>, View<double>);

}  // namespace reference
}  // namespace fringe
