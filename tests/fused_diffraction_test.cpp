#include "kernels/fused_diffraction.h"

#include "kernels/fft3d.h"
#include "kernels/modulus.h"
#include "kernels/pad_centred.h"
#include "kernels/polar.h"
#include "tests/support/arrays.h"
#include "tests/support/backends.h"
#include "tests/support/gradcheck.h"

using namespace fringe;
using namespace fringe::test;

namespace {

/// Objects and frames: half in each direction, the whole frame, odd objects, flat ones.
struct Sizes {
  Shape object, frame;
};
const Sizes sizes[] = {{{2, 4, 4, 4, 1}, {2, 8, 8, 8, 1}},
                       {{1, 4, 6, 2, 1}, {1, 4, 6, 2, 1}},
                       {{1, 3, 5, 1, 1}, {1, 4, 6, 10, 1}},
                       {{3, 1, 2, 7, 1}, {3, 2, 14, 8, 1}},
                       {{1, 8, 4, 16, 1}, {1, 16, 10, 22, 1}}};

std::vector<const KernelTable<float>*> with_reference() {
  auto tables = backends();
  tables.push_back(&reference::table<float>());
  return tables;
}

}  // namespace

TEST_SUITE("fused_diffraction") {
  TEST_CASE("backends: values and gradients are those of polar, pad_centred, fft3d and modulus in double") {
    Stream stream(2);
    for (const auto& [object, frame] : sizes) {
      CAPTURE(object.str());
      CAPTURE(frame.str());
      const auto a = random_array<float>(object, 1), phi = random_array<float>(object, 2), dm = random_array<float>(frame, 3);
      const double epsilon = 0.125;  // a float exactly
      Array<double> z(object.with_channels(2)), field(frame.with_channels(2)), m_ref(frame), dfield(field.shape());
      Array<double> dz(z.shape()), da_ref(object), dphi_ref(object);
      const auto a2 = cast<double>(a), phi2 = cast<double>(phi);
      reference::polar_forward<double>(stream, a2, phi2, z);
      reference::pad_centred_forward<double>(stream, z, field);
      reference::fft3d_forward<double>(stream, field, field);
      reference::modulus_forward<double>(stream, epsilon, field, m_ref);
      reference::modulus_backward<double>(stream, field, m_ref, cast<double>(dm), dfield);
      reference::fft3d_backward<double>(stream, dfield, dfield);
      reference::pad_centred_backward<double>(stream, dfield, dz);
      reference::polar_backward<double>(stream, a2, phi2, dz, da_ref, dphi_ref);
      for (const auto* table : with_reference()) {
        CAPTURE(table->backend);
        Array<float> f(field.shape()), m(frame), da(object), dphi(object);
        table->fused_diffraction_forward(stream, static_cast<float>(epsilon), a, phi, f, m);
        table->fused_diffraction_backward(stream, a, phi, f, m, dm, da, dphi);
        CHECK(relative_error(m, m_ref) < 2e-6);
        CHECK(relative_error(da, da_ref) < 2e-6);
        CHECK(relative_error(dphi, dphi_ref) < 2e-6);
        f.check_canaries(), m.check_canaries(), da.check_canaries(), dphi.check_canaries();
      }
    }
  }

  TEST_CASE("gradient: central differences in double") {
    Stream stream;
    const Shape object{1, 2, 3, 2, 1}, frame{1, 4, 6, 4, 1};
    auto a = random_array<double>(object, 1), phi = random_array<double>(object, 2);
    const auto dm = random_array<double>(frame, 3);
    Array<double> field(frame.with_channels(2)), m(frame), da(object), dphi(object);
    const auto loss = [&] {
      reference::fused_diffraction_forward<double>(stream, 0.1, a, phi, field, m);
      return dot(m, dm);
    };
    loss();
    reference::fused_diffraction_backward<double>(stream, a, phi, field, m, dm, da, dphi);
    check_gradient(a, da, loss);
    check_gradient(phi, dphi, loss);
  }

  TEST_CASE("a crystal of zero amplitude and no epsilon has a gradient of zero, not of NaN") {
    Stream stream;
    const Shape object{1, 2, 2, 2, 1}, frame{1, 4, 4, 4, 1};
    Array<float> a(object), f(frame.with_channels(2)), m(frame), da(object), dphi(object);
    std::fill(a.begin(), a.end(), 0.0F);
    const auto phi = random_array<float>(object, 1), dm = random_array<float>(frame, 2);
    for (const auto* table : with_reference()) {
      table->fused_diffraction_forward(stream, 0, a, phi, f, m);
      table->fused_diffraction_backward(stream, a, phi, f, m, dm, da, dphi);
      for (Index i = 0; i < da.shape().size(); ++i) CHECK((da[i] == 0 && dphi[i] == 0));
    }
  }

  TEST_CASE("results are bitwise the same on one thread and three") {
    const Shape object{2, 5, 4, 6, 1}, frame{2, 10, 8, 12, 1};
    const auto a = random_array<float>(object, 1), phi = random_array<float>(object, 2), dm = random_array<float>(frame, 3);
    Stream one(1), three(3);
    Array<float> f1(frame.with_channels(2)), f3(f1.shape()), m1(frame), m3(frame);
    Array<float> da1(object), da3(object), dphi1(object), dphi3(object);
    cpu::fused_diffraction_forward(one, 1e-6F, a, phi, f1, m1);
    cpu::fused_diffraction_forward(three, 1e-6F, a, phi, f3, m3);
    cpu::fused_diffraction_backward(one, a, phi, f1, m1, dm, da1, dphi1);
    cpu::fused_diffraction_backward(three, a, phi, f3, m3, dm, da3, dphi3);
    CHECK(std::equal(m1.begin(), m1.end(), m3.begin()));
    CHECK(std::equal(da1.begin(), da1.end(), da3.begin()));
    CHECK(std::equal(dphi1.begin(), dphi1.end(), dphi3.begin()));
  }

  TEST_CASE("errors: a frame smaller than the object, and one of odd extent") {
    Stream stream;
    const Shape object{1, 4, 4, 4, 1};
    Array<float> a(object), phi(object);
    for (const Shape frame : {Shape{1, 2, 8, 8, 1}, Shape{1, 8, 9, 8, 1}})
      for (const auto* table : with_reference()) {
        Array<float> f(frame.with_channels(2)), m(frame);
        CHECK_THROWS_AS(table->fused_diffraction_forward(stream, 0, a, phi, f, m), Error);
      }
  }
}
