#include "apps/phasing/outcome.h"

#include <fmt/ranges.h>

#include <ctime>

#include "apps/phasing/alignment.h"
#include "apps/phasing/coherence.h"
#include "apps/phasing/simulate.h"

namespace fringe {

std::string utc_now() {
  const std::time_t t = std::time(nullptr);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&t));
  return text;
}

std::string signature(const Pattern& pattern) {
  double sum = 0, squares = 0;
  for (Index i = 0; i < pattern.intensity.size(); ++i) {
    if (!pattern.measured(i)) continue;
    const double v = pattern.intensity.data[static_cast<std::size_t>(i)];
    sum += v;
    squares += v * v;
  }
  const auto& e = pattern.intensity.extent;
  return fmt::format("{}x{}x{} {:.17g} {:.17g}{}", e[0], e[1], e[2], sum, squares, illumination_text(pattern));
}

std::string illumination_text(const Pattern& pattern) {
  return pattern.partially_coherent() ? fmt::format(" coherence {}", fmt::join(pattern.coherence, " ")) : "";
}

void judge(Reconstruction& r, const Mask& free, int threads) {
  const auto scale = static_cast<float>(amplitude_scale(r.calculated, r.pattern, free));
  if (scale > 0) {
    for (auto& v : r.object.data) v *= scale;
    for (auto& v : r.calculated.data) v *= scale * scale;
  }
  const auto fit = fit_quality(r.calculated, r.pattern, free);
  r.metrics["chi2"] = fit.chi2;
  r.metrics["pearson"] = fit.pearson;
  r.metrics["llk"] = fit.llk;
  if (fit.free_llk) r.metrics["free_llk"] = *fit.free_llk;
  r.metrics["chi2_all"] = chi2(r.calculated, r.pattern);
  if (!r.pattern.truth.empty()) r.metrics["true_error"] = align(r.object, r.pattern.truth, {.threads = threads}).error;
}

void judge_object(Reconstruction& r, const Mask& free, int threads) {
  r.calculated = converted<float>(diffract(r.object, r.pattern.intensity.extent, threads));
  if (r.pattern.partially_coherent()) blur(r.calculated, r.pattern.coherence);
  judge(r, free, threads);
  r.support = support_of(converted<std::complex<double>>(r.object), 0.3);
}

double misfit(const Volume<Complex>& object, const Pattern& pattern, const Mask& free, int threads) {
  const auto calculated = calculated_intensity(object, pattern, free, threads);
  return free.empty() ? chi2(calculated, pattern) : free_llk(calculated, pattern, free);
}

}  // namespace fringe
