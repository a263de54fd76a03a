// likelihood_step: the pieces of a step of conjugate gradients on the Poisson likelihood of a pattern, for several starts at
// once whose numbers (powers, steps) stay where the kernels run.
//
//   L = sum over measured voxels of |F|^2 + b - a^2 log(|F|^2 + b), F the transform of x, x = 0 outside the support S, b a
//   background of a few hundredths of a photon (a logarithm of nothing has no gradient).
//
//   (1)  F <- F + t D                        t of the last step, D the transform of the direction d        likelihood_gradient
//   (2)  G = factor (1 - a^2 / (|F|^2 + b)) F where a >= 0, 0 elsewhere;   misfit_n = sum (|F| - a)^2 there
//   (3)  g <- g in S, 0 outside (g: G transformed back)                                                    likelihood_products
//   (4)  products_n = ( sum |g|^2, sum Re g conj(g'), sum Re g conj(d) ), g' the gradient before
//   (5)  beta = max(0, (products_0 - products_1) / power) (0 where power = 0), power that of g';          likelihood_direction
//        0 also where beta products_2 - products_0 >= 0: not a way down
//   (6)  d <- beta d - g;   g' <- g
//   (7)  s(t), c(t): first and second derivative of L(F + t D) by t                                          likelihood_search
//   (8)  t1 = -s(0) / c(0), or 1/2 where c(0) <= 0;   t = t1 - s(t1) / c(t1) within [t1/10, 4 t1], or t1 where c(t1) <= 0;
//        t = 0 where s(0) >= 0;   scalars_n = ( products_0, t ): the next step's power and t
//   (9)  x <- x + t d                                                                                       likelihood_advance
//
// Shapes   F, D, G, g, g', d, x (N,D,H,W,2) in the transform's own order; a (1,D,H,W,1), -1: not measured; S in the box of
//          support_update.h, (N,D/2,H/2,W/2,1); misfit (N,1,1,1,1); products (N,1,1,1,3); scalars (N,1,1,1,2).
// Aliases  none.
// Numerics sums in double, in an order fixed by the shape.
// Source   Polak and Ribiere, Rev. Franc. Inf. Rech. Oper. 3, 35 (1969); Thibault and Guizar-Sicairos, New J. Phys. 14, 063004
//          (2012), doi 10.1088/1367-2630/14/6/063004.
#pragma once
#include "kernels/stream.h"
#include "kernels/view.h"

namespace fringe {

struct LikelihoodParams {
  double background = 0.05;  ///< [photons]
  double factor = 1;         ///< of (2)
};

template <class T>
using LikelihoodGradient = void(Stream&, const LikelihoodParams&, ConstView<T> a, ConstView<T> scalars,
                                ConstView<T> direction_field, View<T> field, View<T> gradient_field, View<T> misfit);
template <class T>
using LikelihoodProducts = void(Stream&, ConstView<T> support, ConstView<T> before, ConstView<T> direction, View<T> gradient,
                                View<T> products);
template <class T>
using LikelihoodDirection = void(Stream&, ConstView<T> products, ConstView<T> scalars, ConstView<T> gradient, View<T> before,
                                 View<T> direction);
template <class T>
using LikelihoodSearch = void(Stream&, const LikelihoodParams&, ConstView<T> a, ConstView<T> field,
                              ConstView<T> direction_field, ConstView<T> products, View<T> scalars);
template <class T>
using LikelihoodAdvance = void(Stream&, ConstView<T> scalars, ConstView<T> direction, View<T> x);

namespace likelihood_step {
/// (5)
constexpr double beta(double power, double overlap, double along, double power_before) {
  const double b = power_before > 0 ? (power - overlap) / power_before : 0;
  return b > 0 && b * along - power < 0 ? b : 0;
}
/// (8): t1 from s(0) and c(0); it is negative where t = 0.
constexpr double first_step(double slope, double curvature) {
  return !(slope < 0) ? -1.0 : curvature > 0 ? -slope / curvature : 0.5;
}
/// (8): t from t1, s(t1) and c(t1).
constexpr double corrected_step(double first, double slope, double curvature) {
  if (!(first > 0)) return 0;
  if (!(curvature > 0)) return first;
  const double t = first - slope / curvature, least = 0.1 * first, most = 4 * first;
  return t < least ? least : t > most ? most : t;
}
/// A voxel's terms of s(t) and c(t); F and D as numbers.
template <class T>
constexpr void terms(T re, T im, T d_re, T d_im, T a, T background, T t, T& slope, T& curvature) {
  const T fr = re + t * d_re, fi = im + t * d_im, inverse = 1 / (fr * fr + fi * fi + background);
  const T dp = 2 * (fr * d_re + fi * d_im), ddp = 2 * (d_re * d_re + d_im * d_im), ratio = a * a * inverse, miss = 1 - ratio;
  slope = a >= 0 ? dp * miss : 0;
  curvature = a >= 0 ? ddp * miss + dp * dp * (ratio * inverse) : 0;
}
/// Throw unless the shapes fit: of fields alike, of the numbers, of the amplitude.
void require_gradient(const Shape& a, const Shape& scalars, const Shape& direction_field, const Shape& field,
                      const Shape& gradient_field, const Shape& misfit);
void require_products(const Shape& support, const Shape& before, const Shape& direction, const Shape& gradient, const Shape& products);
void require_direction(const Shape& products, const Shape& scalars, const Shape& gradient, const Shape& before,
                       const Shape& direction);
void require_search(const Shape& a, const Shape& field, const Shape& direction_field, const Shape& products, const Shape& scalars);
void require_advance(const Shape& scalars, const Shape& direction, const Shape& x);
}  // namespace likelihood_step

namespace reference {
template <class T>
LikelihoodGradient<T> likelihood_gradient;
template <class T>
LikelihoodProducts<T> likelihood_products;
template <class T>
LikelihoodDirection<T> likelihood_direction;
template <class T>
LikelihoodSearch<T> likelihood_search;
template <class T>
LikelihoodAdvance<T> likelihood_advance;
}  // namespace reference
namespace cpu {
LikelihoodGradient<float> likelihood_gradient;
LikelihoodProducts<float> likelihood_products;
LikelihoodDirection<float> likelihood_direction;
LikelihoodSearch<float> likelihood_search;
LikelihoodAdvance<float> likelihood_advance;
}  // namespace cpu
namespace cuda {
LikelihoodGradient<float> likelihood_gradient;
LikelihoodProducts<float> likelihood_products;
LikelihoodDirection<float> likelihood_direction;
LikelihoodSearch<float> likelihood_search;
LikelihoodAdvance<float> likelihood_advance;
}  // namespace cuda

}  // namespace fringe
