// Walking an array as rows of channels: a thread keeps to one channel and goes down the rows, so that what belongs to the
// channel stays in registers and neighbouring threads read neighbouring addresses.
//
// A block of 256 threads covers `lanes` channels (a power of two, at most 32) times 256 / lanes rows; blockIdx.y counts groups
// of channels, blockIdx.x pieces of the rows.
#pragma once
#include "kernels/cuda/launch.cuh"
#include "kernels/view.h"

namespace fringe::cuda {

constexpr int row_threads = 256;

struct Rows {
  Index rows;
  int channels, lanes;

  explicit Rows(const Shape& s) : rows(s.rows()), channels(static_cast<int>(s.c)), lanes(1) {
    while (lanes < 32 && lanes < channels) lanes *= 2;
  }
  /// `most` pieces at most; a function of the shape alone.
  dim3 grid(Index most) const {
    const Index pieces = blocks_for<Index>(rows, 8 * (row_threads / lanes));
    return dim3(static_cast<unsigned>(pieces < most ? pieces : most), static_cast<unsigned>(blocks_for(channels, lanes)));
  }

  __device__ int channel() const { return static_cast<int>(blockIdx.y) * lanes + static_cast<int>(threadIdx.x) % lanes; }
  __device__ Index first() const {
    return static_cast<Index>(blockIdx.x) * (row_threads / lanes) + static_cast<int>(threadIdx.x) / lanes;
  }
  __device__ Index step() const { return static_cast<Index>(gridDim.x) * (row_threads / lanes); }
};

}  // namespace fringe::cuda
