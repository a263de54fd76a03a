// What a network learns.
#pragma once
#include <string>
#include <vector>

#include "engine/tensor.h"

namespace fringe {

/// A learned array and the gradient of the last backward pass. `name` is its path in the network and in checkpoints:
/// "encoder.0.conv.weight".
template <class T>
struct Parameter {
  std::string name;
  Tensor<T> value, grad;
};

/// State that is saved with the parameters but not learned, such as BatchNorm's running statistics.
template <class T>
struct Buffer {
  std::string name;
  Tensor<T> value;
};

}  // namespace fringe
