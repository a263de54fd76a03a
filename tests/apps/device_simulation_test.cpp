// Crystals drawn by a table of kernels, on the CPU's (tests/emulation has them on the emulated device).
#include "apps/phasing/device_simulation.h"

#include "apps/phasing/dataset.h"
#include "tests/apps/simulation_case.h"

using namespace fringe;
using namespace fringe::test;

TEST_SUITE("device simulation") {
  TEST_CASE("crystals and counts are make_crystal's and expose's, superellipsoids and polyhedra, with sharp and smooth edges") {
    Context<float> context(cpu::table(), 2);
    check_drawn(context, false);
    check_drawn(context, true);
  }

  TEST_CASE("a data set that draws by a table of kernels gives the batches of one that does not, to rounding") {
    Context<float> context(cpu::table(), 2);
    DatasetOptions o;
    o.population.crystal.size = 16;
    o.validation_count = 4;
    for (const bool noise : {false, true}) {
      o.noise = noise;
      if (noise) o.population.photons = {1e5, 1e6};
      Dataset a(o), b(o);
      b.draw_on(context);
      for (const bool training : {true, false}) {
        const auto x =
            training ? a.training(context, FitInput::logarithm, 1, 2, 3) : a.validation(context, FitInput::logarithm, 0, 1, 3);
        const auto y =
            training ? b.training(context, FitInput::logarithm, 1, 2, 3) : b.validation(context, FitInput::logarithm, 0, 1, 3);
        const auto near = [](const Tensor<float>& u, const Tensor<float>& v, double share) {
          double difference = 0, all = 0;
          for (Index i = 0; i < u.size(); ++i)
            difference += std::abs(static_cast<double>(u[i] - v[i])), all += std::abs(static_cast<double>(v[i]));
          CHECK(difference <= share * all);
          CHECK(all > 0);
        };
        near(y.targets.given.amplitude, x.targets.given.amplitude, 1e-5);
        near(y.targets.given.phase, x.targets.given.phase, 1e-3);
        near(y.targets.twin.field, x.targets.twin.field, 1e-3);
        near(y.targets.magnitude, x.targets.magnitude, 1e-3);
        near(y.input, x.input, 1e-3);
      }
    }
  }
}
