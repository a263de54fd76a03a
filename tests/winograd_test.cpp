// Winograd's convolutions of the CPU beside the direct ones and the reference.
#include "kernels/cpu/convolution_winograd.h"
#include "kernels/cpu/convolution_winograd4.h"

#include "tests/fused_conv3d_cases.h"

using namespace fringe;
using namespace fringe::test;

namespace {

/// Everything that a convolution computes.
template <class T>
struct Results {
  Array<T> y, statistics, dx, daffine, dw, db;
  Results(const FusedOperands<T>& o)
      : y(o.y.shape()), statistics(batch_norm_fold::statistics_shape(o.c.out)), dx(o.x.shape()), daffine(o.affine.shape()),
        dw(o.w.shape()), db(o.b.shape()) {}
};

void run(Stream& stream, const FusedOperands<float>& o, Way way, Results<float>& r) {
  const cpu::RowSource x(o.reading()), g(o.gradient());
  const cpu::Epilogue forward{.slope = static_cast<float>(o.c.slope), .statistics = r.statistics.begin()};
  cpu::Epilogue data;
  if (o.c.affine) data = {.moment = o.x.begin(), .affine = o.affine.begin(), .daffine = r.daffine.begin()};
  cpu::convolve_by(way, stream, x, o.w, false, o.b.begin(), View<float>(r.y), forward);
  cpu::convolve_by(way, stream, g, o.w, true, nullptr, View<float>(r.dx), data);
  cpu::convolve_weights_by(way, stream, x, g, r.dw, r.db.begin());
}

/// As near to double as ten times the direct kernels' distance, on one to three threads.
void check_beside_direct(Way way, std::span<const FusedCase> cases) {
  for (const auto& c : cases) {
    CAPTURE(c.in.str());
    const Shape kernel{3, 3, 3, c.in.c, c.out};
    const FusedOperands<float> o(c, kernel);
    const FusedOperands<double> exact_o(c, kernel);
    Stream one(1);
    Results<double> exact(exact_o);
    const auto& t = reference::table<double>();
    t.fused_conv3d_forward(one, c.slope, exact_o.reading(), exact_o.w, exact_o.b, exact.y, exact.statistics);
    t.fused_conv3d_backward_data(one, exact_o.gradient(), exact_o.w, exact_o.reading(), exact.dx,
                                 c.affine ? exact.daffine.view() : View<double>{});
    t.fused_conv3d_backward_weights(one, exact_o.reading(), exact_o.gradient(), exact.dw, exact.db);
    Results<float> direct(o);
    run(one, o, Way::own, direct);
    for (const int threads : {1, 2, 3}) {
      CAPTURE(threads);
      Stream stream(threads);
      Results<float> found(o);
      run(stream, o, way, found);
      const auto near = [&](const char* name, const Array<float>& a, const Array<float>& b, const Array<double>& truth) {
        CAPTURE(name);
        CHECK(relative_error(a, truth) < 10 * relative_error(b, truth) + 1e-7);
        a.check_canaries();
      };
      near("y", found.y, direct.y, exact.y), near("statistics", found.statistics, direct.statistics, exact.statistics);
      near("dx", found.dx, direct.dx, exact.dx), near("dw", found.dw, direct.dw, exact.dw), near("db", found.db, direct.db, exact.db);
      if (c.affine) near("daffine", found.daffine, direct.daffine, exact.daffine);
    }
  }
}

}  // namespace

TEST_SUITE("winograd") {
  TEST_CASE("pairs along W: as near to double as ten times the direct kernels' distance; statistics and sums, too") {
    const FusedCase cases[] = {{{1, 4, 6, 16, 16}, 16, 16, true, false, true, true, 0.1},
                               {{2, 5, 7, 18, 8}, 24, 24, true, false, true, false, 0.01},
                               {{1, 1, 1, 2, 8}, 8, 8, false, false, false, false, 1},
                               {{1, 3, 41, 34, 16}, 40, 40, false, false, false, false, 0},
                               {{1, 6, 20, 32, 32}, 64, 64, true, false, true, true, 0.01}};
    check_beside_direct(Way::winograd, cases);
  }

  TEST_CASE("squares of 4x4: the same") {
    const FusedCase cases[] = {{{1, 4, 8, 16, 16}, 16, 16, true, false, true, true, 0.1},
                               {{2, 5, 12, 20, 8}, 24, 24, true, false, true, false, 0.01},
                               {{1, 1, 4, 4, 8}, 8, 8, false, false, false, false, 1},
                               {{1, 3, 56, 36, 16}, 40, 40, false, false, false, false, 0},
                               {{1, 6, 20, 32, 32}, 64, 64, true, false, true, true, 0.01}};
    check_beside_direct(Way::winograd4, cases);
    CHECK_FALSE(cpu::winograd4_fits({1, 32, 32, 34, 16, 32, 3, 3, 3}));
    CHECK_FALSE(cpu::winograd4_fits({1, 32, 34, 32, 16, 32, 3, 3, 3}));
    CHECK_FALSE(cpu::winograd4_fits({1, 32, 32, 32, 16, 20, 3, 3, 3}));
    CHECK_FALSE(cpu::winograd4_fits({1, 32, 32, 32, 16, 16, 3, 1, 3}));
  }

  TEST_CASE("rows of 16 voxels and more take it, where channels come in eights; one output channel and rows of 8 do not") {
    CHECK(cpu::winograd_pays({1, 32, 32, 32, 16, 32, 3, 3, 3}));
    CHECK(cpu::winograd_pays({1, 16, 16, 16, 32, 16, 3, 3, 3}));
    CHECK_FALSE(cpu::winograd_pays({1, 8, 8, 8, 64, 128, 3, 3, 3}));
    CHECK_FALSE(cpu::winograd_pays({1, 64, 64, 64, 1, 16, 3, 3, 3}));
    CHECK_FALSE(cpu::winograd_pays({1, 64, 64, 64, 16, 1, 3, 3, 3}));
    CHECK_FALSE(cpu::winograd_pays({1, 32, 32, 17, 16, 16, 3, 3, 3}));
    CHECK_FALSE(cpu::winograd_pays({1, 32, 32, 32, 16, 16, 1, 1, 3}));
    CHECK(cpu::winograd4_pays({1, 32, 32, 32, 16, 8, 3, 3, 3}));
    CHECK_FALSE(cpu::winograd4_pays({1, 16, 16, 8, 64, 128, 3, 3, 3}));
    CHECK_FALSE(cpu::winograd4_pays({1, 16, 8, 16, 64, 128, 3, 3, 3}));
  }
}
