#include "kernels/philox.h"

#include "tests/support/arrays.h"
#include "tests/support/backends.h"
#include "tests/support/gradcheck.h"

using namespace fringe;
using namespace fringe::test;

TEST_SUITE("philox") {
  TEST_CASE("math: the known answers of Random123 come out") {
    CHECK(philox::block({0, 0, 0, 0}, {0, 0}) == philox::Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
    const std::uint32_t f = 0xffffffff;
    CHECK(philox::block({f, f, f, f}, {f, f}) == philox::Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
    CHECK(philox::block({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
          philox::Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
  }

  TEST_CASE("backends: every table gives the same numbers on any number of threads") {
    const Shape s{1, 3, 5, 7, 11};
    Stream one(1);
    Array<float> u_ref(s), z_ref(s);
    reference::philox_uniform<float>(one, 7, 3, u_ref);
    reference::philox_normal<float>(one, 7, 3, z_ref);
    for (const auto* table : backends())
      for (const int threads : {1, 2, 3}) {
        Stream stream(threads);
        Array<float> u(s), z(s);
        table->philox_uniform(stream, 7, 3, u);
        table->philox_normal(stream, 7, 3, z);
        CHECK(relative_error(u, u_ref) == 0);
        CHECK(relative_error(z, z_ref) == 0);
      }
  }

  TEST_CASE("math: uniform and normal numbers have their moments") {
    Stream stream;
    Array<double> u({1, 1, 100, 100, 10}), z(u.shape());
    reference::philox_uniform<double>(stream, 1, 0, u);
    reference::philox_normal<double>(stream, 1, 1, z);
    double mean = 0, square = 0, fourth = 0;
    const auto n = double(u.shape().size());
    for (Index i = 0; i < u.shape().size(); ++i) {
      mean += u[i] / n, square += z[i] * z[i] / n, fourth += z[i] * z[i] * z[i] * z[i] / n;
      CHECK((u[i] >= 0 && u[i] < 1));
    }
    CHECK(mean == doctest::Approx(0.5).epsilon(0.01));
    CHECK(square == doctest::Approx(1).epsilon(0.02));
    CHECK(fourth == doctest::Approx(3).epsilon(0.05));
  }
}
