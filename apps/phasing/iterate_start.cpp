#include "apps/phasing/iterate_start.h"

#include <algorithm>
#include <cmath>

namespace fringe {

IterateProblem::IterateProblem(const Pattern& p, const IterateOptions& o)
    : pattern(p),
      options(o),
      free(o.free_fraction > 0 ? make_free_mask(o.seed, p.intensity.extent, p.mask, {.fraction = o.free_fraction}) : Mask{}),
      problem(p, free),
      total(iterations(o.recipe)),
      last_block(total - (o.recipe.empty() ? 0 : o.recipe.back().count)) {
  require(total >= 1 && o.starts >= 1, "iterate: at least one start and one iteration are needed");
  const Extent& e = p.intensity.extent;
  const Extent half{e[0] / 2, e[1] / 2, e[2] / 2};
  switch (o.first_support) {
    case FirstSupport::given:
      first_support = pad_or_crop(o.support, half);
      require(voxels_in(first_support) > 0, "iterate: the support has no voxels");
      break;
    case FirstSupport::box:
      first_support = box_support(e);
      break;
    case FirstSupport::autocorrelation:
      first_support = autocorrelation_support(p, 0.04, 1.5, o.threads);
      break;
  }
}

Algorithm IterateProblem::algorithm_at(Index iteration) const {
  for (const auto& block : options.recipe)
    if ((iteration -= block.count) < 0) return block.algorithm;
  return Algorithm::er;
}

namespace {
Index last_wrap(const IterateProblem& p) {
  const auto& s = p.options.shrink_wrap;
  return s.stop > 0 ? s.stop : std::max(p.last_block, s.start + 1);
}
Index resolution_end(const IterateProblem& p) {
  return static_cast<Index>(p.options.low_resolution_end * static_cast<double>(p.total));
}
}  // namespace

bool IterateProblem::wraps_at(Index iteration) const {
  const auto& s = options.shrink_wrap;
  return options.shrinks && iteration >= s.start && iteration < last_wrap(*this) && (iteration - s.start) % s.step == 0;
}

double IterateProblem::sigma_at(Index iteration) const {
  const auto& s = options.shrink_wrap;
  const double passed =
      static_cast<double>(iteration - s.start) / static_cast<double>(std::max<Index>(1, last_wrap(*this) - s.start));
  const double t = s.decay > 0 ? std::min(1.0, passed / s.decay) : 1;
  return s.sigma * std::pow(s.last_sigma / s.sigma, t);
}

bool IterateProblem::resolution_changes_at(Index iteration) const {
  return limits_resolution() && (iteration % 10 == 0 || iteration == resolution_end(*this));
}

double IterateProblem::resolution_at(Index iteration) const {
  if (!limits_resolution()) return 1;
  const Index end = resolution_end(*this);
  const double t = static_cast<double>(iteration / 10 * 10) / static_cast<double>(std::max<Index>(1, end));
  return iteration >= end ? 1 : std::pow(options.low_resolution, 1 - t);
}

bool IterateProblem::halves_at(Index iteration) const { return options.detwin > 0 && iteration == options.detwin; }
bool IterateProblem::mends_at(Index iteration) const {
  return options.detwin > 0 && iteration == options.detwin + options.detwin_length;
}

Index IterateProblem::alike_from(Index iteration) const {
  const auto something_before = [&](Index i) { return wraps_at(i) || resolution_changes_at(i) || halves_at(i) || mends_at(i); };
  Index end = iteration + 1;
  while (end < total && algorithm_at(end) == algorithm_at(iteration) && !something_before(end)) ++end;
  return end - iteration;
}

std::optional<Coherence> IterateProblem::coherence() const {
  if (options.coherence == CoherenceModel::gaussian && pattern.partially_coherent())
    return Coherence(problem.extent, pattern.coherence, false);
  if (options.coherence != CoherenceModel::full) return Coherence(problem.extent, options.coherence, options.coherence_width);
  if (pattern.partially_coherent()) return Coherence(problem.extent, pattern.coherence);
  return std::nullopt;
}

double IterateProblem::threshold_of_start(Index number) const {
  return threshold_of(options.shrink_wrap, options.first_start + number);
}

void IterateProblem::require_finite(double chi2, Index iteration, Index number) const {
  require(std::isfinite(chi2), "iterate: {} diverged at iteration {} of seed {}", name(algorithm_at(iteration)), iteration + 1,
          options.seed + static_cast<std::uint64_t>(options.first_start + number));
}

IterateStart::IterateStart(const IterateProblem& common, Index number, int threads)
    : common_(common), iterator_(common.problem, threads), number_(number) {
  const auto& o = common.options;
  if (auto coherence = common.coherence()) iterator_.set_coherence(std::move(*coherence));
  iterator_.set_support(common.first_support);
  whole_support_ = common.first_support;
  if (o.object.empty())
    iterator_.start_random(o.seed + static_cast<std::uint64_t>(o.first_start + number));
  else
    iterator_.start_from(o.object);
}

void IterateStart::note(double chi2) {
  common_.require_finite(chi2, iteration_, number_);
  ++iteration_;
  chi2_.epoch.push_back(static_cast<double>(iteration_));
  chi2_.value.push_back(chi2);
}

void IterateStart::step() {
  before_step();
  const Algorithm algorithm = common_.algorithm_at(iteration_);
  note(iterator_.step(algorithm, common_.options.step));
  if (algorithm == Algorithm::er && iteration_ < common_.total && common_.algorithm_at(iteration_) != Algorithm::er)
    iterator_.update_coherence();
}

void IterateStart::went_on(const std::vector<double>& chi2, const std::vector<double>& sizes, Mask whole_support) {
  auto size = sizes.begin();
  for (const double c : chi2) {
    if (common_.wraps_at(iteration_) && size != sizes.end()) {
      size_.epoch.push_back(static_cast<double>(iteration_));
      size_.value.push_back(*size++);
    }
    note(c);
  }
  whole_support_ = std::move(whole_support);
  set_resolution();
}

Volume<Complex> IterateStart::object() {
  const Algorithm last = iteration_ > 0 ? common_.algorithm_at(iteration_ - 1) : Algorithm::hio;
  if (last == Algorithm::er || last == Algorithm::ml) return iterator_.centre();  // ends inside
  const auto kept = iterator_.state();
  iterator_.step(Algorithm::er, {});
  auto object = iterator_.centre();
  iterator_.restore(kept);
  return object;
}

void IterateStart::save(Checkpoint& c) const {
  c.numbers["number"] = static_cast<double>(number_);
  c.numbers["iteration"] = static_cast<double>(iteration_);
  c.put("state", iterator_.state());
  c.put("support", std::vector<double>(iterator_.support().data.begin(), iterator_.support().data.end()));
  c.put("whole_support", std::vector<double>(whole_support_.data.begin(), whole_support_.data.end()));
  c.put("chi2", chi2_.value);
  c.put("size.iteration", size_.epoch);
  c.put("size", size_.value);
  if (auto* coherence = const_cast<PhaseIterator&>(iterator_).coherence()) c.put("coherence", coherence->state());
}

void IterateStart::load(const Checkpoint& c) {
  iteration_ = static_cast<Index>(c.number("iteration"));
  Mask support(whole_support_.extent);
  const auto read = [&](const char* array) {
    const auto values = c.values(array);
    for (std::size_t i = 0; i < values.size(); ++i) support.data[i] = values[i] != 0;
    return support;
  };
  whole_support_ = read("whole_support");
  iterator_.set_support(read("support"));
  set_resolution();
  iterator_.restore(c.values("state"));
  if (auto* coherence = iterator_.coherence()) coherence->restore(c.values("coherence"));
  chi2_.value = c.values("chi2");
  chi2_.epoch.clear();
  for (std::size_t i = 1; i <= chi2_.value.size(); ++i) chi2_.epoch.push_back(static_cast<double>(i));
  size_ = {c.values("size.iteration"), c.values("size")};
}

/// Resolution, support and twin, as they have to be for iteration `iteration_`.
void IterateStart::before_step() {
  const auto& s = common_.options.shrink_wrap;
  if (common_.resolution_changes_at(iteration_)) set_resolution();
  if (common_.wraps_at(iteration_)) {
    const double sigma = common_.sigma_at(iteration_);
    const auto margin = static_cast<Index>(std::ceil(3 * sigma));
    Mask support = shrink_wrap(iterator_.centre(margin), margin, whole_support_, s, common_.threshold_of_start(number_), sigma);
    const auto shift = centring_shift(support);
    iterator_.roll(shift);
    whole_support_ = moved(support, shift);
    iterator_.set_support(whole_support_);
    size_.epoch.push_back(static_cast<double>(iteration_));
    size_.value.push_back(static_cast<double>(voxels_in(whole_support_)));
  }
  if (common_.halves_at(iteration_)) iterator_.set_support(half_of(whole_support_));
  if (common_.mends_at(iteration_)) iterator_.set_support(whole_support_);
}

void IterateStart::set_resolution() {
  if (common_.limits_resolution()) iterator_.limit_resolution(common_.resolution_at(iteration_));
}

}  // namespace fringe
