#include "apps/cli/commands.h"
#include "apps/cli/report.h"
#include "apps/io/cxi.h"
#include "apps/phasing/alignment.h"
#include "apps/phasing/metrics.h"
#include "engine/hdf5.h"

namespace fringe::cli {
namespace {

struct Options {
  std::string a, b;
  bool remove_ramp = false;
};

int compare(const Options& o, const Common& common) {
  if (!common.json.empty()) hdf5::require_writable(common.json);
  const auto a = io::read_object(o.a), b = io::read_object(o.b);
  const auto aligned = align(a, b, {.remove_ramp = o.remove_ramp, .threads = thread_count(common)});
  const auto agreement = object_agreement(aligned.object, aligned.reference);
  const auto fsc = fourier_shell_correlation(aligned.object, aligned.reference, unit_basis, thread_count(common));
  const auto half = crossing(fsc, 0.5);
  if (!common.quiet) {
    fmt::print("{} moved onto {}\n", o.a, o.b);
    fmt::print("  true error         {:.4f}   sqrt(1 - |c|^2), c the correlation of the complex densities\n", aligned.error);
    fmt::print("  amplitude error    {:.4f}   relative, root mean square\n", agreement.amplitude_error);
    fmt::print("  phase error        {:.4f}   [rad], root mean square inside both\n", agreement.phase_error);
    fmt::print("  overlap            {:.4f}   voxels inside both / inside one\n", agreement.overlap);
    fmt::print("  FSC = 1/2 at       {}\n",
               half ? fmt::format("{:.3f} of the array's frequencies", *half / static_cast<double>(fsc.q.back()))
                    : "no shell: the objects agree to the array's edge");
    fmt::print("  shift              ({:.2f}, {:.2f}, {:.2f}) voxels\n", aligned.shift[0], aligned.shift[1], aligned.shift[2]);
    fmt::print("  twin               {}\n", aligned.twin ? "yes: conj(rho(-r)) agrees better" : "no");
  }
  if (!common.json.empty()) {
    Report r = make_report(common);
    r.insert("true_error", aligned.error);
    r.insert("amplitude_error", agreement.amplitude_error);
    r.insert("phase_error", agreement.phase_error);
    r.insert("overlap", agreement.overlap);
    r.insert("twin", aligned.twin);
    r.insert("shift", toml::array{aligned.shift[0], aligned.shift[1], aligned.shift[2]});
    if (half) r.insert("fsc_half", *half / static_cast<double>(fsc.q.back()));
    write_json(common.json, r);
  }
  return 0;
}

}  // namespace

void add_compare(CLI::App& app, Common& common, Action& action) {
  auto* c = app.add_subcommand("compare", "how well two crystals agree, after alignment (shift, twin, phase, scale)");
  auto o = std::make_shared<Options>();
  c->add_option("a", o->a, "CXI file with the object to be moved")->required()->type_name("A");
  c->add_option("b", o->b, "CXI file with the object to compare with, a simulated truth or another result")
      ->required()
      ->type_name("B");
  c->add_flag("--remove-ramp", o->remove_ramp, "take linear phase ramps off both first: patterns centred differently");
  add_common_options(*c, common, false);
  c->callback([o, &common, &action] { action = [o, &common] { return compare(*o, common); }; });
}

}  // namespace fringe::cli
