// The choices between the CPU's kernels (kernels/choices.h).
#pragma once
#include <algorithm>
#include <array>

#include "kernels/choices.h"

namespace fringe::cpu {

Chooser& chooser();

/// The algorithms that can do a piece of work; the first is the rule's.
class Ways {
 public:
  explicit Ways(Way rule) : all_{rule} {}
  Ways& or_else(Way algorithm, bool can) {
    if (can && std::find(begin(), end(), algorithm) == end()) all_[static_cast<std::size_t>(count_++)] = algorithm;
    return *this;
  }
  const Way* begin() const { return all_.data(); }
  const Way* end() const { return all_.data() + count_; }

 private:
  std::array<Way, 5> all_;
  int count_ = 1;
};

/// by(algorithm) does the work, for the algorithm that is chosen.
template <class By>
void run_one_of(const Stream& stream, const char* operation, const Shape& volume, const Shape& kernel, const Ways& ways, const By& by) {
  std::array<Candidate, 5> candidates;
  std::size_t count = 0;
  for (const Way a : ways) candidates[count++] = {a, [&by, a] { by(a); }};
  // All precisions but bfloat16 are float32 on the CPU.
  const auto precision = stream.precision() == Precision::bfloat16 ? Precision::bfloat16 : Precision::float32;
  chooser().run_one_of(stream, {operation, volume, kernel, precision, stream.threads()}, std::span(candidates).first(count));
}

}  // namespace fringe::cpu
