#include "apps/phasing/unwrap.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/error.h"

namespace fringe {
namespace {

constexpr double turn = 2 * std::numbers::pi;

double wrapped(double angle) { return angle - turn * std::round(angle / turn); }

}  // namespace

UnwrappedPhase unwrap(const Volume<Complex>& object, const Volume<std::uint8_t>& support) {
  require(object.extent == support.extent, "unwrap: object and support have different extents");
  const Extent& e = object.extent;
  const std::array<Index, 3> stride{e[1] * e[2], e[2], 1};
  const auto inside = [&](Index i) { return support.data[static_cast<std::size_t>(i)] != 0; };
  std::vector<double> angle(object.data.size());
  for (std::size_t i = 0; i < angle.size(); ++i)
    angle[i] = std::arg(std::complex<double>(object.data[i].real(), object.data[i].imag()));
  const auto step = [&](Index from, Index to) {
    return wrapped(angle[static_cast<std::size_t>(to)] - angle[static_cast<std::size_t>(from)]);
  };
  const auto coordinate = [&](Index i, std::size_t axis) { return i / stride[axis] % e[axis]; };

  // Sum of squares of second differences; along an axis on which a neighbour is missing, the worst there can be.
  std::vector<double> roughness(angle.size());
  for (Index i = 0; i < object.size(); ++i) {
    if (!inside(i)) continue;
    double sum = 0;
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const Index x = coordinate(i, axis), s = stride[axis];
      const bool both = x > 0 && x + 1 < e[axis] && inside(i - s) && inside(i + s);
      const double second = both ? step(i, i + s) - step(i - s, i) : turn;
      sum += second * second;
    }
    roughness[static_cast<std::size_t>(i)] = sum;
  }
  struct Edge {
    double roughness;
    Index from, to;
  };
  std::vector<Edge> edges;
  for (Index i = 0; i < object.size(); ++i) {
    if (!inside(i)) continue;
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const Index j = i + stride[axis];
      if (coordinate(i, axis) + 1 < e[axis] && inside(j))
        edges.push_back({roughness[static_cast<std::size_t>(i)] + roughness[static_cast<std::size_t>(j)], i, j});
    }
  }
  std::stable_sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) { return a.roughness < b.roughness; });

  // Groups of voxels that are continuous already; the smaller one is moved onto the larger by whole turns.
  std::vector<std::vector<Index>> members(angle.size());
  std::vector<Index> group(angle.size(), -1);
  std::vector<int> turns(angle.size());
  for (Index i = 0; i < object.size(); ++i)
    if (inside(i)) {
      group[static_cast<std::size_t>(i)] = i;
      members[static_cast<std::size_t>(i)] = {i};
    }
  for (const auto& edge : edges) {
    const auto a = static_cast<std::size_t>(edge.from), b = static_cast<std::size_t>(edge.to);
    if (group[a] == group[b]) continue;
    // Of the whole turns of b, those that bring it within half a turn of a.
    const int wanted = turns[a] - static_cast<int>(std::lround((angle[b] - angle[a]) / turn));
    auto *large = &members[static_cast<std::size_t>(group[a])], *small = &members[static_cast<std::size_t>(group[b])];
    int move = wanted - turns[b];
    Index name = group[a];
    if (small->size() > large->size()) {
      std::swap(large, small);
      move = -move;
      name = group[b];
    }
    for (const Index i : *small) {
      turns[static_cast<std::size_t>(i)] += move;
      group[static_cast<std::size_t>(i)] = name;
    }
    large->insert(large->end(), small->begin(), small->end());
    std::vector<Index>().swap(*small);
  }

  UnwrappedPhase out{Volume<float>(e), 0};
  for (const auto& part : members) {
    if (part.empty()) continue;
    ++out.parts;
    const auto value = [&](Index i) {
      return angle[static_cast<std::size_t>(i)] + turn * turns[static_cast<std::size_t>(i)];
    };
    double mean = 0;
    for (const Index i : part) mean += value(i);
    mean /= static_cast<double>(part.size());
    const double whole = turn * std::round(mean / turn);
    for (const Index i : part) out.phase.data[static_cast<std::size_t>(i)] = static_cast<float>(value(i) - whole);
  }
  return out;
}

}  // namespace fringe
