// Crystals and patterns that a table of kernels draws, against make_crystal's and expose's.
#pragma once
#include <doctest/doctest.h>

#include <cmath>

#include "apps/phasing/device_simulation.h"

namespace fringe::test {

inline void check_drawn(Context<float>& context, bool smooth) {
  Population population;
  population.crystal.size = 16;
  population.crystal.smooth_edge = smooth;
  population.polyhedra = 0.5;
  population.phase_range = {0.5, 3};
  population.photons = {1e4, 1e5};
  const std::vector<std::uint64_t> indices{0, 1, 2, 3, 1'000'000, (std::uint64_t{1} << 31) + 5};
  std::vector<Specimen> specimens, in_the_dark;
  for (const auto index : indices) {
    specimens.push_back(draw_specimen(population, 3, index));
    in_the_dark.push_back(specimens.back());
    in_the_dark.back().exposure = {0, false};
  }
  specimens[1].exposure.noise = false;
  const auto exposed = draw_crystals(context, 3, indices, specimens), dark = draw_crystals(context, 3, indices, in_the_dark),
             alone = draw_crystals(context, 3, indices, specimens, false);
  CHECK(alone.intensities.empty());
  Index differ = 0, counted = 0;
  int polyhedra = 0;
  for (std::size_t k = 0; k < indices.size(); ++k) {
    CAPTURE(k);
    const Specimen& s = specimens[k];
    polyhedra += s.crystal.shape == CrystalShape::polyhedron;
    const auto object = make_crystal(s.crystal, 3, indices[k]);
    const auto pattern = expose(object, s.exposure, 3, indices[k]);
    const auto expected = diffract(object, pattern.intensity.extent);
    REQUIRE(exposed.objects[k].extent == object.extent);
    REQUIRE(exposed.intensities[k].extent == expected.extent);
    CHECK(exposed.objects[k].data == dark.objects[k].data);
    CHECK(exposed.objects[k].data == alone.objects[k].data);
    float worst = 0;
    for (std::size_t i = 0; i < object.data.size(); ++i) {
      const Complex found = exposed.objects[k].data[i], wanted = object.data[i];
      CHECK((found == Complex(0)) == (wanted == Complex(0)));
      worst = std::max(worst, std::abs(found - wanted));
    }
    CHECK(worst < 1e-4);
    double largest = 0, off = 0, brightest = 0, unlike = 0;
    for (std::size_t i = 0; i < expected.data.size(); ++i) {
      largest = std::max(largest, expected.data[i]);
      off = std::max(off, std::abs(static_cast<double>(dark.intensities[k].data[i]) - expected.data[i]));
      const float found = exposed.intensities[k].data[i], wanted = pattern.intensity.data[i];
      brightest = std::max(brightest, static_cast<double>(wanted));
      unlike = std::max(unlike, static_cast<double>(std::abs(found - wanted)));
      if (s.exposure.noise) differ += found != wanted, ++counted;
    }
    CHECK(off < 1e-4 * largest);
    if (!s.exposure.noise) CHECK(unlike < 1e-4 * brightest);
  }
  CHECK(differ * 500 < counted);  // a mean that rounding has moved past a step of the distribution
  CHECK(polyhedra > 0);
  CHECK(polyhedra < 6);
}

}  // namespace fringe::test
