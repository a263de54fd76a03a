#include "apps/cli/progress.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace fringe::cli {

ProgressLine::ProgressLine(bool quiet) : quiet_(quiet), terminal_(isatty(STDERR_FILENO) != 0) {}

ProgressLine::~ProgressLine() {
  if (terminal_ && any_) std::fputc('\n', stderr);
}

void ProgressLine::show(const std::string& text, bool last) {
  if (quiet_) return;
  const auto now = std::chrono::steady_clock::now();
  const double passed = std::chrono::duration<double>(now - last_).count();
  if (!last && any_ && passed < (terminal_ ? 0.1 : 5.0)) return;
  last_ = now;
  any_ = true;
  if (terminal_) {
    fmt::print(stderr, "\r{:<{}}", text, width_);
    width_ = text.size();
  } else {
    fmt::print(stderr, "{}\n", text);
  }
  std::fflush(stderr);
}

std::string duration(double seconds) {
  const auto s = std::llround(std::max(0.0, seconds));
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{}:{:02}", s / 60, s % 60);
  return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

}  // namespace fringe::cli
