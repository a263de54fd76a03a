#include "apps/phasing/eigenmodes.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/error.h"

namespace fringe {
namespace {

using Number = std::complex<double>;

/// A Hermitian matrix and, once it is diagonal, its eigenvectors in the columns of `vectors`.
struct Hermitian {
  std::size_t n;
  std::vector<Number> values, vectors;

  explicit Hermitian(std::size_t size) : n(size), values(n * n), vectors(n * n) {
    for (std::size_t i = 0; i < n; ++i) vectors[i * n + i] = 1;
  }
  Number& at(std::size_t i, std::size_t k) { return values[i * n + k]; }

  /// Turns axes p and q so that the element (p, q) vanishes.
  void rotate(std::size_t p, std::size_t q) {
    const Number g = at(p, q);
    const double size = std::abs(g);
    if (size == 0) return;
    const double tau = (at(q, q).real() - at(p, p).real()) / (2 * size);
    const double t = (tau >= 0 ? 1 : -1) / (std::abs(tau) + std::sqrt(1 + tau * tau));
    const double c = 1 / std::sqrt(1 + t * t), s = t * c;
    const Number turn = std::conj(g) / size;  // makes the element real
    const auto columns = [&](std::vector<Number>& m) {
      for (std::size_t i = 0; i < n; ++i) {
        const Number a = m[i * n + p], b = m[i * n + q] * turn;
        m[i * n + p] = c * a - s * b;
        m[i * n + q] = s * a + c * b;
      }
    };
    columns(values);
    columns(vectors);
    for (std::size_t k = 0; k < n; ++k) {
      const Number a = at(p, k), b = at(q, k) * std::conj(turn);
      at(p, k) = c * a - s * b;
      at(q, k) = s * a + c * b;
    }
  }

  void diagonalise() {
    for (int sweep = 0; sweep < 60; ++sweep) {
      double off = 0, all = 0;
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t k = 0; k < n; ++k) (i == k ? all : off) += std::norm(at(i, k));
      if (off <= 1e-30 * all) return;
      for (std::size_t p = 0; p < n; ++p)
        for (std::size_t q = p + 1; q < n; ++q) rotate(p, q);
    }
  }
};

Number inner_product(const Volume<Complex>& a, const Volume<Complex>& b) {
  Number sum = 0;
  for (std::size_t i = 0; i < a.data.size(); ++i) sum += std::conj(Number(a.data[i])) * Number(b.data[i]);
  return sum;
}

}  // namespace

Eigenmodes eigenmodes(const std::vector<Volume<Complex>>& objects, Index most) {
  require(!objects.empty(), "eigenmodes: no objects");
  const std::size_t count = objects.size();
  Hermitian gram(count);
  for (std::size_t i = 0; i < count; ++i) {
    require(objects[i].extent == objects[0].extent, "eigenmodes: object {} has another extent than the first", i + 1);
    for (std::size_t k = i; k < count; ++k) {
      gram.at(i, k) = inner_product(objects[i], objects[k]);
      gram.at(k, i) = std::conj(gram.at(i, k));
    }
  }
  gram.diagonalise();
  const auto square = [&](std::size_t j) { return std::max(0.0, gram.at(j, j).real()); };
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return square(a) > square(b); });
  double total = 0;
  for (std::size_t j = 0; j < count; ++j) total += square(j);
  require(total > 0, "eigenmodes: every object is zero");

  Eigenmodes result;
  for (const std::size_t j : order) {
    result.weights.push_back(square(j) / total);
    if (static_cast<Index>(result.modes.size()) == most) continue;
    Number sum = 0;
    for (std::size_t k = 0; k < count; ++k) sum += gram.vectors[k * count + j];
    const Number turn = std::abs(sum) > 0 ? std::conj(sum) / std::abs(sum) : 1;
    ComplexField mode(objects[0].extent);
    for (std::size_t k = 0; k < count; ++k) {
      const Number factor = gram.vectors[k * count + j] * turn / std::sqrt(static_cast<double>(count));
      for (std::size_t i = 0; i < mode.data.size(); ++i) mode.data[i] += factor * Number(objects[k].data[i]);
    }
    result.modes.push_back(converted<Complex>(mode));
  }
  return result;
}

}  // namespace fringe
