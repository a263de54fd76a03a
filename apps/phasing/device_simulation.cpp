#include "apps/phasing/device_simulation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "apps/phasing/parallel.h"
#include "engine/tensor.h"

namespace fringe {
namespace {

using K = KernelTable<float>;

/// The densities of the first forms that fit, each crystal's from its own series of them. Every round has room for all, so that
/// memory is asked for once.
void draw_densities(Context<float>& context, std::vector<CrystalDraw>& draws, bool smooth, const Tensor<float>& densities) {
  const Shape& s = densities.shape();
  std::vector<std::size_t> pending(draws.size());
  std::iota(pending.begin(), pending.end(), std::size_t{0});
  const Tensor<float> room(context, s), numbers(context, {s.n, 1, 1, 1, 2});
  while (!pending.empty()) {
    const auto count = static_cast<Index>(pending.size());
    std::vector<CrystalForm> forms;
    for (const auto k : pending) forms.push_back(draws[k].next_form());
    const View<float> tried{room.view().data, {count, s.d, s.h, s.w, 1}}, stats{numbers.view().data, {count, 1, 1, 1, 2}};
    context.launch(&K::crystal_density, "crystal_density", std::span<const CrystalForm>(forms), smooth, tried, stats);
    const Tensor<float> found = numbers.to_host();
    std::vector<std::size_t> again;
    for (Index p = 0; p < count; ++p) {
      const auto k = pending[static_cast<std::size_t>(p)];
      if (!draws[k].fits(static_cast<double>(found[2 * p]), found[2 * p + 1] > 0)) {
        again.push_back(k);
        continue;
      }
      context.device().copy(context.stream.queue(), densities.view().data + static_cast<Index>(k) * s.voxels(),
                            tried.data + p * s.voxels(), static_cast<std::size_t>(s.voxels()) * sizeof(float));
    }
    pending = again;
  }
}

/// The samples of a tensor, in volumes of the host.
template <class T>
std::vector<Volume<T>> volumes(const Tensor<float>& samples, int threads) {
  const Tensor<float> all = samples.to_host();
  const Shape& s = all.shape();
  std::vector<Volume<T>> made(static_cast<std::size_t>(s.n));
  parallel_items(s.n, threads, [&](Index k) {
    auto& volume = made[static_cast<std::size_t>(k)];
    volume = Volume<T>({s.d, s.h, s.w});
    const auto* from = reinterpret_cast<const T*>(all.data() + k * s.per_sample());
    std::copy(from, from + s.voxels(), volume.data.begin());
  });
  return made;
}

}  // namespace

/// (2) of simulate.h: a crystal's phase has the correlation lengths that come next in its draw.
void draw_objects(Context<float>& context, std::uint64_t seed, std::span<const std::uint64_t> indices,
                  std::span<const Specimen> specimens, const Tensor<float>& field, const Tensor<float>& objects) {
  const Shape& frame = field.shape();
  const Shape box{frame.n, frame.d / 2, frame.h / 2, frame.w / 2, 1};
  std::vector<CrystalDraw> draws;
  std::vector<double> ranges;
  for (std::size_t k = 0; k < indices.size(); ++k) {
    draws.emplace_back(specimens[k].crystal, seed, indices[k]);
    ranges.push_back(specimens[k].crystal.phase_range);
  }
  const Tensor<float> densities(context, box);
  draw_densities(context, draws, specimens.front().crystal.smooth_edge, densities);
  std::vector<std::array<double, 3>> lengths;
  for (auto& d : draws) lengths.push_back(d.correlation_lengths());

  context.launch(&K::phase_noise, "phase_noise", seed, static_cast<std::uint32_t>(Draw::phase_noise), indices, field.view());
  context.launch(&K::wrapped_fft3d_forward, "wrapped_fft3d_forward", field.read(), field.view());
  context.launch(&K::gaussian_filter, "gaussian_filter", std::span<const std::array<double, 3>>(lengths),
                 1 / static_cast<double>(frame.voxels()), field.read(), field.view());
  context.launch(&K::wrapped_fft3d_backward, "wrapped_fft3d_backward", field.read(), field.view());
  context.launch(&K::crystal_object, "crystal_object", std::span<const double>(ranges), densities.read(), field.read(),
                 objects.view());
}

void expose_objects(Context<float>& context, std::uint64_t seed, std::span<const PhotonExposure> exposures,
                    const Tensor<float>& objects, const Tensor<float>& field, const Tensor<float>& intensities) {
  context.launch(&K::pad_centred_forward, "pad_centred_forward", objects.read(), field.view());
  context.launch(&K::fft3d_forward, "fft3d_forward", field.read(), field.view());
  context.launch(&K::intensity_forward, "intensity_forward", field.read(), intensities.view());
  context.launch(&K::photon_noise, "photon_noise", seed, static_cast<std::uint32_t>(Draw::photons), exposures,
                 intensities.read(), intensities.view());
}

DrawnCrystals draw_crystals(Context<float>& context, std::uint64_t seed, std::span<const std::uint64_t> indices,
                            std::span<const Specimen> specimens, bool with_patterns) {
  if (indices.empty()) return {};
  const Index N = specimens.front().crystal.size;
  const int threads = context.stream.threads();
  const Tensor<float> field(context, {static_cast<Index>(indices.size()), N, N, N, 2});
  const Tensor<float> objects(context, {field.shape().n, N / 2, N / 2, N / 2, 2});
  draw_objects(context, seed, indices, specimens, field, objects);
  DrawnCrystals drawn{volumes<Complex>(objects, threads), {}};
  if (!with_patterns) return drawn;
  std::vector<PhotonExposure> exposures;
  for (std::size_t k = 0; k < indices.size(); ++k)
    exposures.push_back({specimens[k].exposure.photons, indices[k], specimens[k].exposure.noise});
  const Tensor<float> intensities(context, field.shape().with_channels(1));
  expose_objects(context, seed, exposures, objects, field, intensities);
  drawn.intensities = volumes<float>(intensities, threads);
  return drawn;
}

Index crystals_at_once(Index size) {
  constexpr double bytes = 64 << 20;  // of the field: 32 crystals of 64^3
  return std::clamp<Index>(static_cast<Index>(bytes / (8 * std::pow(static_cast<double>(size), 3))), 1, 64);
}

}  // namespace fringe
