#include "apps/phasing/prepare.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "apps/phasing/fourier.h"

namespace fringe {
namespace {

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

/// body(d, h, w, i) for all voxels.
template <class Body>
void for_each_voxel(const Extent& e, const Body& body) {
  Index i = 0;
  for (Index d = 0; d < e[0]; ++d)
    for (Index h = 0; h < e[1]; ++h)
      for (Index w = 0; w < e[2]; ++w, ++i) body(d, h, w, i);
}

/// body(j) for the voxels within `reach` of a voxel along every axis, itself included.
template <class Body>
void for_each_neighbour(const Extent& e, Index d, Index h, Index w, Index reach, const Body& body) {
  for (Index a = std::max<Index>(0, d - reach); a <= std::min(e[0] - 1, d + reach); ++a)
    for (Index b = std::max<Index>(0, h - reach); b <= std::min(e[1] - 1, h + reach); ++b)
      for (Index c = std::max<Index>(0, w - reach); c <= std::min(e[2] - 1, w + reach); ++c)
        body((a * e[1] + b) * e[2] + c);
}

/// Means over cubes of 3^3 measured voxels, one axis after another.
Volume<float> smoothed(const RawScan& scan) {
  const Extent& e = scan.counts.extent;
  Volume<float> sum(e), weight(e);
  for (std::size_t i = 0; i < sum.data.size(); ++i) {
    weight.data[i] = scan.mask.data[i];
    sum.data[i] = scan.mask.data[i] ? scan.counts.data[i] : 0;
  }
  Index stride = 1;
  for (int axis = 2; axis >= 0; --axis) {
    for (auto* v : {&sum, &weight}) {
      const auto from = v->data;
      for_each_voxel(e, [&](Index d, Index h, Index w, Index i) {
        const Index k = axis == 0 ? d : axis == 1 ? h : w;
        float s = from[at(i)];
        if (k > 0) s += from[at(i - stride)];
        if (k + 1 < e[axis]) s += from[at(i + stride)];
        v->data[at(i)] = s;
      });
    }
    stride *= e[axis];
  }
  for (std::size_t i = 0; i < sum.data.size(); ++i) sum.data[i] = weight.data[i] > 0 ? sum.data[i] / weight.data[i] : 0;
  return sum;
}

/// Masks what `chosen` says, and counts those that were measured before.
Index mask_where(Volume<std::uint8_t>& mask, const std::vector<std::uint8_t>& chosen) {
  Index count = 0;
  for (std::size_t i = 0; i < chosen.size(); ++i)
    if (chosen[i] && mask.data[i]) {
      mask.data[i] = 0;
      ++count;
    }
  return count;
}

std::vector<std::uint8_t> dilated(const std::vector<std::uint8_t>& chosen, const Extent& e, Index reach) {
  auto out = chosen;
  for_each_voxel(e, [&](Index d, Index h, Index w, Index i) {
    if (chosen[at(i)]) for_each_neighbour(e, d, h, w, reach, [&](Index j) { out[at(j)] = 1; });
  });
  return out;
}

}  // namespace

RawScan::RawScan(Volume<float> frames) : counts(std::move(frames)), mask(counts.extent, 1) {}

double RawScan::photons() const {
  double sum = 0;
  for (std::size_t i = 0; i < counts.data.size(); ++i)
    if (mask.data[i]) sum += static_cast<double>(counts.data[i]);
  return sum;
}

double amplitudes_to_counts(RawScan& scan, double scale) {
  if (scale <= 0) {
    scale = INFINITY;
    for (const float v : scan.counts.data)
      if (v > 0) scale = std::min(scale, static_cast<double>(v));
    require(std::isfinite(scale), "prepare: all amplitudes are zero");
  }
  for (auto& v : scan.counts.data) {
    const double a = static_cast<double>(v) / scale;
    v = static_cast<float>(v < 0 ? -a * a : a * a);  // a negative amplitude stays the error it is
  }
  return scale;
}

Index mask_invalid(RawScan& scan, bool allow) {
  Index count = 0;
  const Extent& e = scan.counts.extent;
  for_each_voxel(e, [&](Index d, Index h, Index w, Index i) {
    float& v = scan.counts.data[at(i)];
    if (!scan.mask.data[at(i)] || (std::isfinite(v) && v >= 0)) return;
    require(allow, "prepare: frame {}, row {}, column {} holds {}; counts must be finite and not negative: --mask-invalid "
                   "masks such voxels, --amplitude takes amplitudes, --mask FILE names bad pixels",
            d, h, w, v);
    v = 0;
    scan.mask.data[at(i)] = 0;
    ++count;
  });
  return count;
}

Volume<float> fit_field(const Volume<float>& field, const RawScan& scan, const std::array<Index, 2>& roi, const char* name) {
  const auto& e = scan.counts.extent;
  require(field.extent[0] == 1, "prepare: the {} has {} pages, expected one", name, field.extent[0]);
  require(roi[0] >= 0 && roi[1] >= 0 && roi[0] + e[1] <= field.extent[1] && roi[1] + e[2] <= field.extent[2],
          "prepare: the {} has {} x {} pixels, the frames have {} x {}, beginning at ({}, {}): they do not lie in it; say where "
          "they begin with --roi ROW,COLUMN",
          name, field.extent[1], field.extent[2], e[1], e[2], roi[0], roi[1]);
  Volume<float> out({1, e[1], e[2]});
  for (Index h = 0; h < e[1]; ++h)
    for (Index w = 0; w < e[2]; ++w) out(0, h, w) = field(0, h + roi[0], w + roi[1]);
  return out;
}

Index apply_dark(RawScan& scan, const Volume<float>& dark, DarkMode mode, double threshold) {
  if (mode == DarkMode::automatic) {
    const auto lit = std::count_if(dark.data.begin(), dark.data.end(), [](float v) { return v != 0; });
    mode = 2 * lit > dark.size() ? DarkMode::subtract : DarkMode::mask;
  }
  const auto plane = static_cast<std::size_t>(dark.size());
  Index masked = 0;
  for (std::size_t i = 0; i < scan.counts.data.size(); ++i) {
    const float d = dark.data[i % plane];
    if (mode == DarkMode::subtract) {
      scan.counts.data[i] = std::max(0.0F, scan.counts.data[i] - d);
    } else if (static_cast<double>(d) > threshold && scan.mask.data[i]) {
      scan.mask.data[i] = 0;
      ++masked;
    }
  }
  return masked;
}

Index apply_white(RawScan& scan, const Volume<float>& white) {
  auto sorted = white.data;
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  const double median = static_cast<double>(*middle);
  require(median > 0, "prepare: the white field is zero almost everywhere");
  double sum = 0;
  Index count = 0;
  const auto good = [&](float v) { return std::isfinite(v) && static_cast<double>(v) >= 0.1 * median; };
  for (const float v : white.data)
    if (good(v)) sum += static_cast<double>(v), ++count;
  const double mean = sum / static_cast<double>(count);
  Index masked = 0;
  for (std::size_t i = 0; i < scan.counts.data.size(); ++i) {
    const float v = white.data[i % white.data.size()];
    if (good(v)) {
      scan.counts.data[i] = static_cast<float>(static_cast<double>(scan.counts.data[i]) * mean / static_cast<double>(v));
    } else if (scan.mask.data[i]) {
      scan.mask.data[i] = 0;
      ++masked;
    }
  }
  return masked;
}

Index apply_mask(RawScan& scan, const Volume<float>& bad) {
  const auto& e = scan.counts.extent;
  require((bad.extent[0] == 1 || bad.extent[0] == e[0]) && bad.extent[1] == e[1] && bad.extent[2] == e[2],
          "prepare: the mask has {} x {} x {} voxels, the frames {} x {} x {}", bad.extent[0], bad.extent[1], bad.extent[2],
          e[0], e[1], e[2]);
  std::vector<std::uint8_t> chosen(scan.counts.data.size());
  for (std::size_t i = 0; i < chosen.size(); ++i) chosen[i] = bad.data[i % bad.data.size()] != 0;
  return mask_where(scan.mask, chosen);
}

Index mask_box(RawScan& scan, const Box& box) {
  const auto& e = scan.counts.extent;
  for (int k = 0; k < 3; ++k)
    require(box.begin[k] >= 0 && box.begin[k] < box.end[k] && box.end[k] <= e[k],
            "prepare: the box {}:{} does not lie within 0:{} along axis {}", box.begin[k], box.end[k], e[k], k);
  std::vector<std::uint8_t> chosen(scan.counts.data.size());
  for_each_voxel(e, [&](Index d, Index h, Index w, Index i) {
    const Index x[3] = {d, h, w};
    chosen[at(i)] = std::equal(x, x + 3, box.begin.begin(), std::greater_equal<>()) &&
                    std::equal(x, x + 3, box.end.begin(), std::less<>());
  });
  return mask_where(scan.mask, chosen);
}

Index apply_threshold(RawScan& scan, double threshold) {
  for (auto& v : scan.counts.data)
    if (static_cast<double>(v) < threshold) v = 0;
  return 0;
}

Index mask_hot_voxels(RawScan& scan) {
  const Extent& e = scan.counts.extent;
  std::vector<std::uint8_t> hot(scan.counts.data.size());
  for_each_voxel(e, [&](Index d, Index h, Index w, Index i) {
    const float v = scan.counts.data[at(i)];
    if (v <= 10 || !scan.mask.data[at(i)]) return;
    float largest = 0;
    for_each_neighbour(e, d, h, w, 1, [&](Index j) {
      if (j != i && scan.mask.data[at(j)]) largest = std::max(largest, scan.counts.data[at(j)]);
    });
    hot[at(i)] = v > 10 * largest + 10;
  });
  return mask_where(scan.mask, hot);
}

Index mask_aliens(RawScan& scan, const std::array<Index, 3>& centre) {
  const Extent& e = scan.counts.extent;
  const Volume<float> mean = smoothed(scan);
  std::vector<std::uint8_t> alien(scan.counts.data.size());
  for_each_voxel(e, [&](Index d, Index h, Index w, Index i) {
    if (!scan.mask.data[at(i)] || mean.data[at(i)] < 3) return;
    const Index x[3] = {d, h, w};
    double r2 = 0;
    Index opposite[3];
    for (int k = 0; k < 3; ++k) {
      const double r = static_cast<double>(x[k] - centre[k]) / static_cast<double>(e[k]);
      r2 += r * r;
      opposite[k] = 2 * centre[k] - x[k];
      if (opposite[k] < 0 || opposite[k] >= e[k]) return;
    }
    if (r2 < 0.15 * 0.15) return;
    float largest = 0;
    bool measured = false;
    for_each_neighbour(e, opposite[0], opposite[1], opposite[2], 2, [&](Index j) {
      largest = std::max(largest, mean.data[at(j)]);
      measured = measured || scan.mask.data[at(j)];
    });
    alien[at(i)] = measured && mean.data[at(i)] > 20 * largest + 1;
  });
  return mask_where(scan.mask, dilated(alien, e, 2));
}

std::array<Index, 3> find_centre(const RawScan& scan, CentreMode mode) {
  const Extent& e = scan.counts.extent;
  const Volume<float> mean = smoothed(scan);
  const auto peak = std::max_element(mean.data.begin(), mean.data.end());
  require(*peak > 0, "prepare: every measured voxel is zero");
  const auto i = static_cast<Index>(peak - mean.data.begin());
  std::array<Index, 3> centre{i / (e[1] * e[2]), i / e[2] % e[1], i % e[2]};
  if (mode == CentreMode::maximum) return centre;
  double mass = 0, moment[3] = {};
  for_each_voxel(e, [&](Index d, Index h, Index w, Index j) {
    const double m = static_cast<double>(mean.data[at(j)]);
    if (m < 0.01 * static_cast<double>(*peak)) return;
    mass += m;
    moment[0] += m * static_cast<double>(d);
    moment[1] += m * static_cast<double>(h);
    moment[2] += m * static_cast<double>(w);
  });
  for (int k = 0; k < 3; ++k) centre[k] = std::lround(moment[k] / mass);
  return centre;
}

std::array<double, 3> object_extent(const RawScan& scan, const std::array<Index, 3>& centre) {
  // The part around the peak that lies symmetric in the array, as far as 128 voxels each way.
  const Extent& e = scan.counts.extent;
  Extent cube;
  for (int k = 0; k < 3; ++k) cube[k] = 2 * std::clamp<Index>(std::min(centre[k], e[k] - 1 - centre[k]), 4, 64);
  ComplexField field(cube);
  for_each_voxel(cube, [&](Index d, Index h, Index w, Index i) {
    const Index x[3] = {d - cube[0] / 2 + centre[0], h - cube[1] / 2 + centre[1], w - cube[2] / 2 + centre[2]};
    for (int k = 0; k < 3; ++k)
      if (x[k] < 0 || x[k] >= e[k]) return;
    const Index j = (x[0] * e[1] + x[1]) * e[2] + x[2];
    if (scan.mask.data[at(j)]) field.data[at(i)] = static_cast<double>(scan.counts.data[at(j)]);
  });
  fourier_forward(field);
  const double largest = std::abs(field(cube[0] / 2, cube[1] / 2, cube[2] / 2));
  require(largest > 0, "prepare: no photons around the centre ({}, {}, {})", centre[0], centre[1], centre[2]);
  // What is connected to the origin above the threshold: noise elsewhere is not the object.
  std::vector<std::uint8_t> seen(field.data.size());
  std::vector<Index> front{(cube[0] / 2 * cube[1] + cube[1] / 2) * cube[2] + cube[2] / 2};
  seen[at(front[0])] = 1;
  std::array<double, 3> extent{};
  for (std::size_t k = 0; k < front.size(); ++k) {
    const Index i = front[k], x[3] = {i / (cube[1] * cube[2]), i / cube[2] % cube[1], i % cube[2]};
    for (int axis = 0; axis < 3; ++axis)
      extent[axis] = std::max(extent[axis], std::abs(static_cast<double>(x[axis] - cube[axis] / 2)) + 0.5);
    for_each_neighbour(cube, x[0], x[1], x[2], 1, [&](Index j) {
      if (!seen[at(j)] && std::abs(field.data[at(j)]) > 0.01 * largest) seen[at(j)] = 1, front.push_back(j);
    });
  }
  for (int axis = 0; axis < 3; ++axis) extent[axis] /= static_cast<double>(cube[axis]);
  return extent;
}

std::array<Index, 3> choose_binning(const std::array<double, 3>& extent, double share) {
  std::array<Index, 3> binning;
  for (int k = 0; k < 3; ++k) binning[k] = std::max<Index>(1, static_cast<Index>(share / extent[k]));
  return binning;
}

Pattern resample(const RawScan& scan, const Sampling& s, const Geometry& raw) {
  const Extent& e = scan.counts.extent;
  Pattern p;
  p.intensity = Volume<float>({s.size[0], s.size[1], s.size[2]});
  p.mask = Volume<std::uint8_t>(p.intensity.extent, 1);
  Index origin[3];
  for (int k = 0; k < 3; ++k) origin[k] = s.centre[k] - s.binning[k] / 2 - s.size[k] / 2 * s.binning[k];
  for_each_voxel(p.intensity.extent, [&](Index d, Index h, Index w, Index i) {
    const Index x[3] = {origin[0] + d * s.binning[0], origin[1] + h * s.binning[1], origin[2] + w * s.binning[2]};
    double sum = 0;
    bool measured = true;
    for (Index a = x[0]; a < x[0] + s.binning[0]; ++a)
      for (Index b = x[1]; b < x[1] + s.binning[1]; ++b)
        for (Index c = x[2]; c < x[2] + s.binning[2]; ++c) {
          const bool inside = a >= 0 && a < e[0] && b >= 0 && b < e[1] && c >= 0 && c < e[2];
          measured = measured && inside && scan.mask(a, b, c);
          if (inside && scan.mask(a, b, c)) sum += static_cast<double>(scan.counts(a, b, c));
        }
    p.intensity.data[at(i)] = measured ? static_cast<float>(sum) : 0;
    p.mask.data[at(i)] = measured;
  });
  p.geometry = raw;
  for (int k = 0; k < 3; ++k) {
    p.geometry.binning[k] = raw.binning[k] * s.binning[k];
    p.geometry.origin[k] = raw.origin[k] + origin[k] * raw.binning[k];
    if (p.geometry.basis_vectors)
      for (auto& component : (*p.geometry.basis_vectors)[k]) component *= static_cast<double>(s.binning[k]);
  }
  return p;
}

Index mask_zero_blocks(Pattern& pattern) {
  const Extent& e = pattern.intensity.extent;
  if (pattern.mask.empty()) pattern.mask = Volume<std::uint8_t>(e, 1);
  constexpr Index half = 2;  // of a cube of 5^3
  std::vector<std::uint8_t> zero(pattern.intensity.data.size()), core(zero.size());
  for (std::size_t i = 0; i < zero.size(); ++i) zero[i] = pattern.intensity.data[i] == 0 && pattern.mask.data[i];
  for_each_voxel(e, [&](Index d, Index h, Index w, Index i) {
    const Index x[3] = {d, h, w};
    for (int k = 0; k < 3; ++k)
      if (x[k] < half || x[k] >= e[k] - half) return;
    bool all = zero[at(i)];
    if (all) for_each_neighbour(e, d, h, w, half, [&](Index j) { all = all && zero[at(j)]; });
    core[at(i)] = all;
  });
  std::vector<std::uint8_t> chosen(zero.size()), seen(zero.size());
  const auto coordinates = [&](Index i) { return std::array<Index, 3>{i / (e[1] * e[2]), i / e[2] % e[1], i % e[2]}; };
  for (Index start = 0; start < pattern.intensity.size(); ++start) {
    if (!core[at(start)] || seen[at(start)]) continue;
    // The cluster of cores around `start`; its cubes are the block.
    std::vector<Index> cluster{start};
    seen[at(start)] = 1;
    std::vector<std::uint8_t> block(zero.size());
    for (std::size_t k = 0; k < cluster.size(); ++k) {
      const auto [d, h, w] = coordinates(cluster[k]);
      for_each_neighbour(e, d, h, w, half, [&](Index j) { block[at(j)] = 1; });
      for_each_neighbour(e, d, h, w, 1, [&](Index j) {
        if (core[at(j)] && !seen[at(j)]) seen[at(j)] = 1, cluster.push_back(j);
      });
    }
    // Its ragged edge: zeros close by.
    const auto near = dilated(block, e, 2);
    for (std::size_t i = 0; i < block.size(); ++i) block[i] = zero[i] && near[i];
    std::vector<float> around;
    const auto wider = dilated(block, e, 1);
    for (std::size_t i = 0; i < wider.size(); ++i)
      if (wider[i] && !block[i] && pattern.mask.data[i]) around.push_back(pattern.intensity.data[i]);
    if (around.empty()) continue;
    const auto middle = around.begin() + static_cast<std::ptrdiff_t>(around.size() / 2);
    std::nth_element(around.begin(), middle, around.end());
    if (*middle >= 3)
      for (std::size_t i = 0; i < block.size(); ++i) chosen[i] |= block[i];
  }
  return mask_where(pattern.mask, chosen);
}

}  // namespace fringe
