// The median of a few numbers.
#pragma once
#include <algorithm>
#include <vector>

namespace fringe {

/// Of an even number the mean of the two in the middle. `values` must not be empty.
inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t n = values.size();
  return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

}  // namespace fringe
