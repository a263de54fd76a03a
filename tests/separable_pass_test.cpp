// The one pass of the CPU's separable block, on shapes of all kinds: fused_separable_conv3d chooses it for large arrays only.
#include "kernels/cpu/separable_pass.h"

#include "tests/fused_conv3d_cases.h"

using namespace fringe;
using namespace fringe::test;

namespace {

template <class T>
struct Weights {
  Array<T> wd, bd, wh, bh, ww, bw;
  Weights(const FusedCase& c, unsigned seed)
      : wd(random_array<T>({3, 1, 1, c.in.c, c.mid}, seed, 0.3)), bd(random_array<T>(channel_vector(c.mid), seed + 1)),
        wh(random_array<T>({1, 3, 1, c.mid, c.mid}, seed + 2, 0.3)), bh(random_array<T>(channel_vector(c.mid), seed + 3)),
        ww(random_array<T>({1, 1, 3, c.mid, c.out}, seed + 4, 0.3)), bw(random_array<T>(channel_vector(c.out), seed + 5)) {}
  SeparableWeights<ConstView<T>> read() const { return {wd.view(), bd.view(), wh.view(), bh.view(), ww.view(), bw.view()}; }
  SeparableWeights<View<T>> write() { return {wd, bd, wh, bh, ww, bw}; }
};

/// Everything that the block computes, into arrays that are made for it.
template <class T>
struct Results {
  Array<T> u, v, y, statistics, dx, daffine;
  Weights<T> d, bare;
  Results(const FusedOperands<T>& o)
      : u(o.c.in.with_channels(o.c.mid)), v(u.shape()), y(o.y.shape()), statistics(batch_norm_fold::statistics_shape(o.c.out)),
        dx(o.x.shape()), daffine(o.affine.shape()), d(o.c, 50), bare(o.c, 60) {}
};

void run(Stream& stream, const FusedOperands<double>& o, const Weights<double>& w, Results<double>& r) {
  const auto& t = reference::table<double>();
  t.fused_separable_conv3d_forward(stream, o.c.slope, o.reading(), w.read(), r.u, r.v, r.y, r.statistics);
  Array<double> dv(r.v.shape()), du(r.u.shape());
  t.fused_separable_conv3d_backward(stream, o.reading(), r.u.view(), r.v.view(), w.read(), o.gradient(), dv, du, r.dx,
                                    o.c.affine ? r.daffine.view() : View<double>{}, r.d.write());
}

void run(Stream& stream, const FusedOperands<float>& o, const Weights<float>& w, Results<float>& r) {
  const auto slope = static_cast<float>(o.c.slope);
  const cpu::RowSource x(o.reading());
  cpu::separable_forward(stream, slope, x, w.read(), r.u, r.v, r.y, r.statistics.begin());
  Array<float> alone(r.y.shape());
  Array<float> u_alone(r.u.shape());
  cpu::separable_forward(stream, slope, x, w.read(), u_alone, {}, alone, nullptr);  // v is not kept
  CHECK(std::equal(alone.begin(), alone.end(), r.y.begin()));
  CHECK(std::equal(u_alone.begin(), u_alone.end(), r.u.begin()));
  cpu::separable_forward(stream, slope, x, w.read(), {}, {}, alone, nullptr);  // as in inference
  CHECK(std::equal(alone.begin(), alone.end(), r.y.begin()));
  alone.check_canaries();
  const cpu::RowSource g(o.gradient());
  cpu::Epilogue epilogue;
  if (o.c.affine) epilogue = {.moment = o.x.begin(), .affine = o.affine.begin(), .daffine = r.daffine.begin()};
  const auto backward = [&](View<float> dx, const cpu::Epilogue& e, Weights<float>& d, bool with_v = true) {
    cpu::separable_backward(stream, x, r.u.view(), with_v ? r.v.view() : View<float>{}, w.read(), g, dx, e, d.write());
  };
  backward(r.dx, epilogue, r.bare, false);  // v not kept: the same bits
  const std::vector<float> dx_without(r.dx.begin(), r.dx.end()), daffine_without(r.daffine.begin(), r.daffine.end());
  backward(r.dx, epilogue, r.d);
  CHECK(std::equal(dx_without.begin(), dx_without.end(), r.dx.begin()));
  if (o.c.affine) CHECK(std::equal(daffine_without.begin(), daffine_without.end(), r.daffine.begin()));
  for (const auto& [a, b] : {std::pair{&r.d.wd, &r.bare.wd}, {&r.d.wh, &r.bare.wh}, {&r.d.ww, &r.bare.ww}, {&r.d.bd, &r.bare.bd},
                             {&r.d.bh, &r.bare.bh}, {&r.d.bw, &r.bare.bw}})
    CHECK(std::equal(a->begin(), a->end(), b->begin()));
  backward({}, {}, r.bare);
  for (const auto& [a, b] : {std::pair{&r.d.wd, &r.bare.wd}, {&r.d.wh, &r.bare.wh}, {&r.d.ww, &r.bare.ww}})
    CHECK(relative_error(*a, *b) < 1e-6);
}

}  // namespace

TEST_SUITE("separable_pass") {
  TEST_CASE("equal to the reference in double, for every shape and on one to three threads") {
    for (const auto& c : fused_cases) {
      if (!tried(c) || c.upsampled) continue;
      CAPTURE(c.in.str());
      const Shape unused{3, 3, 3, c.in.c, c.out};
      const FusedOperands<float> o(c, unused);
      const FusedOperands<double> exact_o(c, unused);
      const Weights<float> w(c, 20);
      const Weights<double> exact_w(c, 20);
      Stream one(1);
      Results<double> exact(exact_o);
      run(one, exact_o, exact_w, exact);
      for (const int threads : {1, 2, 3}) {
        CAPTURE(threads);
        Stream stream(threads);
        Results<float> found(o);
        run(stream, o, w, found);
        const auto same = [&](const char* name, const Array<float>& a, const Array<double>& b) {
          CAPTURE(name);
          CHECK(relative_error(a, b) < 1e-5);
          a.check_canaries();
        };
        same("u", found.u, exact.u), same("v", found.v, exact.v), same("y", found.y, exact.y);
        same("statistics", found.statistics, exact.statistics), same("dx", found.dx, exact.dx);
        if (c.affine) same("daffine", found.daffine, exact.daffine);
        same("wd", found.d.wd, exact.d.wd), same("wh", found.d.wh, exact.d.wh), same("ww", found.d.ww, exact.d.ww);
        same("bd", found.d.bd, exact.d.bd), same("bh", found.d.bh, exact.d.bh), same("bw", found.d.bw, exact.d.bw);
      }
    }
  }

  TEST_CASE("large arrays take it, small ones, many channels and bfloat16 do not; there it is what the operation computes") {
    Stream stream(2);
    const Shape large{1, 32, 32, 32, 16};
    CHECK(cpu::separable_in_one_pass(stream, large, 16, 16, 16));
    CHECK_FALSE(cpu::separable_in_one_pass(stream, {1, 16, 16, 16, 16}, 16, 16, 16));
    CHECK_FALSE(cpu::separable_in_one_pass(stream, large, 128, 128, 128));
    CHECK_FALSE(cpu::separable_in_one_pass(stream, {1, 4, 96, 96, 16}, 16, 16, 16));
    const FusedCase c{large, 16, 16, true, false, true, false, 0.01};
    const FusedOperands<float> o(c, {3, 3, 3, 16, 16});
    const Weights<float> w(c, 20);
    Results<float> pass(o), operation(o);
    const cpu::RowSource x(o.reading());
    cpu::separable_forward(stream, 0.01F, x, w.read(), pass.u, pass.v, pass.y, pass.statistics.begin());
    cpu::fused_separable_conv3d_forward(stream, 0.01F, o.reading(), w.read(), operation.u, operation.v, operation.y,
                                        operation.statistics);
    CHECK(std::equal(pass.y.begin(), pass.y.end(), operation.y.begin()));
    CHECK(std::equal(pass.statistics.begin(), pass.statistics.end(), operation.statistics.begin()));
    stream.set_precision(Precision::bfloat16);
    CHECK_FALSE(cpu::separable_in_one_pass(stream, large, 16, 16, 16));
  }
}
