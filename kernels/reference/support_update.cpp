#include "kernels/support_update.h"

#include <cmath>
#include <numbers>

namespace fringe {

Shape support_update::box_shape(const Shape& frame) { return {frame.n, frame.d / 2, frame.h / 2, frame.w / 2, 1}; }

template <class T>
support_update::PhaseSector<T>::PhaseSector(const SupportUpdateParams& p)
    : low_re(static_cast<T>(std::cos(p.low))),
      low_im(static_cast<T>(std::sin(p.low))),
      high_re(static_cast<T>(std::cos(p.high))),
      high_im(static_cast<T>(std::sin(p.high))),
      wide(p.high - p.low >= std::numbers::pi) {}
template struct support_update::PhaseSector<float>;
template struct support_update::PhaseSector<double>;

Cost support_update::cost(const SupportUpdateParams& p, const Shape& frame, std::size_t element_bytes) {
  const auto voxels = static_cast<double>(frame.rows());
  const double x = (p.x_in != 0 ? 0.125 : 0) + (p.x_out != 0 ? 0.875 : 0),
               of_p = (p.p_in != 0 ? 0.125 : 0) + (p.p_out != 0 ? 0.875 : 0);
  return {6 * voxels, (2 * (1 + x + of_p) + 0.125) * voxels * static_cast<double>(element_bytes)};
}

void support_update::require_shapes(const SupportUpdateParams& params, const Shape& support, const Shape& sums, const Shape& x,
                                    const Shape& p, const Shape& y) {
  require(x.c == 2, "support_update: x has {} channels, expected 2 (real, imaginary)", x.c);
  require_shape("support_update", "support", support, box_shape(x));
  require_shape("support_update", "p", p, x);
  require_shape("support_update", "y", y, x);
  if (params.limits_phase) require_shape("support_update", "sums", sums, {x.n, 1, 1, 1, 3});
}

namespace reference {
namespace {

/// Whether the voxel is in S.
template <class T>
bool inside(ConstView<T> support, const Shape& frame, Index n, Index d, Index h, Index w) {
  const Index i = support_update::box_index(d, frame.d), j = support_update::box_index(h, frame.h),
              k = support_update::box_index(w, frame.w);
  return i < support.shape.d && j < support.shape.h && k < support.shape.w && support(n, i, j, k, 0) != 0;
}

template <class F>
void over_voxels(const Shape& s, const F& f) {
  Index at = 0;
  for (Index n = 0; n < s.n; ++n)
    for (Index d = 0; d < s.d; ++d)
      for (Index h = 0; h < s.h; ++h)
        for (Index w = 0; w < s.w; ++w) f(at++, n, d, h, w);
}

}  // namespace

template <class T>
void support_update(Stream&, const SupportUpdateParams& o, ConstView<T> support, ConstView<T> sums, ConstView<T> x,
                    ConstView<T> p, View<T> y) {
  support_update::require_shapes(o, support.shape, sums.shape, x.shape, p.shape, y.shape);
  const support_update::PhaseSector<T> sector(o);
  over_voxels(x.shape, [&](Index at, Index n, Index d, Index h, Index w) {
    bool in = inside(support, x.shape, n, d, h, w);
    if (in && o.limits_phase) {
      const T re = p[2 * at], im = p[2 * at + 1];
      T mr = sums[3 * n + 1], mi = sums[3 * n + 2];
      if (mr == 0 && mi == 0) mr = 1;
      in = sector.holds(re * mr + im * mi, im * mr - re * mi);  // (2)
    }
    const double cx = in ? o.x_in : o.x_out, cp = in ? o.p_in : o.p_out;
    for (Index c = 2 * at; c < 2 * at + 2; ++c) {
      const double from_x = cx != 0 ? cx * static_cast<double>(x[c]) : 0, from_p = cp != 0 ? cp * static_cast<double>(p[c]) : 0;
      y[c] = static_cast<T>(from_x + from_p);  // (1)
    }
  });
}

template <class T>
void density_sums(Stream&, ConstView<T> support, ConstView<T> x, View<T> sums) {
  support_update::require_shapes({}, support.shape, sums.shape, x.shape, x.shape, x.shape);
  require_shape("density_sums", "sums", sums.shape, {x.shape.n, 1, 1, 1, 3});
  for (Index n = 0; n < x.shape.n; ++n) {
    double total[3] = {};
    over_voxels({1, x.shape.d, x.shape.h, x.shape.w, 1}, [&](Index i, Index, Index d, Index h, Index w) {
      const Index at = n * x.shape.voxels() + i;
      const double re = x[2 * at], im = x[2 * at + 1], squares = re * re + im * im;
      total[0] += squares;  // (3)
      if (!inside(support, x.shape, n, d, h, w)) return;
      total[1] += re * std::sqrt(squares);
      total[2] += im * std::sqrt(squares);
    });
    for (int k = 0; k < 3; ++k) sums[3 * n + k] = static_cast<T>(total[k]);
  }
}

template <class T>
void charge_flip(Stream&, T threshold, ConstView<T> sums, ConstView<T> p, View<T> y) {
  require_shape("charge_flip", "y", y.shape, p.shape);
  require_shape("charge_flip", "sums", sums.shape, {p.shape.n, 1, 1, 1, 3});
  const Index voxels = p.shape.voxels();
  for (Index i = 0; i < p.shape.rows(); ++i) {
    const T least = threshold * threshold * sums[3 * (i / voxels)] / static_cast<T>(voxels), re = p[2 * i], im = p[2 * i + 1];
    const bool faint = re * re + im * im < least;  // (4)
    y[2 * i] = faint ? -re : re;
    y[2 * i + 1] = faint ? -im : im;
  }
}

template SupportUpdate<float> support_update<float>;
template SupportUpdate<double> support_update<double>;
template DensitySums<float> density_sums<float>;
template DensitySums<double> density_sums<double>;
template ChargeFlip<float> charge_flip<float>;
template ChargeFlip<double> charge_flip<double>;

}  // namespace reference
}  // namespace fringe
