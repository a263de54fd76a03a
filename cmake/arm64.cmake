# CMake toolchain: 64-bit Arm Linux from a Debian or Ubuntu machine of another kind, its programs run by QEMU's user emulation.
#
#   apt-get install g++-aarch64-linux-gnu qemu-user
#   cmake -DCMAKE_TOOLCHAIN_FILE=cmake/arm64.cmake -DFRINGE_ARM64_ROOT=FOLDER ...
#
# FOLDER: a root file system with the arm64 libraries, their headers and pkg-config files; scripts/arm64.sh makes one.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(FRINGE_ARM64_ROOT "" CACHE PATH "root file system with the arm64 libraries")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES FRINGE_ARM64_ROOT)
if(NOT IS_DIRECTORY "${FRINGE_ARM64_ROOT}/usr/include")
  message(FATAL_ERROR "FRINGE_ARM64_ROOT has to be a root file system with arm64 libraries (scripts/arm64.sh makes one): there is no '${FRINGE_ARM64_ROOT}/usr/include'")
endif()
set(CMAKE_SYSROOT "${FRINGE_ARM64_ROOT}")
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)

set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_SYSROOT_DIR} "${FRINGE_ARM64_ROOT}")
set(ENV{PKG_CONFIG_LIBDIR} "${FRINGE_ARM64_ROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${FRINGE_ARM64_ROOT}/usr/share/pkgconfig")

# FindHDF5 would ask the compiler wrapper `h5cc`, which is this machine's.
set(HDF5_C_COMPILER_EXECUTABLE "" CACHE FILEPATH "")
set(HDF5_C_INCLUDE_DIR "${FRINGE_ARM64_ROOT}/usr/include/hdf5/serial" CACHE PATH "")
set(HDF5_hdf5_LIBRARY_RELEASE "${FRINGE_ARM64_ROOT}/usr/lib/aarch64-linux-gnu/libhdf5_serial.so" CACHE FILEPATH "")

find_program(FRINGE_QEMU NAMES qemu-aarch64 qemu-aarch64-static)
if(FRINGE_QEMU)
  set(CMAKE_CROSSCOMPILING_EMULATOR "${FRINGE_QEMU};-L;${FRINGE_ARM64_ROOT}")
endif()
