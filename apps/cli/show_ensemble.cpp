#include "apps/cli/show_ensemble.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "apps/cli/agreement.h"
#include "apps/cli/drawing.h"

namespace fringe::cli {
namespace {

using io::Canvas;
using io::Colour;
using Align = Canvas::Align;

const Colour blue = io::oklch(0.55, 0.16, 255), orange = io::oklch(0.62, 0.17, 40);

class EnsemblePage {
 public:
  explicit EnsemblePage(const Reconstruction& r) : r_(r), canvas_(1840, 1230) {}

  void draw(const std::string& title) {
    header(title);
    if (const auto view = view_of(r_.object, r_.support)) crystal(*view);
    double y = 150;
    for (const auto& [key, name] :
         {std::pair{"chi2", "chi²"}, {"pearson", "r"}, {"free_llk", "free LLK"}, {"true_error", "true error"}})
      if (r_.curves.contains(std::string("start_") + key)) {
        distribution(y, key, name);
        y += 160;
      }
    transfer(std::max(y + 30, 690.0));
  }
  void write(const std::string& path) const { canvas_.write_png(path); }

 private:
  static constexpr double left = 90, panel = 235, gap = 16, row_height = 264, top = 130, right_left = 1090, right_width = 660;

  void header(const std::string& title) {
    const auto& m = r_.metrics;
    canvas_.text(40, 52, title, 26, Align::left, io::grey(0.1), true);
    // `phase` keeps the best of its steps, which need not be the average.
    const auto kept = r_.configuration.find("kept");
    std::string numbers = kept == r_.configuration.end()
                              ? fmt::format("average of {:.0f} starts of {:.0f}", m.at("kept"), m.at("starts"))
                              : fmt::format("{}, beside {:.0f} starts", kept->second, m.at("kept"));
    numbers += fmt::format("     first mode {:.2f} %     chi² {:.3e}     r {:.5f}", 100 * m.at("mode_weight"), m.at("chi2"),
                           m.at("pearson"));
    if (m.contains("free_llk")) numbers += fmt::format("     free LLK {:.4g}", m.at("free_llk"));
    if (m.contains("true_error")) numbers += fmt::format("     true error {:.3f}", m.at("true_error"));
    canvas_.text(40, 84, numbers, 18, Align::left, io::grey(0.25));
    canvas_.text(1800, 52, "fringe " + r_.version, 16, Align::right, io::grey(0.5));
  }

  bool inside(std::size_t i) const { return r_.support.data[i] != 0; }

  /// What 99 % of the voxels inside do not exceed.
  double limit(const Volume<float>& map) const {
    std::vector<float> values;
    for (std::size_t i = 0; i < map.data.size(); ++i)
      if (inside(i)) values.push_back(map.data[i]);
    const auto at = values.begin() + static_cast<std::ptrdiff_t>(values.size() * 99 / 100);
    std::nth_element(values.begin(), at, values.end());
    return std::max(1e-6, static_cast<double>(*at));
  }

  void crystal(const CrystalView& view) {
    const auto &amplitude_std = r_.maps.at("amplitude_std"), &phase_std = r_.maps.at("phase_std");
    const double a_limit = limit(amplitude_std), p_limit = limit(phase_std);
    const auto share = [](float value, double most) { return std::min(1.0, static_cast<double>(value) / most); };
    row(0, view, [&](std::size_t i) {
      return io::sequential(std::min(1.0, static_cast<double>(std::abs(r_.object.data[i])) / view.largest));
    });
    row(1, view, [&](std::size_t i) { return io::sequential(share(amplitude_std.data[i], a_limit)); });
    row(2, view, [&](std::size_t i) {
      return inside(i) ? phase_colour(view, static_cast<double>(std::arg(r_.object.data[i]))) : io::grey(0.88);
    });
    row(3, view, [&](std::size_t i) { return inside(i) ? io::sequential(share(phase_std.data[i], p_limit)) : io::grey(0.88); });
    const double x = left + 3 * (panel + gap);
    colour_bar(canvas_, x, top, panel, io::sequential, 0, view.largest, "amplitude");
    colour_bar(canvas_, x, top + row_height, panel, io::sequential, 0, a_limit, "its standard deviation");
    colour_bar(
        canvas_, x, top + 2 * row_height, panel, [&](double t) { return phase_bar(view, t); }, -view.phase_limit,
        view.phase_limit, "phase [rad]");
    colour_bar(canvas_, x, top + 3 * row_height, panel, io::sequential, 0, p_limit, "its standard deviation");
  }

  void row(int number, const CrystalView& view, const std::function<Colour(std::size_t)>& map) {
    const double scale = panel / static_cast<double>(*std::max_element(view.extent.begin(), view.extent.end()));
    for (int k = 0; k < 3; ++k) {
      const Plane& p = planes[k];
      const double w = scale * static_cast<double>(view.extent[p.column]), h = scale * static_cast<double>(view.extent[p.row]);
      const double x = left + k * (panel + gap) + (panel - w) / 2, y = top + number * row_height + (panel - h) / 2;
      slice(canvas_, view, p, r_.object.extent, x, y, w, h, map);
      if (number == 0) slice_title(canvas_, view, p, left + k * (panel + gap) + panel / 2, top - 12);
    }
  }

  /// Histogram over the starts; outliers grey, the median marked.
  void distribution(double y, const std::string& key, const std::string& name) {
    constexpr double h = 88;
    const auto& values = r_.curves.at("start_" + key).value;
    const auto& kept = r_.curves.at("start_kept").value;
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    const double range = *high > *low ? *high - *low : std::max(1e-12, std::abs(*low));
    const auto bins = std::clamp<std::size_t>(values.size() / 2, 8, 40);
    std::vector<double> good(bins), all(bins);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto bin = std::min(bins - 1, static_cast<std::size_t>((values[i] - *low) / range * static_cast<double>(bins)));
      all[bin] += 1;
      good[bin] += kept[i];
    }
    const double most = *std::max_element(all.begin(), all.end()), width = right_width / static_cast<double>(bins);
    for (std::size_t b = 0; b < bins; ++b) {
      const double x = right_left + static_cast<double>(b) * width;
      canvas_.fill(x + 1, y + h * (1 - all[b] / most), width - 2, h * all[b] / most, io::grey(0.75));
      canvas_.fill(x + 1, y + h * (1 - good[b] / most), width - 2, h * good[b] / most, blue);
    }
    canvas_.line(right_left, y + h, right_left + right_width, y + h);
    const double median = r_.metrics.at("median_" + key), at = right_left + right_width * (median - *low) / range;
    canvas_.line(at, y - 6, at, y + h, 2, orange);
    const std::string format = key == "pearson" ? "{:.5f}" : "{:.4g}";
    const auto text = [&](double v) { return fmt::format(fmt::runtime(format), v); };
    canvas_.text(right_left, y + h + 18, text(*low), 13);
    canvas_.text(right_left + right_width, y + h + 18, text(*high), 13, Align::right);
    canvas_.text(
        right_left, y - 14,
        fmt::format("{} of the starts: median {}, standard deviation {:.2g}", name, text(median), r_.metrics.at("std_" + key)),
        15);
  }

  void transfer(double y) {
    std::vector<Series> curves;
    for (const auto& [key, name, colour] : {std::tuple{"prtf", "PRTF", blue}, std::tuple{"fsc", "FSC of two halves", orange}})
      if (const auto c = r_.curves.find(key); c != r_.curves.end())
        curves.push_back({name, c->second.epoch, c->second.value, colour});
    const bool voxels = r_.metrics.contains("prtf_resolution_voxels");
    if (!voxels)
      for (auto& s : curves)
        for (auto& q : s.x) q *= 1e-9;
    plot(canvas_, right_left, y, right_width, 210, voxels ? "|Q| [1/voxel]" : "|Q| [1/nm]", curves, Scale::linear);
    std::string text = "PRTF = 1/e at " + resolution_text(r_, "prtf");
    canvas_.text(right_left, y + 284, text, 15);
    if (r_.metrics.contains("fsc_at_edge")) canvas_.text(right_left, y + 310, "FSC = 1/2 at " + resolution_text(r_, "fsc"), 15);
    text = "modes:";
    const auto& weights = r_.curves.at("mode_weight").value;
    for (std::size_t k = 0; k < std::min<std::size_t>(6, weights.size()); ++k)
      text += fmt::format("  {:.2f} %", 100 * weights[k]);
    canvas_.text(right_left, y + 336, text, 15);
  }

  const Reconstruction& r_;
  Canvas canvas_;
};

}  // namespace

void draw_ensemble(const Reconstruction& ensemble, const std::string& title, const std::string& output) {
  EnsemblePage page(ensemble);
  page.draw(title);
  page.write(output);
}

}  // namespace fringe::cli
