// The state of a network or a run, as a file.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "engine/tensor.h"

namespace fringe {

/// Named arrays, numbers and texts, kept exactly (arrays in float or double, as they were put).
class Checkpoint {
 public:
  std::map<std::string, double> numbers;
  std::map<std::string, std::string> texts;

  template <class T>
  void put(const std::string& name, const Tensor<T>& tensor) {
    auto& a = arrays_[name];
    a.shape = tensor.shape();
    const Tensor<T> values = tensor.to_host();
    a.values.assign(values.data(), values.data() + values.size());
  }
  /// Fills `tensor`. Throws Error when the array is missing or of another shape.
  template <class T>
  void get(const std::string& name, const Tensor<T>& tensor) const {
    const Array& a = array(name);
    require(a.shape == tensor.shape(), "checkpoint{}: {} has shape {}, the network expects {}", where(), name,
            a.shape.str(), tensor.shape().str());
    std::vector<T> values;
    for (const double v : a.values) values.push_back(static_cast<T>(v));
    tensor.from_host(values);
  }
  void put(const std::string& name, const std::vector<double>& values);
  std::vector<double> values(const std::string& name) const;  ///< of a vector that was put; throws Error when missing
  /// Of any array, whatever its shape; throws Error when missing.
  const std::vector<double>& array_values(const std::string& name) const { return array(name).values; }
  bool has(const std::string& name) const { return arrays_.contains(name); }
  double number(const std::string& name) const;             ///< throws Error when missing
  const std::string& text(const std::string& name) const;  ///< throws Error when missing

  /// Takes in everything of `other`, its names prefixed: "best." makes "epoch" "best.epoch".
  void add(const std::string& prefix, const Checkpoint& other);
  /// What add() took in under this prefix.
  Checkpoint part(const std::string& prefix) const;

  /// Writes an HDF5 file that appears under `path` only when it is complete and on disk (temporary file beside it, fsync,
  /// rename), so a crash or a full disk leaves the previous one as it was. Throws Error.
  void save(const std::string& path) const;
  static Checkpoint load(const std::string& path);
  /// The library that writes the files, with its version; empty in a build without, where save and load throw Error.
  static std::string library();

 private:
  struct Array {
    Shape shape;
    std::vector<double> values;
  };
  const Array& array(const std::string& name) const;
  std::string where() const { return path_.empty() ? "" : " " + path_; }
  std::map<std::string, Array> arrays_;
  std::string path_;  ///< where it was loaded from
};

}  // namespace fringe
