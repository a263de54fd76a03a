// What the pictures of `fringe show` are made of.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "apps/io/canvas.h"
#include "apps/phasing/pattern.h"

namespace fringe::cli {

/// A plane through a volume at right angles to one axis: rows and columns run along the other two.
struct Plane {
  int normal, row, column;
};
inline constexpr Plane planes[3] = {{0, 1, 2}, {1, 0, 2}, {2, 0, 1}};

/// Where the crystal is, and how it is cut and coloured.
struct CrystalView {
  std::array<Index, 3> begin, extent;  ///< the crystal and three voxels around it
  std::array<Index, 3> cut;            ///< the three planes go through the centre of mass
  double largest;                      ///< 99 % of the amplitudes inside are not above it
  double phase_limit;                  ///< [rad]; pi when the phase is drawn by a cyclic map
  bool cyclic;
};
/// Nothing when the object is zero in its support.
std::optional<CrystalView> view_of(const Volume<Complex>& object, const Volume<std::uint8_t>& support);
/// The colour of a phase, for this crystal, and that of a share of its colour bar.
io::Colour phase_colour(const CrystalView& view, double phase);
io::Colour phase_bar(const CrystalView& view, double share);

/// One of the three slices, framed, at (x, y), w x h; `colour` of the voxel with this index in an array of this extent.
void slice(io::Canvas& canvas, const CrystalView& view, const Plane& plane, const Extent& extent, double x, double y, double w,
           double h, const std::function<io::Colour(std::size_t voxel)>& colour);
/// "plane D = 12", above a column of slices.
void slice_title(io::Canvas& canvas, const CrystalView& view, const Plane& plane, double x, double y);

/// The largest of 1, 2, 5 x 10^k that is not above `limit`.
double round_down(double limit);

/// Upright, with five numbers from low to high.
void colour_bar(io::Canvas& canvas, double x, double y, double h, const std::function<io::Colour(double share)>& map,
                double low, double high, const std::string& label);

struct Series {
  std::string name;
  std::vector<double> x, y;
  io::Colour colour;
};
enum class Scale { linear, logarithmic };
/// Curves with axes and names; a linear y axis goes from 0 to 1, a logarithmic one over whole decades.
void plot(io::Canvas& canvas, double x, double y, double w, double h, const std::string& x_label,
          const std::vector<Series>& all, Scale scale = Scale::logarithmic);

}  // namespace fringe::cli
