#include "apps/io/geometry_file.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <numbers>

#include "kernels/error.h"

namespace fringe::io {
namespace {

constexpr double degree = std::numbers::pi / 180;

/// One table of the file, with its place in it for messages.
class Section {
 public:
  Section(const toml::table& table, std::string file, std::string name)
      : table_(table), file_(std::move(file)), name_(std::move(name)) {}

  /// Keys that nobody reads are misspelt ones.
  void allow(const std::vector<std::string>& known) const {
    for (const auto& [key, value] : table_)
      require(std::find(known.begin(), known.end(), std::string(key.str())) != known.end(),
              "{}: unknown key {}; known here are: {}", file_, full(std::string(key.str())), fmt::join(known, ", "));
  }

  const toml::node* find(const std::string& key) const { return table_.get(key); }

  const toml::node& at(const std::string& key, const char* what) const {
    const auto* node = table_.get(key);
    if (node == nullptr) fail("{}: the key {} is missing: {}", file_, full(key), what);
    return *node;
  }

  double number(const std::string& key, double low, double high, const char* what) const {
    return checked(at(key, what), full(key), low, high, what);
  }

  /// One number, or two of them.
  std::array<double, 2> one_or_two(const std::string& key, double low, double high, const char* what) const {
    const auto& node = at(key, what);
    if (!node.is_array()) {
      const double v = checked(node, full(key), low, high, what);
      return {v, v};
    }
    const auto& list = *node.as_array();
    require(list.size() == 2, "{}: {} has {} numbers, expected one or two: {}", file_, full(key), list.size(), what);
    return {checked(list[0], full(key), low, high, what), checked(list[1], full(key), low, high, what)};
  }

  /// "x", "+x", "-x", ..., or three numbers.
  Vector3 direction(const std::string& key, const char* what) const {
    const auto& node = at(key, what);
    Vector3 v{};
    if (const auto* text = node.as_string()) {
      const std::string& t = text->get();
      const bool signed_ = !t.empty() && (t[0] == '+' || t[0] == '-');
      const std::string letter = signed_ ? t.substr(1) : t;
      require(letter == "x" || letter == "y" || letter == "z",
              "{}: {} = \"{}\" is no direction; write one of \"+x\", \"-x\", \"+y\", \"-y\", \"+z\", \"-z\", or [x, y, z]",
              file_, full(key), t);
      v[static_cast<std::size_t>(letter[0] - 'x')] = t[0] == '-' ? -1 : 1;
      return v;
    }
    const auto* list = node.as_array();
    require(list != nullptr && list->size() == 3, "{}: {} must be a direction such as \"+y\" or [0, 1, 0]: {}", file_,
            full(key), what);
    for (std::size_t i = 0; i < 3; ++i) v[i] = checked((*list)[i], full(key), -1e6, 1e6, what);
    require(length(v) > 0, "{}: {} = [0, 0, 0] is no direction", file_, full(key));
    return scaled(v, 1 / length(v));
  }

  Section table(const std::string& key, const char* what) const {
    const auto& node = at(key, what);
    require(node.is_table(), "{}: {} must be a table: {}", file_, full(key), what);
    return {*node.as_table(), file_, full(key)};
  }

  /// [{axis = "+y", degrees = 32.1}, ...]
  std::vector<Rotation> rotations(const std::string& key, const char* what) const {
    const auto& node = at(key, what);
    const auto* list = node.as_array();
    require(list != nullptr, "{}: {} must be a list such as [{{axis = \"+y\", degrees = 32.1}}]: {}", file_, full(key), what);
    std::vector<Rotation> circles;
    for (std::size_t i = 0; i < list->size(); ++i) {
      const std::string name = fmt::format("{}[{}]", full(key), i);
      const auto* table = (*list)[i].as_table();
      require(table != nullptr, "{}: {} must be a table such as {{axis = \"+y\", degrees = 32.1}}", file_, name);
      const Section s(*table, file_, name);
      s.allow({"axis", "degrees"});
      circles.push_back({s.direction("axis", "axis of the circle with all circles at zero"),
                         s.number("degrees", -360, 360, "angle of the circle [degrees], right-handed") * degree});
    }
    return circles;
  }

 private:
  std::string full(const std::string& key) const { return name_.empty() ? key : name_ + "." + key; }

  double checked(const toml::node& node, const std::string& key, double low, double high, const char* what) const {
    const auto value = node.is_boolean() ? std::optional<double>() : node.value<double>();
    require(value.has_value(), "{}: {} must be a number: {}", file_, key, what);
    require(std::isfinite(*value) && *value >= low && *value <= high, "{}: {} = {} is not between {} and {}: {}", file_, key,
            *value, low, high, what);
    return *value;
  }

  const toml::table& table_;
  std::string file_, name_;
};

toml::table parsed(const std::string& path) {
  require(std::filesystem::exists(path), "{}: no such file", path);
  require(!std::filesystem::is_directory(path), "{}: is a folder, expected a geometry file (TOML)", path);
  std::ifstream in(path);
  require(static_cast<bool>(in), "{}: cannot be read", path);
  try {
    return toml::parse(in, path);
  } catch (const toml::parse_error& e) {
    fail("{}: line {}: {}", path, e.source().begin.line, e.description());
  }
}

}  // namespace

Diffractometer read_diffractometer(const std::string& path) {
  const toml::table table = parsed(path);
  const Section top(table, path, "");
  top.allow({"name", "energy_keV", "detector", "scan"});
  Diffractometer d;
  d.energy = top.number("energy_keV", 0.1, 1000, "photon energy [keV]") * 1.602176634e-16;

  const Section detector = top.table("detector", "distance_m, pixel_size_um, row, column, rotations");
  detector.allow({"distance_m", "pixel_size_um", "row", "column", "rotations", "reference_pixel"});
  d.distance = detector.number("distance_m", 1e-3, 1000, "from the sample to the detector [m]");
  const auto pixel = detector.one_or_two("pixel_size_um", 0.01, 1e5, "from row to row and from column to column [um]");
  d.pixel_height = pixel[0] * 1e-6;
  d.pixel_width = pixel[1] * 1e-6;
  d.row = detector.direction("row", "the direction in which the row number grows, with the arm at zero");
  d.column = detector.direction("column", "the direction in which the column number grows, with the arm at zero");
  const double across = std::abs(cross(d.row, d.column)[2]);
  require(across > 0.1, "{}: detector.row and detector.column must span a plane that the beam (z) crosses; these {}", path,
          length(cross(d.row, d.column)) > 0.1 ? "contain the beam" : "are parallel");
  d.detector = detector.rotations("rotations", "the circles of the detector's arm, the one that carries the others first");
  if (detector.find("reference_pixel") != nullptr)
    d.reference_pixel = detector.one_or_two("reference_pixel", -1e6, 1e6,
                                            "row and column of the frames to which the angles of the arm belong");

  const Section scan = top.table("scan", "axis, step_degrees");
  scan.allow({"axis", "step_degrees", "carried_by"});
  d.scan.axis = scan.direction("axis", "axis of the scanned circle of the sample with all circles at zero");
  d.scan.angle = scan.number("step_degrees", -5, 5,
                             "turn of the sample from frame to frame [degrees]; a rocking curve has small steps") *
                 degree;
  require(d.scan.angle != 0, "{}: scan.step_degrees = 0: without a turn from frame to frame there is no third dimension",
          path);
  if (scan.find("carried_by") != nullptr)
    d.carriers = scan.rotations("carried_by", "the sample's circles that carry the scanned one, outermost first");
  return d;
}

}  // namespace fringe::io
