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
  find("cudnnCreateTensorDescriptor", found.create_tensor);
  find("cudnnSetTensorNdDescriptor", found.set_tensor);
  find("cudnnCreateFilterDescriptor", found.create_filter);
  find("cudnnSetFilterNdDescriptor", found.set_filter);
  find("cudnnCreateConvolutionDescriptor", found.create_convolution);
  find("cudnnSetConvolutionNdDescriptor", found.set_convolution);
  find("cudnnSetConvolutionMathType", found.set_math);
  find("cudnnGetConvolutionForwardAlgorithm_v7", found.forward_algorithms);
  find("cudnnGetConvolutionBackwardDataAlgorithm_v7", found.data_algorithms);
  find("cudnnGetConvolutionBackwardFilterAlgorithm_v7", found.filter_algorithms);
  find("cudnnConvolutionForward", found.forward);
  find("cudnnConvolutionBackwardData", found.data);
  find("cudnnConvolutionBackwardFilter", found.filter);
  return found;
}

}  // namespace

const CudnnLibrary& cudnn_library() {
  static const CudnnLibrary library = open();
  return library;
}

}  // namespace fringe::cuda
