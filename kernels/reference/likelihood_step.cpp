#include "kernels/likelihood_step.h"

#include <cmath>

#include "kernels/support_update.h"

namespace fringe {

namespace likelihood_step {
namespace {

void require_fields(const Shape& x, const Shape& y) {
  require(x.c == 2, "likelihood_step: a field has {} channels, expected 2 (real, imaginary)", x.c);
  require_shape("likelihood_step", "another field", y, x);
}
void require_numbers(const char* name, const Shape& found, const Shape& x, Index count) {
  require_shape("likelihood_step", name, found, {x.n, 1, 1, 1, count});
}
void require_amplitude(const Shape& a, const Shape& x) { require_shape("likelihood_step", "a", a, {1, x.d, x.h, x.w, 1}); }

}  // namespace

void require_gradient(const Shape& a, const Shape& scalars, const Shape& direction_field, const Shape& field,
                      const Shape& gradient_field, const Shape& misfit) {
  require_fields(field, direction_field);
  require_fields(field, gradient_field);
  require_amplitude(a, field);
  require_numbers("scalars", scalars, field, 2);
  require_numbers("misfit", misfit, field, 1);
}
void require_products(const Shape& support, const Shape& before, const Shape& direction, const Shape& gradient, const Shape& products) {
  require_fields(gradient, before);
  require_fields(gradient, direction);
  require_numbers("products", products, gradient, 3);
  require_shape("likelihood_step", "support", support, support_update::box_shape(gradient));
}
void require_direction(const Shape& products, const Shape& scalars, const Shape& gradient, const Shape& before,
                       const Shape& direction) {
  require_fields(gradient, before);
  require_fields(gradient, direction);
  require_numbers("products", products, gradient, 3);
  require_numbers("scalars", scalars, gradient, 2);
}
void require_search(const Shape& a, const Shape& field, const Shape& direction_field, const Shape& products, const Shape& scalars) {
  require_fields(field, direction_field);
  require_amplitude(a, field);
  require_numbers("products", products, field, 3);
  require_numbers("scalars", scalars, field, 2);
}
void require_advance(const Shape& scalars, const Shape& direction, const Shape& x) {
  require_fields(x, direction);
  require_numbers("scalars", scalars, x, 2);
}

}  // namespace likelihood_step

namespace reference {

template <class T>
void likelihood_gradient(Stream&, const LikelihoodParams& o, ConstView<T> a, ConstView<T> scalars, ConstView<T> direction_field,
                         View<T> field, View<T> gradient_field, View<T> misfit) {
  likelihood_step::require_gradient(a.shape, scalars.shape, direction_field.shape, field.shape, gradient_field.shape, misfit.shape);
  const Index voxels = field.shape.voxels();
  for (Index n = 0; n < field.shape.n; ++n) {
    double sum = 0;
    for (Index i = 0; i < voxels; ++i) {
      const Index at = 2 * (n * voxels + i);
      for (Index c = at; c < at + 2; ++c)
        if (scalars[2 * n + 1] != 0) field[c] += scalars[2 * n + 1] * direction_field[c];  // (1)
      const double re = field[at], im = field[at + 1], target = a[i], p = re * re + im * im;
      const double scale = target >= 0 ? o.factor * (1 - target * target / (p + o.background)) : 0;
      gradient_field[at] = static_cast<T>(scale * re);  // (2)
      gradient_field[at + 1] = static_cast<T>(scale * im);
      if (target >= 0) sum += (std::sqrt(p) - target) * (std::sqrt(p) - target);
    }
    misfit[n] = static_cast<T>(sum);
  }
}

template <class T>
void likelihood_products(Stream&, ConstView<T> support, ConstView<T> before, ConstView<T> direction, View<T> gradient,
                         View<T> products) {
  likelihood_step::require_products(support.shape, before.shape, direction.shape, gradient.shape, products.shape);
  const Shape& s = gradient.shape;
  for (Index n = 0; n < s.n; ++n) {
    double sums[3] = {};
    for (Index d = 0; d < s.d; ++d)
      for (Index h = 0; h < s.h; ++h)
        for (Index w = 0; w < s.w; ++w) {
          const Index i = support_update::box_index(d, s.d), j = support_update::box_index(h, s.h);
          const Index k = support_update::box_index(w, s.w);
          const bool in = i < s.d / 2 && j < s.h / 2 && k < s.w / 2 && support(n, i, j, k, 0) != 0;
          for (Index c = 0; c < 2; ++c) {
            T& g = gradient(n, d, h, w, c);
            if (!in) g = 0;  // (3)
            const double v = g;
            sums[0] += v * v;  // (4)
            sums[1] += v * static_cast<double>(before(n, d, h, w, c));
            sums[2] += v * static_cast<double>(direction(n, d, h, w, c));
          }
        }
    for (Index k = 0; k < 3; ++k) products[3 * n + k] = static_cast<T>(sums[k]);
  }
}

template <class T>
void likelihood_direction(Stream&, ConstView<T> products, ConstView<T> scalars, ConstView<T> gradient, View<T> before,
                          View<T> direction) {
  likelihood_step::require_direction(products.shape, scalars.shape, gradient.shape, before.shape, direction.shape);
  const Index count = gradient.shape.per_sample();
  for (Index i = 0; i < gradient.size(); ++i) {
    const Index n = i / count;
    const double beta =
        likelihood_step::beta(products[3 * n], products[3 * n + 1], products[3 * n + 2], scalars[2 * n]);        // (5)
    direction[i] = static_cast<T>(beta * static_cast<double>(direction[i]) - static_cast<double>(gradient[i]));  // (6)
    before[i] = gradient[i];
  }
}

template <class T>
void likelihood_search(Stream&, const LikelihoodParams& o, ConstView<T> a, ConstView<T> field, ConstView<T> direction_field,
                       ConstView<T> products, View<T> scalars) {
  likelihood_step::require_search(a.shape, field.shape, direction_field.shape, products.shape, scalars.shape);
  const Index voxels = field.shape.voxels();
  for (Index n = 0; n < field.shape.n; ++n) {
    const auto derivatives = [&](double t, double& slope, double& curvature) {
      slope = curvature = 0;
      for (Index i = 0; i < voxels; ++i) {
        const Index at = 2 * (n * voxels + i);
        double s, c;
        likelihood_step::terms<double>(field[at], field[at + 1], direction_field[at], direction_field[at + 1], a[i],
                                       o.background, t, s, c);  // (7)
        slope += s, curvature += c;
      }
    };
    double slope, curvature;
    derivatives(0, slope, curvature);
    const double first = likelihood_step::first_step(slope, curvature);
    if (first > 0) derivatives(first, slope, curvature);
    scalars[2 * n] = products[3 * n];
    scalars[2 * n + 1] = static_cast<T>(likelihood_step::corrected_step(first, slope, curvature));  // (8)
  }
}

template <class T>
void likelihood_advance(Stream&, ConstView<T> scalars, ConstView<T> direction, View<T> x) {
  likelihood_step::require_advance(scalars.shape, direction.shape, x.shape);
  for (Index i = 0; i < x.size(); ++i) x[i] += scalars[2 * (i / x.shape.per_sample()) + 1] * direction[i];  // (9)
}

template LikelihoodGradient<float> likelihood_gradient<float>;
template LikelihoodGradient<double> likelihood_gradient<double>;
template LikelihoodProducts<float> likelihood_products<float>;
template LikelihoodProducts<double> likelihood_products<double>;
template LikelihoodDirection<float> likelihood_direction<float>;
template LikelihoodDirection<double> likelihood_direction<double>;
template LikelihoodSearch<float> likelihood_search<float>;
template LikelihoodSearch<double> likelihood_search<double>;
template LikelihoodAdvance<float> likelihood_advance<float>;
template LikelihoodAdvance<double> likelihood_advance<double>;

}  // namespace reference
}  // namespace fringe
