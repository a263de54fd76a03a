#include "apps/cli/agreement.h"

#include <fmt/core.h>

namespace fringe::cli {

std::string resolution_text(const Reconstruction& r, const std::string& name) {
  const auto& m = r.metrics;
  const bool voxels = m.contains(name + "_resolution_voxels");
  const double length = m.at(name + "_resolution" + (voxels ? "_voxels" : ""));
  const auto text = voxels ? fmt::format("{:.2f} voxels", length) : fmt::format("{:.1f} nm", 1e9 * length);
  return m.at(name + "_at_edge") != 0 ? text + " or better (the array's edge)" : text;
}

void print_agreement(const Reconstruction& r) {
  const auto& m = r.metrics;
  const auto spread = [&](const char* key, const char* name, int digits) {
    const auto median = m.find(std::string("median_") + key);
    if (median == m.end()) return;
    fmt::print("{:<12}{:.{}g} +- {:.2g}\n", name, median->second, digits, m.at(std::string("std_") + key));
  };
  fmt::print("over the starts: median +- standard deviation\n");
  spread("chi2", "chi2", 5);
  spread("pearson", "r", 6);
  spread("free_llk", "free llk", 5);
  spread("true_error", "true error", 4);
  fmt::print("kept        {:.0f} of {:.0f}; best: seed {:.0f}", m.at("kept"), m.at("starts"), m.at("best_seed"));
  if (m.contains("best_free_llk")) fmt::print(", free llk {:.4g}", m.at("best_free_llk"));
  fmt::print("\nfirst mode  {:.2f} % of what the kept starts have\n", 100 * m.at("mode_weight"));
  if (m.contains("agreement_error"))
    fmt::print("agreement   the kept starts differ from the best by {:.3f} (median error after alignment)\n",
               m.at("agreement_error"));
  fmt::print("PRTF = 1/e  at {}\n", resolution_text(r, "prtf"));
  if (m.contains("fsc_at_edge")) fmt::print("FSC = 1/2   at {} (between two half ensembles)\n", resolution_text(r, "fsc"));
}

}  // namespace fringe::cli
