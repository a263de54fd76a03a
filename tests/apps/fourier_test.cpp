#include "apps/phasing/fourier.h"

#include <doctest/doctest.h>

#include <numbers>

#include "apps/phasing/random.h"

using namespace fringe;

namespace {

ComplexField random_field(Extent extent, std::uint64_t seed) {
  ComplexField field(extent);
  Random random(seed, Draw::test, 0);
  for (auto& v : field.data) v = {random.normal(), random.normal()};
  return field;
}

/// Equation (1) of fourier.h, term by term.
ComplexField direct_sum(const ComplexField& f) {
  const auto [D, H, W] = f.extent;
  ComplexField out(f.extent);
  const auto turns = [](Index k, Index j, Index n) {
    return static_cast<double>((k - n / 2) * (j - n / 2)) / static_cast<double>(n);
  };
  for (Index a = 0; a < D; ++a)
    for (Index b = 0; b < H; ++b)
      for (Index c = 0; c < W; ++c)
        for (Index d = 0; d < D; ++d)
          for (Index h = 0; h < H; ++h)
            for (Index w = 0; w < W; ++w)
              out(a, b, c) += f(d, h, w) * std::polar(1.0, -2 * std::numbers::pi *
                                                               (turns(a, d, D) + turns(b, h, H) + turns(c, w, W)));
  return out;
}

double largest_difference(const ComplexField& a, const ComplexField& b) {
  double worst = 0;
  for (std::size_t i = 0; i < a.data.size(); ++i) worst = std::max(worst, std::abs(a.data[i] - b.data[i]));
  return worst;
}

}  // namespace

TEST_SUITE("fourier") {
  TEST_CASE("the forward transform is the direct sum, for even, odd and unequal extents") {
    for (const Extent extent : {Extent{4, 6, 8}, Extent{3, 4, 5}, Extent{1, 2, 7}, Extent{5, 5, 5}}) {
      ComplexField f = random_field(extent, 1);
      const ComplexField expected = direct_sum(f);
      fourier_forward(f);
      CHECK(largest_difference(f, expected) < 1e-12 * static_cast<double>(f.size()));
    }
  }

  TEST_CASE("the inverse undoes the forward transform") {
    for (const Extent extent : {Extent{16, 8, 12}, Extent{3, 7, 10}}) {
      const ComplexField f = random_field(extent, 2);
      ComplexField g = f;
      fourier_forward(g);
      fourier_inverse(g);
      CHECK(largest_difference(f, g) < 1e-13);
    }
  }

  TEST_CASE("two threads give the same bits as one") {
    ComplexField one = random_field({12, 10, 14}, 3), two = one;
    fourier_forward(one, 1);
    fourier_forward(two, 2);
    CHECK(one.data == two.data);
  }

  TEST_CASE("padding and cropping keep the middle voxel in the middle") {
    Volume<float> small({3, 4, 5});
    small(1, 2, 2) = 7;
    for (const Extent extent : {Extent{6, 8, 10}, Extent{7, 9, 11}, Extent{2, 2, 3}}) {
      const auto moved = pad_or_crop(small, extent);
      CHECK(moved(extent[0] / 2, extent[1] / 2, extent[2] / 2) == 7);
    }
  }
}
