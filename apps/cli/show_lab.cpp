#include "apps/cli/show_lab.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "apps/io/canvas.h"
#include "apps/phasing/metrics.h"

namespace fringe::cli {
namespace {

using io::Canvas;
using io::Colour;
using Align = Canvas::Align;

/// How one looks at the crystal: laboratory directions to the right and upwards in the picture; towards the reader is
/// right cross up.
struct View {
  Vector3 right, up;
  const char* name;
};
const View planes[3] = {{{1, 0, 0}, {0, 1, 0}, "x right, y up (against the beam)"},
                        {{0, 0, 1}, {1, 0, 0}, "z right, x up (from above)"},
                        {{0, 0, 1}, {0, 1, 0}, "z right, y up (from the side)"}};

class LabPage {
 public:
  explicit LabPage(const LabObject& lab) : lab_(lab), canvas_(1840, 1200) {
    for (std::size_t k = 0; k < 3; ++k) {
      const double n = static_cast<double>(lab.object.extent[2 - k]);
      reach_ = std::max({reach_, -lab.origin[k], lab.origin[k] + (n - 1) * lab.voxel});
    }
    const Extent& all = lab.support.extent;
    for (Index z = 0; z < all[0]; ++z)
      for (Index y = 0; y < all[1]; ++y)
        for (Index x = 0; x < all[2]; ++x)
          if (lab.support(z, y, x)) radius_ = std::max(radius_, length(position(z, y, x)));
    level_ = density_level(converted<std::complex<double>>(lab.object));
    // Noise that does not touch the crystal is not part of its surface.
    const Extent& e = lab.object.extent;
    shell_ = Volume<float>(e);
    for (Index z = 0; z < e[0]; ++z)
      for (Index y = 0; y < e[1]; ++y)
        for (Index x = 0; x < e[2]; ++x)
          if (near_support(z, y, x)) shell_(z, y, x) = std::abs(lab.object(z, y, x));
    u_limit_ = limit(lab.displacement.empty() ? lab.phase : lab.displacement, 0.99);
    e_limit_ = lab.strain.empty() ? 0 : limit(lab.strain, 0.97);
  }

  void draw(const std::string& title) {
    header(title);
    const bool strained = !lab_.strain.empty();
    const double to_picture = strained ? 1e12 : 1;
    row(
        0, "amplitude",
        [&](std::size_t i) { return io::sequential(static_cast<double>(std::abs(lab_.object.data[i])) / (1.2 * level_)); },
        [](double t) { return io::sequential(t); }, 0, 1.2 * level_);
    row(
        1, strained ? "displacement along Q [pm]" : "phase [rad]",
        [&](std::size_t i) { return inside_colour(i, strained ? lab_.displacement : lab_.phase, u_limit_); },
        [](double t) { return io::diverging(t); }, -u_limit_ * to_picture, u_limit_ * to_picture);
    if (strained)
      row(
          2, "strain along Q", [&](std::size_t i) { return inside_colour(i, lab_.strain, e_limit_); },
          [](double t) { return io::diverging(t); }, -e_limit_, e_limit_);
    surfaces();
    scale_bar(left, panel / (2 * reach_ + lab_.voxel), 2 * reach_);
    scale_bar(surface_left, surface_size / (2 * (radius_ + lab_.voxel)), 2 * radius_);
  }

  void write(const std::string& path) const { canvas_.write_png(path); }

 private:
  static constexpr double left = 70, top = 150, panel = 290, gap = 24, row_height = 344, surface_left = 1200,
                          surface_size = 310;

  Vector3 position(Index z, Index y, Index x) const {
    return {lab_.origin[0] + lab_.voxel * static_cast<double>(x), lab_.origin[1] + lab_.voxel * static_cast<double>(y),
            lab_.origin[2] + lab_.voxel * static_cast<double>(z)};
  }

  bool near_support(Index z, Index y, Index x) const {
    const Extent& e = lab_.support.extent;
    for (Index i = std::max<Index>(0, z - 1); i <= std::min(e[0] - 1, z + 1); ++i)
      for (Index j = std::max<Index>(0, y - 1); j <= std::min(e[1] - 1, y + 1); ++j)
        for (Index k = std::max<Index>(0, x - 1); k <= std::min(e[2] - 1, x + 1); ++k)
          if (lab_.support(i, j, k)) return true;
    return false;
  }

  /// The magnitude that `share` of the voxels inside do not exceed.
  double limit(const Volume<float>& field, double share) const {
    std::vector<float> values;
    for (std::size_t i = 0; i < field.data.size(); ++i)
      if (lab_.support.data[i]) values.push_back(std::abs(field.data[i]));
    if (values.empty()) return 1;
    const auto at = values.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), at, values.end());
    return *at > 0 ? static_cast<double>(*at) : 1;
  }

  static Colour signed_colour(double value, double largest) {
    return io::diverging(std::clamp(0.5 + value / (2 * largest), 0.0, 1.0));
  }
  Colour inside_colour(std::size_t i, const Volume<float>& field, double largest) const {
    return lab_.support.data[i] ? signed_colour(static_cast<double>(field.data[i]), largest) : io::grey(0.9);
  }

  /// Index of the voxel at a position [m], or nothing outside the grid.
  std::optional<std::size_t> voxel_at(const Vector3& r) const {
    Index at[3];
    for (std::size_t k = 0; k < 3; ++k) {
      at[k] = std::lround((r[k] - lab_.origin[k]) / lab_.voxel);
      if (at[k] < 0 || at[k] >= lab_.object.extent[2 - k]) return {};
    }
    return static_cast<std::size_t>((at[2] * lab_.object.extent[1] + at[1]) * lab_.object.extent[2] + at[0]);
  }

  void header(const std::string& title) {
    const auto& m = lab_.metrics;
    const auto value = [&](const char* key) { return m.contains(key) ? m.at(key) : 0; };
    canvas_.text(40, 52, title + ", laboratory frame", 26, Align::left, io::grey(0.1), true);
    std::string numbers =
        fmt::format("{:.0f} x {:.0f} x {:.0f} nm along x, y, z     {:.4f} µm³     voxel {:.1f} nm", value("size_x") * 1e9,
                    value("size_y") * 1e9, value("size_z") * 1e9, value("volume") * 1e18, lab_.voxel * 1e9);
    if (lab_.geometry.bragg)
      numbers += fmt::format("     lattice spacing {:.4f} Å     strain {:.1e} rms", value("lattice_spacing") * 1e10,
                             value("strain_rms"));
    if (m.contains("chi2")) numbers += fmt::format("     chi² {:.3e}", m.at("chi2"));
    canvas_.text(40, 84, numbers, 18, Align::left, io::grey(0.25));
    canvas_.text(1800, 52, "fringe " + lab_.version, 16, Align::right, io::grey(0.5));
    if (!lab_.sample.empty()) canvas_.text(1800, 84, lab_.sample, 16, Align::right, io::grey(0.5));
  }

  template <class Paint, class Map>
  void row(int number, const std::string& label, const Paint& paint, const Map& map, double low, double high) {
    const double y = top + number * row_height;
    for (int k = 0; k < 3; ++k) {
      const double x = left + k * (panel + gap);
      slice(planes[k], x, y, paint);
      if (number == 0) canvas_.text(x + panel / 2, y - 12, planes[k].name, 15, Align::centre, io::grey(0.35));
    }
    canvas_.text_upwards(left - 16, y + panel / 2, label, 15);
    const double bar = left + 3 * (panel + gap);
    canvas_.cells(bar, y, 16, panel, 128, 1, [&](Index i, Index) { return map(1 - (static_cast<double>(i) + 0.5) / 128); });
    canvas_.frame(bar, y, 16, panel);
    for (int k = 0; k <= 4; ++k)
      canvas_.text(bar + 22, y + panel * (1 - k / 4.0) + 5, fmt::format("{:.3g}", low + (high - low) * k / 4), 13);
  }

  template <class Paint>
  void slice(const View& v, double x, double y, const Paint& paint) {
    const auto cells = static_cast<Index>(2 * reach_ / lab_.voxel) + 1;
    const double half = static_cast<double>(cells - 1) / 2;
    canvas_.cells(x, y, panel, panel, cells, cells, [&](Index i, Index j) -> Colour {
      const double across = (static_cast<double>(j) - half) * lab_.voxel,
                   height = (half - static_cast<double>(i)) * lab_.voxel;
      Vector3 r;
      for (std::size_t k = 0; k < 3; ++k) r[k] = v.right[k] * across + v.up[k] * height;
      const auto at = voxel_at(r);
      return at ? paint(*at) : io::grey(0.97);
    });
    canvas_.frame(x, y, panel, panel);
    arrow(v, x, y);
  }

  /// The direction of Q as it is seen in this view.
  void arrow(const View& v, double x, double y) {
    if (!lab_.geometry.bragg) return;
    const Vector3 q = scaled(*lab_.geometry.bragg, 1 / length(*lab_.geometry.bragg));
    const double dx = 42 * dot(q, v.right), dy = -42 * dot(q, v.up), cx = x + 40, cy = y + panel - 40;
    const Colour ink = io::oklch(0.72, 0.19, 145);
    canvas_.line(cx - dx / 2, cy - dy / 2, cx + dx / 2, cy + dy / 2, 3, ink);
    const double n = std::hypot(dx, dy);
    if (n > 6)
      for (const double side : {-1.0, 1.0})
        canvas_.line(cx + dx / 2, cy + dy / 2, cx + dx / 2 - 9 * (dx - side * 0.5 * dy) / n,
                     cy + dy / 2 - 9 * (dy + side * 0.5 * dx) / n, 3, ink);
    canvas_.text(cx + dx / 2 + 8, cy + dy / 2 + 5, "Q", 15, Align::left, ink, true);
  }

  /// body(weight, voxel) for the eight voxels around `r`; for none at the grid's edge.
  template <class Body>
  void around(const Vector3& r, const Body& body) const {
    double f[3];
    Index i[3];
    for (std::size_t k = 0; k < 3; ++k) {
      const double t = (r[k] - lab_.origin[k]) / lab_.voxel;
      i[k] = static_cast<Index>(std::floor(t));
      f[k] = t - std::floor(t);
      if (i[k] < 0 || i[k] + 1 >= lab_.object.extent[2 - k]) return;
    }
    const Extent& e = lab_.object.extent;
    for (int c = 0; c < 8; ++c)
      body((c & 1 ? f[0] : 1 - f[0]) * (c & 2 ? f[1] : 1 - f[1]) * (c & 4 ? f[2] : 1 - f[2]),
           static_cast<std::size_t>(((i[2] + (c >> 2 & 1)) * e[1] + i[1] + (c >> 1 & 1)) * e[2] + i[0] + (c & 1)));
  }

  double amplitude_at(const Vector3& r) const {
    double sum = 0;
    around(r, [&](double weight, std::size_t i) { sum += weight * static_cast<double>(shell_.data[i]); });
    return sum;
  }

  /// Mean of the strain around `r`, of voxels inside.
  std::optional<double> strain_at(const Vector3& r) const {
    double sum = 0, weights = 0;
    around(r, [&](double weight, std::size_t i) {
      if (lab_.support.data[i]) sum += weight * static_cast<double>(lab_.strain.data[i]), weights += weight;
    });
    return weights > 0.2 ? std::optional(sum / weights) : std::nullopt;
  }

  /// The surface where the amplitude is half the crystal's, lit from the upper left, coloured by the strain beneath.
  void surface(const View& v, double x, double y, double size) {
    constexpr Index cells = 340;
    const Vector3 to_reader = cross(v.right, v.up);
    const double half = radius_ + lab_.voxel, step = 0.4 * lab_.voxel, iso = 0.5 * level_;
    const auto along = [&](const Vector3& a, double s) {
      return Vector3{a[0] + s * to_reader[0], a[1] + s * to_reader[1], a[2] + s * to_reader[2]};
    };
    canvas_.cells(x, y, size, size, cells, cells, [&](Index i, Index j) -> Colour {
      const double across = half * (2 * (static_cast<double>(j) + 0.5) / cells - 1),
                   height = half * (1 - 2 * (static_cast<double>(i) + 0.5) / cells);
      Vector3 start;
      for (std::size_t k = 0; k < 3; ++k) start[k] = v.right[k] * across + v.up[k] * height;
      double s = 2 * half;
      while (s > -2 * half && amplitude_at(along(start, s)) < iso) s -= step;
      if (s <= -2 * half) return io::grey(1);
      double outer = s + step;
      for (int bisection = 0; bisection < 8; ++bisection) {
        const double middle = (s + outer) / 2;
        (amplitude_at(along(start, middle)) < iso ? outer : s) = middle;
      }
      const Vector3 hit = along(start, s);
      Vector3 normal{};
      for (std::size_t k = 0; k < 3; ++k) {
        Vector3 more = hit, less = hit;
        more[k] += 1.2 * lab_.voxel;
        less[k] -= 1.2 * lab_.voxel;
        normal[k] = amplitude_at(less) - amplitude_at(more);
      }
      if (length(normal) == 0) return io::grey(0.5);
      normal = scaled(normal, 1 / length(normal));
      const double light =
          std::max(0.0, -0.45 * dot(normal, v.right) + 0.5 * dot(normal, v.up) + 0.74 * dot(normal, to_reader));
      Colour colour = io::grey(0.85);
      if (!lab_.strain.empty())
        for (const double depth : {1.0, 1.6, 0.5}) {
          Vector3 below;
          for (std::size_t k = 0; k < 3; ++k) below[k] = hit[k] - depth * lab_.voxel * normal[k];
          if (const auto value = strain_at(below)) {
            colour = signed_colour(*value, e_limit_);
            break;
          }
        }
      const double shade = 0.25 + 0.75 * light;
      return {colour.r * shade, colour.g * shade, colour.b * shade};
    });
    arrow({v.right, v.up, ""}, x, y + size - panel);
  }

  void surfaces() {
    constexpr double x = surface_left, size = surface_size;
    // The third stands between +x and +z and looks down by 30 degrees.
    const double c = std::cos(std::numbers::pi / 6), s = std::sin(std::numbers::pi / 6), r = std::numbers::sqrt2 / 2;
    const View views[3] = {planes[0], planes[1], {{r, 0, -r}, {-s * r, c, -s * r}, ""}};
    const char* names[3] = {"surface, against the beam: x right, y up", "from above: z right, x up",
                            "from above, between +x and +z"};
    for (int k = 0; k < 3; ++k) {
      const double y = top + k * row_height;
      surface(views[k], x, y, size);
      canvas_.text(x + size / 2, y - 12, names[k], 15, Align::centre, io::grey(0.35));
    }
    canvas_.text(x + size + 20, top + 20, "Surface at half the density,", 15, Align::left, io::grey(0.35));
    canvas_.text(x + size + 20, top + 42,
                 lab_.strain.empty() ? "lit from the upper left." : "coloured by the strain beneath.", 15, Align::left,
                 io::grey(0.35));
    canvas_.text(x + size + 20, top + 64, "z is along the beam, y up.", 15, Align::left, io::grey(0.35));
    if (lab_.geometry.bragg && lab_.geometry.energy)
      canvas_.text(x + size + 20, top + 100,
                   fmt::format("2θ {:.2f}°, |Q| {:.4f} / Å", two_theta(lab_.geometry) * 180 / std::numbers::pi,
                               length(*lab_.geometry.bragg) * 1e-10),
                   15, Align::left, io::grey(0.35));
  }

  /// Of about a third of `extent` [m].
  void scale_bar(double x, double pixels_per_metre, double extent) {
    constexpr double y = 1168;
    const double pixels = pixels_per_metre * 1e-9, third = extent * 1e9 / 3;
    const double power = std::pow(10, std::floor(std::log10(third)));
    const double length_nm = 5 * power <= third ? 5 * power : 2 * power <= third ? 2 * power : power;
    canvas_.fill(x, y, length_nm * pixels, 5, io::grey(0.1));
    canvas_.text(x + length_nm * pixels + 12, y + 8, fmt::format("{:g} nm", length_nm), 16);
  }

  const LabObject& lab_;
  Canvas canvas_;
  Volume<float> shell_;
  double reach_ = 0, radius_ = 0, level_ = 0, u_limit_ = 1, e_limit_ = 1;
};

}  // namespace

void draw_lab(const LabObject& lab, const std::string& title, const std::string& output) {
  LabPage page(lab);
  page.draw(title);
  page.write(output);
}

}  // namespace fringe::cli
