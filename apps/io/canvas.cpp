#include "apps/io/canvas.h"

#include "engine/hdf5.h"

#ifdef FRINGE_HAS_CAIRO
#include <cairo.h>

#include <cmath>

namespace fringe::io {

struct Canvas::Surface {
  cairo_surface_t* surface;
  cairo_t* cairo;

  void colour(const Colour& c) const { cairo_set_source_rgb(cairo, c.r, c.g, c.b); }
  void font(double size, bool bold) const {
    cairo_select_font_face(cairo, "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL,
                           bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(cairo, size);
  }
};

Canvas::Canvas(int width, int height) : surface_(std::make_unique<Surface>()) {
  surface_->surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height);
  surface_->cairo = cairo_create(surface_->surface);
  fill(0, 0, width, height, grey(1));
}

Canvas::~Canvas() {
  cairo_destroy(surface_->cairo);
  cairo_surface_destroy(surface_->surface);
}

void Canvas::text(double x, double y, const std::string& text, double size, Align align, Colour colour, bool bold) {
  surface_->font(size, bold);
  surface_->colour(colour);
  cairo_text_extents_t extents;
  cairo_text_extents(surface_->cairo, text.c_str(), &extents);
  const double shift = align == Align::left ? 0 : align == Align::centre ? extents.x_advance / 2 : extents.x_advance;
  cairo_move_to(surface_->cairo, x - shift, y);
  cairo_show_text(surface_->cairo, text.c_str());
}

void Canvas::text_upwards(double x, double y, const std::string& text, double size) {
  cairo_save(surface_->cairo);
  cairo_translate(surface_->cairo, x, y);
  cairo_rotate(surface_->cairo, -M_PI / 2);
  Canvas::text(0, 0, text, size, Align::centre);
  cairo_restore(surface_->cairo);
}

void Canvas::line(double x0, double y0, double x1, double y1, double width, Colour colour) {
  polyline({{x0, y0}, {x1, y1}}, width, colour);
}

void Canvas::polyline(const std::vector<std::pair<double, double>>& points, double width, Colour colour) {
  surface_->colour(colour);
  cairo_set_line_width(surface_->cairo, width);
  cairo_set_line_join(surface_->cairo, CAIRO_LINE_JOIN_ROUND);
  cairo_new_path(surface_->cairo);
  for (const auto& [x, y] : points) cairo_line_to(surface_->cairo, x, y);
  cairo_stroke(surface_->cairo);
}

void Canvas::fill(double x, double y, double w, double h, Colour colour) {
  surface_->colour(colour);
  cairo_rectangle(surface_->cairo, x, y, w, h);
  cairo_fill(surface_->cairo);
}

void Canvas::frame(double x, double y, double w, double h, Colour colour) {
  surface_->colour(colour);
  cairo_set_line_width(surface_->cairo, 1);
  cairo_rectangle(surface_->cairo, std::floor(x) + 0.5, std::floor(y) + 0.5, std::round(w), std::round(h));
  cairo_stroke(surface_->cairo);
}

void Canvas::cells(double x, double y, double w, double h, Index rows, Index columns,
                   const std::function<Colour(Index, Index)>& cell) {
  auto* image = cairo_image_surface_create(CAIRO_FORMAT_RGB24, static_cast<int>(columns), static_cast<int>(rows));
  auto* bytes = cairo_image_surface_get_data(image);
  const int stride = cairo_image_surface_get_stride(image);
  const auto byte = [](double v) { return static_cast<std::uint32_t>(std::lround(255 * v)); };
  for (Index row = 0; row < rows; ++row) {
    auto* pixels = reinterpret_cast<std::uint32_t*>(bytes + row * stride);
    for (Index column = 0; column < columns; ++column) {
      const Colour c = cell(row, column);
      pixels[column] = byte(c.r) << 16 | byte(c.g) << 8 | byte(c.b);
    }
  }
  cairo_surface_mark_dirty(image);
  cairo_save(surface_->cairo);
  cairo_translate(surface_->cairo, x, y);
  cairo_scale(surface_->cairo, w / static_cast<double>(columns), h / static_cast<double>(rows));
  cairo_set_source_surface(surface_->cairo, image, 0, 0);
  cairo_pattern_set_filter(cairo_get_source(surface_->cairo), CAIRO_FILTER_NEAREST);
  cairo_paint(surface_->cairo);
  cairo_restore(surface_->cairo);
  cairo_surface_destroy(image);
}

void Canvas::write_png(const std::string& path) const {
  hdf5::replace_atomically(path, [&](const std::string& temporary) {
    const auto status = cairo_surface_write_to_png(surface_->surface, temporary.c_str());
    require(status == CAIRO_STATUS_SUCCESS, "{}: {}", path, cairo_status_to_string(status));
  });
}

}  // namespace fringe::io
#else
namespace fringe::io {

struct Canvas::Surface {};
Canvas::Canvas(int, int) { fail("show: this build of fringe has no Cairo; install libcairo2-dev and build again"); }
Canvas::~Canvas() = default;
void Canvas::text(double, double, const std::string&, double, Align, Colour, bool) {}
void Canvas::text_upwards(double, double, const std::string&, double) {}
void Canvas::line(double, double, double, double, double, Colour) {}
void Canvas::polyline(const std::vector<std::pair<double, double>>&, double, Colour) {}
void Canvas::fill(double, double, double, double, Colour) {}
void Canvas::frame(double, double, double, double, Colour) {}
void Canvas::cells(double, double, double, double, Index, Index, const std::function<Colour(Index, Index)>&) {}
void Canvas::write_png(const std::string&) const {}

}  // namespace fringe::io
#endif
