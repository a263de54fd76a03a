// The entry points of cuDNN that are used, with its own types, opened at run time. tests/emulation has the same table.
#pragma once
#include <cudnn.h>

namespace fringe::cuda {

struct CudnnLibrary {
  decltype(&::cudnnGetVersion) get_version = nullptr;
  decltype(&::cudnnGetErrorString) error_string = nullptr;
  decltype(&::cudnnCreate) create = nullptr;
  decltype(&::cudnnSetStream) set_stream = nullptr;
  decltype(&::cudnnCreateTensorDescriptor) create_tensor = nullptr;
  decltype(&::cudnnSetTensorNdDescriptor) set_tensor = nullptr;
  decltype(&::cudnnCreateFilterDescriptor) create_filter = nullptr;
  decltype(&::cudnnSetFilterNdDescriptor) set_filter = nullptr;
  decltype(&::cudnnCreateConvolutionDescriptor) create_convolution = nullptr;
  decltype(&::cudnnSetConvolutionNdDescriptor) set_convolution = nullptr;
  decltype(&::cudnnSetConvolutionMathType) set_math = nullptr;
  decltype(&::cudnnGetConvolutionForwardAlgorithm_v7) forward_algorithms = nullptr;
  decltype(&::cudnnGetConvolutionBackwardDataAlgorithm_v7) data_algorithms = nullptr;
  decltype(&::cudnnGetConvolutionBackwardFilterAlgorithm_v7) filter_algorithms = nullptr;
  decltype(&::cudnnConvolutionForward) forward = nullptr;
  decltype(&::cudnnConvolutionBackwardData) data = nullptr;
  decltype(&::cudnnConvolutionBackwardFilter) filter = nullptr;
};

/// Throws Error, naming what was looked for, when it is not on this machine.
const CudnnLibrary& cudnn_library();

}  // namespace fringe::cuda
