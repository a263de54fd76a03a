#include "bench/harness.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <limits>
#include <memory>

#include "engine/replay.h"
#include "kernels/philox.h"

namespace fringe::bench {

std::byte* Operands::add(std::size_t bytes, const void* values) {
  const Device& device = stream_.device();
  arrays_.push_back({{device.allocate(bytes), device.release}, bytes});
  device.upload(stream_.queue(), arrays_.back().memory.get(), values, bytes);
  return arrays_.back().memory.get();
}

std::vector<float> Operands::values_of(std::size_t array) const {
  std::vector<float> values(arrays_[array].bytes / sizeof(float));
  stream_.device().download(stream_.queue(), values.data(), arrays_[array].memory.get(), arrays_[array].bytes);
  return values;
}

View<float> Operands::made(Shape shape, const std::function<float(Index)>& value) {
  std::vector<float> values(static_cast<std::size_t>(shape.size()));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = value(static_cast<Index>(i));
  return {reinterpret_cast<float*>(add(values.size() * sizeof(float), values.data())), shape};
}

View<float> Operands::random(Shape shape) {
  return made(shape, [number = arrays_.size()](Index i) {
    return static_cast<float>(philox::normal(1, number, static_cast<std::uint64_t>(i)));
  });
}

View<float> Operands::positive(Shape shape) {
  return made(shape, [number = arrays_.size()](Index i) {
    return static_cast<float>(std::abs(philox::normal(1, number, static_cast<std::uint64_t>(i))));
  });
}

View<float> Operands::mask(Shape shape) {
  return made(shape, [number = arrays_.size()](Index i) {
    return philox::normal(1, number, static_cast<std::uint64_t>(i)) > 0 ? 1.0F : 0.0F;
  });
}

View<float> Operands::result(Shape shape) {
  results_.push_back(arrays_.size());
  return made(shape, [](Index) { return std::numeric_limits<float>::quiet_NaN(); });
}

View<float> Operands::updated(Shape shape) {
  results_.push_back(arrays_.size());
  return positive(shape);
}

View<float> Operands::zeros(Shape shape) {
  return made(shape, [](Index) { return 0.0F; });
}

View<std::uint8_t> Operands::bytes(Shape shape) {
  const std::vector<std::uint8_t> zeros(static_cast<std::size_t>(shape.size()));
  return {reinterpret_cast<std::uint8_t*>(add(zeros.size(), zeros.data())), shape};
}

double Operands::error(const Operands& expected) const {
  double worst = 0;
  for (const std::size_t r : results_) {
    const auto found = values_of(r), wanted = expected.values_of(r);
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

namespace {

/// Repeats `launch` for at least `seconds` and five times, after one call that is not counted; each is `count` of what is timed.
Timing repeat_until(const Launch& launch, double seconds, int count) {
  using Clock = std::chrono::steady_clock;
  launch();
  std::vector<double> times;
  double total = 0;
  while (total < seconds || times.size() < 5) {
    const auto start = Clock::now();
    launch();
    const double elapsed = std::chrono::duration<double>(Clock::now() - start).count();
    times.push_back(elapsed / count);
    total += elapsed;
  }
  std::sort(times.begin(), times.end());
  const auto n = times.size();
  return {times[n / 2], times[n / 4], times[n * 3 / 4], static_cast<int>(n) * count};
}

/// So many launches, recorded as one graph where the device does: their kernels then run one after another without the host.
class Launches {
 public:
  Launches(const Stream& stream, const Launch& launch, int count) : stream_(stream), launch_(launch), count_(count) {
    if (stream.device().begin_capture != nullptr)
      graph_ = recorded(stream, [&] {
        for (int i = 0; i < count; ++i) launch();
      });
  }
  ~Launches() {
    if (graph_ != nullptr) stream_.device().destroy_graph(graph_);
  }
  Launches(const Launches&) = delete;
  Launches& operator=(const Launches&) = delete;

  void run() const {
    if (graph_ != nullptr)
      stream_.device().replay(stream_.queue(), graph_);
    else
      for (int i = 0; i < count_; ++i) launch_();
    stream_.wait();
  }

 private:
  const Stream& stream_;
  const Launch& launch_;
  int count_;
  void* graph_ = nullptr;
};

}  // namespace

Timing Bench::repeat(const Launch& launch, double seconds) {
  if (on_host()) return repeat_until(launch, seconds, 1);
  launch();  // asks for its memory, and measures which kernel is to do it
  stream_.wait();
  const Timing alone = repeat_until([&] { launch(), stream_.wait(); }, 0, 1);
  const double together = std::min(1e-3, seconds);  // long beside the wait at the end
  const int count = std::clamp(static_cast<int>(together / alone.low), 1, 50);
  const Launches launches(stream_, launch, count);
  return repeat_until([&] { launches.run(); }, seconds, count);
}

Bench::Bench(const Backend& backend, const BenchOptions& options)
    : backend_(backend), options_(options), stream_(options.threads, *backend.device) {
  for (auto* s : {&stream_, &one_}) s->set_precision(options.precision);
}

Precision bench_precision(const std::string& name, const Backend& backend) {
  const bool host = backend.device->host_memory;
  if (name == "bf16") return Precision::bfloat16;
  if (name == "float32") return host ? Precision::float32 : Precision::tf32x3;
  require(name == "tf32" || name == "fma", "bench: there is no precision '{}'; there are float32, bf16, tf32 and fma", name);
  require(!host, "bench: --precision {} is for GPUs; a CPU has float32 and bf16", name);
  return name == "tf32" ? Precision::tf32 : Precision::float32;
}

bool Bench::wanted(const std::string& operation) const { return operation.find(options_.filter) != std::string::npos; }

const Roofs& Bench::roofs() {
  if (!measured_roofs_) {
    roofs_ = on_host() ? measure_roofs(options_.threads) : device_roofs(stream_, backend_.name());
    measured_roofs_ = true;
    if (!options_.quiet)
      fmt::print("roofs on {}: matrix product {:.1f} GFLOP/s{}, memory copy {:.1f} GB/s\n\n{:<34} {:<26} {:>10} {:>15}"
                 " {:>9} {:>8} {:>6} {:>9}\n",
                 on_host() ? fmt::format("{} thread{}", options_.threads, options_.threads == 1 ? "" : "s") : backend_.name(),
                 roofs_.flops / 1e9, on_host() ? "" : roofs_.flops > 0 ? " (data sheet)" : " (unknown device)", roofs_.bytes / 1e9,
                 "operation", "shape", "ms", "quartiles", "GFLOP/s", "GB/s", "roof", "error");
  }
  return roofs_;
}

void Bench::time(const Case& c) {
  if (!wanted(c.operation)) return;
  roofs();
  double error = 0;
  {
    Operands found(stream_), expected(one_);
    c.setup(table(), stream_, found, c.verified())();
    c.setup(reference::table<float>(), one_, expected, c.verified())();
    error = found.error(expected);
  }
  // Prologues that differ in a float's last bit make some factors round the other way.
  const double of_format = options_.precision == Precision::bfloat16 ? 8e-3 : options_.precision == Precision::tf32 ? 3e-3 : 0;
  const double tolerance = std::max(c.tolerance, of_format);
  if (!(error <= tolerance)) {
    ++failures_;
    fmt::print("{:<34} WRONG: differs from the reference by {:.1e}, tolerance {:.1e}\n", c.operation, error, tolerance);
    return;
  }
  Operands operands(stream_);
  const Launch launch = c.setup(table(), stream_, operands, c.shape);
  report(c.operation, c.shape.str(), c.cost, error, repeat(launch, options_.seconds));
}

Timing Bench::time(const std::string& operation, const std::string& shape, Cost cost, double error, const Launch& launch,
                   int count) {
  roofs();
  return report(operation, shape, cost, error, repeat_until(launch, options_.seconds, count));
}

Timing Bench::report(const std::string& operation, const std::string& shape, Cost cost, double error, const Timing& t) {
  const auto& roof = roofs();
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

void write_csv(const std::string& path, Bench& bench, const std::string& version) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "w"), &std::fclose);
  require(file != nullptr, "{}: cannot be written", path);
  fmt::print(file.get(), "# fringe {}, {}, {} threads, backend {}, convolutions in {}\n", version,
             bench.backend().name(), bench.options().threads, bench.table().backend, bench.options().precision_name);
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
