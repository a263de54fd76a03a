#include "bench/harness.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <limits>
#include <memory>

#include "kernels/philox.h"

namespace fringe::bench {

View<float> Operands::make(Shape shape, bool compared) {
  if (compared) results_.push_back(floats_.size());
  auto& a = floats_.emplace_back(static_cast<std::size_t>(shape.size()));
  return {a.data(), shape};
}

View<float> Operands::random(Shape shape) {
  const auto number = floats_.size();
  const auto v = make(shape, false);
  for (Index i = 0; i < v.size(); ++i) v[i] = static_cast<float>(philox::normal(1, number, static_cast<std::uint64_t>(i)));
  return v;
}

View<float> Operands::positive(Shape shape) {
  const auto v = random(shape);
  for (Index i = 0; i < v.size(); ++i) v[i] = std::abs(v[i]);
  return v;
}

View<float> Operands::result(Shape shape) {
  const auto v = make(shape, true);
  std::fill(v.data, v.data + v.size(), std::numeric_limits<float>::quiet_NaN());
  return v;
}

View<float> Operands::updated(Shape shape) {
  const auto v = positive(shape);
  results_.push_back(floats_.size() - 1);
  return v;
}

View<float> Operands::zeros(Shape shape) { return make(shape, false); }

View<std::uint8_t> Operands::bytes(Shape shape) {
  auto& a = bytes_.emplace_back(static_cast<std::size_t>(shape.size()));
  return {a.data(), shape};
}

double Operands::error(const Operands& expected) const {
  double worst = 0;
  for (const std::size_t r : results_) {
    const auto &found = floats_[r], &wanted = expected.floats_[r];
    double difference = 0, scale = 1e-30;
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (!std::isfinite(found[i]) || !std::isfinite(wanted[i])) return std::numeric_limits<double>::quiet_NaN();
      difference = std::max(difference, std::abs(static_cast<double>(found[i]) - static_cast<double>(wanted[i])));
      scale = std::max(scale, std::abs(static_cast<double>(wanted[i])));
    }
    worst = std::max(worst, difference / scale);
  }
  return worst;
}

Shape Case::verified() const {
  const auto small = [](Index n) { return std::min<Index>(n, 12); };
  return {std::min<Index>(shape.n, 2), small(shape.d), small(shape.h), small(shape.w), shape.c};
}

Timing repeat(const Launch& launch, double seconds) {
  using Clock = std::chrono::steady_clock;
  launch();
  std::vector<double> times;
  double total = 0;
  while (total < seconds || times.size() < 5) {
    const auto start = Clock::now();
    launch();
    times.push_back(std::chrono::duration<double>(Clock::now() - start).count());
    total += times.back();
  }
  std::sort(times.begin(), times.end());
  const auto n = times.size();
  return {times[n / 2], times[n / 4], times[n * 3 / 4], static_cast<int>(n)};
}

Bench::Bench(const KernelTable<float>& table, const BenchOptions& options)
    : table_(table), options_(options), stream_(options.threads) {
  for (auto* s : {&stream_, &one_}) s->set_precision(options.precision);
}

bool Bench::wanted(const std::string& operation) const { return operation.find(options_.filter) != std::string::npos; }

const Roofs& Bench::roofs() {
  if (!measured_roofs_) {
    roofs_ = measure_roofs(options_.threads);
    measured_roofs_ = true;
    if (!options_.quiet)
      fmt::print("roofs on {} thread{}: matrix product {:.1f} GFLOP/s, memory copy {:.1f} GB/s\n\n{:<34} {:<26} {:>10} {:>15}"
                 " {:>9} {:>8} {:>6} {:>9}\n",
                 options_.threads, options_.threads == 1 ? "" : "s", roofs_.flops / 1e9, roofs_.bytes / 1e9, "operation",
                 "shape", "ms", "quartiles", "GFLOP/s", "GB/s", "roof", "error");
  }
  return roofs_;
}

void Bench::time(const Case& c) {
  if (!wanted(c.operation)) return;
  roofs();
  double error = 0;
  {
    Operands found, expected;
    c.setup(table_, stream_, found, c.verified())();
    c.setup(reference::table<float>(), one_, expected, c.verified())();
    error = found.error(expected);
  }
  // Prologues that differ in a float's last bit make some factors round the other way.
  const double tolerance = options_.precision == Precision::bfloat16 ? std::max(c.tolerance, 8e-3) : c.tolerance;
  if (!(error <= tolerance)) {
    ++failures_;
    fmt::print("{:<34} WRONG: differs from the reference by {:.1e}, tolerance {:.1e}\n", c.operation, error, tolerance);
    return;
  }
  Operands operands;
  time(c.operation, c.shape.str(), c.cost, error, c.setup(table_, stream_, operands, c.shape));
}

Timing Bench::time(const std::string& operation, const std::string& shape, Cost cost, double error, const Launch& launch) {
  const auto& roof = roofs();
  const Timing t = repeat(launch, options_.seconds);
  rows_.push_back({operation, shape, cost, t, error});
  if (!options_.quiet) {
    fmt::print("{:<34} {:<26} {:>10.3f} {:>7.3f}-{:<7.3f} {:>9.1f} {:>8.1f} {:>5.0f}% {:>9.1e}\n", operation, shape,
               t.median * 1e3, t.low * 1e3, t.high * 1e3, cost.flops / t.median / 1e9, cost.bytes / t.median / 1e9,
               100 * roof.share(cost, t.median), error);
    std::fflush(stdout);
  }
  return t;
}

void Bench::note(const std::string& text) {
  if (options_.quiet) return;
  fmt::print("{}\n", text);
  std::fflush(stdout);
}

void write_csv(const std::string& path, Bench& bench, const std::string& device, const std::string& version) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "w"), &std::fclose);
  require(file != nullptr, "{}: cannot be written", path);
  fmt::print(file.get(), "# fringe {}, {}, {} threads, backend {}, convolutions in {}\n", version, device,
             bench.options().threads, bench.table().backend, precision_name(bench.options().precision));
  fmt::print(file.get(), "# roofs: matrix product {:.4g} flop/s, memory copy {:.4g} B/s\n", bench.roofs().flops, bench.roofs().bytes);
  fmt::print(file.get(), "operation,shape,threads,median_s,quartile1_s,quartile3_s,repetitions,gflops,gbytes_s,roof_share,error\n");
  for (const auto& r : bench.rows())
    fmt::print(file.get(), "{},\"{}\",{},{:.6g},{:.6g},{:.6g},{},{:.4g},{:.4g},{:.4g},{:.3g}\n", r.operation, r.shape,
               bench.options().threads, r.timing.median, r.timing.low, r.timing.high, r.timing.repetitions,
               r.cost.flops / r.timing.median / 1e9, r.cost.bytes / r.timing.median / 1e9,
               bench.roofs().share(r.cost, r.timing.median), r.error);
  require(std::fflush(file.get()) == 0 && std::ferror(file.get()) == 0, "{}: cannot be written, is the disk full?", path);
}

}  // namespace fringe::bench
