// The CPU's convolutions in the precision bfloat16. What is rounded is defined by the reference: factors, to the
// nearest.
#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>

#include "kernels/bfloat16.h"
#include "kernels/conv3d.h"
#include "kernels/fused_separable_conv3d.h"
#include "tests/conv3d_cases.h"
#include "tests/fused_conv3d_cases.h"
#include "tests/support/backends.h"

using namespace fringe;
using namespace fringe::test;

namespace {

/// Multiples of an eighth up to two in size: sums of up to eight of them have no more bits than bfloat16 has.
template <class T>
void make_short(Array<T>& a) {
  for (auto& v : a) v = std::round(std::clamp(v, T(-15) / 8, T(15) / 8) * 8) / 8;
}

/// Operands through whose prologues every implementation finds the same numbers, so that all round alike.
template <class T>
FusedOperands<T> exact_operands(FusedCase c, Shape kernel) {
  if (c.slope != 0 && c.slope != 1) c.slope = 0.125;
  FusedOperands<T> o(c, kernel);
  for (auto* a : {&o.x, &o.affine, &o.w, &o.b, &o.y, &o.dz, &o.fold}) make_short(*a);
  for (auto* a : {&o.affine, &o.fold})  // the factors, so that products need few bits
    for (Index i = 0; i < a->shape().c; ++i) (*a)[i] = std::copysign(T(i % 3) / 2 + T(0.5), (*a)[i]);
  for (Index i = o.fold.shape().c; i < 2 * o.fold.shape().c; ++i) o.fold[i] = std::round(o.fold[i] * 2) / 2;
  return o;
}

Stream bfloat16_stream(int threads) {
  Stream s(threads);
  s.set_precision(Precision::bfloat16);
  return s;
}

/// Equal but for what the last bit of a sum may do to its rounding.
void check_rounded(const Array<float>& found, const Array<double>& exact) {
  double scale = 0;
  for (const double v : exact) scale = std::max(scale, std::abs(v));
  for (Index i = 0; i < exact.shape().size(); ++i) {
    const double bit = std::max(std::abs(exact[i]) / 128, 1e-5 * scale);
    REQUIRE(std::abs(static_cast<double>(found[i]) - exact[i]) < bit);
  }
}

/// Memory that begins at a line of cache, as tensors have it.
class Lines {
 public:
  explicit Lines(Shape shape) : shape_(shape), memory_(static_cast<std::size_t>(shape.size() + 16), 7.0F) {}
  View<float> view() {
    void* at = memory_.data();
    std::size_t room = memory_.size() * sizeof(float);
    return {static_cast<float*>(std::align(64, static_cast<std::size_t>(shape_.size()) * sizeof(float), at, room)),
            shape_};
  }

 private:
  Shape shape_;
  std::vector<float> memory_;
};

/// What is packed in `a`, as floats.
Array<float> unpacked(const Array<float>& a, Shape shape) {
  Array<float> b(shape);
  const auto* values = reinterpret_cast<const bfloat16*>(a.data());
  for (Index i = 0; i < shape.size(); ++i) b[i] = value_of(values[i]);
  return b;
}
/// The other way round; what is rounded away is gone in `b`, too.
Array<float> packed(Array<float>& b, Shape shape) {
  Array<float> a(shape);
  auto* values = reinterpret_cast<bfloat16*>(a.data());
  for (Index i = 0; i < b.shape().size(); ++i) {
    b[i] = to_bfloat16(b[i]);
    values[i].bits = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(b[i]) >> 16);
  }
  return a;
}

}  // namespace

TEST_SUITE("bfloat16") {
  TEST_CASE("math: to the nearest of 8 bits, ties to even, in float and double alike") {
    const struct {
      double value, rounded;
    } cases[] = {{1, 1},
                 {1 + 1.0 / 256, 1},
                 {1 + 3.0 / 256, 1 + 4.0 / 256},
                 {1 + 1.01 / 256, 1 + 2.0 / 256},
                 {-257, -256},
                 {-259, -260},
                 {0, 0},
                 {255.5, 256},
                 {0.75e-20, 0.75e-20}};
    for (const auto& c : cases) {
      CHECK(to_bfloat16(static_cast<float>(c.value)) ==
            doctest::Approx(c.rounded).epsilon(c.value == 0.75e-20 ? 0.004 : 1e-12));
      CHECK(to_bfloat16(c.value) == doctest::Approx(c.rounded).epsilon(c.value == 0.75e-20 ? 0.004 : 1e-12));
    }
    for (const float v : random_array<float>({1, 1, 1, 1, 1000}, 1))
      CHECK(static_cast<double>(to_bfloat16(v)) == to_bfloat16(static_cast<double>(v)));
    CHECK(std::isnan(to_bfloat16(std::numeric_limits<float>::quiet_NaN())));
    CHECK(std::isinf(to_bfloat16(std::numeric_limits<float>::infinity())));
  }

  TEST_CASE("conv3d: products of rounded factors, summed in float") {
    MESSAGE(std::string(cpu::packs_bfloat16() ? "with" : "without"), " tile registers");
    for (const auto& c : conv3d_cases) {
      const Shape ys = conv3d::output_shape(c.x, c.w);
      const auto x = random_array<float>(c.x, 1), w = random_array<float>(c.w, 2), dy = random_array<float>(ys, 3),
                 b = random_array<float>(channel_vector(ys.c), 4);
      Stream stream = bfloat16_stream(2);
      Array<double> y_ref(ys), dx_ref(c.x), dw_ref(c.w), db_ref(b.shape());
      reference::conv3d_forward<double>(stream, cast<double>(x), cast<double>(w), cast<double>(b), y_ref);
      reference::conv3d_backward_data<double>(stream, cast<double>(dy), cast<double>(w), dx_ref);
      reference::conv3d_backward_weights<double>(stream, cast<double>(x), cast<double>(dy), dw_ref, db_ref);
      CAPTURE(c.x.str());
      CAPTURE(c.w.str());
      Array<float> y(ys), dx(c.x), dw(c.w), db(b.shape());
      cpu::conv3d_forward(stream, x, w, b, y);
      cpu::conv3d_backward_data(stream, dy, w, dx);
      cpu::conv3d_backward_weights(stream, x, dy, dw, db);
      CHECK(relative_error(y, y_ref) < 2e-6);
      CHECK(relative_error(dx, dx_ref) < 2e-6);
      CHECK(relative_error(dw, dw_ref) < 3e-6);
      CHECK(relative_error(db, db_ref) < 1e-2);
      for (const auto* a : {&y, &dx, &dw, &db}) a->check_canaries();
    }
  }

  TEST_CASE("fused_conv3d: what is rounded is what its prologues make") {
    for (const auto& c : fused_cases)
      for (const Index size : {3, 1}) {
        const Shape kernel{size, size, size, c.in.c, c.out};
        const auto o = exact_operands<float>(c, kernel);
        const auto e = exact_operands<double>(c, kernel);
        Stream stream = bfloat16_stream(2);
        Array<float> y(o.y.shape()), statistics(batch_norm_fold::statistics_shape(c.out)), dx(o.x.shape()),
            daffine(o.affine.shape()), dw(kernel), db(channel_vector(c.out));
        Array<double> y_ref(y.shape()), statistics_ref(statistics.shape()), dx_ref(dx.shape()),
            daffine_ref(daffine.shape()), dw_ref(kernel), db_ref(db.shape());
        const auto run = [&]<class T>(const KernelTable<T>& t, const FusedOperands<T>& p, Array<T>& y_, Array<T>& s_,
                                      Array<T>& dx_, Array<T>& da_, Array<T>& dw_, Array<T>& db_) {
          t.fused_conv3d_forward(stream, static_cast<T>(p.c.slope), p.reading(), p.w, p.b, y_, s_);
          t.fused_conv3d_backward_data(stream, p.gradient(), p.w, p.reading(), dx_, c.affine ? da_.view() : View<T>{});
          t.fused_conv3d_backward_weights(stream, p.reading(), p.gradient(), dw_, db_);
          if (!c.affine) std::fill(da_.begin(), da_.end(), T(0));
        };
        run(cpu::table(), o, y, statistics, dx, daffine, dw, db);
        run(reference::table<double>(), e, y_ref, statistics_ref, dx_ref, daffine_ref, dw_ref, db_ref);
        CAPTURE(c.in.str());
        CAPTURE(size);
        CHECK(relative_error(y, y_ref) < 1e-5);
        CHECK(relative_error(statistics, statistics_ref) < 1e-5);
        CHECK(relative_error(dx, dx_ref) < 1e-5);
        CHECK(relative_error(daffine, daffine_ref) < 1e-5);
        CHECK(relative_error(dw, dw_ref) < 1e-5);
        CHECK(relative_error(db, db_ref) < 1e-2);
        for (const auto* a : {&y, &statistics, &dx, &daffine, &dw, &db}) a->check_canaries();
      }
  }

  TEST_CASE(
      "fused_separable_conv3d: kept as floats or packed, every array is the sum that the factors before it give") {
    for (const auto& c : fused_cases)
      for (const bool packs : {false, true}) {
        if (packs && (!cpu::packs_bfloat16() || c.mid % 2 == 1)) continue;
        const Shape middle = c.in.with_channels(c.mid),
                    kept = packs ? fused_separable_conv3d::packed_shape(middle) : middle;
        const auto o = exact_operands<float>(c, {3, 3, 3, c.in.c, c.out});
        const auto e = exact_operands<double>(c, {3, 3, 3, c.in.c, c.out});
        const Shape sd{3, 1, 1, c.in.c, c.mid}, sh{1, 3, 1, c.mid, c.mid}, sw{1, 1, 3, c.mid, c.out},
            bm = channel_vector(c.mid), bo = channel_vector(c.out);
        const auto wd = random_array<float>(sd, 11, 0.3), bd = random_array<float>(bm, 12),
                   wh = random_array<float>(sh, 13, 0.3), bh = random_array<float>(bm, 14),
                   ww = random_array<float>(sw, 15, 0.3), bw = random_array<float>(bo, 16);
        const SeparableWeights<ConstView<float>> weights{wd, bd, wh, bh, ww, bw};
        Stream stream = bfloat16_stream(2);
        Array<float> u(kept), v(kept), y(o.y.shape()), alone(y.shape()),
            statistics(batch_norm_fold::statistics_shape(c.out));
        const auto slope = static_cast<float>(o.c.slope);
        cpu::fused_separable_conv3d_forward(stream, slope, o.reading(), weights, u, v, y, statistics);
        cpu::fused_separable_conv3d_forward(stream, slope, o.reading(), weights, {}, {}, alone, {});
        CHECK(relative_error(alone, y) == 0);
        // Each step by itself: what came before it is taken as the kernel has it.
        auto u_found = packs ? unpacked(u, middle) : u, v_found = packs ? unpacked(v, middle) : v;
        Array<double> in(c.in), u_ref(middle), v_ref(middle), y_ref(y.shape());
        reference::read_through<double>(e.reading(), in);
        reference::conv3d_forward<double>(stream, in, cast<double>(wd), cast<double>(bd), u_ref);
        reference::conv3d_forward<double>(stream, cast<double>(u_found), cast<double>(wh), cast<double>(bh), v_ref);
        reference::conv3d_forward<double>(stream, cast<double>(v_found), cast<double>(ww), cast<double>(bw), y_ref);
        for (auto& value : y_ref) value = value > 0 ? value : o.c.slope * value;
        CAPTURE(c.in.str());
        CAPTURE(packs);
        check_rounded(u_found, u_ref);
        check_rounded(v_found, v_ref);
        CHECK(relative_error(y, y_ref) < 1e-5);

        auto u_in = random_array<float>(middle, 21), v_in = random_array<float>(middle, 22);
        const auto u_kept = packs ? packed(u_in, kept) : u_in, v_kept = packs ? packed(v_in, kept) : v_in;
        Array<float> dv(kept), du(kept), dx(o.x.shape()), daffine(o.affine.shape()), gwd(sd), gbd(bm), gwh(sh), gbh(bm),
            gww(sw), gbw(bo);
        cpu::fused_separable_conv3d_backward(stream, o.reading(), u_kept, v_kept, weights, o.gradient(), dv, du, dx,
                                             c.affine ? daffine.view() : View<float>{}, {gwd, gbd, gwh, gbh, gww, gbw});
        const auto dv_found = cast<double>(packs ? unpacked(dv, middle) : dv),
                   du_found = cast<double>(packs ? unpacked(du, middle) : du);
        Array<double> g(y.shape()), dv_ref(middle), du_ref(middle), full(c.in), dx_ref(dx.shape()),
            da_ref(daffine.shape()), gwd_ref(sd), gbd_ref(bm), gwh_ref(sh), gbh_ref(bm), gww_ref(sw), gbw_ref(bo);
        reference::form_gradient<double>(e.gradient(), g);
        reference::conv3d_backward_weights<double>(stream, cast<double>(v_in), g, gww_ref, gbw_ref);
        reference::conv3d_backward_data<double>(stream, g, cast<double>(ww), dv_ref);
        reference::conv3d_backward_weights<double>(stream, cast<double>(u_in), dv_found, gwh_ref, gbh_ref);
        reference::conv3d_backward_data<double>(stream, dv_found, cast<double>(wh), du_ref);
        reference::conv3d_backward_weights<double>(stream, in, du_found, gwd_ref, gbd_ref);
        reference::conv3d_backward_data<double>(stream, du_found, cast<double>(wd), full);
        reference::finish_data_gradient<double>(e.reading(), full, dx_ref, c.affine ? da_ref.view() : View<double>{});
        check_rounded(cast<float>(dv_found), dv_ref);
        check_rounded(cast<float>(du_found), du_ref);
        CHECK(relative_error(dx, dx_ref) < 1e-5);
        if (c.affine) CHECK(relative_error(daffine, da_ref) < 1e-5);
        CHECK(relative_error(gwd, gwd_ref) < 1e-5);
        CHECK(relative_error(gwh, gwh_ref) < 1e-5);
        CHECK(relative_error(gww, gww_ref) < 1e-5);
        CHECK(relative_error(gbd, gbd_ref) < 1e-2);
        CHECK(relative_error(gbh, gbh_ref) < 1e-2);
        CHECK(relative_error(gbw, gbw_ref) < 1e-2);
        for (const auto* a : {&u, &v, &y, &dv, &du, &dx, &daffine, &gwd, &gbd, &gwh, &gbh, &gww, &gbw})
          a->check_canaries();
      }
  }

  TEST_CASE("reproducible: with tiles, the same bits on one, two and three threads") {
    if (!cpu::packs_bfloat16()) return;
    for (const FusedCase& c : {FusedCase{{1, 40, 6, 8, 8}, 8, 16, true, false, true, true, 0.1},
                               FusedCase{{1, 8, 4, 6, 32}, 16, 16, true, true, true, false, 0.01}}) {
      const FusedOperands<float> o(c, {3, 3, 3, c.in.c, c.out});
      std::vector<Array<float>> first;
      for (const int threads : {1, 2, 3}) {
        Stream stream = bfloat16_stream(threads);
        std::vector<Array<float>> all{Array<float>(o.y.shape()), Array<float>(batch_norm_fold::statistics_shape(c.out)),
                                      Array<float>(o.x.shape()), Array<float>(o.affine.shape()),
                                      Array<float>(o.w.shape()), Array<float>(o.b.shape())};
        cpu::fused_conv3d_forward(stream, 0.1F, o.reading(), o.w, o.b, all[0], all[1]);
        cpu::fused_conv3d_backward_data(stream, o.gradient(), o.w, o.reading(), all[2], all[3]);
        cpu::fused_conv3d_backward_weights(stream, o.reading(), o.gradient(), all[4], all[5]);
        if (threads == 1) first = all;
        for (std::size_t i = 0; i < all.size(); ++i) {
          CAPTURE(i);
          CHECK(std::equal(all[i].begin(), all[i].end(), first[i].begin()));
        }
      }
    }
  }

  TEST_CASE("large results pass the cache by: each sample of a batch is what it is alone") {
    for (const Index c : {16, 32}) {
      const Shape one{1, 8, 64, 64, c}, all{c == 16 ? 4 : 2, 8, 64, 64, c};
      const auto x = random_array<float>(all, 1), affine = random_array<float>(batch_norm_fold::affine_shape(c), 2);
      const auto wd = random_array<float>({3, 1, 1, c, c}, 3, 0.2), wh = random_array<float>({1, 3, 1, c, c}, 4, 0.2),
                 ww = random_array<float>({1, 1, 3, c, c}, 5, 0.2), b = random_array<float>(channel_vector(c), 6);
      const SeparableWeights<ConstView<float>> weights{wd, b, wh, b, ww, b};
      Stream stream = bfloat16_stream(2);
      const bool packs = cpu::packs_bfloat16();
      const auto kept = [&](const Shape& s) { return packs ? fused_separable_conv3d::packed_shape(s) : s; };
      Lines lines_u(kept(all)), lines_v(kept(all)), lines_y(all);
      const auto u = lines_u.view(), v = lines_v.view(), y = lines_y.view();
      Array<float> u1(kept(one)), v1(kept(one)), y1(one);
      const auto same = [](const Array<float>& a, const float* place) {
        return std::memcmp(a.data(), place, static_cast<std::size_t>(a.shape().size()) * sizeof(float)) == 0;
      };
      cpu::fused_separable_conv3d_forward(stream, 0.1F, {x.view(), affine.view(), false}, weights, u, v, y, {});
      for (Index n = 0; n < all.n; ++n) {
        const Reading<float> sample{{x.data() + n * one.size(), one}, affine.view(), false};
        cpu::fused_separable_conv3d_forward(stream, 0.1F, sample, weights, u1, v1, y1, {});
        CHECK(same(u1, u.data + n * u1.shape().size()));
        CHECK(same(v1, v.data + n * v1.shape().size()));
        CHECK(same(y1, y.data + n * one.size()));
      }
    }
  }

  TEST_CASE("float32 is what it was: the precision is the stream's alone") {
    const auto x = random_array<float>({1, 4, 5, 6, 8}, 1), w = random_array<float>({3, 3, 3, 8, 8}, 2);
    Stream stream = bfloat16_stream(1), fresh;
    Array<float> y(x.shape()), exact(x.shape()), again(x.shape());
    cpu::conv3d_forward(fresh, x, w, {}, exact);
    cpu::conv3d_forward(stream, x, w, {}, y);
    CHECK(relative_error(y, exact) > 1e-4);
    CHECK(relative_error(y, exact) < 8e-3);
    stream.set_precision(Precision::float32);
    cpu::conv3d_forward(stream, x, w, {}, again);
    CHECK(relative_error(again, exact) == 0);
  }
}
