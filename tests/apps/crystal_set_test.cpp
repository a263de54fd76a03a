// Sets of crystals: simulate --count; what training makes of them. (Killed and gone on with: interrupted.h.)
#include "apps/io/crystal_set.h"

#include <cmath>

#include "apps/io/cxi.h"
#include "apps/phasing/dataset.h"
#include "tests/apps/files.h"

using namespace fringe;
using namespace fringe::test;

namespace {

const std::string population = " --size 16 --shape mixed --phase-range 0.5,4 --photons 1e4,1e6 ";

bool same(const std::string& a, const std::string& b) {
  const io::CrystalSet x(a), y(b);
  bool equal = x.count() == y.count() && x.has_patterns() == y.has_patterns();
  for (Index i = 0; equal && i < x.count(); ++i)
    equal = x.object(i).data == y.object(i).data && x.intensity(i).data == y.intensity(i).data &&
            x.specimen(i).crystal.phase_range == y.specimen(i).crystal.phase_range;
  return equal;
}

/// A set of twenty crystals of 16^3 voxels without noise; the last four are held out.
DatasetOptions twenty_crystals(const Folder& f) {
  REQUIRE(fringe::test::fringe(f, "simulate -q --count 20 --size 16 -o '" + (f / "s.h5") + "'").code == 0);
  DatasetOptions options;
  options.set = f / "s.h5";
  options.validation_share = 0.2;
  return options;
}

bool same(const Tensor<float>& a, const Tensor<float>& b) {
  return a.shape() == b.shape() && std::equal(a.data(), a.data() + a.size(), b.data());
}

}  // namespace

TEST_SUITE("crystal_set") {
  TEST_CASE("the set is the same for one thread and two, and has the population that was asked for") {
    const Folder f("set");
    const auto simulate = [&](const std::string& name, const std::string& more) {
      return fringe::test::fringe(f, "simulate -q --count 80 -o '" + (f / name) + "'" + population + more);
    };
    REQUIRE(simulate("one.h5", "--threads 1").code == 0);
    REQUIRE(simulate("two.h5", "--threads 2").code == 0);
    CHECK(same(f / "one.h5", f / "two.h5"));
    const io::CrystalSet set(f / "one.h5");
    Index polyhedra = 0;
    for (Index i = 0; i < set.count(); ++i) {
      const auto s = set.specimen(i);
      polyhedra += s.crystal.shape == CrystalShape::polyhedron;
      CHECK(s.crystal.phase_range >= 0.5);
      CHECK(s.crystal.phase_range <= 4);
      CHECK(s.exposure.photons >= 1e4);
      CHECK(s.exposure.photons <= 1e6);
    }
    CHECK(polyhedra > 20);
    CHECK(polyhedra < 60);
  }

  TEST_CASE("number i of a set is what simulate --index i draws") {
    const Folder f("index");
    REQUIRE(fringe::test::fringe(f, "simulate -q --count 3 --seed 5 -o '" + (f / "s.h5") + "'" + population).code == 0);
    REQUIRE(fringe::test::fringe(f, "simulate -q --index 2 --seed 5 -o '" + (f / "c.cxi") + "'" + population).code ==
            0);
    const io::CrystalSet set(f / "s.h5");
    const Pattern p = io::read_pattern(f / "c.cxi");
    CHECK(p.truth.data == set.object(2).data);
    CHECK(p.intensity.data == set.intensity(2).data);
  }

  TEST_CASE("what does not fit is refused by name") {
    const Folder f("refused");
    const std::string base = "simulate -q --size 16 -o '" + (f / "s.h5") + "' ";
    // What an interrupted run leaves.
    io::CrystalSetLayout layout{
        9,          16, true, {{"phase_range_low", 1}, {"phase_range_high", 1}}, {{"seed", "1"}, {"command", "one"}},
        {"command"}};
    { io::CrystalSetWriter writer(f / "s.h5", layout); }
    layout.texts["command"] = "another";
    CHECK(io::CrystalSetWriter(f / "s.h5", layout).completed() == 0);
    layout.parameters["phase_range_high"] = 2;
    CHECK_THROWS_WITH_AS(io::CrystalSetWriter(f / "s.h5", layout),
                         doctest::Contains("phase_range_high 1, this one has 2"), Error);
    const auto partial = fringe::test::fringe(f, "train -q '" + (f / "s.h5.partial") + "' -o '" + (f / "m.h5") + "'");
    CHECK(partial.code == 1);
    CHECK(partial.err.find("are missing") != std::string::npos);
    std::filesystem::remove(f / "s.h5.partial");
    CHECK(fringe::test::fringe(f, base + "--count 4 --index 3").code == 2);
    CHECK(fringe::test::fringe(f, base + "--objects-only").code == 2);
    CHECK(fringe::test::fringe(f, base + "--count 4 --phase-range 3,1").code == 1);
    CHECK(fringe::test::fringe(f, base + "--count 4 --photons=-5").code == 1);
    CHECK(fringe::test::fringe(f, base + "--count 4 --photons 0,1e6").code == 1);
    CHECK(fringe::test::fringe(f, base + "--count 4 --semi-axis 4,9").code == 1);
    CHECK_FALSE(std::filesystem::exists(f / "s.h5.partial"));  // nothing stands in the way of the same command, put right
  }

  TEST_CASE("training batches: a target's diffraction is its pattern in every orientation, and its twin has the same") {
    const Folder f("dataset");
    DatasetOptions options = twenty_crystals(f);
    Dataset data(options);
    CHECK(data.training_count() == 16);
    CHECK(data.validation_count() == 4);
    Context<float> context(default_table(), 2);
    const Batch b = data.training(context, FitInput::autocorrelation, 0, 1, 16);
    CHECK(b.input.shape() == Shape{16, 16, 16, 16, 2});
    for (const auto* image : {&b.targets.given, &b.targets.twin}) {
      Tape<float> tape(context, false);
      const auto f_object = autograd::modulus(
          autograd::fft3d(autograd::pad_centred(tape.constant(image->field), Shape{16, 16, 16, 16, 1})), 0.0F);
      const Tensor<float> distance = autograd::pearson_loss(f_object, b.targets.magnitude, {}).value();
      for (Index n = 0; n < 16; ++n) CHECK(distance[n] < 1e-5);
      double least = 1, most = 0;
      for (Index i = 0; i < image->phase.size(); ++i) {
        least = std::min(least, static_cast<double>(image->phase[i]));
        most = std::max(most, static_cast<double>(image->phase[i]));
      }
      CHECK(least >= 0);
      CHECK(most == doctest::Approx(1).epsilon(1e-4));
    }
    // A second visit shows the crystals in another order.
    const Batch c = data.training(context, FitInput::autocorrelation, 16, 1, 16);
    CHECK_FALSE(same(b.input, c.input));
  }

  TEST_CASE("fresh noise on a set: other counts at each visit, the same ones for a held-out crystal, photons as asked for") {
    const Folder f("noisy_visits");
    DatasetOptions options = twenty_crystals(f);
    options.augment = false;
    options.noise = true;
    options.population.photons = {1e4, 1e4};
    Dataset data(options);
    Context<float> context(default_table(), 2);
    const auto check_counts = [](const Tensor<float>& m) {
      double photons = 0, off_integer = 0;
      for (Index i = 0; i < m.size(); ++i) {
        const double count = static_cast<double>(m[i]) * static_cast<double>(m[i]);
        photons += count;
        off_integer = std::max(off_integer, std::abs(count - std::round(count)) / (1 + count));
      }
      CHECK(off_integer < 1e-6);
      CHECK(photons == doctest::Approx(4 * 1e4).epsilon(0.03));
    };
    const auto held_out = [&](Dataset& from) { return from.validation(context, FitInput::logarithm, 0, 1, 4).targets.magnitude; };
    const auto counted = held_out(data);
    check_counts(data.training(context, FitInput::logarithm, 0, 1, 4).targets.magnitude);
    check_counts(counted);
    CHECK(same(held_out(data), counted));
    options.noise = false;
    Dataset quiet(options);
    CHECK_FALSE(same(held_out(quiet), counted));
    // Each crystal of the first round comes again in the second, in another place.
    const auto visit = [&](Index i) { return data.training(context, FitInput::logarithm, i, 1, 1).targets; };
    const auto first = visit(0);
    int met_again = 0;
    for (Index i = 16; i < 32; ++i) {
      const auto other = visit(i);
      if (!same(other.given.field, first.given.field)) continue;
      ++met_again;
      CHECK_FALSE(same(other.magnitude, first.magnitude));
    }
    CHECK(met_again == 1);
  }
}
