#include "kernels/cuda/cudnn_library.h"

#include "kernels/cuda/entry_point.h"

namespace fringe::cuda {
namespace {

CudnnLibrary open() {
  // Built with the types of one major version, which is the one to look for.
  const std::string name = fmt::format("libcudnn.so.{}", CUDNN_MAJOR);
  void* const handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  require(handle != nullptr, "{} was not found", name);
  CudnnLibrary found;
  const auto find = [&](const char* entry, auto& function) {
    find_entry_point(handle, "cuDNN", std::to_string(CUDNN_MAJOR), entry, function);
  };
  find("cudnnGetVersion", found.get_version);
  find("cudnnGetErrorString", found.error_string);
  find("cudnnCreate", found.create);
  find("cudnnSetStream", found.set_stream);
  find("cudnnBackendCreateDescriptor", found.create_descriptor);
  find("cudnnBackendDestroyDescriptor", found.destroy_descriptor);
  find("cudnnBackendSetAttribute", found.set_attribute);
  find("cudnnBackendGetAttribute", found.get_attribute);
  find("cudnnBackendFinalize", found.finalize);
  find("cudnnBackendExecute", found.execute);
  return found;
}

}  // namespace

const CudnnLibrary& cudnn_library() {
  static const CudnnLibrary library = open();
  return library;
}

}  // namespace fringe::cuda
