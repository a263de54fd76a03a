#include "apps/cli/report.h"

#include <cmath>
#include <fstream>

#include "engine/device.h"
#include "engine/hdf5.h"
#include "kernels/libraries.h"

namespace fringe::cli {
namespace {

void write_string(std::ostream& out, const std::string& text) {
  out << '"';
  for (const char c : text) {
    if (c == '"' || c == '\\')
      out << '\\' << c;
    else if (static_cast<unsigned char>(c) < 0x20)
      out << fmt::format("\\u{:04x}", static_cast<int>(c));
    else
      out << c;
  }
  out << '"';
}

/// toml++ has a JSON printer, but it writes nan and inf, which no JSON reader takes.
void write(std::ostream& out, const toml::node& node, int depth) {
  const std::string indent(static_cast<std::size_t>(2 * depth), ' ');
  if (const auto* table = node.as_table()) {
    out << "{";
    const char* separator = "\n";
    for (const auto& [key, value] : *table) {
      out << separator << indent << "  ";
      write_string(out, std::string(key.str()));
      out << ": ";
      write(out, value, depth + 1);
      separator = ",\n";
    }
    out << "\n" << indent << "}";
  } else if (const auto* array = node.as_array()) {
    out << "[";
    const char* separator = "";
    for (const auto& value : *array) {
      out << separator;
      write(out, value, depth + 1);
      separator = ", ";
    }
    out << "]";
  } else if (const auto* number = node.as_floating_point()) {
    if (std::isfinite(number->get()))
      out << fmt::format("{}", number->get());
    else
      out << "null";
  } else if (const auto* integer = node.as_integer()) {
    out << integer->get();
  } else if (const auto* boolean = node.as_boolean()) {
    out << (boolean->get() ? "true" : "false");
  } else if (const auto* text = node.as_string()) {
    write_string(out, text->get());
  } else {
    fail("report: a value of a kind that JSON does not have");
  }
}

}  // namespace

Report make_report(const Common& common) {
  Report r;
  r.insert("version", version());
  r.insert("command", common.command_line);
  r.insert("device", device_name());
  r.insert("threads", thread_count(common));
  r.insert("kernels", cpu::kernel_choice());
  r.insert("seed", static_cast<std::int64_t>(common.seed));
  return r;
}

void write_json(const std::string& path, const Report& report) {
  hdf5::replace_atomically(path, [&](const std::string& temporary) {
    std::ofstream out(temporary);
    write(out, report, 0);
    out << "\n";
    out.close();
    require(static_cast<bool>(out), "{}: cannot write the report", path);
  });
}

}  // namespace fringe::cli
