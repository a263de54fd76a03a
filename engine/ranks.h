// The processes that train one network or run an ensemble together (MPI ranks); one in builds without MPI. Everything MPI is in
// engine/mpi.
#pragma once
#include <span>
#include <string>

#include "kernels/view.h"

namespace fringe {

/// Starts MPI when the first one is made, where the process was started by mpirun; ends it with the last.
/// On GPUs the same two sums are what NCCL's all-reduce does: one flat buffer a step.
class Ranks {
 public:
  Ranks();
  ~Ranks();
  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;

  /// "MPI 3.1", or nothing in builds without it.
  static std::string library();

  int rank() const { return rank_; }
  int size() const { return size_; }
  /// Every element becomes its sum over all ranks, the same bits on each.
  void sum(std::span<float> values) const;
  void sum(std::span<double> values) const;

 private:
  int rank_ = 0, size_ = 1;
};

}  // namespace fringe
