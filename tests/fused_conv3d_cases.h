// The cases at which the fused convolutions are tested: every way an input is read and a gradient is formed, at awkward sizes.
#pragma once
#include "kernels/fused_conv3d.h"
#include "tests/support/arrays.h"
#include "tests/support/backends.h"

namespace fringe::test {

struct FusedCase {
  Shape in;  ///< of the array as it is read
  Index mid, out;
  bool affine, upsampled, fold, pooled;
  double slope;
};

inline constexpr FusedCase fused_cases[] = {
    {{1, 1, 1, 1, 1}, 1, 1, false, false, false, false, 1},   {{1, 2, 2, 2, 1}, 2, 2, true, true, true, true, 0.1},
    {{2, 3, 5, 7, 3}, 4, 5, true, false, true, false, 0.1},   {{2, 4, 6, 10, 3}, 3, 2, true, true, true, true, 0.1},
    {{1, 4, 4, 16, 1}, 8, 8, false, false, true, false, 0.1}, {{1, 6, 4, 18, 8}, 8, 8, true, false, true, true, 0.01},
    {{2, 5, 7, 9, 8}, 8, 8, true, false, true, false, 0.01},  {{1, 4, 6, 8, 16}, 8, 8, true, true, true, false, 0.01},
    {{1, 8, 8, 8, 16}, 16, 16, true, false, true, true, 0.1}, {{1, 4, 4, 6, 32}, 16, 16, true, true, true, false, 0.01},
    {{1, 5, 4, 12, 8}, 8, 1, true, false, false, false, 0},   {{1, 4, 5, 8, 16}, 16, 1, true, false, false, false, 1},
    {{2, 4, 4, 4, 16}, 33, 33, true, false, true, true, 0.1}, {{1, 2, 4, 6, 64}, 32, 40, true, true, true, false, 0.1},
    {{1, 40, 6, 8, 8}, 8, 16, true, false, true, true, 0.1},  {{1, 3, 34, 66, 8}, 8, 8, true, false, true, false, 0.1},
};

inline bool tried(const FusedCase& c) { return !small_tests() || c.in.d * c.in.h * c.in.w < 1000; }

/// The operands of one case.
template <class T>
struct FusedOperands {
  FusedCase c;
  Array<T> x, affine, w, b, y, dz, fold;
  Array<std::uint8_t> which;

  FusedOperands(const FusedCase& k, Shape kernel)
      : c(k), x(random_array<T>(k.upsampled ? Shape{k.in.n, k.in.d / 2, k.in.h / 2, k.in.w / 2, k.in.c} : k.in, 1)),
        affine(random_array<T>(batch_norm_fold::affine_shape(k.in.c), 2)),
        w(random_array<T>(kernel, 3, 1 / std::sqrt(double(kernel.size() / kernel.c)))), b(random_array<T>(channel_vector(kernel.c), 4)),
        y(random_array<T>(k.in.with_channels(k.out), 5)), dz(random_array<T>(k.pooled ? half(y.shape()) : y.shape(), 6)),
        fold(random_array<T>(batch_norm_fold::affine_shape(k.out), 7)), which(dz.shape()) {
    for (Index i = 0; i < which.shape().size(); ++i) which[i] = static_cast<std::uint8_t>((i * 7 + i / 3) % 8);
  }
  Reading<T> reading() const { return {x.view(), c.affine ? affine.view() : ConstView<T>{}, c.upsampled}; }
  PendingGradient<T> gradient() const {
    return {dz.view(), c.pooled ? which.view() : ConstView<std::uint8_t>{}, y.view(), c.fold ? fold.view() : ConstView<T>{},
            static_cast<T>(c.slope)};
  }
  static Shape half(const Shape& s) { return {s.n, s.d / 2, s.h / 2, s.w / 2, s.c}; }
};

}  // namespace fringe::test
