#include "bench/suite.h"

namespace fringe::bench {
namespace {

std::vector<CrystalForm> forms(Index count, Index extent) {
  std::vector<CrystalForm> all(static_cast<std::size_t>(count));
  for (std::size_t k = 0; k < all.size(); ++k) {
    auto& f = all[k];
    f.polyhedron = k % 2 == 1;
    for (int i = 0; i < 3; ++i) f.rotation[i][i] = 1, f.axis[i] = 0.3 * static_cast<double>(extent) + 0.123;
    f.exponent[0] = f.exponent[1] = 0.8;
    for (auto& d : f.distance) d = 0.25 * static_cast<double>(extent) + 0.123;
  }
  return all;
}

}  // namespace

void bench_crystal(Bench& bench) {
  const Shape object{8, 32, 32, 32, 1}, frame{8, 64, 64, 64, 2};
  for (const bool smooth : {false, true})
    bench.time({smooth ? "crystal_density smooth" : "crystal_density", object, moved(object, 1, 200),
                [=](const auto& k, Stream& s, Operands& o, const Shape& n) {
                  const auto density = o.result(n), stats = o.result({n.n, 1, 1, 1, 2});
                  return [=, &k, &s, all = forms(n.n, n.d)] { k.crystal_density(s, all, smooth, density, stats); };
                }});
  bench.time({"phase_noise", frame, moved(frame, 1, 50), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                const auto noise = o.result(n);
                return [=, &k, &s, series = std::vector<std::uint64_t>(static_cast<std::size_t>(n.n), 7)] {
                  k.phase_noise(s, 1, 2, series, noise);
                };
              }});
  bench.time({"gaussian_filter", frame, moved(frame, 2, 2), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                const auto x = o.random(n), y = o.result(n);
                return [=, &k, &s, lengths = std::vector<std::array<double, 3>>(static_cast<std::size_t>(n.n), {2, 3, 4})] {
                  k.gaussian_filter(s, lengths, 1e-3, x, y);
                };
              }});
  bench.time({"crystal_object", object, moved(object, 4, 40), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                const auto density = o.positive(n), field = o.random({n.n, 2 * n.d, 2 * n.h, 2 * n.w, 2}),
                           filled = o.result(n.with_channels(2));
                return [=, &k, &s, ranges = std::vector<double>(static_cast<std::size_t>(n.n), 1.5)] {
                  k.crystal_object(s, ranges, density, field, filled);
                };
              }});
}

}  // namespace fringe::bench
