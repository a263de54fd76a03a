// How CPU kernels use the cores: fixed splits, so that two runs with the same thread count are bitwise equal.
#pragma once
#include <algorithm>

#include "kernels/cpu/team.h"
#include "kernels/stream.h"

namespace fringe::cpu {

/// Calls body(task) for task = 0..tasks-1, tasks dealt to the stream's threads in contiguous runs. body must not throw.
template <class Body>
void parallel_tasks(Stream& stream, Index tasks, const Body& body) {
  const int threads = static_cast<int>(std::min<Index>(stream.threads(), tasks));
  if (threads <= 1) {
    for (Index t = 0; t < tasks; ++t) body(t);
    return;
  }
  run_pieces(threads, [&](Index piece) {
    for (Index t = tasks * piece / threads; t < tasks * (piece + 1) / threads; ++t) body(t);
  });
}

/// Calls body(piece, task) for all tasks, those of a piece one after another: memory that belongs to the piece can be used again.
/// There are at most as many pieces as threads.
template <class Body>
void parallel_pieces(Stream& stream, Index tasks, const Body& body) {
  const Index pieces = std::min<Index>(stream.threads(), tasks);
  parallel_tasks(stream, pieces, [&](Index piece) {
    for (Index task = tasks * piece / pieces; task < tasks * (piece + 1) / pieces; ++task) body(piece, task);
  });
}

/// Calls body(begin, end) over equal contiguous pieces of [0, n), one per thread; boundaries are multiples of `grain`,
/// and less than two grains of work stay on the calling thread.
template <class Body>
void parallel_ranges(Stream& stream, Index n, Index grain, const Body& body) {
  const Index grains = (n + grain - 1) / grain;
  const Index pieces = std::clamp<Index>(grains, 1, stream.threads());
  parallel_tasks(stream, pieces, [&](Index p) {
    const Index begin = std::min(n, grains * p / pieces * grain);
    const Index end = std::min(n, grains * (p + 1) / pieces * grain);
    if (begin < end) body(begin, end);
  });
}

/// The number of pieces a sum over n elements is cut into: fixed by n alone, so that sums do not depend on the number
/// of threads.
inline Index reduction_pieces(Index n) { return std::clamp<Index>(n / 4096, 1, 64); }

/// out[k] = the sum over [0, n) of what body(begin, end, partial) leaves in partial[0..K): pieces and their order are fixed
/// by n alone.
template <int K, class Body>
void parallel_sums(Stream& stream, Index n, double* out, const Body& body) {
  double partial[64][K];
  const Index pieces = reduction_pieces(n);
  parallel_tasks(stream, pieces, [&](Index p) { body(n * p / pieces, n * (p + 1) / pieces, partial[p]); });
  std::fill(out, out + K, 0.0);
  for (Index p = 0; p < pieces; ++p)
    for (int k = 0; k < K; ++k) out[k] += partial[p][k];
}

}  // namespace fringe::cpu
