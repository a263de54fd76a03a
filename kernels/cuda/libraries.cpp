#include "kernels/cuda/libraries.h"

#include "kernels/cuda/entry_point.h"

namespace fringe::cuda {

int driver_version() {
  void* const driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (driver == nullptr) return 0;
  int version = 0;
  const auto ask = reinterpret_cast<int (*)(int*)>(dlsym(driver, "cuDriverGetVersion"));
  if (ask != nullptr) ask(&version);
  dlclose(driver);
  return version;
}

const FftLibrary& fft_library() {
  static const FftLibrary library = [] {
    void* handle = nullptr;
    for (const char* name : {"libcufft.so.12", "libcufft.so.11", "libcufft.so"})
      if (handle == nullptr) handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    require(handle != nullptr,
            "cuFFT was not found (libcufft.so.12 or .11); install it or set LD_LIBRARY_PATH");
    FftLibrary found;
    const auto find = [&](const char* name, auto& function) { find_entry_point(handle, "cuFFT", "11 or 12", name, function); };
    find("cufftPlanMany", found.plan_many);
    find("cufftSetStream", found.set_stream);
    find("cufftExecC2C", found.exec_c2c);
    return found;
  }();
  return library;
}

}  // namespace fringe::cuda
