#include "kernels/fused_conv3d.h"

#include <deque>
#include <utility>

#include "autograd/ops.h"
#include "tests/fused_conv3d_cases.h"
#include "tests/support/backends.h"

using namespace fringe;
using namespace fringe::test;

namespace {

template <class T>
struct Results {
  Array<T> y, y_alone, statistics, dx, daffine, dw, db;
  explicit Results(const FusedOperands<T>& o)
      : y(o.y.shape()), y_alone(y.shape()), statistics(batch_norm_fold::statistics_shape(y.shape().c)), dx(o.x.shape()),
        daffine(o.affine.shape()), dw(o.w.shape()), db(o.b.shape()) {}
  void run(const KernelTable<T>& t, Stream& stream, const FusedOperands<T>& o) {
    const T slope = static_cast<T>(o.c.slope);
    t.fused_conv3d_forward(stream, slope, o.reading(), o.w, o.b, y, statistics);
    t.fused_conv3d_forward(stream, slope, o.reading(), o.w, o.b, y_alone, {});
    t.fused_conv3d_backward_data(stream, o.gradient(), o.w, o.reading(), dx, o.c.affine ? daffine.view() : View<T>{});
    t.fused_conv3d_backward_weights(stream, o.reading(), o.gradient(), dw, db);
    if (!o.c.affine) std::fill(daffine.begin(), daffine.end(), T(0));
  }
  std::vector<Array<T>*> all() { return {&y, &y_alone, &statistics, &dx, &daffine, &dw, &db}; }
};

}  // namespace

TEST_SUITE("fused_conv3d") {
  TEST_CASE("math: outside the volume the normalised input is zero, not its shift") {
    Array<double> x({1, 1, 1, 2, 1}), affine({1, 1, 1, 3, 1}), w({1, 1, 3, 1, 1}), b(channel_vector(1)), y(x.shape()), s({1, 1, 1, 2, 1});
    x[0] = 1, x[1] = 2, affine[0] = 10, affine[1] = 1, affine[2] = 5;  // reads 5, 15
    w[0] = 1, w[1] = 2, w[2] = 4, b[0] = -100;
    Stream stream;
    reference::fused_conv3d_forward<double>(stream, 0.5, {std::as_const(x), std::as_const(affine), false}, w, b, y, s);
    CHECK(y[0] == doctest::Approx(0.5 * (2 * 5 + 4 * 15 - 100)));
    CHECK(y[1] == doctest::Approx(0.5 * (5 + 2 * 15 - 100)));
    CHECK(s[0] == doctest::Approx((y[0] + y[1]) / 2));
    CHECK(s[1] == doctest::Approx(std::pow((y[0] - y[1]) / 2, 2)));
  }

  TEST_CASE("backends: every table agrees with the reference in double") {
    for (const auto& c : fused_cases)
      for (const Index size : {3, 1}) {
        if (!tried(c) || (quick_tests() && (c.mid > 4 || size == 1))) continue;
        const Shape kernel{size, size, size, c.in.c, c.out};
        const FusedOperands<float> o(c, kernel);
        const FusedOperands<double> exact_o(c, kernel);
        Stream stream(2);
        Results<double> exact(exact_o);
        exact.run(reference::table<double>(), stream, exact_o);
        for (const auto* table : backends()) {
          CAPTURE(table->backend);
          CAPTURE(c.in.str());
          CAPTURE(size);
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

  TEST_CASE("statistics survive a mean a thousand times the deviation, and do not depend on the number of threads") {
    const Shape s{2, 9, 8, 33, 8};
    const auto x = random_array<float>(s, 1, 1e-3);
    Array<float> w({1, 1, 1, 8, 8}), b(channel_vector(8));
    std::fill(w.begin(), w.end(), 0.0F);
    for (Index c = 0; c < 8; ++c) w[c * 9] = 1, b[c] = float(c) - 3.5F;
    for (const auto* table : backends()) {
      Array<float> y(s), one({1, 1, 1, 2, 8}), three(one.shape());
      Array<double> exact(one.shape());
      Stream first(1), third(3);
      table->fused_conv3d_forward(first, 1, {x.view(), {}, false}, w, b, y, one);
      table->fused_conv3d_forward(third, 1, {x.view(), {}, false}, w, b, y, three);
      reference::measure_statistics<double>(cast<double>(y).view(), exact);
      for (Index c = 0; c < 16; ++c) {
        CHECK(one[c] == doctest::Approx(exact[c]).epsilon(1e-4));
        CHECK(one[c] == three[c]);
      }
    }
  }

  TEST_CASE("errors: say what does not fit") {
    Stream stream;
    Array<float> x({1, 2, 2, 2, 4}), affine({1, 1, 1, 2, 4}), w({3, 3, 3, 4, 4}), b(channel_vector(4)), y(x.shape());
    for (const auto* table : backends())
      CHECK_THROWS_WITH_AS(table->fused_conv3d_forward(stream, 1, {x.view(), affine.view(), false}, w, b, y, {}),
                           "fused_conv3d: affine has shape (1, 1, 1, 2, 4), expected (1, 1, 1, 3, 4)", Error);
  }
}

namespace {

constexpr Shape frame{2, 4, 8, 4, 2};

/// A piece of a network, in double: encoder block with pooling, read twice by decoders through upsampling, heads.
struct Piece {
  Context<double> context{reference::table<double>()};
  std::deque<Parameter<double>> parameters;
  Buffer<double> mean[4], var[4];
  Parameter<double> input;

  Parameter<double>& make(Shape s, double scale, double centre = 0) {
    auto& p = parameters.emplace_back(Parameter<double>{"", Tensor<double>(context, s), Tensor<double>(context, s)});
    const auto values = random_array<double>(s, static_cast<unsigned>(parameters.size()), scale);
    for (Index i = 0; i < s.size(); ++i) p.value[i] = values[i] + centre;
    return p;
  }
  Piece() {
    for (int i = 0; i < 4; ++i) {
      mean[i] = {"", Tensor<double>(context, channel_vector(3))}, var[i] = {"", Tensor<double>(context, channel_vector(3))};
      mean[i].value.fill(0.1), var[i].value.fill(1.5);
    }
    make(frame, 1);                                                       // 0: input
    for (const Shape s : {Shape{3, 3, 3, 2, 3}, Shape{3, 1, 1, 3, 3}, Shape{1, 3, 1, 3, 3}, Shape{1, 1, 3, 3, 3},
                          Shape{3, 3, 3, 3, 3}, Shape{3, 3, 3, 3, 3}, Shape{3, 3, 3, 3, 1}}) {
      make(s, 0.3);                      // 1, 3, .. 13
      make(channel_vector(s.c), 0.2);    // 2, 4, .. 14
    }
    for (int i = 0; i < 4; ++i) make(channel_vector(3), 0.5, i == 1 ? -0.7 : 1), make(channel_vector(3), 0.5);  // 15 .. 22
  }

  /// A scalar of everything; gradients in the parameters.
  double run(bool fused, bool trilinear, bool eval = false) {
    namespace ag = autograd;
    Tape<double> tape(context, !eval);
    std::vector<Variable<double>> p;
    for (auto& q : parameters) {
      q.grad.fill(0);
      p.push_back(tape.parameter(q));
    }
    const auto norm = [&](std::size_t i) { return FusedNormOf{p[15 + 2 * i], p[16 + 2 * i], &mean[i], &var[i], eval}; };
    const auto weights = SeparableWeights<Variable<double>>{p[3], p[4], p[5], p[6], p[7], p[8]};
    Variable<double> first, second;
    if (fused) {
      auto a = ag::fused_conv3d<double>({p[0], {}, false}, p[1], p[2], {0.1, norm(0), false});
      a = ag::fused_separable_conv3d<double>(a, weights, {0.1, norm(1), true});
      const auto up = trilinear ? ag::Activation<double>{ag::upsample_trilinear(a.x), a.affine, false}
                                : ag::Activation<double>{a.x, a.affine, true};
      const auto b = ag::fused_conv3d<double>(up, p[9], p[10], {0.1, norm(2), false});
      const auto c = ag::fused_conv3d<double>(up, p[11], p[12], {0.1, norm(3), false});
      first = ag::fused_conv3d<double>(b, p[13], p[14], {0, {}, false}).x;
      second = ag::fused_conv3d<double>(c, p[13], p[14], {1, {}, false}).x;
    } else {
      const auto end = [&](const Variable<double>& x, std::size_t i) {
        const auto n = norm(i);
        const auto y = ag::leaky_relu(x, 0.1);
        return eval ? ag::batch_norm_eval(y, n.gamma, n.beta, *n.running_mean, *n.running_var)
                    : ag::batch_norm(y, n.gamma, n.beta, *n.running_mean, *n.running_var);
      };
      auto a = end(ag::conv3d(p[0], p[1], p[2]), 0);
      a = ag::max_pool(end(ag::separable_conv3d(a, weights), 1));
      const auto up = [&] { return trilinear ? ag::upsample_trilinear(a) : ag::upsample_nearest(a); };
      const auto b = end(ag::conv3d(up(), p[9], p[10]), 2);
      const auto c = end(ag::conv3d(up(), p[11], p[12]), 3);
      first = ag::leaky_relu(ag::conv3d(b, p[13], p[14]), 0.0);
      second = ag::conv3d(c, p[13], p[14]);
    }
    Tensor<double> target(context, first.shape());
    const auto values = random_array<double>(target.shape(), 99);
    std::copy(values.begin(), values.end(), target.data());
    const auto loss = ag::weighted_sum<double>({1, 0.5}, {ag::relative_l2(first, target, {}), ag::relative_l2(second, target, {})});
    if (!eval) tape.backward(loss);
    return loss.value()[0] + loss.value()[1];
  }
  using FusedNormOf = autograd::FusedNorm<double>;
};

}  // namespace

TEST_SUITE("fused_conv3d") {
  TEST_CASE("composition: a piece of network of fused operations equals that of plain ones, values, gradients and statistics") {
    for (const bool trilinear : {false, true}) {
      Piece fused, plain;
      CHECK(fused.run(true, trilinear, true) == doctest::Approx(plain.run(false, trilinear, true)).epsilon(1e-12));
      CHECK(fused.run(true, trilinear) == doctest::Approx(plain.run(false, trilinear)).epsilon(1e-12));
      for (std::size_t i = 0; i < fused.parameters.size(); ++i) {
        CAPTURE(i);
        double scale = 1e-3;
        for (Index k = 0; k < plain.parameters[i].grad.size(); ++k) scale = std::max(scale, std::abs(plain.parameters[i].grad[k]));
        for (Index k = 0; k < plain.parameters[i].grad.size(); ++k)
          CHECK(std::abs(fused.parameters[i].grad[k] - plain.parameters[i].grad[k]) < 1e-11 * scale);
      }
      for (int i = 0; i < 4; ++i)
        for (Index c = 0; c < 3; ++c) {
          CHECK(fused.mean[i].value[c] == doctest::Approx(plain.mean[i].value[c]).epsilon(1e-12));
          CHECK(fused.var[i].value[c] == doctest::Approx(plain.var[i].value[c]).epsilon(1e-12));
        }
    }
  }

  TEST_CASE("channels that fill no vector: what another thread writes beside them is left alone, 300 times the same bits") {
    const FusedCase c{{1, 4, 8, 8, 6}, 6, 6, true, false, false, false, 0.01};
    const FusedOperands<float> o(c, {3, 1, 1, 6, 6});
    Stream stream(2);
    Array<float> first(o.y.shape()), again(o.y.shape());
    const auto run = [&](Array<float>& y) {
      cpu::table().fused_conv3d_forward(stream, 0.01F, o.reading(), o.w, o.b, y, {});
    };
    run(first);
    int differ = 0;
    for (int i = 0; i < 300; ++i) {
      run(again);
      differ += !std::equal(again.begin(), again.end(), first.begin());
    }
    CHECK(differ == 0);
  }

  TEST_CASE("gradient: of the whole piece against central differences") {
    Piece piece;
    piece.run(true, false);
    std::vector<std::vector<double>> gradients;
    for (auto& p : piece.parameters) gradients.emplace_back(p.grad.data(), p.grad.data() + p.grad.size());
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      auto& p = piece.parameters[i];
      for (Index k = 0; k < p.value.size(); k += std::max<Index>(1, p.value.size() / 3)) {
        CAPTURE(i);
        const double keep = p.value[k], h = 1e-6;
        p.value[k] = keep + h;
        const double above = piece.run(true, false);
        p.value[k] = keep - h;
        const double below = piece.run(true, false);
        p.value[k] = keep;
        const double weighted = gradients[i][static_cast<std::size_t>(k)];
        CHECK((above - below) / (2 * h) == doctest::Approx(weighted).epsilon(1e-4).scale(1e-2));
      }
    }
  }
}
