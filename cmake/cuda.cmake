# The CUDA backend: fringe_cuda, an object library of kernels/cuda, or of what stands in for it in a build without.
#
#   FRINGE_CUDA=AUTO (default)  with nvcc and an NVIDIA driver on this machine: ON, else OFF
#   FRINGE_CUDA=ON              build it; needs nvcc 12 or later. The program still starts, on the CPU, where there is no GPU
#   FRINGE_CUDA=OFF             leave it out
#   FRINGE_CUDA_ARCHITECTURES   as CMAKE_CUDA_ARCHITECTURES; default: the devices of this machine, else 80 to 120 and PTX
#
# cuFFT and cuDNN are opened at run time and never linked; of cuDNN the headers are used where they are found
# (FRINGE_CUDNN_HEADERS). The kernels' tests (tests/emulation) need neither nvcc nor this
# option, only CUDA's headers: FRINGE_CUDA_HEADERS, found beside nvcc, in CUDA_HOME, or given.
set(FRINGE_CUDA AUTO CACHE STRING "build the CUDA backend: AUTO, ON, OFF")
set_property(CACHE FRINGE_CUDA PROPERTY STRINGS AUTO ON OFF)
find_program(FRINGE_NVCC nvcc HINTS ENV CUDACXX ENV CUDA_HOME ENV CUDA_PATH PATHS /usr/local/cuda PATH_SUFFIXES bin)
if(FRINGE_NVCC)
  get_filename_component(fringe_nvcc_folder "${FRINGE_NVCC}" REALPATH)
  get_filename_component(fringe_nvcc_folder "${fringe_nvcc_folder}" DIRECTORY)
endif()
find_path(FRINGE_CUDA_HEADERS cuda_runtime_api.h
          HINTS ${fringe_nvcc_folder}/../include ENV CUDA_HOME ENV CUDA_PATH PATHS /usr/local/cuda PATH_SUFFIXES include)

find_path(FRINGE_CUDNN_HEADERS cudnn.h HINTS ${FRINGE_CUDA_HEADERS} ENV CUDNN_HOME PATH_SUFFIXES include)

# Leaves out of a list of kernels/cuda what is not for this build: cuDNN, or what stands in for it where its headers are missing.
macro(fringe_cudnn_sources list)
  if(FRINGE_CUDNN_HEADERS)
    list(FILTER ${list} EXCLUDE REGEX "/without_cudnn.cpp$")
  else()
    list(FILTER ${list} EXCLUDE REGEX "/(cudnn|cudnn_library).cpp$")
  endif()
endmacro()

set(fringe_cuda_wanted ${FRINGE_CUDA})
if(FRINGE_CUDA STREQUAL "AUTO")
  set(fringe_cuda_wanted OFF)
  if(FRINGE_NVCC AND EXISTS /proc/driver/nvidia/version)
    set(fringe_cuda_wanted ON)
  endif()
endif()

# fmt 9 turns its constexpr off under nvcc, and then does not compile as C++20; it works with nvcc 12 and later.
set(FRINGE_NVCC_OPTIONS --expt-relaxed-constexpr -diag-suppress=554 -DFMT_USE_CONSTEXPR=1 -DFMT_CONSTEVAL=)

if(fringe_cuda_wanted)
  if(NOT DEFINED CMAKE_CUDA_COMPILER)
    set(CMAKE_CUDA_COMPILER ${FRINGE_NVCC})
  endif()
  if(NOT DEFINED FRINGE_CUDA_ARCHITECTURES)
    if(EXISTS /proc/driver/nvidia/version)
      set(FRINGE_CUDA_ARCHITECTURES native)
    else()
      set(FRINGE_CUDA_ARCHITECTURES 80-real 86-real 89-real 90-real 100-real 120)
    endif()
  endif()
  set(CMAKE_CUDA_ARCHITECTURES ${FRINGE_CUDA_ARCHITECTURES})
  enable_language(CUDA)
  if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake before 3.26 does not know that nvcc 12 compiles C++20
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
    set(CMAKE_CUDA_COMPILE_FEATURES ${CMAKE_CUDA_COMPILE_FEATURES} cuda_std_20)
  endif()
  find_package(CUDAToolkit REQUIRED)
  file(GLOB cuda_sources CONFIGURE_DEPENDS kernels/cuda/*.cu kernels/cuda/*.cpp)
  list(FILTER cuda_sources EXCLUDE REGEX "absent.cpp$")
  fringe_cudnn_sources(cuda_sources)
  add_library(fringe_cuda OBJECT ${cuda_sources})
  target_compile_options(fringe_cuda PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:${FRINGE_NVCC_OPTIONS}>)
  set_target_properties(fringe_cuda PROPERTIES CUDA_RUNTIME_LIBRARY Static)
  target_include_directories(fringe_cuda SYSTEM PRIVATE ${CUDAToolkit_INCLUDE_DIRS}
                                                        $<$<BOOL:${FRINGE_CUDNN_HEADERS}>:${FRINGE_CUDNN_HEADERS}>)
  set(FRINGE_CUDA_LIBRARIES CUDA::cudart_static)
else()
  add_library(fringe_cuda OBJECT kernels/cuda/absent.cpp)
  fringe_warnings(fringe_cuda)
  set(FRINGE_CUDA_LIBRARIES)
endif()
target_include_directories(fringe_cuda PRIVATE ${PROJECT_SOURCE_DIR})
target_link_libraries(fringe_cuda PRIVATE fmt::fmt)
message(STATUS "CUDA backend: ${fringe_cuda_wanted}; nvcc: ${FRINGE_NVCC}; headers for its tests: ${FRINGE_CUDA_HEADERS}; cuDNN's: ${FRINGE_CUDNN_HEADERS}")
