#include "apps/io/start_file.h"

#include <algorithm>

#include "apps/io/cxi.h"
#include "apps/io/hdf5_data.h"

namespace fringe::io {
namespace {

bool in_or_beside(const Volume<float>& support, Index d, Index h, Index w) {
  const Extent& e = support.extent;
  for (Index i = std::max<Index>(0, d - 1); i <= std::min(e[0] - 1, d + 1); ++i)
    for (Index j = std::max<Index>(0, h - 1); j <= std::min(e[1] - 1, h + 1); ++j)
      for (Index k = std::max<Index>(0, w - 1); k <= std::min(e[2] - 1, w + 1); ++k)
        if (support(i, j, k) != 0) return true;
  return false;
}

}  // namespace

Volume<Complex> read_start(const std::string& text, const Extent& pattern) {
  auto object = read_object(text);
  const auto [path, wanted] = split_path(text);
  const auto file = hdf5::open(path);
  const auto of = read_extent(file.get(), "/entry_1/instrument_1/detector_1/data");
  if (of.size() == 3)
    require(std::equal(of.begin(), of.end(), pattern.begin()),
            "{}: its object belongs to a pattern of {} x {} x {} voxels, this one has {} x {} x {}: voxels of another size",
            path, of[0], of[1], of[2], pattern[0], pattern[1], pattern[2]);
  if (!wanted.empty()) return object;
  for (const char* place : {"/entry_1/image_1/support", "/entry_1/image_1/mask"}) {
    if (!exists(file.get(), place)) continue;
    const auto support = read_volume(file.get(), place, path);
    require(support.extent == object.extent, "{}: the support {} has another extent than the object", path, place);
    const Extent& e = object.extent;
    bool any = false;
    for (Index d = 0; d < e[0]; ++d)
      for (Index h = 0; h < e[1]; ++h)
        for (Index w = 0; w < e[2]; ++w) {
          auto& v = object(d, h, w);
          if (!in_or_beside(support, d, h, w)) v = 0;
          any = any || v != Complex(0);
        }
    require(any, "{}: the object is zero inside its support {}", path, place);
    break;
  }
  return object;
}

}  // namespace fringe::io
