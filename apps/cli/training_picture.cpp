#include "apps/cli/training_picture.h"

#include <algorithm>
#include <cmath>

#include "apps/io/canvas.h"

namespace fringe::cli {
namespace {

using io::Canvas;
using Align = Canvas::Align;

/// Curves over the epochs between 0 and the largest value.
void curves(Canvas& canvas, double x, double y, double w, double h, const std::string& title,
            const std::vector<std::pair<std::string, std::vector<double>>>& all) {
  double top = 1e-9;
  std::size_t epochs = 1;
  for (const auto& [name, values] : all) {
    epochs = std::max(epochs, values.size());
    for (const double v : values)
      if (std::isfinite(v)) top = std::max(top, v);
  }
  top = std::ceil(top * 10) / 10;
  for (int k = 0; k <= 4; ++k) {
    const double level = y + h * (1 - k / 4.0);
    canvas.line(x, level, x + w, level, 1, io::grey(0.88));
    canvas.text(x - 8, level + 5, fmt::format("{:.3g}", top * k / 4), 13, Align::right);
  }
  double label = x + 4;
  for (std::size_t c = 0; c < all.size(); ++c) {
    const auto colour = io::oklch(0.58, 0.16, 255 + 100 * static_cast<double>(c));
    std::vector<std::pair<double, double>> points;
    const auto& values = all[c].second;
    for (std::size_t i = 0; i < values.size(); ++i)
      points.emplace_back(x + w * (epochs > 1 ? static_cast<double>(i) / static_cast<double>(epochs - 1) : 0.5),
                          y + h * (1 - std::clamp(values[i] / top, 0.0, 1.0)));
    canvas.polyline(points, 1.8, colour);
    canvas.line(label, y - 10, label + 20, y - 10, 3, colour);
    canvas.text(label + 26, y - 5, all[c].first, 13);
    label += 44 + 7.6 * static_cast<double>(all[c].first.size());
  }
  canvas.frame(x, y, w, h);
  canvas.text(x + w / 2, y + h + 22, fmt::format("{} epochs", epochs), 13, Align::centre);
  canvas.text(x, y - 32, title, 15, Align::left, io::grey(0.1), true);
}

}  // namespace

void draw_training(const std::string& path, const TrainResult& r) {
  constexpr double left = 70, panel = 150, gap = 12, first_row = 400;
  const auto rows = static_cast<double>(r.examples.size());
  Canvas canvas(1000, static_cast<int>(first_row + rows * (panel + gap) + 40));
  const auto& v = r.best_validation;
  canvas.text(
      left, 40,
      fmt::format(
          "held out: L1 {:.3f}, L2 {:.3f}, L3 {:.4f}, phase correlation {:.3f} (mean image: {:.3f}, {:.3f}, {:.4f})",
          v.l1, v.l2, v.l3, v.phase_correlation, r.mean_image.l1, r.mean_image.l2, r.mean_image.l3),
      16);
  std::vector<double> training, held_out, l1, l2, l3, correlation;
  for (const auto& e : r.epochs) {
    training.push_back(e.training_loss);
    held_out.push_back(e.validation.loss);
    l1.push_back(e.validation.l1);
    l2.push_back(e.validation.l2);
    l3.push_back(e.validation.l3);
    correlation.push_back(e.validation.phase_correlation);
  }
  curves(canvas, left, 120, 250, 190, "loss", {{"training", training}, {"held out", held_out}});
  curves(canvas, left + 310, 120, 250, 190, "terms, held out", {{"L1", l1}, {"L2", l2}, {"L3", l3}});
  curves(canvas, left + 620, 120, 250, 190, "phase correlation", {{"held out", correlation}});
  const char* names[4] = {"true amplitude", "drawn", "true phase", "drawn"};
  for (int k = 0; k < 4; ++k)
    canvas.text(left + k * (panel + gap) + panel / 2, first_row - 12, names[k], 15, Align::centre, io::grey(0.35));
  for (std::size_t row = 0; row < r.examples.size(); ++row) {
    const Example& e = r.examples[row];
    const Index n = e.truth.extent[0];
    float limit = 0.1F;
    for (const auto& value : e.truth.data)
      limit = std::max(limit, std::abs(std::arg(value)) * (std::abs(value) > 0.5F ? 1.0F : 0.0F));
    for (int k = 0; k < 4; ++k) {
      const auto& object = k % 2 == 0 ? e.truth : e.predicted;
      const double x = left + k * (panel + gap), y = first_row + static_cast<double>(row) * (panel + gap);
      canvas.cells(x, y, panel, panel, n, n, [&](Index h, Index w) {
        const Complex value = object(n / 2, h, w);
        if (k < 2) return io::sequential(std::min(1.0, static_cast<double>(std::abs(value))));
        if (std::abs(value) < 0.5F) return io::grey(0.88);
        return io::diverging(std::clamp(0.5 + static_cast<double>(std::arg(value) / limit) / 2, 0.0, 1.0));
      });
      canvas.frame(x, y, panel, panel);
    }
    canvas.text(left + 4 * (panel + gap), first_row + static_cast<double>(row) * (panel + gap) + panel / 2,
                fmt::format("phase within ±{:.2f} rad", static_cast<double>(limit)), 14);
  }
  canvas.write_png(path);
}

}  // namespace fringe::cli
