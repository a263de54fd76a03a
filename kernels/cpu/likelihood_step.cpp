// Strategy: one pass over memory for each of the five, sums on float lanes over blocks of voxels, blocks in double.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/likelihood_step.cpp"
#include "hwy/foreach_target.h"
// (the lines above must come first: Highway compiles the rest of this file once per instruction set)
#include <cmath>

#include "hwy/highway.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/sums-inl.h"
#include "kernels/likelihood_step.h"

HWY_BEFORE_NAMESPACE();
namespace fringe::cpu::HWY_NAMESPACE {

/// (1) and (2) for n voxels.
double gradient_run(float background, float factor, float t, const float* a, const float* d, float* f, float* g, Index n) {
  if (t != 0)
    for (Index i = 0; i < 2 * n; ++i) f[i] += t * d[i];
  double sum;
  lane_sums<1>(0, n, &sum, [&](Index i, float* v) {
    const float re = f[2 * i], im = f[2 * i + 1], p = re * re + im * im;
    const bool measured = a[i] >= 0;
    const float scale = measured ? factor * (1 - a[i] * a[i] / (p + background)) : 0,
                difference = measured ? std::sqrt(p) - a[i] : 0;
    g[2 * i] = scale * re;
    g[2 * i + 1] = scale * im;
    v[0] = difference * difference;
  });
  return sum;
}

void products_run(const float* g, const float* before, const float* d, Index n, double* out) {
  lane_sums<3>(0, n, out, [&](Index i, float* v) { v[0] = g[i] * g[i], v[1] = g[i] * before[i], v[2] = g[i] * d[i]; });
}

void direction_run(float beta, const float* g, float* before, float* d, Index n) {
  for (Index i = 0; i < n; ++i) {
    d[i] = beta * d[i] - g[i];
    before[i] = g[i];
  }
}

void slope_run(float background, float t, const float* a, const float* f, const float* d, Index begin, Index end, double* out) {
  lane_sums<2>(begin, end, out, [&](Index i, float* v) {
    likelihood_step::terms(f[2 * i], f[2 * i + 1], d[2 * i], d[2 * i + 1], a[i], background, t, v[0], v[1]);
  });
}

void advance_run(float t, const float* d, float* x, Index n) {
  for (Index i = 0; i < n; ++i) x[i] += t * d[i];
}

}  // namespace fringe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "kernels/support_update.h"

namespace fringe::cpu {
namespace {
HWY_EXPORT(gradient_run);
HWY_EXPORT(products_run);
HWY_EXPORT(direction_run);
HWY_EXPORT(slope_run);
HWY_EXPORT(advance_run);
}  // namespace

void likelihood_gradient(Stream& stream, const LikelihoodParams& o, ConstView<float> a, ConstView<float> scalars,
                         ConstView<float> direction_field, View<float> field, View<float> gradient_field, View<float> misfit) {
  likelihood_step::require_gradient(a.shape, scalars.shape, direction_field.shape, field.shape, gradient_field.shape, misfit.shape);
  const Index voxels = field.shape.voxels();
  for (Index n = 0; n < field.shape.n; ++n) {
    double sum = 0;
    parallel_sums<1>(stream, voxels, &sum, [&](Index begin, Index end, double* out) {
      const Index at = 2 * (n * voxels + begin);
      *out = HWY_DYNAMIC_DISPATCH(gradient_run)(static_cast<float>(o.background), static_cast<float>(o.factor),
                                                scalars[2 * n + 1], a.data + begin, direction_field.data + at, field.data + at,
                                                gradient_field.data + at,
                                                end - begin);  // (1), (2)
    });
    misfit[n] = static_cast<float>(sum);
  }
}

void likelihood_products(Stream& stream, ConstView<float> support, ConstView<float> before, ConstView<float> direction,
                         View<float> gradient, View<float> products) {
  likelihood_step::require_products(support.shape, before.shape, direction.shape, gradient.shape, products.shape);
  const Shape& s = gradient.shape;
  const Shape& box = support.shape;
  const Index rows = s.d * s.h, quarter = s.w / 4;
  for (Index n = 0; n < s.n; ++n) {
    double sums[3];
    parallel_sums<3>(stream, rows, sums, [&](Index begin, Index end, double* out) {
      for (Index row = begin; row < end; ++row) {
        float* const g = gradient.data + 2 * (n * rows + row) * s.w;
        const Index d = support_update::box_index(row / s.h, s.d), h = support_update::box_index(row % s.h, s.h);
        if (d >= box.d || h >= box.h) {
          std::fill(g, g + 2 * s.w, 0.0F);  // (3)
          continue;
        }
        const float* const in_s = support.data + ((n * box.d + d) * box.h + h) * box.w;
        for (Index w = 0; w < s.w; ++w) {
          const Index k = w + quarter >= s.w ? w + quarter - s.w : w + quarter;
          if (k >= box.w || in_s[k] == 0) g[2 * w] = g[2 * w + 1] = 0;
        }
      }
      const Index first = 2 * (n * rows + begin) * s.w;
      HWY_DYNAMIC_DISPATCH(products_run)
      (gradient.data + first, before.data + first, direction.data + first, 2 * (end - begin) * s.w,
       out);  // (4)
    });
    for (int k = 0; k < 3; ++k) products[3 * n + k] = static_cast<float>(sums[k]);
  }
}

void likelihood_direction(Stream& stream, ConstView<float> products, ConstView<float> scalars, ConstView<float> gradient,
                          View<float> before, View<float> direction) {
  likelihood_step::require_direction(products.shape, scalars.shape, gradient.shape, before.shape, direction.shape);
  const Shape& s = gradient.shape;
  const Index plane = 2 * s.h * s.w;
  parallel_tasks(stream, s.n * s.d, [&](Index task) {
    const Index n = task / s.d;
    const auto number = [&](Index k) { return static_cast<double>(products[3 * n + k]); };
    const double beta = likelihood_step::beta(number(0), number(1), number(2), static_cast<double>(scalars[2 * n]));  // (5)
    HWY_DYNAMIC_DISPATCH(direction_run)
    (static_cast<float>(beta), gradient.data + task * plane, before.data + task * plane, direction.data + task * plane,
     plane);  // (6)
  });
}

void likelihood_search(Stream& stream, const LikelihoodParams& o, ConstView<float> a, ConstView<float> field,
                       ConstView<float> direction_field, ConstView<float> products, View<float> scalars) {
  likelihood_step::require_search(a.shape, field.shape, direction_field.shape, products.shape, scalars.shape);
  const Index voxels = field.shape.voxels();
  for (Index n = 0; n < field.shape.n; ++n) {
    double d[2];
    const auto derivatives = [&](double t) {
      parallel_sums<2>(stream, voxels, d, [&](Index begin, Index end, double* out) {
        HWY_DYNAMIC_DISPATCH(slope_run)
        (static_cast<float>(o.background), static_cast<float>(t), a.data, field.data + 2 * n * voxels,
         direction_field.data + 2 * n * voxels, begin, end, out);  // (7)
      });
    };
    derivatives(0);
    const double first = likelihood_step::first_step(d[0], d[1]);
    if (first > 0) derivatives(first);
    scalars[2 * n] = products[3 * n];
    scalars[2 * n + 1] = static_cast<float>(likelihood_step::corrected_step(first, d[0], d[1]));  // (8)
  }
}

void likelihood_advance(Stream& stream, ConstView<float> scalars, ConstView<float> direction, View<float> x) {
  likelihood_step::require_advance(scalars.shape, direction.shape, x.shape);
  const Index plane = 2 * x.shape.h * x.shape.w;
  parallel_tasks(stream, x.shape.n * x.shape.d, [&](Index task) {
    HWY_DYNAMIC_DISPATCH(advance_run)
    (scalars[2 * (task / x.shape.d) + 1], direction.data + task * plane, x.data + task * plane,
     plane);  // (9)
  });
}

}  // namespace fringe::cpu
#endif  // HWY_ONCE
