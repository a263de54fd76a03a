#include "bench/suite.h"

namespace fringe::bench {

void bench_photon_noise(Bench& bench) {
  const Shape shape{8, 64, 64, 64, 1};
  for (const double each : {0.5, 40.0})
    bench.time({each < 1 ? "photon_noise faint" : "photon_noise bright", shape, moved(shape, 2, 100),
                [=](const auto& k, Stream& s, Operands& o, const Shape& n) {
                  const auto x = o.positive(n), y = o.result(n);
                  return [=, &k, &s,
                          exposures = std::vector<PhotonExposure>(static_cast<std::size_t>(n.n),
                                                                  {each * static_cast<double>(n.voxels()), 3})] {
                    k.photon_noise(s, 1, 3, exposures, x, y);
                  };
                }});
}

}  // namespace fringe::bench
