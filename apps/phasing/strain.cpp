#include "apps/phasing/strain.h"

#include <cmath>

#include "kernels/error.h"

namespace fringe {

Volume<float> phase_gradient(const Volume<Complex>& object, const Volume<std::uint8_t>& support,
                             const std::array<double, 3>& voxel, const Vector3& direction) {
  require(object.extent == support.extent, "strain: object and support have different extents");
  const Extent& e = object.extent;
  const Vector3 n = scaled(direction, 1 / length(direction));
  Volume<float> out(e);
  for (Index d = 0; d < e[0]; ++d)
    for (Index h = 0; h < e[1]; ++h)
      for (Index w = 0; w < e[2]; ++w) {
        if (!support(d, h, w)) continue;
        // Normal equations of (1) in units of voxels: M t = b.
        Basis m{};
        Vector3 b{};
        const std::complex<double> centre(object(d, h, w));
        for (Index i = std::max<Index>(0, d - 1); i <= std::min(e[0] - 1, d + 1); ++i)
          for (Index j = std::max<Index>(0, h - 1); j <= std::min(e[1] - 1, h + 1); ++j)
            for (Index k = std::max<Index>(0, w - 1); k <= std::min(e[2] - 1, w + 1); ++k) {
              if (!support(i, j, k)) continue;
              const Vector3 r{static_cast<double>(i - d), static_cast<double>(j - h), static_cast<double>(k - w)};
              const double step = std::arg(std::complex<double>(object(i, j, k)) * std::conj(centre));
              for (std::size_t p = 0; p < 3; ++p) {
                b[p] += step * r[p];
                for (std::size_t q = 0; q < 3; ++q) m[p][q] += r[p] * r[q];
              }
            }
        const double det = determinant(m);
        if (det < 0.5) continue;  // m holds whole numbers: 0 where the neighbours lie in a plane
        // Cramer's rule; m is symmetric.
        Vector3 t{};
        for (std::size_t p = 0; p < 3; ++p) {
          Basis replaced = m;
          replaced[p] = b;
          t[p] = determinant(replaced) / det / voxel[p];
        }
        out(d, h, w) = static_cast<float>(t[2] * n[0] + t[1] * n[1] + t[0] * n[2]);
      }
  return out;
}

Volume<float> displacement(const Volume<float>& phase, const Vector3& bragg) {
  require(length(bragg) > 0, "displacement: the scattering vector is zero");
  Volume<float> u(phase.extent);
  for (std::size_t i = 0; i < u.data.size(); ++i)
    u.data[i] = static_cast<float>(-static_cast<double>(phase.data[i]) / length(bragg));
  return u;
}

Volume<float> strain(const Volume<Complex>& object, const Volume<std::uint8_t>& support, const std::array<double, 3>& voxel,
                     const Vector3& bragg) {
  require(length(bragg) > 0, "strain: the scattering vector is zero");
  Volume<float> e = phase_gradient(object, support, voxel, bragg);
  for (auto& v : e.data) v = static_cast<float>(-static_cast<double>(v) / length(bragg));
  return e;
}

}  // namespace fringe
