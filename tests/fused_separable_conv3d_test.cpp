#include "kernels/fused_separable_conv3d.h"

#include "tests/fused_conv3d_cases.h"
#include "tests/support/backends.h"

using namespace fringe;
using namespace fringe::test;

namespace {

template <class T>
struct Results {
  Array<T> u, v, y, y_alone, statistics, dv, du, dx, daffine, gwd, gbd, gwh, gbh, gww, gbw, bare;

  Results(const FusedOperands<T>& o)
      : u(o.c.in.with_channels(o.c.mid)), v(u.shape()), y(o.y.shape()), y_alone(y.shape()),
        statistics(batch_norm_fold::statistics_shape(o.c.out)), dv(u.shape()), du(u.shape()), dx(o.x.shape()), daffine(o.affine.shape()),
        gwd({3, 1, 1, o.c.in.c, o.c.mid}), gbd(channel_vector(o.c.mid)), gwh({1, 3, 1, o.c.mid, o.c.mid}), gbh(gbd.shape()),
        gww({1, 1, 3, o.c.mid, o.c.out}), gbw(channel_vector(o.c.out)), bare(gwd.shape()) {}

  void run(const KernelTable<T>& t, Stream& stream, const FusedOperands<T>& o) {
    const auto random = [](const Array<T>& like, unsigned seed) { return random_array<T>(like.shape(), seed, 0.3); };
    const auto wd = random(gwd, 11), bd = random(gbd, 12), wh = random(gwh, 13), bh = random(gbh, 14), ww = random(gww, 15), bw = random(gbw, 16);
    const SeparableWeights<ConstView<T>> weights{wd, bd, wh, bh, ww, bw};
    const T slope = static_cast<T>(o.c.slope);
    t.fused_separable_conv3d_forward(stream, slope, o.reading(), weights, {}, {}, y_alone, {});
    t.fused_separable_conv3d_forward(stream, slope, o.reading(), weights, u, v, y, statistics);
    t.fused_separable_conv3d_backward(stream, o.reading(), u.view(), v.view(), weights, o.gradient(), dv, du, {}, {},
                                      {bare, gbd, gwh, gbh, gww, gbw});
    t.fused_separable_conv3d_backward(stream, o.reading(), u.view(), v.view(), weights, o.gradient(), dv, du, dx,
                                      o.c.affine ? daffine.view() : View<T>{}, {gwd, gbd, gwh, gbh, gww, gbw});
    if (!o.c.affine) std::fill(daffine.begin(), daffine.end(), T(0));
  }
  std::vector<Array<T>*> all() { return {&y, &y_alone, &statistics, &dx, &daffine, &gwd, &gbd, &gwh, &gbh, &gww, &gbw, &bare}; }
};

}  // namespace

TEST_SUITE("fused_separable_conv3d") {
  TEST_CASE("backends: every table agrees with the reference in double") {
    for (const auto& c : fused_cases) {
      if (!tried(c) || (quick_tests() && (c.mid > 4 || c.in.d < 3))) continue;
      const Shape unused{3, 3, 3, c.in.c, c.out};
      const FusedOperands<float> o(c, unused);
      const FusedOperands<double> exact_o(c, unused);
      Stream stream(2);
      Results<double> exact(exact_o);
      exact.run(reference::table<double>(), stream, exact_o);
      for (const auto* table : backends()) {
        CAPTURE(table->backend);
        CAPTURE(c.in.str());
        Results<float> found(o), again(o);
        found.run(*table, stream, o);
        if (!quick_tests()) again.run(*table, stream, o);
        for (std::size_t i = 0; i < found.all().size(); ++i) {
          CAPTURE(i);
          CHECK(relative_error(*found.all()[i], *exact.all()[i]) < 1e-5);
          if (!quick_tests()) CHECK(std::equal(found.all()[i]->begin(), found.all()[i]->end(), again.all()[i]->begin()));
          found.all()[i]->check_canaries();
        }
      }
    }
  }

  TEST_CASE("errors: a kernel along the wrong axis is refused") {
    Stream stream;
    Array<float> x({1, 2, 2, 2, 2}), w({3, 1, 1, 2, 2}), b(channel_vector(2)), y(x.shape());
    const auto r = [](Array<float>& a) { return ConstView<float>(a.view()); };
    for (const auto* table : backends())
      CHECK_THROWS_WITH_AS(table->fused_separable_conv3d_forward(stream, 1, {r(x), {}, false}, {r(w), r(b), r(w), r(b), r(w), r(b)}, {}, {}, y, {}),
                           doctest::Contains("the second kernel must be 1 x K x 1"), Error);
  }
}
