#include "kernels/fused_max_pool.h"

#include "kernels/max_pool.h"
#include "tests/support/arrays.h"
#include "tests/support/backends.h"

using namespace fringe;
using namespace fringe::test;

TEST_SUITE("fused_max_pool") {
  TEST_CASE("backends: pooling through the normalisation is max_pool of the normalised array, whatever the sign of its scale") {
    Stream stream(2);
    for (const Shape s : {Shape{1, 2, 2, 2, 1}, Shape{2, 4, 2, 6, 3}, Shape{1, 6, 4, 8, 8}, Shape{1, 4, 4, 4, 37}}) {
      CAPTURE(s.str());
      const auto x = random_array<float>(s, 1);
      auto affine = random_array<float>(batch_norm_fold::affine_shape(s.c), 2);
      if (s.c > 1) affine[1] = 0;
      Array<float> z(s);
      for (Index i = 0; i < s.size(); ++i) z[i] = affine[i % s.c] * (x[i] - affine[s.c + i % s.c]) + affine[2 * s.c + i % s.c];
      const Shape half = max_pool::output_shape(s);
      Array<float> z_pooled(half), x_pooled(half);
      Array<std::uint8_t> z_which(half), x_which(half);
      reference::max_pool_forward<float>(stream, z, z_pooled, z_which);
      reference::max_pool_forward<float>(stream, x, x_pooled, x_which);
      std::vector<const KernelTable<float>*> tables = backends();
      tables.push_back(&reference::table<float>());
      for (const auto* table : tables) {
        CAPTURE(table->backend);
        Array<float> y(half), plain(half);
        Array<std::uint8_t> which(half), plain_which(half);
        table->fused_max_pool_forward(stream, x, affine, y, which);
        table->fused_max_pool_forward(stream, x, {}, plain, plain_which);
        CHECK(std::equal(which.begin(), which.end(), z_which.begin()));
        CHECK(std::equal(plain_which.begin(), plain_which.end(), x_which.begin()));
        CHECK(relative_error(plain, x_pooled) == 0);
        Array<float> applied(half);
        for (Index i = 0; i < half.size(); ++i)
          applied[i] = affine[i % s.c] * (y[i] - affine[s.c + i % s.c]) + affine[2 * s.c + i % s.c];
        CHECK(relative_error(applied, z_pooled) < 1e-6);
        y.check_canaries(), which.check_canaries();
      }
    }
  }

  TEST_CASE("errors: odd sizes are refused") {
    Stream stream;
    Array<float> x({1, 3, 2, 2, 1}), y({1, 1, 1, 1, 1});
    Array<std::uint8_t> which(y.shape());
    for (const auto* table : backends()) CHECK_THROWS_AS(table->fused_max_pool_forward(stream, x, {}, y, which), Error);
  }
}
