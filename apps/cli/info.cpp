#include "apps/cli/commands.h"
#include "apps/cli/report.h"
#include "apps/io/cxi.h"
#include "engine/context.h"
#include "engine/device.h"
#include "kernels/device.h"
#include "kernels/libraries.h"

namespace fringe::cli {
namespace {

int info(const std::string& file, const Common& common) {
  if (!file.empty()) {
    fmt::print("{}", io::describe(file));
    return 0;
  }
  fmt::print("fringe            {}\n", version());
  fmt::print("device            {}\n", device_name());
  fmt::print("backend           {}\n", default_table().backend);
  std::string why_none;
  const auto devices = cuda::devices(why_none);
  for (const auto& d : devices) fmt::print("cuda:{}            {}\n", d.index, d.name);
  if (devices.empty()) fmt::print("cuda              none: {}\n", why_none);
  if (cuda::in_build()) fmt::print("cuda libraries    {}\n", cuda::optional_libraries());
  fmt::print("instruction sets  {}\n", fmt::join(instruction_sets(), ", "));
  fmt::print("threads           {}\n", thread_count(common));
  fmt::print("libraries         {}\n", fmt::join(library_versions(), ", "));
  if (!common.json.empty()) write_json(common.json, make_report(common));
  return 0;
}

}  // namespace

void add_info(CLI::App& app, Common& common, Action& action) {
  auto* c = app.add_subcommand("info", "version, devices, instruction sets, threads, libraries; or what a file holds");
  auto file = std::make_shared<std::string>();
  c->add_option("file", *file, "an HDF5 file: CXI, model or checkpoint")->type_name("FILE");
  add_common_options(*c, common, false);
  c->callback([file, &common, &action] { action = [file, &common] { return info(*file, common); }; });
}

}  // namespace fringe::cli
