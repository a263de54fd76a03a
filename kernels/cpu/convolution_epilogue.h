// What happens to a block of rows of a result while it is in cache: LeakyReLU, and sums over it. The sums are kept piece by
// piece and folded in the order of the pieces, which the shape alone fixes: they do not depend on the number of threads.
#pragma once
#include "kernels/cpu/convolution.h"

namespace fringe::cpu {

/// The epilogue of one result, and its sums: 2 C doubles for each of `pieces` pieces.
class EpilogueSums {
 public:
  static Index floats(const Epilogue& e, Index channels, Index pieces);
  /// memory: 16-byte aligned, `floats` of it. Throws Error when there are more channels than the sums have room for.
  EpilogueSums(const Epilogue& e, Index channels, Index pieces, float* memory);

  /// `count` floats of the result at y, whose place in the array is `at`, all of them piece `piece`, in one call or several.
  void rows(Index piece, float* y, Index at, Index count);

  /// After all pieces: writes the results.
  void finish();

  struct State {
    Epilogue epilogue;
    Index channels, pieces, period;
    double *sums, *counts;  ///< of each piece: two numbers a channel; rows seen
    float* centre;          ///< of the moment, repeated
    bool active() const { return epilogue.statistics || epilogue.daffine; }
  };

 private:
  State state_;
};

}  // namespace fringe::cpu
