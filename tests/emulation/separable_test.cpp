// The separable block in one pass against the reference, and against the three passes it replaces: bit for bit where
// those do not split their sums.
#include "engine/tensor.h"
#include "kernels/cuda/choices.h"
#include "tests/fused_conv3d_cases.h"

using namespace fringe;
using namespace fringe::test;

namespace {

/// Small volumes, awkward channels: odd, more than a chunk, more than a block of columns; boxes that stick out of the
/// volume. With the numeric format that is tried where tests are slow (all elsewhere), and whether it is where they are
/// slowest.
struct Case {
  FusedCase c;
  Precision precision;
  bool quick, small;
};
constexpr Case cases[] = {
    {{{2, 3, 5, 7, 3}, 4, 5, true, false, true, false, 0.1}, Precision::bfloat16, false, true},
    {{{2, 2, 6, 4, 3}, 3, 2, true, true, true, true, 0.1}, Precision::tf32x3, true, true},
    {{{1, 9, 2, 5, 12}, 16, 16, false, false, false, false, 1}, Precision::tf32, false, true},
    {{{1, 4, 6, 8, 16}, 8, 8, true, true, true, false, 0.01}, Precision::tf32x3, false, false},
    {{{1, 3, 17, 9, 24}, 32, 20, true, false, true, false, 0.1}, Precision::tf32x3, false, false},
    {{{2, 4, 4, 4, 8}, 33, 40, true, false, true, true, 0.1}, Precision::tf32x3, false, false},
    {{{1, 2, 2, 6, 40}, 35, 33, true, true, true, false, 0.1}, Precision::tf32x3, false, true},
};

struct Block {
  Context<float>& context;
  const FusedOperands<float>& o;
  std::vector<Tensor<float>> kept;  ///< what views point into
  Tensor<float> u, v, y, y_alone, dv, du, dx;

  Tensor<float> filled(Shape shape) {
    const Tensor<float> t(context, shape);
    t.fill(std::numeric_limits<float>::quiet_NaN());
    kept.push_back(t);
    return t;
  }
  Tensor<float> uploaded(const Array<float>& a) {
    const Tensor<float> t = filled(a.shape());
    t.from_host({a.begin(), a.end()});
    return t;
  }

  Block(Context<float>& c, const FusedOperands<float>& operands, const SeparableWeights<const Array<float>*>& k)
      : context(c), o(operands) {
    const Shape in = o.c.in, middle = in.with_channels(o.c.mid);
    u = filled(middle), v = filled(middle), dv = filled(middle), du = filled(middle);
    y = filled(o.y.shape()), y_alone = filled(o.y.shape()), dx = filled(o.x.shape());
    const auto weights = [&](const Array<float>* a) { return uploaded(*a).read(); };
    const auto gradient = [&](const Array<float>* a) { return filled(a->shape()).view(); };
    const SeparableWeights<ConstView<float>> w{weights(k.wd), weights(k.bd), weights(k.wh),
                                               weights(k.bh), weights(k.ww), weights(k.bw)};
    const SeparableWeights<View<float>> g{gradient(k.wd), gradient(k.bd), gradient(k.wh),
                                          gradient(k.bh), gradient(k.ww), gradient(k.bw)};
    const Reading<float> x{uploaded(o.x).read(), o.c.affine ? uploaded(o.affine).read() : ConstView<float>{},
                           o.c.upsampled};
    const Tensor<std::uint8_t> which(context, o.which.shape());
    which.from_host({o.which.begin(), o.which.end()});
    const PendingGradient<float> dz{uploaded(o.dz).read(), o.c.pooled ? which.read() : ConstView<std::uint8_t>{},
                                    uploaded(o.y).read(), o.c.fold ? uploaded(o.fold).read() : ConstView<float>{},
                                    static_cast<float>(o.c.slope)};
    const auto& table = context.kernels;
    const auto slope = static_cast<float>(o.c.slope);
    table.fused_separable_conv3d_forward(context.stream, slope, x, w, {}, {}, y_alone.view(), {});
    forward = cuda::chooser().latest();
    table.fused_separable_conv3d_forward(context.stream, slope, x, w, u.view(), v.view(), y.view(), {});
    // u and v are the same for all: what differs after this is the data gradient alone.
    table.fused_separable_conv3d_backward(context.stream, x, u.read(), v.read(), w, dz, dv.view(), du.view(), dx.view(),
                                          {}, g);
    context.stream.wait();
    for (auto* t : all()) *t = t->to_host();
  }
  std::vector<Tensor<float>*> all() { return {&u, &v, &y, &y_alone, &dv, &du, &dx}; }
  cuda::Way forward;
};

/// Of the definition, in double.
std::vector<Array<double>> exact(const FusedOperands<double>& o, const SeparableWeights<const Array<double>*>& k) {
  const Shape middle = o.c.in.with_channels(o.c.mid);
  Array<double> u(middle), v(middle), y(o.y.shape()), dv(middle), du(middle), dx(o.x.shape());
  Array<double> gwd(k.wd->shape()), gbd(k.bd->shape()), gwh(k.wh->shape()), gbh(k.bh->shape()), gww(k.ww->shape()),
      gbw(k.bw->shape());
  const SeparableWeights<ConstView<double>> w{k.wd->view(), k.bd->view(), k.wh->view(),
                                              k.bh->view(), k.ww->view(), k.bw->view()};
  Stream stream;
  const auto& table = reference::table<double>();
  table.fused_separable_conv3d_forward(stream, o.c.slope, o.reading(), w, u, v, y, {});
  table.fused_separable_conv3d_backward(stream, o.reading(), u.view(), v.view(), w, o.gradient(), dv, du, dx, {},
                                        {gwd, gbd, gwh, gbh, gww, gbw});
  std::vector<Array<double>> all;
  for (const auto* a : {&u, &v, &y, &y, &dv, &du, &dx}) all.push_back(*a);
  return all;
}

template <class T>
struct Weights {
  Array<T> wd, bd, wh, bh, ww, bw;
  explicit Weights(const FusedCase& c)
      : wd(random_array<T>({3, 1, 1, c.in.c, c.mid}, 11, 0.3)),
        bd(random_array<T>(channel_vector(c.mid), 12, 0.3)),
        wh(random_array<T>({1, 3, 1, c.mid, c.mid}, 13, 0.3)),
        bh(random_array<T>(channel_vector(c.mid), 14, 0.3)),
        ww(random_array<T>({1, 1, 3, c.mid, c.out}, 15, 0.3)),
        bw(random_array<T>(channel_vector(c.out), 16, 0.3)) {}
  SeparableWeights<const Array<T>*> all() const { return {&wd, &bd, &wh, &bh, &ww, &bw}; }
};

void choose(const FusedCase& c, Precision precision, cuda::Way algorithm) {
  for (const char* operation : {"separable_forward", "separable_data_gradient"})
    cuda::chooser().choose({operation, c.in, {3, 3, 3, c.in.c, c.out}, precision}, algorithm);
}

}  // namespace

TEST_SUITE("separable_one_pass") {
  TEST_CASE("one pass equals the reference, and the bits of three passes") {
    Context<float> context(cuda::table(), 1, cuda::device(0));
    for (const auto& [c, slow_format, quick, small] : cases) {
      if ((quick_tests() && !quick) || (small_tests() && !small)) continue;
      CAPTURE(c.in.str());
      const Shape unused{3, 3, 3, c.in.c, c.out};
      const FusedOperands<float> o(c, unused);
      const Weights<float> weights(c);
      const auto wanted = exact(FusedOperands<double>(c, unused), Weights<double>(c).all());
      for (const auto precision : {Precision::tf32x3, Precision::tf32, Precision::bfloat16}) {
        if (precision != slow_format && (quick_tests() || small_tests())) continue;
        CAPTURE(static_cast<int>(precision));
        context.stream.set_precision(precision);
        choose(c, precision, cuda::Way::one_pass);
        Block found(context, o, weights.all());
        CHECK(found.forward == cuda::Way::one_pass);
        const double tolerance = precision == Precision::tf32x3 ? 1e-5 : precision == Precision::tf32 ? 3e-3 : 3e-2;
        for (std::size_t i = 0; i < wanted.size(); ++i) {
          CAPTURE(i);
          Array<float> values(wanted[i].shape());
          std::copy_n(found.all()[i]->data(), values.shape().size(), values.begin());
          CHECK(relative_error(values, wanted[i]) < tolerance);
        }
        if (quick_tests() || std::max({c.in.c, c.mid, c.out}) > 32) continue;
        choose(c, precision, cuda::Way::own);
        Block three(context, o, weights.all());
        CHECK(three.forward == cuda::Way::own);
        for (std::size_t i = 0; i < wanted.size(); ++i) {
          CAPTURE(i);
          const auto* const a = found.all()[i]->data();
          CHECK(std::equal(a, a + wanted[i].shape().size(), three.all()[i]->data()));
        }
      }
    }
    cuda::chooser().forget();
  }

  TEST_CASE("what does not fit goes in three passes: one channel, many channels, float32") {
    if (quick_tests()) return;
    Context<float> context(cuda::table(), 1, cuda::device(0));
    for (const auto& [in, out] : {std::pair{Index{2}, Index{1}}, {65, 3}}) {
      const FusedCase c{{1, 2, 3, 4, in}, 2, out, false, false, false, false, 1};
      const FusedOperands<float> o(c, {3, 3, 3, c.in.c, c.out});
      choose(c, Precision::tf32x3, cuda::Way::one_pass);
      CHECK(Block(context, o, Weights<float>(c).all()).forward == cuda::Way::own);
    }
    constexpr FusedCase c{{1, 2, 3, 4, 2}, 2, 2, false, false, false, false, 1};
    context.stream.set_precision(Precision::float32);
    choose(c, Precision::float32, cuda::Way::one_pass);
    CHECK(Block(context, FusedOperands<float>(c, {3, 3, 3, 2, 2}), Weights<float>(c).all()).forward ==
          cuda::Way::own);
    cuda::chooser().forget();
  }
}
