// The picture of a result (or of a pattern): slices of the crystal, measured beside calculated diffraction, curves.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <numbers>

#include "apps/cli/commands.h"
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

/// A plane through a volume at right angles to one axis: rows and columns run along the other two.
struct Plane {
  int normal, row, column;
  const char* name;
};
constexpr Plane planes[3] = {{0, 1, 2, "H, W"}, {1, 0, 2, "D, W"}, {2, 0, 1, "D, H"}};

struct Box {
  std::array<Index, 3> begin, extent;
};

/// "1.2e5" for ticks.
std::string power_of_ten(int exponent) { return exponent == 0 ? "1" : fmt::format("1e{}", exponent); }

/// The largest of 1, 2, 5 x 10^k that is not above `limit`.
double round_down(double limit) {
  const double power = std::pow(10, std::floor(std::log10(limit)));
  for (const double step : {5.0, 2.0})
    if (step * power <= limit) return step * power;
  return power;
}

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

  /// Voxels along each axis and where they are: the crystal and three voxels around it.
  Box crystal_box() const {
    const auto& e = r_.object.extent;
    Index low[3] = {e[0], e[1], e[2]}, high[3] = {-1, -1, -1};
    Index i = 0;
    for (Index d = 0; d < e[0]; ++d)
      for (Index h = 0; h < e[1]; ++h)
        for (Index w = 0; w < e[2]; ++w, ++i)
          if (r_.support.data[static_cast<std::size_t>(i)]) {
            const Index x[3] = {d, h, w};
            for (int k = 0; k < 3; ++k) low[k] = std::min(low[k], x[k]), high[k] = std::max(high[k], x[k]);
          }
    Box box{};
    for (int k = 0; k < 3; ++k) {
      if (high[k] < 0) low[k] = 0, high[k] = e[k] - 1;
      box.begin[k] = std::max<Index>(0, low[k] - 3);
      box.extent[k] = std::min(e[k], high[k] + 4) - box.begin[k];
    }
    return box;
  }

  void object() {
    const auto& e = r_.object.extent;
    const Box box = crystal_box();
    // The slices go through the centre of mass.
    double mass = 0, moment[3] = {};
    std::vector<float> amplitudes;
    Index i = 0;
    for (Index d = 0; d < e[0]; ++d)
      for (Index h = 0; h < e[1]; ++h)
        for (Index w = 0; w < e[2]; ++w, ++i) {
          if (!r_.support.data[static_cast<std::size_t>(i)]) continue;
          const double a = std::abs(r_.object(d, h, w));
          amplitudes.push_back(static_cast<float>(a));
          mass += a;
          moment[0] += a * static_cast<double>(d);
          moment[1] += a * static_cast<double>(h);
          moment[2] += a * static_cast<double>(w);
        }
    if (amplitudes.empty()) return;
    Index cut[3];
    for (int k = 0; k < 3; ++k) cut[k] = std::lround(moment[k] / mass);
    const auto top = amplitudes.begin() + static_cast<std::ptrdiff_t>(amplitudes.size() * 99 / 100);
    std::nth_element(amplitudes.begin(), top, amplitudes.end());
    const double largest = static_cast<double>(*top);
    const auto in_support = [&](Index d, Index h, Index w) {
      return r_.support.data[static_cast<std::size_t>((d * e[1] + h) * e[2] + w)] != 0;
    };
    double phase_limit = 0;
    i = 0;
    for (const auto& v : r_.object.data)
      if (r_.support.data[static_cast<std::size_t>(i++)]) phase_limit = std::max(phase_limit, std::abs(static_cast<double>(std::arg(v))));
    const bool wraps = phase_limit > std::numbers::pi / 2;
    phase_limit = wraps ? std::numbers::pi : std::max(0.1, std::ceil(phase_limit * 10) / 10);

    constexpr double left = 70, top_row = 130, panel = 300, gap = 22, row_gap = 56;
    // One scale for all panels, so that sizes compare.
    const auto size = [&](int axis) {
      return static_cast<double>(box.extent[axis]) * (voxel_ ? (*voxel_)[axis] : 1.0);
    };
    const double scale = panel / std::max({size(0), size(1), size(2)});
    for (int k = 0; k < 3; ++k) {
      const Plane& p = planes[k];
      const double w = size(p.column) * scale, h = size(p.row) * scale;
      const double x = left + k * (panel + gap) + (panel - w) / 2;
      for (const bool phase : {false, true}) {
        const double y = top_row + (phase ? panel + row_gap : 0) + (panel - h) / 2;
        canvas_.cells(x, y, w, h, box.extent[p.row], box.extent[p.column], [&](Index row, Index column) -> Colour {
          Index at[3];
          at[p.normal] = cut[p.normal];
          at[p.row] = box.begin[p.row] + row;
          at[p.column] = box.begin[p.column] + column;
          const Complex v = r_.object(at[0], at[1], at[2]);
          if (!phase) return io::sequential(static_cast<double>(std::abs(v)) / largest);
          if (!in_support(at[0], at[1], at[2])) return io::grey(0.88);
          const double angle = static_cast<double>(std::arg(v));
          return wraps ? io::cyclic(angle / (2 * std::numbers::pi)) : io::diverging(0.5 + angle / (2 * phase_limit));
        });
        canvas_.frame(x, y, w, h);
        if (!phase)
          canvas_.text(left + k * (panel + gap) + panel / 2, top_row - 12, fmt::format("plane {} = {}", "DHW"[p.normal], cut[p.normal]),
                       15, Align::centre, io::grey(0.35));
      }
    }
    scale_bar(left, top_row + 2 * panel + row_gap + 26, scale, size(0));
    const double bar_x = left + 3 * (panel + gap) + 2;
    colour_bar(bar_x, top_row, panel, [](double t) { return io::sequential(t); }, 0, largest, "amplitude");
    colour_bar(bar_x, top_row + panel + row_gap, panel,
               [&](double t) { return wraps ? io::cyclic(t - 0.5) : io::diverging(t); }, -phase_limit, phase_limit,
               "phase [rad]");
  }

  void scale_bar(double x, double y, double pixels_per_unit, double extent) {
    const double length = round_down(extent / 3);
    canvas_.fill(x, y, length * pixels_per_unit, 5, io::grey(0.1));
    canvas_.text(x + length * pixels_per_unit + 12, y + 8, voxel_ ? fmt::format("{:g} nm", length) : fmt::format("{:g} voxels", length),
                 16);
  }

  template <class Map>
  void colour_bar(double x, double y, double h, const Map& map, double low, double high, const std::string& label) {
    canvas_.cells(x, y, 16, h, 128, 1, [&](Index row, Index) { return map(1 - (static_cast<double>(row) + 0.5) / 128); });
    canvas_.frame(x, y, 16, h);
    for (int k = 0; k <= 4; ++k) {
      const double t = k / 4.0;
      canvas_.text(x + 23, y + h * (1 - t) + 5, fmt::format("{:.3g}", low + t * (high - low)), 13);
    }
    canvas_.text_upwards(x + 82, y + h / 2, label, 15);
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
    colour_bar(left + (both ? 2 : 1) * (panel + gap) + 6, top_row, 3 * panel + 2 * (gap + 16),
               [](double t) { return io::sequential(t); }, low, top, "log10 photons");
  }

  struct Series {
    std::string name;
    std::vector<double> x, y;
    Colour colour;
  };

  /// Logarithmic y axis.
  void plot(double x, double y, double w, double h, const std::string& x_label, const std::vector<Series>& all) {
    double left = 0, right = 0, low = std::numeric_limits<double>::infinity(), high = 0;
    for (const auto& s : all)
      for (std::size_t i = 0; i < s.x.size(); ++i) {
        right = std::max(right, s.x[i]);
        if (s.y[i] > 0 && std::isfinite(s.y[i])) low = std::min(low, s.y[i]), high = std::max(high, s.y[i]);
      }
    if (!(high > 0) || !(right > left)) return;
    const int bottom = static_cast<int>(std::floor(std::log10(low))), top = std::max(bottom + 1, static_cast<int>(std::ceil(std::log10(high))));
    const auto to_x = [&](double v) { return x + w * (v - left) / (right - left); };
    const auto to_y = [&](double v) { return y + h * (top - std::log10(v)) / (top - bottom); };
    const int every = std::max(1, (top - bottom + 5) / 6);
    for (int k = bottom; k <= top; k += every) {
      canvas_.line(x, to_y(std::pow(10, k)), x + w, to_y(std::pow(10, k)), 1, io::grey(0.88));
      canvas_.text(x - 8, to_y(std::pow(10, k)) + 5, power_of_ten(k), 13, Align::right);
    }
    const double step = round_down(right / 3);
    for (double v = 0; v <= right; v += step) {
      canvas_.line(to_x(v), y + h, to_x(v), y + h + 5);
      canvas_.text(to_x(v), y + h + 20, fmt::format("{:g}", v), 13, Align::centre);
    }
    double label_x = x + 4;
    for (const auto& s : all) {
      std::vector<std::pair<double, double>> points;
      for (std::size_t i = 0; i < s.x.size(); ++i)
        if (s.y[i] > 0 && std::isfinite(s.y[i])) points.emplace_back(to_x(s.x[i]), to_y(s.y[i]));
      canvas_.polyline(points, 1.6, s.colour);
      canvas_.line(label_x, y - 12, label_x + 22, y - 12, 3, s.colour);
      canvas_.text(label_x + 28, y - 7, s.name, 14);
      label_x += 46 + 8.2 * static_cast<double>(s.name.size());
    }
    canvas_.frame(x, y, w, h, io::grey(0.2));
    canvas_.text(x + w / 2, y + h + 42, x_label, 14, Align::centre);
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
    if (!fit.empty()) plot(120, y, 440, h, "epoch", fit);
    std::vector<Series> loss;
    if (const auto c = r_.curves.find("loss"); c != r_.curves.end()) {
      // The logarithmic loss is shown as what it is the logarithm of.
      const bool logarithmic = r_.configuration.contains("loss") && r_.configuration.at("loss") == "logarithmic";
      Series s{logarithmic ? "exp(loss) = (1 - r) chi²" : "loss", c->second.epoch, {}, first};
      for (const double v : c->second.value) s.y.push_back(logarithmic ? std::exp(v) : v);
      loss.push_back(std::move(s));
      plot(680, y, 380, h, "epoch", loss);
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
    plot(1200, y, 440, h, "|Q| [voxels]", shells);
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
  c->add_option("input", *input, "CXI file of refine, lab, prepare or simulate")->required()->type_name("FILE");
  c->add_option("-o,--output", *output, "picture (PNG)")->required()->type_name("FILE");
  c->add_flag("-q,--quiet", common.quiet, "print errors only");
  c->callback([input, output, &common, &action] { action = [=, &common] { return show(*input, *output, common); }; });
}

}  // namespace fringe::cli
