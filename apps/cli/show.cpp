// The picture of a result (or of a pattern): slices of the crystal, measured beside calculated diffraction, curves.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <numbers>

#include "apps/cli/commands.h"
#include "apps/cli/drawing.h"
#include "apps/cli/show_ensemble.h"
#include "apps/cli/show_lab.h"
#include "apps/io/canvas.h"
#include "apps/io/cxi.h"
#include "apps/io/lab_file.h"
#include "apps/phasing/metrics.h"
#include "engine/hdf5.h"

namespace fringe::cli {
namespace {

using io::Canvas;
using io::Colour;
using Align = Canvas::Align;

constexpr int page_width = 1840, page_height = 1200;

class Page {
 public:
  explicit Page(Reconstruction r) : r_(std::move(r)), canvas_(page_width, page_height) {
    voxel_ = r_.pattern.geometry.voxel_size(r_.pattern.intensity.extent);
    if (voxel_)
      for (auto& v : *voxel_) v *= 1e9;  // [nm]
  }

  void draw(const std::string& title) {
    header(title);
    if (!r_.object.empty()) object();
    diffraction();
    curves();
  }
  void write(const std::string& path) const { canvas_.write_png(path); }

 private:
  void header(const std::string& title) {
    canvas_.text(40, 52, title, 26, Align::left, io::grey(0.1), true);
    std::string numbers;
    const auto add = [&](const char* key, const char* name, const char* format) {
      if (const auto m = r_.metrics.find(key); m != r_.metrics.end())
        numbers += (numbers.empty() ? "" : "     ") + std::string(name) + fmt::format(fmt::runtime(format), m->second);
    };
    add("chi2", "chi² ", "{:.3e}");
    add("pearson", "r ", "{:.5f}");
    add("llk", "LLK ", "{:.3g}");
    add("free_llk", "free LLK ", "{:.3g}");
    add("true_error", "true error ", "{:.3f}");
    add("epochs", "epochs ", "{:.0f}");
    add("seconds", "", "{:.0f} s");
    canvas_.text(40, 84, numbers, 18, Align::left, io::grey(0.25));
    canvas_.text(page_width - 40, 52, "fringe " + r_.version, 16, Align::right, io::grey(0.5));
    if (!r_.pattern.sample.empty()) canvas_.text(page_width - 40, 84, r_.pattern.sample, 16, Align::right, io::grey(0.5));
  }

  void object() {
    const auto found = view_of(r_.object, r_.support);
    if (!found) return;
    const CrystalView& view = *found;
    constexpr double left = 70, top_row = 130, panel = 300, gap = 22, row_gap = 56;
    // One scale for all panels, so that sizes compare.
    const auto size = [&](int axis) {
      return static_cast<double>(view.extent[axis]) * (voxel_ ? (*voxel_)[axis] : 1.0);
    };
    const double scale = panel / std::max({size(0), size(1), size(2)});
    for (int k = 0; k < 3; ++k) {
      const Plane& p = planes[k];
      const double w = size(p.column) * scale, h = size(p.row) * scale;
      const double x = left + k * (panel + gap) + (panel - w) / 2;
      for (const bool phase : {false, true}) {
        const double y = top_row + (phase ? panel + row_gap : 0) + (panel - h) / 2;
        slice(canvas_, view, p, r_.object.extent, x, y, w, h, [&](std::size_t i) {
          const Complex v = r_.object.data[i];
          if (!phase) return io::sequential(static_cast<double>(std::abs(v)) / view.largest);
          return r_.support.data[i] != 0 ? phase_colour(view, static_cast<double>(std::arg(v))) : io::grey(0.88);
        });
        if (!phase) slice_title(canvas_, view, p, left + k * (panel + gap) + panel / 2, top_row - 12);
      }
    }
    scale_bar(left, top_row + 2 * panel + row_gap + 26, scale, size(0));
    const double bar_x = left + 3 * (panel + gap) + 2;
    colour_bar(canvas_, bar_x, top_row, panel, io::sequential, 0, view.largest, "amplitude");
    colour_bar(canvas_, bar_x, top_row + panel + row_gap, panel, [&](double t) { return phase_bar(view, t); }, -view.phase_limit,
               view.phase_limit, "phase [rad]");
  }

  void scale_bar(double x, double y, double pixels_per_unit, double extent) {
    const double length = round_down(extent / 3);
    canvas_.fill(x, y, length * pixels_per_unit, 5, io::grey(0.1));
    canvas_.text(x + length * pixels_per_unit + 12, y + 8, voxel_ ? fmt::format("{:g} nm", length) : fmt::format("{:g} voxels", length),
                 16);
  }

  void diffraction() {
    const bool both = !r_.calculated.empty();
    const auto& e = r_.pattern.intensity.extent;
    float largest = 0;
    for (Index i = 0; i < r_.pattern.intensity.size(); ++i)
      if (r_.pattern.measured(i)) largest = std::max(largest, r_.pattern.intensity.data[static_cast<std::size_t>(i)]);
    // Six decades, or down to a tenth of a photon.
    const double top = std::log10(static_cast<double>(largest)), low = std::max(top - 6, std::min(-1.0, top - 3));
    constexpr double left = 1180, top_row = 130, panel = 200, gap = 8;
    const char* names[2] = {"measured", "calculated"};
    for (int k = 0; k < 3; ++k) {
      const Plane& p = planes[k];
      for (int which = 0; which < (both ? 2 : 1); ++which) {
        const auto& volume = which == 0 ? r_.pattern.intensity : r_.calculated;
        const double x = left + which * (panel + gap), y = top_row + k * (panel + gap + 16);
        canvas_.cells(x, y, panel, panel, e[p.row], e[p.column], [&](Index row, Index column) -> Colour {
          Index at[3];
          at[p.normal] = e[p.normal] / 2;
          at[p.row] = row;
          at[p.column] = column;
          const Index i = (at[0] * e[1] + at[1]) * e[2] + at[2];
          if (which == 0 && !r_.pattern.measured(i)) return io::grey(0.6);
          const double v = static_cast<double>(volume.data[static_cast<std::size_t>(i)]);
          return io::sequential(v > 0 ? (std::log10(v) - low) / (top - low) : 0);
        });
        canvas_.frame(x, y, panel, panel);
        if (k == 0) canvas_.text(x + panel / 2, top_row - 12, names[which], 15, Align::centre, io::grey(0.35));
      }
      canvas_.text_upwards(left - 10, top_row + k * (panel + gap + 16) + panel / 2,
                           fmt::format("Q plane {} = {}", "DHW"[p.normal], e[p.normal] / 2), 13);
    }
    colour_bar(canvas_, left + (both ? 2 : 1) * (panel + gap) + 6, top_row, 3 * panel + 2 * (gap + 16), io::sequential, low, top,
               "log10 photons");
  }

  void curves() {
    constexpr double y = 900, h = 220;
    const Colour first = io::oklch(0.55, 0.16, 255), second = io::oklch(0.62, 0.17, 40), third = io::oklch(0.6, 0.13, 150);
    std::vector<Series> fit;
    const auto curve = [&](const char* key, const char* name, Colour colour, auto value) {
      if (const auto c = r_.curves.find(key); c != r_.curves.end()) {
        Series s{name, c->second.epoch, {}, colour};
        for (const double v : c->second.value) s.y.push_back(value(v));
        fit.push_back(std::move(s));
      }
    };
    curve("chi2", "chi²", first, [](double v) { return v; });
    curve("pearson", "1 - r", second, [](double v) { return 1 - v; });
    curve("density_prior", "density prior P", third, [](double v) { return v; });
    if (!fit.empty()) plot(canvas_, 120, y, 440, h, "epoch", fit);
    std::vector<Series> loss;
    if (const auto c = r_.curves.find("loss"); c != r_.curves.end()) {
      // The logarithmic loss is shown as what it is the logarithm of.
      const bool logarithmic = r_.configuration.contains("loss") && r_.configuration.at("loss") == "logarithmic";
      Series s{logarithmic ? "exp(loss) = (1 - r) chi²" : "loss", c->second.epoch, {}, first};
      for (const double v : c->second.value) s.y.push_back(logarithmic ? std::exp(v) : v);
      loss.push_back(std::move(s));
      plot(canvas_, 680, y, 380, h, "epoch", loss);
    }
    const Mask measured = r_.pattern.mask;
    std::vector<Series> shells;
    const auto shell_mean = [&](const Volume<float>& v, const char* name, Colour colour) {
      const auto c = shell_sums(v, measured);
      Series s{name, c.q, {}, colour};
      for (std::size_t i = 0; i < c.value.size(); ++i)
        s.y.push_back(c.voxels[i] > 0 ? c.value[i] / static_cast<double>(c.voxels[i]) : 0);
      shells.push_back(std::move(s));
    };
    shell_mean(r_.pattern.intensity, "mean |F| measured", first);
    if (!r_.calculated.empty()) shell_mean(r_.calculated, "calculated", second);
    plot(canvas_, 1200, y, 440, h, "|Q| [voxels]", shells);
  }

  Reconstruction r_;
  Canvas canvas_;
  std::optional<std::array<double, 3>> voxel_;
};

int show(const std::string& input, const std::string& output, const Common& common) {
  hdf5::require_writable(output);
  if (io::is_lab(input)) {
    draw_lab(io::read_lab(input), std::filesystem::path(input).filename().string(), output);
    if (!common.quiet) fmt::print("written   {}\n", output);
    return 0;
  }
  Reconstruction r;
  if (io::is_reconstruction(input)) {
    r = io::read_reconstruction(input);
    if (!r.maps.empty()) {
      draw_ensemble(r, std::filesystem::path(input).filename().string(), output);
      if (!common.quiet) fmt::print("written   {}\n", output);
      return 0;
    }
  } else {
    r.pattern = io::read_pattern(input);
    r.object = r.pattern.truth;
    r.version = FRINGE_VERSION;
    if (!r.object.empty()) {
      r.support = Volume<std::uint8_t>(r.object.extent);
      for (std::size_t i = 0; i < r.support.data.size(); ++i) r.support.data[i] = r.object.data[i] != Complex(0);
    }
  }
  Page page(std::move(r));
  page.draw(std::filesystem::path(input).filename().string());
  page.write(output);
  if (!common.quiet) fmt::print("written   {}\n", output);
  return 0;
}

}  // namespace

void add_show(CLI::App& app, Common& common, Action& action) {
  auto* c = app.add_subcommand("show", "draw a result (or a pattern): crystal, diffraction, curves");
  auto input = std::make_shared<std::string>(), output = std::make_shared<std::string>();
  c->add_option("input", *input, "CXI file of refine, iterate, ensemble, lab, prepare or simulate")->required()->type_name("FILE");
  c->add_option("-o,--output", *output, "picture (PNG)")->required()->check(ends_in({".png"}))->type_name("FILE");
  c->add_flag("-q,--quiet", common.quiet, "print errors only");
  c->callback([input, output, &common, &action] { action = [=, &common] { return show(*input, *output, common); }; });
}

}  // namespace fringe::cli
