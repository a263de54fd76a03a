#include "apps/phasing/agreement.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "apps/phasing/alignment.h"
#include "apps/phasing/eigenmodes.h"
#include "apps/phasing/median.h"
#include "apps/phasing/outcome.h"
#include "apps/phasing/parallel.h"
#include "apps/phasing/simulate.h"
#include "apps/phasing/uncertainty.h"

namespace fringe {
namespace {

std::vector<double> scores(const std::vector<Member>& members) {
  std::vector<double> out;
  for (const auto& m : members) out.push_back(m.score());
  return out;
}

/// Steps in Q such that |Q| is 2 pi over a period in metres, or in voxels where the voxels' size is not known.
Basis basis_of(const Pattern& pattern) {
  if (pattern.geometry.basis_vectors) return *pattern.geometry.basis_vectors;
  Basis basis{};
  for (std::size_t k = 0; k < 3; ++k) basis[k][k] = 2 * std::numbers::pi / static_cast<double>(pattern.intensity.extent[k]);
  return basis;
}

void put_resolution(Reconstruction& r, const std::string& name, const ShellCurve& curve, double threshold) {
  const auto q = crossing(curve, threshold);
  const std::string unit = r.pattern.geometry.basis_vectors ? "" : "_voxels";
  r.metrics[name + "_resolution" + unit] = 2 * std::numbers::pi / q.value_or(curve.q.back());
  r.metrics[name + "_at_edge"] = q ? 0 : 1;
  r.curves[name] = {curve.q, curve.value};
}

ComplexField mean_of(const std::vector<Volume<Complex>>& objects, std::size_t first, const Extent& extent) {
  ComplexField mean(objects[0].extent);
  for (std::size_t k = first; k < objects.size(); k += 2)
    for (std::size_t i = 0; i < mean.data.size(); ++i) mean.data[i] += std::complex<double>(objects[k].data[i]);
  return pad_or_crop(mean, extent);
}

}  // namespace

double Member::score() const { return metrics.contains("free_llk") ? metrics.at("free_llk") : metrics.at("chi2"); }

std::size_t best_of(const std::vector<Member>& members) {
  require(!members.empty(), "ensemble: no start has come to its end");
  const auto all = scores(members);
  return static_cast<std::size_t>(std::min_element(all.begin(), all.end()) - all.begin());
}

double outlier_limit(const std::vector<Member>& members, double deviations) {
  if (deviations == 0) return std::numeric_limits<double>::infinity();
  const auto all = scores(members);
  const double middle = median(all);
  std::vector<double> distances;
  for (const double s : all) distances.push_back(std::abs(s - middle));
  return middle + deviations * 1.4826 * median(distances);
}

Reconstruction agreement(const Pattern& pattern, const Mask& free, const std::vector<Member>& members,
                         const AgreementOptions& options) {
  const std::size_t best = best_of(members);
  const double limit = outlier_limit(members, options.deviations);
  const Volume<Complex>& reference = options.reference.empty() ? members[best].object : options.reference;
  const auto is_reference = [&](std::size_t k) { return members[k].object.data == reference.data; };
  std::vector<Volume<Complex>> aligned(members.size());
  std::vector<double> errors(members.size());
  parallel_items(static_cast<Index>(members.size()), options.threads, [&](Index k) {
    const auto at = static_cast<std::size_t>(k);
    aligned[at] = members[at].object;
    if (is_reference(at)) return;
    auto a = align(members[at].object, reference);
    for (auto& v : a.object.data) v /= a.scale;  // each is on the pattern's scale already
    aligned[at] = converted<Complex>(pad_or_crop(a.object, reference.extent));
    errors[at] = a.error;
  });

  Reconstruction r;
  r.pattern = pattern;
  std::vector<Volume<Complex>> kept;
  std::vector<double> kept_errors;
  Curve& flags = r.curves["start_kept"];
  for (std::size_t k = 0; k < members.size(); ++k) {
    const bool keeps = members[k].score() <= limit;
    flags.epoch.push_back(static_cast<double>(members[k].seed));
    flags.value.push_back(keeps);
    if (!keeps) continue;
    kept.push_back(std::move(aligned[k]));
    if (!is_reference(k)) kept_errors.push_back(errors[k]);
  }
  r.curves["start_error"] = {flags.epoch, errors};
  for (const std::string name : {"chi2", "chi2_all", "pearson", "llk", "free_llk", "true_error", "seconds"}) {
    Curve curve{flags.epoch, {}};
    for (const auto& m : members)
      if (const auto found = m.metrics.find(name); found != m.metrics.end()) curve.value.push_back(found->second);
    if (curve.value.size() < members.size()) continue;
    double mean = 0, squares = 0;
    const auto count = static_cast<double>(members.size());
    for (const double v : curve.value) mean += v / count;
    for (const double v : curve.value) squares += (v - mean) * (v - mean);
    r.metrics["median_" + name] = median(curve.value);
    r.metrics["std_" + name] = std::sqrt(squares / std::max(1.0, count - 1));
    r.curves["start_" + name] = std::move(curve);
  }

  auto modes = eigenmodes(kept, options.modes);
  Curve& weights = r.curves["mode_weight"];
  for (std::size_t j = 0; j < modes.weights.size(); ++j) {
    weights.epoch.push_back(static_cast<double>(j + 1));
    weights.value.push_back(modes.weights[j]);
    if (j > 0 && j < modes.modes.size()) r.modes[fmt::format("mode_{}", j + 1)] = modes.modes[j];
  }
  auto maps = uncertainty(kept);
  r.maps["amplitude_mean"] = std::move(maps.amplitude_mean);
  r.maps["amplitude_std"] = std::move(maps.amplitude_std);
  r.maps["phase_mean"] = std::move(maps.phase_mean);
  r.maps["phase_std"] = std::move(maps.phase_std);
  const Basis basis = basis_of(pattern);
  put_resolution(r, "prtf", prtf(kept, pattern, basis, options.threads), std::exp(-1.0));
  if (kept.size() >= 2) {
    const Extent& e = pattern.intensity.extent;
    put_resolution(r, "fsc", fourier_shell_correlation(mean_of(kept, 0, e), mean_of(kept, 1, e), basis, options.threads), 0.5);
  }
  if (!kept_errors.empty()) r.metrics["agreement_error"] = median(kept_errors);

  r.object = std::move(modes.modes[0]);
  judge_object(r, free, options.threads);
  double epochs = 0, seconds = 0;
  for (const auto& m : members) {
    if (const auto found = m.metrics.find("epochs"); found != m.metrics.end()) epochs += found->second;
    if (const auto found = m.metrics.find("seconds"); found != m.metrics.end()) seconds += found->second;
  }
  r.metrics["epochs"] = epochs;
  if (seconds > 0) r.metrics["epochs_per_second"] = epochs / seconds;
  r.metrics["starts"] = static_cast<double>(members.size());
  r.metrics["kept"] = static_cast<double>(kept.size());
  r.metrics["outlier_limit"] = limit;
  r.metrics["best_seed"] = static_cast<double>(members[best].seed);
  if (!free.empty()) r.metrics["best_free_llk"] = members[best].score();
  r.metrics["mode_weight"] = modes.weights[0];
  return r;
}

}  // namespace fringe
