// Strategy: row by row. Along W the box is the two ends of a row, so that a row falls into three pieces, of which the middle
// one knows no support.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/support_update.cpp"
#include "hwy/foreach_target.h"
// (the lines above must come first: Highway compiles the rest of this file once per instruction set)
#include "hwy/highway.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/sums-inl.h"
#include "kernels/support_update.h"

HWY_BEFORE_NAMESPACE();
namespace fringe::cpu::HWY_NAMESPACE {

/// y = cx x + cp p, an operand with coefficient 0 not read.
void combine(float cx, float cp, const float* x, const float* p, float* y, Index n) {
  if (cx == 0 && cp == 0)
    std::fill(y, y + n, 0.0F);
  else if (cx == 0)
    for (Index i = 0; i < n; ++i) y[i] = cp * p[i];
  else if (cp == 0)
    for (Index i = 0; i < n; ++i) y[i] = cx * x[i];
  else
    for (Index i = 0; i < n; ++i) y[i] = cx * x[i] + cp * p[i];
}

double squares(const float* x, Index n) {
  double sum;
  lane_sums<1>(0, n, &sum, [&](Index i, float* v) { v[0] = x[i] * x[i]; });
  return sum;
}

void flip(float least, const float* p, float* y, Index n) {
  for (Index i = 0; i < n; ++i) {
    const float re = p[2 * i], im = p[2 * i + 1], sign = re * re + im * im < least ? -1.0F : 1.0F;
    y[2 * i] = sign * re;
    y[2 * i + 1] = sign * im;
  }
}

}  // namespace fringe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <cmath>

namespace fringe::cpu {
namespace {
HWY_EXPORT(combine);
HWY_EXPORT(squares);
HWY_EXPORT(flip);

/// Calls outside(begin, end) and inside(begin, end, s) for the pieces of row (n, d, h), s[w] being the support of voxel w.
template <class Outside, class Inside>
void over_row(ConstView<float> support, const Shape& frame, Index task, const Outside& outside, const Inside& inside) {
  const Index h = support_update::box_index(task % frame.h, frame.h),
              d = support_update::box_index(task / frame.h % frame.d, frame.d);
  const Shape& box = support.shape;
  if (d >= box.d || h >= box.h) {
    outside(Index{0}, frame.w);
    return;
  }
  const float* const s = support.data + ((task / frame.h / frame.d * box.d + d) * box.h + h) * box.w;
  const Index quarter = frame.w / 4, front = box.w - quarter, back = frame.w - quarter;
  inside(Index{0}, front, s + quarter);
  outside(front, back);
  inside(back, frame.w, s - back);
}

}  // namespace

void support_update(Stream& stream, const SupportUpdateParams& o, ConstView<float> support, ConstView<float> sums,
                    ConstView<float> x, ConstView<float> p, View<float> y) {
  support_update::require_shapes(o, support.shape, sums.shape, x.shape, p.shape, y.shape);
  const support_update::PhaseSector<float> sector(o);
  const auto x_in = static_cast<float>(o.x_in), p_in = static_cast<float>(o.p_in), x_out = static_cast<float>(o.x_out),
             p_out = static_cast<float>(o.p_out);
  const Shape& s = x.shape;
  parallel_tasks(stream, s.n * s.d * s.h, [&](Index task) {
    const Index first = 2 * task * s.w, n = task / (s.d * s.h);
    const float *xr = x.data + first, *pr = p.data + first;
    float* yr = y.data + first;
    float mr = 1, mi = 0;
    if (o.limits_phase && (sums[3 * n + 1] != 0 || sums[3 * n + 2] != 0)) mr = sums[3 * n + 1], mi = sums[3 * n + 2];
    over_row(
        support, s, task,
        [&](Index begin, Index end) {
          HWY_DYNAMIC_DISPATCH(combine)
          (x_out, p_out, xr + 2 * begin, pr + 2 * begin, yr + 2 * begin, 2 * (end - begin));  // (1)
        },
        [&](Index begin, Index end, const float* in_s) {
          for (Index w = begin; w < end; ++w) {
            bool in = in_s[w] != 0;
            if (in && o.limits_phase) {
              const float re = pr[2 * w], im = pr[2 * w + 1];
              in = sector.holds(re * mr + im * mi, im * mr - re * mi);  // (2)
            }
            const float cx = in ? x_in : x_out, cp = in ? p_in : p_out;
            for (Index i = 2 * w; i < 2 * w + 2; ++i) yr[i] = (cx != 0 ? cx * xr[i] : 0) + (cp != 0 ? cp * pr[i] : 0);  // (1)
          }
        });
  });
}

void density_sums(Stream& stream, ConstView<float> support, ConstView<float> x, View<float> sums) {
  support_update::require_shapes({}, support.shape, sums.shape, x.shape, x.shape, x.shape);
  require_shape("density_sums", "sums", sums.shape, {x.shape.n, 1, 1, 1, 3});
  const Shape& s = x.shape;
  const Index rows = s.d * s.h;
  for (Index n = 0; n < s.n; ++n) {
    double total[3];
    parallel_sums<3>(stream, rows, total, [&](Index begin, Index end, double* out) {
      std::fill(out, out + 3, 0.0);
      for (Index task = n * rows + begin; task < n * rows + end; ++task) {
        const float* const xr = x.data + 2 * task * s.w;
        out[0] += HWY_DYNAMIC_DISPATCH(squares)(xr, 2 * s.w);  // (3)
        over_row(
            support, s, task, [](Index, Index) {},
            [&](Index first, Index last, const float* in_s) {
              for (Index w = first; w < last; ++w) {
                if (in_s[w] == 0) continue;
                const double re = xr[2 * w], im = xr[2 * w + 1], m = std::sqrt(re * re + im * im);
                out[1] += re * m;
                out[2] += im * m;
              }
            });
      }
    });
    for (int k = 0; k < 3; ++k) sums[3 * n + k] = static_cast<float>(total[k]);
  }
}

void charge_flip(Stream& stream, float threshold, ConstView<float> sums, ConstView<float> p, View<float> y) {
  require_shape("charge_flip", "y", y.shape, p.shape);
  require_shape("charge_flip", "sums", sums.shape, {p.shape.n, 1, 1, 1, 3});
  const Index voxels = p.shape.voxels(), plane = p.shape.h * p.shape.w;
  parallel_tasks(stream, p.shape.n * p.shape.d, [&](Index task) {
    const float least = threshold * threshold * sums[3 * (task / p.shape.d)] / static_cast<float>(voxels);
    HWY_DYNAMIC_DISPATCH(flip)(least, p.data + 2 * task * plane, y.data + 2 * task * plane, plane);  // (4)
  });
}

}  // namespace fringe::cpu
#endif  // HWY_ONCE
