// The Fourier transform of the physics (simulation, metrics, alignment): double precision, centred, any extent. The
// networks use kernels/fft3d.h, which has the same sign, normalisation and centring.
#pragma once
#include "apps/io/volume.h"

namespace fringe {

using ComplexField = Volume<std::complex<double>>;

/// In place, with r and Q counted from the voxel at index extent / 2 of every axis:
///
///   F(Q) = sum_r f(r) exp(-2 pi i Q.r / N)                                                             (1)
///
/// unnormalised: sum |F|^2 = N^3 sum |f|^2. The result is the same, bit for bit, for every number of threads.
void fourier_forward(ComplexField& field, int threads = 1);

/// The inverse of (1): exp(+2 pi i Q.r / N) and a factor 1 / N^3.
void fourier_inverse(ComplexField& field, int threads = 1);

/// `volume` in the middle of an array of `extent` voxels: zeros around it where the extent is larger, cut where it is
/// smaller; the voxel at extent / 2 stays the one at extent / 2.
template <class T>
Volume<T> pad_or_crop(const Volume<T>& volume, const Extent& extent) {
  Volume<T> out(extent);
  const Extent& from = volume.extent;
  const auto offset = [&](int axis) { return extent[axis] / 2 - from[axis] / 2; };
  const Index od = offset(0), oh = offset(1), ow = offset(2);
  for (Index d = std::max<Index>(0, -od); d < std::min(from[0], extent[0] - od); ++d)
    for (Index h = std::max<Index>(0, -oh); h < std::min(from[1], extent[1] - oh); ++h)
      for (Index w = std::max<Index>(0, -ow); w < std::min(from[2], extent[2] - ow); ++w)
        out(d + od, h + oh, w + ow) = volume(d, h, w);
  return out;
}

/// The same voxels in another precision.
template <class To, class From>
Volume<To> converted(const Volume<From>& volume) {
  Volume<To> out(volume.extent);
  for (std::size_t i = 0; i < volume.data.size(); ++i) out.data[i] = static_cast<To>(volume.data[i]);
  return out;
}

}  // namespace fringe
