// The separable block (kernels/separable_conv3d.h) and its data gradient in one pass: a box of voxels goes through its three
// convolutions in shared memory, on tensor cores.
//
// Strategy. Array 0 is what is read (x, or the gradient that reaches the block), 1 and 2 are between the convolutions, 3 is the
// result. A block of threads takes a box of 128 voxels with all their channels; 64 voxels where there are more than 32 channels
// or little shared memory:
//
//   array 0      (bd+2)(bh+2)(bw+2) voxels     to shared memory, through its Operand
//   stage 0      3 taps along the first axis   -> array 1: a halo along the other two
//   stage 1      along the second axis         -> array 2: a halo along the last
//   stage 2      along the last axis           -> array 3, to memory
//
// Forward the axes are D, H, W; the data gradient is the same with W, H, D, flipped taps and exchanged channels. Voxels of
// arrays 1 and 2 outside the volume are zeros, not biases. What the halo costs: with a box of 2 x 8 x 8, stage 0 computes 200
// voxels for 128 and stage 1 160, so 1.27 times the products; what it saves is reading arrays 1 and 2 back (2 of 6 crossings of
// memory), and in inference writing them, too (4 of 6). So it pays where three passes wait for memory: few channels, tf32 or
// bfloat16.
//
//   grid     (box)
//   block    4 warps, or 8 with more than 32 columns; a warp takes 32 voxels x 8 J columns of a stage at a time
//   shared   A   array 0, then array 2     planes of quads, as conv3d_tile.cuh has them: quad (q, row) at q * plane + row
//            B   before array 1: flat voxel of each row of array 0, and the same at half extents
//            weights [2]    [3 taps][channel][columns + 8]: a fragment touches every bank once. The next stage's come while
//                           this one multiplies
//
// The sums run over (chunk of channels, tap, channel), as in conv3d.cu: where that does not split them (up to 32 channels), the
// results are its bits. They do not depend on the box, so the box may depend on the device's shared memory.
// docs/cuda-kernels.md counts, and says where it was faster on an H200.
#include <algorithm>

#include "kernels/cuda/conv3d_multiply.cuh"
#include "kernels/cuda/separable_conv3d.cuh"

namespace fringe::cuda {
namespace {

constexpr int taps = 3, group_rows = 32, most_channels = 64;

/// One convolution: from `in` channels to `out`.
struct Stage {
  const float *w, *bias;  ///< bias may be null
  float* to;              ///< in memory; null where nobody asks for the array
  int in, out;
  bool w_aligned;         ///< rows of w begin at multiples of 16 bytes
};

struct OnePass {
  int size[3], box[3], tiles[3];  ///< of the volume, of a box, boxes along each axis
  int samples;
  bool backward;                  ///< the axes' order is W, H, D
  Operand x;
  Stage stage[3];
  float slope;
  int a_bytes, b_bytes, weight_floats;  ///< of shared memory; weights: of one stage

  int most_columns() const { return std::max({stage[0].out, stage[1].out, stage[2].out}); }
  __host__ __device__ int axis(int stage_number) const { return backward ? 2 - stage_number : stage_number; }
  /// 1 where array `s` still has a halo along `a`.
  __host__ __device__ int halo(int s, int a) const { return (backward ? 2 - a : a) >= s ? 1 : 0; }
  __host__ __device__ int extent(int s, int a) const { return box[a] + 2 * halo(s, a); }
  __host__ __device__ int rows(int s) const { return extent(s, 0) * extent(s, 1) * extent(s, 2); }
  /// Rows of array s from one tap to the next.
  __device__ int shift(int s) const {
    const int a = axis(s);
    return a == 2 ? 1 : a == 1 ? extent(s, 2) : extent(s, 1) * extent(s, 2);
  }

  struct Place {
    int n, d, h, w;
  };
  __device__ Place corner(int tile) const {
    const int tile_w = tile % tiles[2], rest = tile / tiles[2], tile_h = rest % tiles[1], rest_d = rest / tiles[1];
    return {rest_d / tiles[0], rest_d % tiles[0] * box[0], tile_h * box[1], tile_w * box[2]};
  }
  /// Of a row of array s, in the box with its halo.
  __device__ Place place(int s, int row) const {
    const int w = row % extent(s, 2), rest = row / extent(s, 2);
    return {0, rest / extent(s, 1), rest % extent(s, 1), w};
  }
  /// The row of array s at which the taps of a row of array s + 1 begin.
  __device__ int first_row(int s, int row) const {
    const Place p = place(s + 1, row);
    return (p.d * extent(s, 1) + p.h) * extent(s, 2) + p.w;
  }
  /// Flat index of the voxel, -1 outside the volume.
  __device__ int voxel(const Place& c, int s, const Place& p) const {
    const int d = c.d + p.d - halo(s, 0), h = c.h + p.h - halo(s, 1), w = c.w + p.w - halo(s, 2);
    const bool inside = static_cast<unsigned>(d) < static_cast<unsigned>(size[0]) &&
                        static_cast<unsigned>(h) < static_cast<unsigned>(size[1]) &&
                        static_cast<unsigned>(w) < static_cast<unsigned>(size[2]);
    return inside ? ((c.n * size[0] + d) * size[1] + h) * size[2] + w : -1;
  }
  /// As ConvTile::half, of a voxel of array 0 that is inside.
  __device__ int half(const Place& c, const Place& p) const {
    const int d = c.d + p.d - 1, h = c.h + p.h - 1, w = c.w + p.w - 1;
    const int voxel = ((c.n * (size[0] / 2) + d / 2) * (size[1] / 2) + h / 2) * (size[2] / 2) + w / 2;
    return voxel * 8 + (d & 1) * 4 + (h & 1) * 2 + (w & 1);
  }
  /// Whether this block is the one that writes the voxel: it is not of the halo.
  __device__ bool own(int s, const Place& p) const {
    return static_cast<unsigned>(p.d - halo(s, 0)) < static_cast<unsigned>(box[0]) &&
           static_cast<unsigned>(p.h - halo(s, 1)) < static_cast<unsigned>(box[1]) &&
           static_cast<unsigned>(p.w - halo(s, 2)) < static_cast<unsigned>(box[2]);
  }
};

/// Channels in shared memory: zeros behind the last.
template <Precision P>
__host__ __device__ constexpr int padded(int channels) {
  return (channels + chunk_of<P> - 1) / chunk_of<P> * chunk_of<P>;
}
template <int J>
__host__ __device__ constexpr int padded_columns(int channels) {
  return (channels + 8 * J - 1) / (8 * J) * (8 * J);
}

template <Precision P, int J>
__global__ void __launch_bounds__(256, 2) separable_one_pass_kernel(OnePass call) {
  begin_kernel();
  constexpr int I = group_rows / 16, chunk = chunk_of<P>;
  DYN_SHARED(unsigned char, memory);
  float4* const a_region = reinterpret_cast<float4*>(memory);
  float4* const b_region = reinterpret_cast<float4*>(memory + call.a_bytes);
  float* const weights = reinterpret_cast<float*>(memory + call.a_bytes + call.b_bytes);
  const int thread = static_cast<int>(threadIdx.x), threads = static_cast<int>(blockDim.x), lane = thread & 31;
  const auto corner = call.corner(static_cast<int>(blockIdx.x));

  const auto load_weights = [&](int s) {
    const Stage& stage = call.stage[s];
    float* const to = weights + s % 2 * call.weight_floats;
    const int channels = padded<P>(stage.in), columns = padded_columns<J>(stage.out), row = columns + 8;
    if (call.backward) {  // rows of w are (tap, column), and run over the channels
      for (int i = thread; i < taps * columns * channels; i += threads) {
        const int c = i % channels, n = i / channels % columns, tap = i / (channels * columns);
        const bool inside = c < stage.in && n < stage.out;
        const float* const from = stage.w + (inside ? (static_cast<Index>(taps - 1 - tap) * stage.out + n) * stage.in + c : 0);
        ptx::copy_async_4(to + (tap * channels + c) * row + n, from, inside);
      }
    } else {  // rows of w are (tap, channel), and run over the columns
      const int pieces = columns / 4;
      for (int i = thread; i < taps * channels * pieces; i += threads) {
        const int piece = i % pieces, c = i / pieces % channels, tap = i / (pieces * channels);
        const float* const from = c < stage.in ? stage.w + (static_cast<Index>(tap) * stage.in + c) * stage.out : nullptr;
        auto* const at = reinterpret_cast<float4*>(to + (tap * channels + c) * row + 4 * piece);
        copy_quad(at, from, stage.w, 4 * piece, stage.out, stage.w_aligned);
      }
    }
    ptx::copy_async_commit();
  };

  // ---- array 0 ----
  const int rows0 = call.rows(0), quads0 = padded<P>(call.stage[0].in) / 4, plane0 = plane_of(rows0);
  int* const voxels = reinterpret_cast<int*>(b_region);
  int* const halves = voxels + rows0;
  load_weights(0);
  for (int row = thread; row < rows0; row += threads) {
    const auto p = call.place(0, row);
    const int voxel = call.voxel(corner, 0, p);
    voxels[row] = voxel;
    halves[row] = voxel >= 0 && call.x.needs_half() ? call.half(corner, p) : 0;
  }
  __syncthreads();
  for (int i = thread; i < rows0 * quads0; i += threads) {
    const int row = i / quads0, q = i % quads0;
    call.x.fetch(a_region + q * plane0 + row, voxels[row], halves[row], 4 * q);
  }
  ptx::copy_async_commit();
  ptx::copy_async_wait<0>();
  if (call.x.affine != nullptr)
    for (int i = thread; i < rows0 * quads0; i += threads) {  // what this thread has copied
      const int row = i / quads0, q = i % quads0;
      call.x.arrived(a_region + q * plane0 + row, voxels[row], 4 * q);
    }
  __syncthreads();  // array 0 and the first weights are there for all; nobody needs the voxels' numbers any more

#pragma unroll 1
  for (int s = 0; s < 3; ++s) {
    if (s < 2) load_weights(s + 1);
    const Stage& stage = call.stage[s];
    const float4* const in = s == 1 ? b_region : a_region;
    float4* const out = s == 1 ? a_region : b_region;
    const int channels = padded<P>(stage.in), columns = padded_columns<J>(stage.out), weight_row = columns + 8;
    const int rows = call.rows(s + 1), plane = plane_of(call.rows(s)), plane_out = plane_of(rows), shift = call.shift(s);
    const int channels_out = padded<P>(stage.out), column_blocks = columns / (8 * J);
    const float* const w = weights + s % 2 * call.weight_floats;

    for (int task = thread >> 5; task < blocks_for(rows, group_rows) * column_blocks; task += threads >> 5) {
      const int row0 = task / column_blocks * group_rows, column0 = task % column_blocks * (8 * J);
      int first_row[I];
#pragma unroll
      for (int i = 0; i < I; ++i) first_row[i] = call.first_row(s, min(row0 + 16 * i + (lane & 15), rows - 1));
      float sum[I][J][4] = {};
#pragma unroll 1
      for (int c0 = 0; c0 < channels; c0 += chunk)
#pragma unroll
        for (int tap = 0; tap < taps; ++tap)
          multiply_tensor<P>(
              sum,
              [&](int half, int i, std::uint32_t(&a)[4]) {
                ptx::load_matrix_x4(a, in + (c0 / 4 + 2 * half + (lane >> 4)) * plane + first_row[i] + tap * shift);
              },
              [&](int half, int j, std::uint32_t(&b)[2]) {
                const int g = lane >> 2, t = lane & 3;
                const float* const at = w + (tap * channels + c0 + 8 * half + t) * weight_row + column0 + 8 * j + g;
                b[0] = __float_as_uint(at[0]);
                b[1] = __float_as_uint(at[4 * weight_row]);
              });
#pragma unroll
      for (int i = 0; i < I; ++i)
#pragma unroll
        for (int e = 0; e < 4; e += 2) {  // elements e and e + 1 are neighbours in a row
          const int row = row0 + sum_row<P>(lane, i, e);
          if (row >= rows) continue;
          const auto p = call.place(s + 1, row);
          const int voxel = call.voxel(corner, s + 1, p);
          const bool kept = voxel >= 0 && stage.to != nullptr && call.own(s + 1, p);
          float* const to = kept ? stage.to + static_cast<Index>(voxel) * stage.out : nullptr;
#pragma unroll
          for (int j = 0; j < J; ++j) {
            const int o = column0 + sum_column<P>(lane, j, e);
            float2 v = make_float2(0, 0);
            if (voxel >= 0) {
              const bool biased = stage.bias != nullptr;
              v = make_float2(sum[i][j][e] + (biased && o < stage.out ? stage.bias[o] : 0.0F),
                              sum[i][j][e + 1] + (biased && o + 1 < stage.out ? stage.bias[o + 1] : 0.0F));
            }
            if (s < 2) {
              float* const quad = reinterpret_cast<float*>(out + o / 4 * plane_out + row);
              if (o < channels_out) *reinterpret_cast<float2*>(quad + o % 4) = v;
            } else {
              v = make_float2(v.x > 0 ? v.x : call.slope * v.x, v.y > 0 ? v.y : call.slope * v.y);
            }
            if (to == nullptr) continue;
            if (stage.out % 2 == 0) {
              if (o < stage.out) *reinterpret_cast<float2*>(to + o) = v;
            } else {
              if (o < stage.out) to[o] = v.x;
              if (o + 1 < stage.out) to[o + 1] = v.y;
            }
          }
        }
    }
    if (s == 2) break;
    ptx::copy_async_wait<0>();
    __syncthreads();  // the next array and its weights are there for all, and nobody reads what they will replace
  }
}

/// Fills in the shared memory of a block; returns its bytes.
template <Precision P, int J>
std::size_t measure(OnePass& call) {
  int weight_floats = 0;
  for (const Stage& s : call.stage)
    weight_floats = std::max(weight_floats, taps * padded<P>(s.in) * (padded_columns<J>(s.out) + 8));
  const auto array = [&](int s) { return 4 * padded<P>(call.stage[s].in) * plane_of(call.rows(s)); };
  call.a_bytes = std::max(array(0), array(2));
  call.b_bytes = std::max(array(1), (8 * call.rows(0) + 15) / 16 * 16);
  call.weight_floats = weight_floats;
  return static_cast<std::size_t>(call.a_bytes + call.b_bytes + 8 * weight_floats);
}

/// The box with the least work that fits; false when none does. A tap of a row is 2 of 8 channels, the copy of a quad 1.
template <Precision P, int J>
bool choose_box(OnePass& call, std::size_t most_shared) {
  OnePass best{};
  Index least = 0;
  for (int voxels = call.most_columns() > 32 ? 64 : 128; voxels >= 64; voxels /= 2)
    for (int bw = voxels; bw >= 1; bw /= 2)
      for (int bh = voxels / bw; bh >= 1; bh /= 2) {
        call.box[0] = voxels / (bw * bh), call.box[1] = bh, call.box[2] = bw;
        if (measure<P, J>(call) > most_shared) continue;
        Index work = Index{call.rows(0)} * padded<P>(call.stage[0].in) / 4;
        for (int s = 0; s < 3; ++s)
          work += Index{blocks_for(call.rows(s + 1), group_rows) * group_rows} * taps * padded<P>(call.stage[s].in) / 4 *
                  (padded_columns<J>(call.stage[s].out) / (8 * J));
        for (int a = 0; a < 3; ++a) call.tiles[a] = blocks_for(call.size[a], call.box[a]), work *= call.tiles[a];
        if (least == 0 || work < least) least = work, best = call;
      }
  call = best;
  return least > 0;
}

template <Precision P, int J>
std::function<void()> prepared(Stream& stream, OnePass call, std::size_t most_shared) {
  if (!choose_box<P, J>(call, most_shared)) return {};
  return [call, &stream]() mutable {
    const int tiles = call.samples * call.tiles[0] * call.tiles[1] * call.tiles[2];
    const int threads = call.most_columns() > 32 ? 256 : 128;
    const std::size_t shared = measure<P, J>(call);
    LAUNCH((separable_one_pass_kernel<P, J>), tiles, threads, shared, stream, call);
  };
}

std::function<void()> prepared(Stream& stream, const OnePass& call) {
  int device = 0, most = 0;
  check(cudaGetDevice(&device), "query of the device");
  check(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device), "query of the shared memory");
  const auto shared = static_cast<std::size_t>(most);
  return with_precision(stream.precision(), [&]<Precision P>() -> std::function<void()> {
    if constexpr (P == Precision::float32)
      return {};  // no tensor cores
    else
      return call.most_columns() <= 16 ? prepared<P, 2>(stream, call, shared) : prepared<P, 4>(stream, call, shared);
  });
}

/// Three taps, no single channel (conv3d_single.cu) and not too many.
bool suits(const Shape& volume, const SeparableWeights<ConstView<float>>& k) {
  const auto channels = {k.wd.shape.w, k.wd.shape.c, k.ww.shape.c};
  return k.wd.shape.n == taps && k.wh.shape.d == taps && k.ww.shape.h == taps && volume.rows() < (Index{1} << 31) &&
         std::all_of(channels.begin(), channels.end(), [](Index c) { return c >= 2 && c <= most_channels; });
}

OnePass call_for(const Shape& volume, const Operand& x) {
  OnePass call{};
  const Index sizes[] = {volume.d, volume.h, volume.w};
  std::copy(sizes, sizes + 3, call.size);
  call.samples = static_cast<int>(volume.n);
  call.x = x;
  call.slope = 1;
  return call;
}

}  // namespace

bool separable_pays_in_one_pass(const Stream& stream, const Shape& volume) {
  const bool fast_products = stream.precision() == Precision::tf32 || stream.precision() == Precision::bfloat16;
  return fast_products && volume.rows() >= 128 * 128;
}

std::function<void()> separable_forward_in_one_pass(Stream& stream, float slope, const Operand& x,
                                                    const SeparableWeights<ConstView<float>>& k, View<float> u, View<float> v,
                                                    View<float> y) {
  if (!suits(y.shape, k)) return {};
  OnePass call = call_for(y.shape, x);
  const auto stage = [](ConstView<float> w, ConstView<float> b, View<float> to) {
    return Stage{w.data, b.data, to.data, static_cast<int>(w.shape.w), static_cast<int>(w.shape.c),
                 w.shape.c % 4 == 0 && aligned_16(w.data)};
  };
  call.stage[0] = stage(k.wd, k.bd, u), call.stage[1] = stage(k.wh, k.bh, v), call.stage[2] = stage(k.ww, k.bw, y);
  call.slope = slope;
  return prepared(stream, call);
}

std::function<void()> separable_data_gradient_in_one_pass(Stream& stream, const Operand& dy,
                                                          const SeparableWeights<ConstView<float>>& k, View<float> dv,
                                                          View<float> du, View<float> dx) {
  if (!suits(dx.shape, k)) return {};
  OnePass call = call_for(dx.shape, dy);
  call.backward = true;
  const auto stage = [](ConstView<float> w, View<float> to) {
    return Stage{w.data, nullptr, to.data, static_cast<int>(w.shape.c), static_cast<int>(w.shape.w), false};
  };
  call.stage[0] = stage(k.ww, dv), call.stage[1] = stage(k.wh, du), call.stage[2] = stage(k.wd, dx);
  return prepared(stream, call);
}

}  // namespace fringe::cuda
