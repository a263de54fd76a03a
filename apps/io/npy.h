// NumPy's .npy arrays: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once
#include <string>
#include <vector>

#include "apps/io/volume.h"

namespace fringe::io {

struct NpyArray {
  std::vector<Index> extent;
  std::vector<float> data;  ///< row-major, whatever the order in the file
};

/// Real little-endian numbers of any width, C or Fortran order. Throws Error for other files, damaged ones, and arrays of
/// other kinds (complex, text, objects).
NpyArray read_npy(const std::string& path);

}  // namespace fringe::io
