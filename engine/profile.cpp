#include "engine/profile.h"

#include <algorithm>
#include <vector>

namespace fringe {

std::string Profile::table(double total, double steps) const {
  std::vector<std::pair<std::string, Entry>> rows(kernels_.begin(), kernels_.end());
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.second.seconds > b.second.seconds; });
  std::string text = fmt::format("{:<28} {:>9} {:>12} {:>7}\n", "kernel", "calls", "ms a step", "share");
  double inside = 0;
  const auto line = [&](const std::string& name, double calls, double seconds) {
    text += fmt::format("{:<28} {:>9.4g} {:>12.3f} {:>6.1f}%\n", name, calls / steps, seconds * 1e3 / steps, 100 * seconds / total);
  };
  for (const auto& [name, e] : rows) {
    line(name, static_cast<double>(e.calls), e.seconds);
    inside += e.seconds;
  }
  line("outside kernels", 0, total - inside);
  line("all", 0, total);
  return text;
}

}  // namespace fringe
