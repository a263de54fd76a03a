// FFTW plans in single precision are made and destroyed by one thread at a time.
#pragma once
#include <mutex>

namespace fringe {

/// Lock it around fftwf_plan_* and fftwf_destroy_plan; executing needs no lock.
std::mutex& fftw_planner();

}  // namespace fringe
