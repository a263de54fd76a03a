// Strategy: channels are contiguous; a vector of them at a time. Where both axes are transformed at once, what is between them is an
// array of vectors, which the compiler keeps in memory: it stays in the first-level cache.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/winograd4_rows.cpp"
#include "hwy/foreach_target.h"
// (the lines above must come first: Highway compiles the rest of this file once per instruction set)
#include "hwy/highway.h"
#include "kernels/cpu/convolution_winograd4.h"
#include "kernels/cpu/registers-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fringe::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr double a = 2.0 / 3, b = 3.0 / 2, ga = 1 / (2 * a * a * (a * a - b * b)), gb = 1 / (2 * b * b * (b * b - a * a));
template <class D>
HWY_INLINE hn::Vec<D> number(D d, double value) {
  return hn::Set(d, static_cast<float>(value));
}

// The transforms along one axis: get(i) gives vectors, put(i, vector) takes them.

template <class D, class Get, class Put>
HWY_INLINE void inputs(D d, const Get& get, const Put& put) {
  const auto s = number(d, a * a + b * b), a2 = number(d, a * a), b2 = number(d, b * b), va = number(d, a), vb = number(d, b);
  const auto x1 = get(1), x2 = get(2), x3 = get(3), x4 = get(4);
  const auto even_a = hn::NegMulAdd(b2, x2, x4), odd_a = hn::NegMulAdd(b2, x1, x3);
  const auto even_b = hn::NegMulAdd(a2, x2, x4), odd_b = hn::NegMulAdd(a2, x1, x3);
  put(0, hn::NegMulAdd(s, x2, hn::Add(get(0), x4)));
  put(1, hn::MulAdd(va, odd_a, even_a));
  put(2, hn::NegMulAdd(va, odd_a, even_a));
  put(3, hn::MulAdd(vb, odd_b, even_b));
  put(4, hn::NegMulAdd(vb, odd_b, even_b));
  put(5, hn::NegMulAdd(s, x3, hn::Add(x1, get(5))));
}

template <class D, class Get, class Put>
HWY_INLINE void outputs(D d, const Get& get, const Put& put) {
  const auto m1 = get(1), m2 = get(2), m3 = get(3), m4 = get(4);
  const auto even_a = hn::Add(m1, m2), odd_a = hn::Sub(m1, m2), even_b = hn::Add(m3, m4), odd_b = hn::Sub(m3, m4);
  put(0, hn::Add(get(0), hn::Add(even_a, even_b)));
  put(1, hn::MulAdd(number(d, a), odd_a, hn::Mul(number(d, b), odd_b)));
  put(2, hn::MulAdd(number(d, a * a), even_a, hn::Mul(number(d, b * b), even_b)));
  put(3, hn::MulAdd(number(d, a * a * a), odd_a, hn::MulAdd(number(d, b * b * b), odd_b, get(5))));
}

template <class D, class Get, class Put>
HWY_INLINE void gradients(D d, const Get& get, const Put& put) {
  const auto a2 = number(d, a * a), b2 = number(d, b * b), va = number(d, a), vb = number(d, b);
  const auto g0 = get(0), g1 = get(1), g2 = get(2), g3 = get(3);
  const auto even_a = hn::MulAdd(a2, g2, g0), odd_a = hn::MulAdd(a2, g3, g1);
  const auto even_b = hn::MulAdd(b2, g2, g0), odd_b = hn::MulAdd(b2, g3, g1);
  put(0, g0);
  put(1, hn::MulAdd(va, odd_a, even_a));
  put(2, hn::NegMulAdd(va, odd_a, even_a));
  put(3, hn::MulAdd(vb, odd_b, even_b));
  put(4, hn::NegMulAdd(vb, odd_b, even_b));
  put(5, g3);
}

template <class D, class Get, class Put>
HWY_INLINE void weights(D d, const Get& get, const Put& put) {
  const auto w0 = get(0), w1 = get(1), w2 = get(2);
  const auto even_a = hn::Mul(number(d, ga), hn::MulAdd(number(d, a * a), w2, w0)), odd_a = hn::Mul(number(d, ga * a), w1);
  const auto even_b = hn::Mul(number(d, gb), hn::MulAdd(number(d, b * b), w2, w0)), odd_b = hn::Mul(number(d, gb * b), w1);
  put(0, w0);
  put(1, hn::Add(even_a, odd_a));
  put(2, hn::Sub(even_a, odd_a));
  put(3, hn::Add(even_b, odd_b));
  put(4, hn::Sub(even_b, odd_b));
  put(5, w2);
}

template <class D, class Get, class Put>
HWY_INLINE void weight_gradients(D d, const Get& get, const Put& put) {
  const auto s1 = get(1), s2 = get(2), s3 = get(3), s4 = get(4);
  const auto even_a = hn::Mul(number(d, ga), hn::Add(s1, s2)), odd_a = hn::Mul(number(d, ga * a), hn::Sub(s1, s2));
  const auto even_b = hn::Mul(number(d, gb), hn::Add(s3, s4)), odd_b = hn::Mul(number(d, gb * b), hn::Sub(s3, s4));
  put(0, hn::Add(get(0), hn::Add(even_a, even_b)));
  put(1, hn::Add(odd_a, odd_b));
  put(2, hn::MulAdd(number(d, a * a), even_a, hn::MulAdd(number(d, b * b), even_b, get(5))));
}

/// call(d) with vectors of which whole numbers make `count`, a multiple of 8 (or of a vector, where vectors are shorter).
template <class Call>
HWY_INLINE void with_vectors(Index count, const Call& call) {
  const hn::CappedTag<float, 16> sixteen;
  if (count % static_cast<Index>(hn::Lanes(sixteen)) == 0)
    call(sixteen);
  else
    call(hn::CappedTag<float, 8>());
}
template <class D>
HWY_INLINE Index lanes(D d) {
  return static_cast<Index>(hn::Lanes(d));
}

void inputs_along_w(const float* HWY_RESTRICT row, Index squares, Index channels, float* HWY_RESTRICT to) {
  with_vectors(channels, [&](auto d) HWY_ATTR FRINGE_INLINE_LAMBDA {
    for (Index q = 0; q < squares; ++q)
      for (Index c = 0; c < channels; c += lanes(d)) {
        const float* x = row + 4 * q * channels + c;
        float* u = to + q * channels + c;
        inputs(
            d, [&](Index i) HWY_ATTR FRINGE_INLINE_LAMBDA { return hn::LoadU(d, x + i * channels); },
            [&](Index i, auto v) HWY_ATTR FRINGE_INLINE_LAMBDA { hn::StoreU(v, d, u + i * squares * channels); });
      }
  });
}

void gradients_along_w(const float* HWY_RESTRICT row, Index squares, Index channels, float* HWY_RESTRICT to) {
  with_vectors(channels, [&](auto d) HWY_ATTR FRINGE_INLINE_LAMBDA {
    for (Index q = 0; q < squares; ++q)
      for (Index c = 0; c < channels; c += lanes(d)) {
        const float* g = row + 4 * q * channels + c;
        float* v = to + q * channels + c;
        gradients(
            d, [&](Index i) HWY_ATTR FRINGE_INLINE_LAMBDA { return hn::LoadU(d, g + i * channels); },
            [&](Index i, auto w) HWY_ATTR FRINGE_INLINE_LAMBDA { hn::StoreU(w, d, v + i * squares * channels); });
      }
  });
}

void inputs_along_h(const float* const* rows, Index length, float* HWY_RESTRICT to, Index part) {
  with_vectors(length, [&](auto d) HWY_ATTR FRINGE_INLINE_LAMBDA {
    for (Index j = 0; j < winograd4_points; ++j)
      for (Index i = 0; i < length; i += lanes(d))
        inputs(
            d, [&](Index r) HWY_ATTR FRINGE_INLINE_LAMBDA { return hn::LoadU(d, rows[r] + j * length + i); },
            [&](Index r, auto v) HWY_ATTR FRINGE_INLINE_LAMBDA { hn::StoreU(v, d, to + (winograd4_points * r + j) * part + i); });
  });
}

void gradients_along_h(const float* const* rows, Index length, float* HWY_RESTRICT to, Index part) {
  with_vectors(length, [&](auto d) HWY_ATTR FRINGE_INLINE_LAMBDA {
    for (Index j = 0; j < winograd4_points; ++j)
      for (Index i = 0; i < length; i += lanes(d))
        gradients(
            d, [&](Index r) HWY_ATTR FRINGE_INLINE_LAMBDA { return hn::LoadU(d, rows[r] + j * length + i); },
            [&](Index r, auto v) HWY_ATTR FRINGE_INLINE_LAMBDA { hn::StoreU(v, d, to + (winograd4_points * r + j) * part + i); });
  });
}

void square_outputs(const float* HWY_RESTRICT m, Index part, Index step, Index squares, Index channels, const float* HWY_RESTRICT bias,
                    float* HWY_RESTRICT y, Index row, Index stride) {
  with_vectors(channels, [&](auto d) HWY_ATTR FRINGE_INLINE_LAMBDA {
    hn::Vec<decltype(d)> between[4][winograd4_points];
    for (Index q = 0; q < squares; ++q)
      for (Index c = 0; c < channels; c += lanes(d)) {
        const float* from = m + q * step + c;
        for (Index j = 0; j < winograd4_points; ++j)
          outputs(
              d, [&](Index r) HWY_ATTR FRINGE_INLINE_LAMBDA { return hn::LoadU(d, from + (winograd4_points * r + j) * part); },
              [&](Index r, auto v) HWY_ATTR FRINGE_INLINE_LAMBDA { between[r][j] = v; });
        const auto offset = hn::LoadU(d, bias + c);
        for (Index r = 0; r < 4; ++r) {
          float* to = y + r * row + 4 * q * stride + c;
          outputs(
              d, [&](Index j) HWY_ATTR FRINGE_INLINE_LAMBDA { return between[r][j]; },
              [&](Index i, auto v) HWY_ATTR FRINGE_INLINE_LAMBDA { hn::StoreU(hn::Add(v, offset), d, to + i * stride); });
        }
      }
  });
}

void square_weights(const float* HWY_RESTRICT w, Index tap, Index count, float* HWY_RESTRICT to, Index part) {
  with_vectors(count, [&](auto d) HWY_ATTR FRINGE_INLINE_LAMBDA {
    hn::Vec<decltype(d)> between[winograd4_points][3];
    for (Index o = 0; o < count; o += lanes(d)) {
      for (Index j = 0; j < 3; ++j)
        weights(
            d, [&](Index i) HWY_ATTR FRINGE_INLINE_LAMBDA { return hn::LoadU(d, w + (3 * i + j) * tap + o); },
            [&](Index i, auto v) HWY_ATTR FRINGE_INLINE_LAMBDA { between[i][j] = v; });
      for (Index i = 0; i < winograd4_points; ++i)
        weights(
            d, [&](Index j) HWY_ATTR FRINGE_INLINE_LAMBDA { return between[i][j]; },
            [&](Index j, auto v) HWY_ATTR FRINGE_INLINE_LAMBDA { hn::StoreU(v, d, to + (winograd4_points * i + j) * part + o); });
    }
  });
}

void square_weight_gradients(const float* HWY_RESTRICT sums, Index part, Index threads, Index stride, Index count, float* HWY_RESTRICT dw,
                             Index tap) {
  with_vectors(count, [&](auto d) HWY_ATTR FRINGE_INLINE_LAMBDA {
    hn::Vec<decltype(d)> between[3][winograd4_points];
    for (Index o = 0; o < count; o += lanes(d)) {
      for (Index j = 0; j < winograd4_points; ++j)
        weight_gradients(
            d,
            [&](Index i) HWY_ATTR FRINGE_INLINE_LAMBDA {
              const float* at = sums + (winograd4_points * i + j) * part + o;
              auto sum = hn::LoadU(d, at);
              for (Index t = 1; t < threads; ++t) sum = hn::Add(sum, hn::LoadU(d, at + t * stride));
              return sum;
            },
            [&](Index i, auto v) HWY_ATTR FRINGE_INLINE_LAMBDA { between[i][j] = v; });
      for (Index i = 0; i < 3; ++i)
        weight_gradients(
            d, [&](Index j) HWY_ATTR FRINGE_INLINE_LAMBDA { return between[i][j]; },
            [&](Index j, auto v) HWY_ATTR FRINGE_INLINE_LAMBDA { hn::StoreU(v, d, dw + (3 * i + j) * tap + o); });
    }
  });
}

}  // namespace fringe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fringe::cpu {
namespace {
HWY_EXPORT(inputs_along_w);
HWY_EXPORT(inputs_along_h);
HWY_EXPORT(gradients_along_w);
HWY_EXPORT(gradients_along_h);
HWY_EXPORT(square_outputs);
HWY_EXPORT(square_weights);
HWY_EXPORT(square_weight_gradients);
}  // namespace

void winograd4_inputs_along_w(const float* row, Index squares, Index channels, float* to) {
  HWY_DYNAMIC_DISPATCH(inputs_along_w)(row, squares, channels, to);
}
void winograd4_inputs_along_h(const float* const* rows, Index length, float* to, Index part) {
  HWY_DYNAMIC_DISPATCH(inputs_along_h)(rows, length, to, part);
}
void winograd4_gradients_along_w(const float* row, Index squares, Index channels, float* to) {
  HWY_DYNAMIC_DISPATCH(gradients_along_w)(row, squares, channels, to);
}
void winograd4_gradients_along_h(const float* const* rows, Index length, float* to, Index part) {
  HWY_DYNAMIC_DISPATCH(gradients_along_h)(rows, length, to, part);
}
void winograd4_outputs(const float* m, Index part, Index step, Index squares, Index channels, const float* bias, float* y, Index row,
                       Index stride) {
  HWY_DYNAMIC_DISPATCH(square_outputs)(m, part, step, squares, channels, bias, y, row, stride);
}
void winograd4_weights(const float* w, Index tap, Index count, float* to, Index part) {
  HWY_DYNAMIC_DISPATCH(square_weights)(w, tap, count, to, part);
}
void winograd4_weight_gradients(const float* sums, Index part, Index threads, Index stride, Index count, float* dw, Index tap) {
  HWY_DYNAMIC_DISPATCH(square_weight_gradients)(sums, part, threads, stride, count, dw, tap);
}

}  // namespace fringe::cpu
#endif  // HWY_ONCE
