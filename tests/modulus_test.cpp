#include "kernels/modulus.h"

#include "tests/support/arrays.h"
#include "tests/support/backends.h"
#include "tests/support/gradcheck.h"

using namespace fringe;
using namespace fringe::test;

TEST_SUITE("modulus") {
  TEST_CASE("math: 3 + 4i has modulus 5, intensity 25, and a field of zero has the modulus epsilon") {
    Stream stream;
    Array<double> z({1, 1, 1, 2, 2}), m({1, 1, 1, 2, 1}), i({1, 1, 1, 2, 1});
    z[0] = 3, z[1] = 4, z[2] = z[3] = 0;
    reference::modulus_forward<double>(stream, 1e-6, z, m);
    reference::intensity_forward<double>(stream, z, i);
    CHECK(m[0] == doctest::Approx(5).epsilon(1e-12));
    CHECK(m[1] == doctest::Approx(1e-6));
    CHECK(i[0] == 25);
    CHECK(i[1] == 0);
  }

  TEST_CASE("backends: every table agrees with the reference, zeros in the field included") {
    for (const Shape s : {Shape{1, 1, 1, 1, 2}, Shape{2, 3, 5, 7, 2}, Shape{1, 16, 16, 17, 2}}) {
      auto z = random_array<float>(s, 1);
      z[0] = z[1] = 0;
      const auto dm = random_array<float>(s.with_channels(1), 2);
      Stream stream(2);
      Array<double> m_ref(dm.shape()), i_ref(dm.shape()), dz_ref(s), dzi_ref(s);
      reference::modulus_forward<double>(stream, 1e-3, cast<double>(z), m_ref);
      reference::modulus_backward<double>(stream, cast<double>(z), m_ref, cast<double>(dm), dz_ref);
      reference::intensity_forward<double>(stream, cast<double>(z), i_ref);
      reference::intensity_backward<double>(stream, cast<double>(z), cast<double>(dm), dzi_ref);
      for (const auto* table : backends()) {
        Array<float> m(dm.shape()), i(dm.shape()), dz(s), dzi(s);
        table->modulus_forward(stream, 1e-3F, z, m);
        table->modulus_backward(stream, z, m, dm, dz);
        table->intensity_forward(stream, z, i);
        table->intensity_backward(stream, z, dm, dzi);
        CHECK(relative_error(m, m_ref) < 1e-6);
        CHECK(relative_error(dz, dz_ref) < 1e-6);
        CHECK(relative_error(i, i_ref) < 1e-6);
        CHECK(relative_error(dzi, dzi_ref) < 1e-6);
        m.check_canaries(), dz.check_canaries(), i.check_canaries(), dzi.check_canaries();
      }
    }
  }

  TEST_CASE("gradient: both backwards are the derivatives of their forwards; without epsilon a zero field has none") {
    Stream stream;
    const Shape s{1, 2, 3, 4, 2};
    auto z = random_array<double>(s, 3);
    const auto dm = random_array<double>(s.with_channels(1), 4);
    Array<double> m(dm.shape()), dz(s);
    const auto modulus = [&] {
      reference::modulus_forward<double>(stream, 1e-3, z, m);
      return dot(m, dm);
    };
    modulus();
    reference::modulus_backward<double>(stream, z, m, dm, dz);
    check_gradient(z, dz, modulus);
    const auto intensity = [&] {
      reference::intensity_forward<double>(stream, z, m);
      return dot(m, dm);
    };
    reference::intensity_backward<double>(stream, z, dm, dz);
    check_gradient(z, dz, intensity);

    std::fill(z.begin(), z.end(), 0.0);
    reference::modulus_forward<double>(stream, 0, z, m);
    reference::modulus_backward<double>(stream, z, m, dm, dz);
    for (const double v : dz) CHECK(v == 0);
  }
}
