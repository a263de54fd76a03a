#include "apps/phasing/dataset.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "apps/phasing/alignment.h"
#include "apps/phasing/device_simulation.h"
#include "apps/phasing/parallel.h"
#include "apps/phasing/random.h"

namespace fringe {
namespace {

/// Drawn crystals held out of the training are those from this number on.
constexpr std::uint64_t held_out = std::uint64_t{1} << 31;

/// One of the 48 ways to permute and reverse the axes of a cube: voxel r, counted from the middle, comes from voxel
/// sign[k] r[axis[k]]. The layer at -extent/2 has no counterpart: in patterns it stands for both edges, in objects it
/// is empty.
struct Orientation {
  int axis[3] = {0, 1, 2}, sign[3] = {1, 1, 1};
};

Orientation draw_orientation(Random& random) {
  Orientation o;
  for (int k = 2; k > 0; --k)
    std::swap(o.axis[k], o.axis[static_cast<int>(random.bits() % static_cast<std::uint32_t>(k + 1))]);
  for (int& s : o.sign) s = random.bits() % 2 == 0 ? 1 : -1;
  return o;
}

template <class T>
Volume<T> turned(const Volume<T>& from, const Orientation& o) {
  const Index n = from.extent[0];
  Volume<T> to(from.extent);
  for (Index d = 0; d < n; ++d)
    for (Index h = 0; h < n; ++h)
      for (Index w = 0; w < n; ++w) {
        const Index at[3] = {d, h, w};
        Index source[3];
        for (int k = 0; k < 3; ++k) source[o.axis[k]] = o.sign[k] > 0 ? at[k] : (n - at[k]) % n;
        to(d, h, w) = from(source[0], source[1], source[2]);
      }
  return to;
}

}  // namespace

Dataset::Dataset(const DatasetOptions& options) : options_(options) {
  if (options.set.empty()) {
    try_population(options.population, options.seed);
    size_ = options.population.crystal.size;
    validation_ = options.validation_count;
  } else {
    set_.emplace(options.set);
    size_ = set_->size();
    validation_ = std::max<Index>(1, std::lround(options.validation_share * static_cast<double>(set_->count())));
    training_ = set_->count() - validation_;
    require(training_ > 0, "{}: {} crystals are too few to train on and to hold some out", options.set, set_->count());
  }
  require(validation_ > 0, "train: no crystals to validate with");
}

std::vector<Dataset::Item> Dataset::draw(const std::vector<std::uint64_t>& indices, bool training, int threads) const {
  std::vector<Item> items(indices.size());
  std::vector<Specimen> specimens;
  for (const auto index : indices) {
    Specimen s = draw_specimen(options_.population, options_.seed, index);
    if (!s.exposure.noise || (training && !options_.noise)) s.exposure = {0, false};
    specimens.push_back(s);
  }
  if (context_ == nullptr) {
    parallel_items(static_cast<Index>(items.size()), threads, [&](Index i) {
      const auto k = static_cast<std::size_t>(i);
      items[k] = {make_crystal(specimens[k].crystal, options_.seed, indices[k]), {}, specimens[k].exposure.photons, indices[k]};
    });
    return items;
  }
  auto drawn = draw_crystals(*context_, options_.seed, indices, specimens);
  for (std::size_t k = 0; k < items.size(); ++k)
    items[k] = {std::move(drawn.objects[k]), std::move(drawn.intensities[k]), 0, indices[k]};
  return items;
}

Dataset::Item Dataset::read(Index i) const {
  Item item{set_->object(i), {}, 0, static_cast<std::uint64_t>(i)};
  if (stores_patterns()) item.intensity = set_->intensity(i);
  return item;
}

void Dataset::expose_anew(Item& item, std::uint64_t visit) const {
  if (!options_.noise) return;
  item.photons = draw_specimen(options_.population, options_.seed, visit).exposure.photons;
  item.noise_index = visit;
}

const std::vector<Index>& Dataset::order(Index round) {
  if (round != round_) {
    round_ = round;
    order_.resize(static_cast<std::size_t>(training_));
    std::iota(order_.begin(), order_.end(), Index{0});
    Random random(options_.seed, Draw::order, static_cast<std::uint64_t>(round));
    for (std::size_t k = order_.size() - 1; k > 0; --k)
      std::swap(order_[k], order_[static_cast<std::size_t>(random.uniform() * static_cast<double>(k + 1))]);
  }
  return order_;
}

std::vector<Dataset::Item> Dataset::visits(Index first, Index step, Index count, int threads) {
  std::vector<Item> items(static_cast<std::size_t>(count));
  for (Index k = 0; k < count; ++k) {
    const Index visit = first + k * step;
    items[static_cast<std::size_t>(k)] = read(order(visit / training_)[static_cast<std::size_t>(visit % training_)]);
  }
  parallel_items(count, threads, [&](Index k) {
    Item& item = items[static_cast<std::size_t>(k)];
    const auto visit = static_cast<std::uint64_t>(first + k * step);
    if (options_.augment) {
      Random random(options_.seed, Draw::orientation, visit);
      const auto orientation = draw_orientation(random);
      item.object = turned(item.object, orientation);
      if (!item.intensity.empty()) item.intensity = turned(item.intensity, orientation);
    }
    expose_anew(item, visit);
  });
  return items;
}

std::vector<std::uint64_t> Dataset::indices(Index first, Index step, Index count) const {
  std::vector<std::uint64_t> all;
  for (Index k = 0; k < count; ++k) all.push_back(static_cast<std::uint64_t>(first + k * step));
  require(all.empty() || all.back() < held_out, "train: more than {} crystals were drawn", held_out);
  return all;
}

Batch Dataset::training(Context<float>& context, FitInput input, Index first, Index step, Index count) {
  const int threads = context.stream.threads();
  return assemble(context, input,
                  set_ ? visits(first, step, count, threads) : draw(indices(first, step, count), true, threads));
}

void Dataset::stage(Index first, Index count, int threads, float* densities, float* intensities) {
  const auto items = visits(first, 1, count, threads);
  parallel_items(count, threads, [&](Index k) {
    const Item& item = items[static_cast<std::size_t>(k)];
    std::copy(item.object.data.begin(), item.object.data.end(), reinterpret_cast<Complex*>(densities) + k * item.object.size());
    if (stores_patterns())
      std::copy(item.intensity.data.begin(), item.intensity.data.end(), intensities + k * item.intensity.size());
  });
}

Dataset::Series Dataset::series(Index first, Index count) const {
  Series s{indices(first, 1, count), {}};
  for (const auto index : s.indices) s.specimens.push_back(draw_specimen(options_.population, options_.seed, index));
  return s;
}

std::vector<PhotonExposure> Dataset::exposures(Index first, Index count) const {
  std::vector<PhotonExposure> all;
  if (!options_.noise) return all;
  for (Index k = 0; k < count; ++k) {
    const auto visit = static_cast<std::uint64_t>(first + k);
    const Exposure e = draw_specimen(options_.population, options_.seed, visit).exposure;
    all.push_back({set_ || e.noise ? e.photons : 0, visit, true});
  }
  return all;
}

Batch Dataset::validation(Context<float>& context, FitInput input, Index first, Index step, Index count) {
  std::vector<Item> items;
  std::vector<std::uint64_t> indices;
  for (Index k = 0; k < count; ++k) {
    const auto index = held_out + static_cast<std::uint64_t>(first + k * step);
    if (!set_) {
      indices.push_back(index);
      continue;
    }
    items.push_back(read(training_ + first + k * step));
    expose_anew(items.back(), index);
  }
  if (!set_) items = draw(indices, false, context.stream.threads());
  return assemble(context, input, items);
}

Batch Dataset::assemble(Context<float>& context, FitInput kind, const std::vector<Item>& items) const {
  const auto count = static_cast<Index>(items.size()), n = size_ / 2, voxels = n * n * n;
  const Shape half{count, n, n, n, 1}, full{count, size_, size_, size_, 1};
  Batch batch;
  auto& t = batch.targets;
  for (auto* image : {&t.given, &t.twin}) {
    image->amplitude = Tensor<float>(context, half);
    image->phase = Tensor<float>(context, half);
    image->field = Tensor<float>(context, half.with_channels(2));
  }
  const auto fill = [&](const SupervisedTargets<float>::Image& image, Index item, const Volume<Complex>& object) {
    std::complex<double> mean = 0;
    float least = 1e30F;
    for (const auto& v : object.data) {
      mean += std::complex<double>(v);
      if (v != Complex(0)) least = std::min(least, std::arg(v));
    }
    const Complex turn(std::polar(1.0, -std::arg(mean)));
    for (Index i = 0; i < voxels; ++i) {
      const Complex v = object.data[static_cast<std::size_t>(i)], f = v * turn;
      const Index at = item * voxels + i;
      image.amplitude[at] = std::abs(v);
      image.phase[at] = v != Complex(0) ? std::arg(v) - least : 0;
      image.field[2 * at] = f.real();
      image.field[2 * at + 1] = f.imag();
    }
  };
  parallel_items(count, context.stream.threads(), [&](Index k) {
    const auto& object = items[static_cast<std::size_t>(k)].object;
    fill(t.given, k, object);
    fill(t.twin, k, twin_of(object));
  });
  t.magnitude = Tensor<float>(context, full);
  if (std::any_of(items.begin(), items.end(), [](const Item& i) { return i.intensity.empty(); })) {
    // |F| of the objects, by the network's own transform.
    const Tensor<float> padded(context, full.with_channels(2));
    context.launch(&KernelTable<float>::pad_centred_forward, "pad_centred_forward", t.given.field.read(), padded.view());
    context.launch(&KernelTable<float>::fft3d_forward, "fft3d_forward", padded.read(), padded.view());
    context.launch(&KernelTable<float>::modulus_forward, "modulus_forward", 0.0F, padded.read(), t.magnitude.view());
  }
  std::vector<double> largest(items.size());
  parallel_items(count, context.stream.threads(), [&](Index k) {
    const Item& item = items[static_cast<std::size_t>(k)];
    float* at = t.magnitude.data() + k * full.voxels();
    if (!item.intensity.empty())
      for (Index i = 0; i < full.voxels(); ++i) at[i] = std::sqrt(item.intensity.data[static_cast<std::size_t>(i)]);
    if (item.photons > 0) {
      double sum = 0;
      for (Index i = 0; i < full.voxels(); ++i) sum += static_cast<double>(at[i]) * static_cast<double>(at[i]);
      const double scale = item.photons / sum;
      for (Index i = 0; i < full.voxels(); ++i) {
        Random random(options_.seed, Draw::photons, item.noise_index << 32 | static_cast<std::uint64_t>(i));
        at[i] = static_cast<float>(
            std::sqrt(random.poisson(scale * static_cast<double>(at[i]) * static_cast<double>(at[i]))));
      }
    }
    float most = 0;
    for (Index i = 0; i < full.voxels(); ++i) most = std::max(most, at[i]);
    require(most > 0, "train: a pattern without a single photon; choose more photons");
    largest[static_cast<std::size_t>(k)] = static_cast<double>(most);
  });
  batch.input = network_input(context, kind, t.magnitude, largest);
  return batch;
}

}  // namespace fringe
