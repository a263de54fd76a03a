#include "apps/cli/drawing.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace fringe::cli {

using Align = io::Canvas::Align;

std::optional<CrystalView> view_of(const Volume<Complex>& object, const Volume<std::uint8_t>& support) {
  const auto& e = object.extent;
  Index low[3] = {e[0], e[1], e[2]}, high[3] = {-1, -1, -1};
  double mass = 0, moment[3] = {};
  std::vector<float> amplitudes;
  CrystalView view{};
  Index i = 0;
  for (Index d = 0; d < e[0]; ++d)
    for (Index h = 0; h < e[1]; ++h)
      for (Index w = 0; w < e[2]; ++w, ++i) {
        if (!support.data[static_cast<std::size_t>(i)]) continue;
        const Index x[3] = {d, h, w};
        const double a = std::abs(object(d, h, w));
        for (int k = 0; k < 3; ++k) {
          low[k] = std::min(low[k], x[k]);
          high[k] = std::max(high[k], x[k]);
          moment[k] += a * static_cast<double>(x[k]);
        }
        mass += a;
        amplitudes.push_back(static_cast<float>(a));
        view.phase_limit = std::max(view.phase_limit, std::abs(static_cast<double>(std::arg(object(d, h, w)))));
      }
  if (!(mass > 0)) return {};
  for (std::size_t k = 0; k < 3; ++k) {
    view.begin[k] = std::max<Index>(0, low[k] - 3);
    view.extent[k] = std::min(e[k], high[k] + 4) - view.begin[k];
    view.cut[k] = std::lround(moment[k] / mass);
  }
  const auto top = amplitudes.begin() + static_cast<std::ptrdiff_t>(amplitudes.size() * 99 / 100);
  std::nth_element(amplitudes.begin(), top, amplitudes.end());
  view.largest = static_cast<double>(*top);
  view.cyclic = view.phase_limit > std::numbers::pi / 2;
  view.phase_limit = view.cyclic ? std::numbers::pi : std::max(0.1, std::ceil(view.phase_limit * 10) / 10);
  return view;
}

io::Colour phase_colour(const CrystalView& view, double phase) {
  return view.cyclic ? io::cyclic(phase / (2 * std::numbers::pi)) : io::diverging(0.5 + phase / (2 * view.phase_limit));
}
io::Colour phase_bar(const CrystalView& view, double share) {
  return view.cyclic ? io::cyclic(share - 0.5) : io::diverging(share);
}

void slice(io::Canvas& canvas, const CrystalView& view, const Plane& plane, const Extent& extent, double x, double y, double w,
           double h, const std::function<io::Colour(std::size_t)>& colour) {
  canvas.cells(x, y, w, h, view.extent[plane.row], view.extent[plane.column], [&](Index row, Index column) {
    Index at[3];
    at[plane.normal] = view.cut[plane.normal];
    at[plane.row] = view.begin[plane.row] + row;
    at[plane.column] = view.begin[plane.column] + column;
    return colour(static_cast<std::size_t>((at[0] * extent[1] + at[1]) * extent[2] + at[2]));
  });
  canvas.frame(x, y, w, h);
}

void slice_title(io::Canvas& canvas, const CrystalView& view, const Plane& plane, double x, double y) {
  canvas.text(x, y, fmt::format("plane {} = {}", "DHW"[plane.normal], view.cut[plane.normal]), 15, Align::centre, io::grey(0.35));
}

double round_down(double limit) {
  const double power = std::pow(10, std::floor(std::log10(limit)));
  for (const double step : {5.0, 2.0})
    if (step * power <= limit) return step * power;
  return power;
}

void colour_bar(io::Canvas& canvas, double x, double y, double h, const std::function<io::Colour(double)>& map, double low,
                double high, const std::string& label) {
  canvas.cells(x, y, 16, h, 128, 1, [&](Index row, Index) { return map(1 - (static_cast<double>(row) + 0.5) / 128); });
  canvas.frame(x, y, 16, h);
  for (int k = 0; k <= 4; ++k) {
    const double t = k / 4.0;
    canvas.text(x + 23, y + h * (1 - t) + 5, fmt::format("{:.3g}", low + t * (high - low)), 13);
  }
  canvas.text_upwards(x + 90, y + h / 2, label, 15);
}

void plot(io::Canvas& canvas, double x, double y, double w, double h, const std::string& x_label,
          const std::vector<Series>& all, Scale scale) {
  const bool logarithmic = scale == Scale::logarithmic;
  const auto drawn = [&](double v) { return std::isfinite(v) && (v > 0 || !logarithmic); };
  double right = 0, low = std::numeric_limits<double>::infinity(), high = 0;
  for (const auto& s : all)
    for (std::size_t i = 0; i < s.x.size(); ++i) {
      right = std::max(right, s.x[i]);
      if (drawn(s.y[i])) low = std::min(low, s.y[i]), high = std::max(high, s.y[i]);
    }
  if (!(high > 0) || !(right > 0)) return;
  const int bottom = logarithmic ? static_cast<int>(std::floor(std::log10(low))) : 0;
  const int top = logarithmic ? std::max(bottom + 1, static_cast<int>(std::ceil(std::log10(high)))) : 1;
  const auto to_x = [&](double v) { return x + w * v / right; };
  const auto to_y = [&](double v) {
    return logarithmic ? y + h * (top - std::log10(v)) / (top - bottom) : y + h * (1 - std::clamp(v, 0.0, 1.0));
  };
  const auto level = [&](double v, const std::string& text) {
    canvas.line(x, to_y(v), x + w, to_y(v), 1, io::grey(0.88));
    canvas.text(x - 8, to_y(v) + 5, text, 13, Align::right);
  };
  if (logarithmic)
    for (int k = bottom; k <= top; k += std::max(1, (top - bottom + 5) / 6))
      level(std::pow(10, k), k == 0 ? "1" : fmt::format("1e{}", k));
  else
    for (const double v : {0.0, 0.25, 0.5, 0.75, 1.0}) level(v, fmt::format("{:g}", v));
  const double step = round_down(right / 3);
  for (double v = 0; v <= right; v += step) {
    canvas.line(to_x(v), y + h, to_x(v), y + h + 5);
    canvas.text(to_x(v), y + h + 20, fmt::format("{:g}", v), 13, Align::centre);
  }
  double label_x = x + 4;
  for (const auto& s : all) {
    std::vector<std::pair<double, double>> points;
    for (std::size_t i = 0; i < s.x.size(); ++i)
      if (drawn(s.y[i])) points.emplace_back(to_x(s.x[i]), to_y(s.y[i]));
    canvas.polyline(points, 1.6, s.colour);
    canvas.line(label_x, y - 12, label_x + 22, y - 12, 3, s.colour);
    canvas.text(label_x + 28, y - 7, s.name, 14);
    label_x += 46 + 8.2 * static_cast<double>(s.name.size());
  }
  canvas.frame(x, y, w, h, io::grey(0.2));
  canvas.text(x + w / 2, y + h + 42, x_label, 14, Align::centre);
}

}  // namespace fringe::cli
