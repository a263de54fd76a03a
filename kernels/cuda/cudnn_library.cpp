#include "kernels/cuda/cudnn_library.h"

#include <dlfcn.h>

#include "kernels/error.h"

namespace fringe::cuda {
namespace {

template <class F>
void find(void* library, const char* name, F& function) {
  function = reinterpret_cast<F>(dlsym(library, name));
  require(function != nullptr, "the cuDNN that was found has no {}; install cuDNN {}", name, CUDNN_MAJOR);
}

CudnnLibrary open() {
  // Built with the types of one major version, which is the one to look for.
  const std::string name = fmt::format("libcudnn.so.{}", CUDNN_MAJOR);
  void* const handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  require(handle != nullptr, "{} was not found", name);
  CudnnLibrary found;
  find(handle, "cudnnGetVersion", found.get_version);
  find(handle, "cudnnGetErrorString", found.error_string);
  find(handle, "cudnnCreate", found.create);
  find(handle, "cudnnSetStream", found.set_stream);
  find(handle, "cudnnCreateTensorDescriptor", found.create_tensor);
  find(handle, "cudnnSetTensorNdDescriptor", found.set_tensor);
  find(handle, "cudnnCreateFilterDescriptor", found.create_filter);
  find(handle, "cudnnSetFilterNdDescriptor", found.set_filter);
  find(handle, "cudnnCreateConvolutionDescriptor", found.create_convolution);
  find(handle, "cudnnSetConvolutionNdDescriptor", found.set_convolution);
  find(handle, "cudnnSetConvolutionMathType", found.set_math);
  find(handle, "cudnnGetConvolutionForwardAlgorithm_v7", found.forward_algorithms);
  find(handle, "cudnnGetConvolutionBackwardDataAlgorithm_v7", found.data_algorithms);
  find(handle, "cudnnGetConvolutionBackwardFilterAlgorithm_v7", found.filter_algorithms);
  find(handle, "cudnnConvolutionForward", found.forward);
  find(handle, "cudnnConvolutionBackwardData", found.data);
  find(handle, "cudnnConvolutionBackwardFilter", found.filter);
  return found;
}

}  // namespace

const CudnnLibrary& cudnn_library() {
  static const CudnnLibrary library = open();
  return library;
}

}  // namespace fringe::cuda
