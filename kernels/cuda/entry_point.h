// One function of a library that was opened at run time.
#pragma once
#include <dlfcn.h>

#include "kernels/error.h"

namespace fringe::cuda {

/// Throws Error when `library` has no `name`: another version of `product` ("cuFFT") is needed, `wanted` ("11 or 12").
template <class F>
void find_entry_point(void* library, const char* product, const std::string& wanted, const char* name, F& function) {
  function = reinterpret_cast<F>(dlsym(library, name));
  require(function != nullptr, "the {} that was found has no {}; install {} {}", product, name, product, wanted);
}

}  // namespace fringe::cuda
