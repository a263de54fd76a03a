#include "engine/context.h"

#include <cstdlib>
#include <string_view>

namespace fringe {

const KernelTable<float>& default_table() {
  const char* wanted = std::getenv("FRINGE_BACKEND");
  const std::string_view name = wanted ? wanted : "cpu";
  if (name == "cpu") return cpu::table();
  if (name == "reference") return reference::table<float>();
  fail("FRINGE_BACKEND={}: this build has the backends reference and cpu", name);
}

}  // namespace fringe
