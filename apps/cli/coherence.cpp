#include "apps/cli/coherence.h"

#include <fmt/format.h>

namespace fringe::cli {

void add_coherence_option(CLI::App& command, std::array<double, 3>& widths, const std::string& what) {
  static constexpr double widest = 3;  // [voxels of Q]: beyond, no speckle has contrast left
  command
      .add_option_function<std::vector<double>>(
          "--coherence",
          [&widths](const std::vector<double>& given) {
            if (given.size() != 1 && given.size() != 3)
              throw CLI::ValidationError("--coherence", "needs one number or three, D,H,W");
            for (const double w : given)
              if (!(w >= 0 && w <= widest))
                throw CLI::ValidationError("--coherence", fmt::format("widths are from 0 to {} voxels of Q", widest));
            for (std::size_t k = 0; k < 3; ++k) widths[k] = given[given.size() == 1 ? 0 : k];
          },
          what)
      ->delimiter(',')
      ->expected(1, 3)
      ->type_name("D,H,W");
}

}  // namespace fringe::cli
