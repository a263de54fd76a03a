// A page to draw on, written as PNG (by Cairo, where the build has it).
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "apps/io/colour.h"
#include "kernels/view.h"

namespace fringe::io {

/// Units are pixels from the top left corner.
class Canvas {
 public:
  enum class Align { left, centre, right };

  Canvas(int width, int height);  ///< white; throws Error in builds without Cairo
  ~Canvas();

  void text(double x, double y, const std::string& text, double size, Align align = Align::left, Colour colour = grey(0.1),
            bool bold = false);
  void text_upwards(double x, double y, const std::string& text, double size);
  void line(double x0, double y0, double x1, double y1, double width = 1, Colour colour = grey(0.1));
  void polyline(const std::vector<std::pair<double, double>>& points, double width, Colour colour);
  void fill(double x, double y, double w, double h, Colour colour);
  void frame(double x, double y, double w, double h, Colour colour = grey(0.35));
  /// rows x columns cells in the rectangle, coloured by cell(row, column), without smoothing.
  void cells(double x, double y, double w, double h, Index rows, Index columns,
             const std::function<Colour(Index row, Index column)>& cell);

  void write_png(const std::string& path) const;  ///< appears when complete; throws Error

 private:
  struct Surface;
  std::unique_ptr<Surface> surface_;
};

}  // namespace fringe::io
