#include <limits>

#include "kernels/cuda/conv3d_operand.cuh"

namespace fringe::cuda {

ConvTile ConvTile::choose(const Shape& volume, const Shape& kernel) {
  require(volume.rows() <= std::numeric_limits<int>::max(), "conv3d: a volume of {} has more than 2^31 voxels", volume.str());
  ConvTile best{};
  Index least = std::numeric_limits<Index>::max();
  for (int log_tw = 7; log_tw >= 0; --log_tw)
    for (int log_th = 0; log_th + log_tw <= 7; ++log_th) {
      ConvTile t{};
      t.d = static_cast<int>(volume.d), t.h = static_cast<int>(volume.h), t.w = static_cast<int>(volume.w);
      t.kd = static_cast<int>(kernel.n), t.kh = static_cast<int>(kernel.d), t.kw = static_cast<int>(kernel.h);
      t.log_th = log_th, t.log_tw = log_tw;
      t.tiles_d = blocks_for(t.d, t.td()), t.tiles_h = blocks_for(t.h, t.th()), t.tiles_w = blocks_for(t.w, t.tw());
      t.tiles = static_cast<int>(volume.n) * t.tiles_d * t.tiles_h * t.tiles_w;
      t.halo_h = t.th() + t.kh - 1, t.halo_w = t.tw() + t.kw - 1;
      t.halo_rows = (t.td() + t.kd - 1) * t.halo_h * t.halo_w;
      // Rows of fewer than eight voxels cost bank conflicts: a quarter more.
      const Index work = Index{t.tiles} * (voxels * t.taps() + 4 * t.halo_rows) * (log_tw >= 3 ? 4 : 5);
      if (work < least) least = work, best = t;
    }
  return best;
}

void require_shared(const ConvTile& tile, std::size_t bytes) {
  int device = 0, most = 0;
  check(cudaGetDevice(&device), "query of the device");
  check(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device), "query of the shared memory");
  require(bytes <= static_cast<std::size_t>(most),
          "conv3d: a kernel of {} x {} x {} needs {} KB of shared memory a block, this device has {}; use smaller kernels",
          tile.kd, tile.kh, tile.kw, bytes >> 10, most >> 10);
}

Operand Operand::of(ConstView<float> x) {
  Operand o;
  o.x = x.data, o.channels = static_cast<int>(x.shape.c);
  o.aligned = o.channels % 4 == 0 && aligned_16(x.data);
  return o;
}

Operand Operand::of(const Reading<float>& r) {
  Operand o = of(r.x);
  o.upsampled = r.upsampled, o.affine = r.affine.data;
  return o;
}

Operand Operand::of(const PendingGradient<float>& g) {
  Operand o = of(g.dz);
  o.y = g.y.data, o.fold = g.fold.data, o.which = g.which.data, o.slope = g.slope;
  o.aligned = o.aligned && aligned_16(g.y.data);
  return o;
}

}  // namespace fringe::cuda
