#include "apps/phasing/device_starts.h"

#include <algorithm>

namespace fringe {

DeviceStarts::DeviceStarts(Context<float>& context, const IterateProblem& common,
                           std::vector<std::unique_ptr<IterateStart>>& starts)
    : common_(common),
      starts_(starts),
      iterator_(context, common.problem, common.options.step, static_cast<Index>(starts.size())),
      unkept_(starts.size()),
      iteration_(starts.front()->iteration()) {
  for (const auto& s : starts) {
    require(s->iteration() == iteration_, "iterate: starts at iterations {} and {} cannot go on side by side", iteration_,
            s->iteration());
    thresholds_.push_back(common.threshold_of_start(s->number()));
  }
  std::vector<const PhaseIterator*> iterators;
  std::vector<const Mask*> whole;
  for (const auto& s : starts_) {
    iterators.push_back(&s->iterator());
    whole.push_back(&s->whole_support());
  }
  iterator_.upload(iterators, whole);
  if (common_.limits_resolution()) iterator_.limit_resolution(common_.resolution_at(iteration_));
}

Index DeviceStarts::together(const Extent& e) {
  constexpr double bytes = 32 << 20;  // of the 50 MB of cache of an H100 and an H200, for x and its transform
  return std::clamp<Index>(static_cast<Index>(bytes / (16 * static_cast<double>(e[0] * e[1] * e[2]))), 1, 64);
}

Index DeviceStarts::advance(Index most) {
  if (common_.resolution_changes_at(iteration_)) iterator_.limit_resolution(common_.resolution_at(iteration_));
  if (common_.wraps_at(iteration_))
    iterator_.shrink_wrap(common_.options.shrink_wrap, thresholds_, common_.sigma_at(iteration_));
  if (common_.halves_at(iteration_)) iterator_.use_half_supports();
  if (common_.mends_at(iteration_)) iterator_.use_whole_supports();
  const Index count = std::min(most, common_.alike_from(iteration_));
  iterator_.run(common_.algorithm_at(iteration_), count);
  iteration_ += count;
  return count;
}

double DeviceStarts::look() {
  const auto news = iterator_.read();
  for (std::size_t k = 0; k < news.size(); ++k) {
    auto& r = unkept_[k];
    for (const double misfit : news[k].misfit) {
      common_.require_finite(misfit, starts_[k]->iteration() + static_cast<Index>(r.misfit.size()), starts_[k]->number());
      r.misfit.push_back(misfit);
    }
    r.support_voxels.insert(r.support_voxels.end(), news[k].support_voxels.begin(), news[k].support_voxels.end());
  }
  return unkept_.front().misfit.empty() ? starts_.front()->last_chi2() : unkept_.front().misfit.back();
}

void DeviceStarts::keep() {
  look();
  std::vector<PhaseIterator*> iterators;
  for (const auto& s : starts_) iterators.push_back(&s->iterator());
  auto whole = iterator_.download(iterators);
  for (std::size_t k = 0; k < starts_.size(); ++k) {
    starts_[k]->went_on(unkept_[k].misfit, unkept_[k].support_voxels, std::move(whole[k]));
    unkept_[k] = {};
  }
}

}  // namespace fringe
