// The choice of what computes: a table of kernels, and the device whose memory they work on.
#pragma once
#include <string>

#include "kernels/device.h"
#include "kernels/table.h"

namespace fringe {

/// The kernels of this machine's CPU for float, or what FRINGE_BACKEND=reference|cpu asks for.
const KernelTable<float>& default_table();

struct Backend {
  const KernelTable<float>* kernels = &default_table();
  const Device* device = &host_device();
  int index = -1;  ///< of the CUDA device
  /// Of the convolutions' factors: float32 means as good as that, by whatever means the backend has.
  Precision precision = Precision::float32;

  std::string name() const;  ///< "cuda:0, NVIDIA H200", or the CPU in words
};

/// `request`: "cpu"; "cuda:K" or "cuda" for cuda:0: throws Error, with the reason, when it cannot be used; or "auto": the first
/// CUDA device that can be used, else the CPU, and then `why_cpu` says in one line why. FRINGE_BACKEND makes "auto" the CPU.
Backend choose_backend(const std::string& request, std::string& why_cpu);

/// Where several kernels can do the same, the fastest is measured from now on, and kept below ~/.cache/fringe (or XDG_CACHE_HOME), or
/// as FRINGE_CHOICES says: another folder; "off": nothing is measured, rules choose; "cudnn": cuDNN wherever it can, rules
/// elsewhere. `renew`: what is kept does not count. Returns a warning, empty when all is well.
std::string choose_kernels(const Backend& backend, bool renew);

/// Whether choose_backend understands the request.
bool is_backend_request(const std::string& request);

}  // namespace fringe
