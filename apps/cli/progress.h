// The one line that shows how long work goes.
#pragma once
#include <chrono>
#include <string>

namespace fringe::cli {

/// On a terminal one line that is written over, ten times a second at most; else a plain line every five seconds. Goes to
/// standard error, so that standard output stays the result.
class ProgressLine {
 public:
  explicit ProgressLine(bool quiet);
  ~ProgressLine();  ///< ends the line
  void show(const std::string& text, bool last = false);

 private:
  bool quiet_, terminal_;
  std::size_t width_ = 0;
  bool any_ = false;
  std::chrono::steady_clock::time_point last_{};
};

/// "1:05", "12 s"
std::string duration(double seconds);

}  // namespace fringe::cli
