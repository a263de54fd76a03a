// Plans of FFTW in single precision, and the rule of its planner.
#pragma once
#include <fftw3.h>

#include <memory>
#include <mutex>
#include <type_traits>

namespace fringe::cpu {

/// Plans are made and destroyed by one thread at a time: lock this around fftwf_plan_*. Executing needs no lock.
inline std::mutex& fftw_planner() {
  static std::mutex mutex;
  return mutex;
}

struct DestroyFftwPlan {
  void operator()(fftwf_plan plan) const {
    const std::lock_guard lock(fftw_planner());
    fftwf_destroy_plan(plan);
  }
};
/// Must not be destroyed while the planner is locked.
using FftwPlan = std::unique_ptr<std::remove_pointer_t<fftwf_plan>, DestroyFftwPlan>;

}  // namespace fringe::cpu
