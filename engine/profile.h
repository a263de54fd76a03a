// Where the time of a run goes, kernel by kernel.
#pragma once
#include <chrono>
#include <map>
#include <string>

#include "kernels/view.h"

namespace fringe {

/// Counts every kernel launched through Context::launch while it is attached to the context.
class Profile {
 public:
  struct Entry {
    Index calls = 0;
    double seconds = 0;
  };
  void add(const char* kernel, double seconds) {
    Entry& e = kernels_[kernel];
    ++e.calls;
    e.seconds += seconds;
  }
  const std::map<std::string, Entry>& kernels() const { return kernels_; }
  /// Wall-clock seconds since the profile was made.
  double elapsed() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
  /// A table, the most expensive kernel first: seconds and share of `total`; the last line is what was outside kernels.
  std::string table(double total, double steps) const;

  using Clock = std::chrono::steady_clock;

 private:
  std::map<std::string, Entry> kernels_;
  Clock::time_point start_ = Clock::now();
};

}  // namespace fringe
