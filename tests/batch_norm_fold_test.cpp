#include "kernels/batch_norm_fold.h"

#include "kernels/batch_norm.h"
#include "tests/support/arrays.h"
#include "tests/support/backends.h"
#include "tests/support/gradcheck.h"

using namespace fringe;
using namespace fringe::test;

namespace {

/// The composition: z = affine applied to y, daffine from dz, dy by the fold.
struct Folded {
  Array<double> z, dy, dgamma, dbeta, running_mean, running_var;
};

Folded fold(const Array<double>& y, const Array<double>& gamma, const Array<double>& beta, const Array<double>& dz) {
  const Index c = y.shape().c, rows = y.shape().rows();
  const Shape v = channel_vector(c);
  Folded f{Array<double>(y.shape()), Array<double>(y.shape()), Array<double>(v), Array<double>(v), Array<double>(v), Array<double>(v)};
  std::fill(f.running_mean.begin(), f.running_mean.end(), 0.5);
  std::fill(f.running_var.begin(), f.running_var.end(), 2.0);
  Array<double> statistics({1, 1, 1, 2, c}), affine({1, 1, 1, 3, c}), daffine(affine.shape()), k(affine.shape());
  for (Index i = 0; i < c; ++i) {
    double sum = 0, squares = 0;
    for (Index r = 0; r < rows; ++r) sum += y[r * c + i];
    for (Index r = 0; r < rows; ++r) squares += std::pow(y[r * c + i] - sum / double(rows), 2);
    statistics[i] = sum / double(rows), statistics[c + i] = squares / double(rows);
  }
  Stream stream;
  reference::batch_norm_fold_forward<double>(stream, {}, rows, statistics, gamma, beta, f.running_mean, f.running_var, affine);
  std::fill(daffine.begin(), daffine.end(), 0.0);
  for (Index i = 0; i < y.shape().size(); ++i) {
    const Index o = i % c;
    f.z[i] = affine[o] * (y[i] - affine[c + o]) + affine[2 * c + o];
    daffine[o] += dz[i] * (y[i] - affine[c + o]);
    daffine[c + o] -= affine[o] * dz[i];
    daffine[2 * c + o] += dz[i];
  }
  reference::batch_norm_fold_backward<double>(stream, {}, rows, statistics, gamma, daffine, f.dgamma, f.dbeta, k);
  for (Index i = 0; i < y.shape().size(); ++i) f.dy[i] = k[i % c] * dz[i] + k[c + i % c] * y[i] + k[2 * c + i % c];
  return f;
}

}  // namespace

TEST_SUITE("batch_norm_fold") {
  TEST_CASE("math: two values 1 and 3 become -gamma and gamma about beta") {
    Array<double> y({1, 1, 1, 2, 1}), one(channel_vector(1)), dz(y.shape());
    y[0] = 1, y[1] = 3, one[0] = 2, dz[0] = 1, dz[1] = 0;
    const auto f = fold(y, one, one, dz);
    CHECK(f.z[0] == doctest::Approx(0).epsilon(1e-4));
    CHECK(f.z[1] == doctest::Approx(4).epsilon(1e-4));
    CHECK(f.running_mean[0] == doctest::Approx(0.9 * 0.5 + 0.1 * 2));
    CHECK(f.running_var[0] == doctest::Approx(0.9 * 2 + 0.1 * 2));
  }

  TEST_CASE("affine, sums and fold together are batch_norm, values and gradients, also far from zero mean") {
    for (const Shape s : {Shape{1, 1, 1, 2, 1}, Shape{2, 3, 4, 5, 3}, Shape{1, 2, 3, 4, 8}}) {
      auto y = random_array<double>(s, 1);
      for (auto& v : y) v += 100;
      const Shape v = channel_vector(s.c);
      const auto gamma = random_array<double>(v, 2), beta = random_array<double>(v, 3), dz = random_array<double>(s, 4);
      Array<double> z(s), mean(v), rstd(v), dy(s), dgamma(v), dbeta(v), rm(v), rv(v);
      std::fill(rm.begin(), rm.end(), 0.5);
      std::fill(rv.begin(), rv.end(), 2.0);
      Stream stream;
      reference::batch_norm_forward<double>(stream, {}, y, gamma, beta, rm, rv, mean, rstd, z);
      reference::batch_norm_backward<double>(stream, y, gamma, mean, rstd, dz, dy, dgamma, dbeta);
      const auto f = fold(y, gamma, beta, dz);
      CHECK(relative_error(f.z, z) < 1e-10);
      CHECK(relative_error(f.dgamma, dgamma) < 1e-10);
      CHECK(relative_error(f.dbeta, dbeta) < 1e-10);
      CHECK(relative_error(f.running_mean, rm) < 1e-10);
      CHECK(relative_error(f.running_var, rv) < 1e-10);
      double scale = 0;
      for (Index i = 0; i < s.size(); ++i) scale = std::max(scale, std::abs(gamma[i % s.c] * rstd[i % s.c] * dz[i]));
      for (Index i = 0; i < s.size(); ++i) CHECK(std::abs(f.dy[i] - dy[i]) < 1e-9 * scale);
    }
  }

  TEST_CASE("backends: every table agrees with the reference") {
    for (const Index c : {1, 3, 16, 33}) {
      const Shape v = channel_vector(c), two = batch_norm_fold::statistics_shape(c), three = batch_norm_fold::affine_shape(c);
      auto statistics = random_array<float>(two, 1);
      for (Index i = c; i < 2 * c; ++i) statistics[i] = statistics[i] * statistics[i] + 0.1F;
      const auto gamma = random_array<float>(v, 2), beta = random_array<float>(v, 3), daffine = random_array<float>(three, 4);
      Stream stream;
      const auto run = [&](const KernelTable<float>& t) {
        std::vector<Array<float>> r{Array<float>(three), Array<float>(three), random_array<float>(v, 5), random_array<float>(v, 6),
                                    Array<float>(v), Array<float>(v), Array<float>(three)};
        for (auto& e : r[3]) e = e * e + 0.1F;
        t.batch_norm_fold_forward_eval(stream, {}, gamma, beta, r[2], r[3], r[0]);
        t.batch_norm_fold_forward(stream, {}, 1000, statistics, gamma, beta, r[2], r[3], r[1]);
        t.batch_norm_fold_backward(stream, {}, 1000, statistics, gamma, daffine, r[4], r[5], r[6]);
        return r;
      };
      const auto expected = run(reference::table<float>());
      for (const auto* table : backends()) {
        CAPTURE(table->backend);
        const auto found = run(*table);
        for (std::size_t i = 0; i < found.size(); ++i) {
          CHECK(relative_error(found[i], expected[i]) < 1e-6);
          found[i].check_canaries();
        }
      }
    }
  }

  TEST_CASE("errors: a single value has no statistics") {
    Stream stream;
    Array<float> v(channel_vector(4)), two({1, 1, 1, 2, 4}), three({1, 1, 1, 3, 4});
    for (const auto* table : backends())
      CHECK_THROWS_AS(table->batch_norm_fold_forward(stream, {}, 1, two, v, v, v, v, three), Error);
  }
}
