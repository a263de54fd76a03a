// How a benchmark is written and run: each kernel is verified against the reference table first, then timed, then set beside
// what the machine could do.
//
// A bench file says, for one operation, which shapes are worth timing and how the kernel is called:
//
//   void bench_add(Bench& bench) {
//     bench.time({"add", {1, 64, 64, 64, 16}, cost, [](const auto& k, Stream& s, Operands& o, const Shape& shape) {
//                   const auto a = o.random(shape), b = o.random(shape);
//                   const auto y = o.result(shape);
//                   return [=, &k, &s] { k.add(s, a, b, y); };
//                 }});
//   }
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bench/roofs.h"
#include "engine/backend.h"

namespace fringe::bench {

/// The arrays of one case, in the memory that the stream's kernels use. Two Operands that are asked for the same arrays in the same
/// order hold the same numbers.
class Operands {
 public:
  explicit Operands(const Stream& stream) : stream_(stream) {}

  View<float> random(Shape shape);         ///< normal numbers
  View<float> positive(Shape shape);       ///< their absolute values
  View<float> result(Shape shape);         ///< NaN; compared with the reference's
  View<float> updated(Shape shape);        ///< positive numbers that the kernel changes; compared too
  View<float> zeros(Shape shape);
  View<float> mask(Shape shape);           ///< 0 and 1, as many of each
  View<float> made(Shape shape, const std::function<float(Index)>& value);
  View<std::uint8_t> bytes(Shape shape);

  /// Largest difference of a result from `expected`'s, over the largest value of that result; NaN for anything not finite.
  double error(const Operands& expected) const;

 private:
  struct Array {
    std::unique_ptr<std::byte, void (*)(std::byte*) noexcept> memory;
    std::size_t bytes;
  };
  std::byte* add(std::size_t bytes, const void* values);
  std::vector<float> values_of(std::size_t array) const;

  const Stream& stream_;
  std::vector<Array> arrays_;
  std::vector<std::size_t> results_;  ///< indices of arrays_
};

using Launch = std::function<void()>;
using Setup = std::function<Launch(const KernelTable<float>&, Stream&, Operands&, const Shape&)>;

struct Case {
  std::string operation;
  Shape shape;          ///< what is timed
  Cost cost;            ///< of it
  Setup setup;
  double tolerance = 1e-4;
  /// What is verified: the same channels on a smaller volume, which the reference can do in a moment.
  Shape verified() const;
};

/// Times of one case [s]; on a device of one of many launches that are handed over together.
struct Timing {
  double median = 0, low = 0, high = 0;  ///< low and high: the quartiles
  int repetitions = 0;
};

struct Row {
  std::string operation, shape;
  Cost cost;
  Timing timing;
  double error = 0;  ///< against the reference
};

struct BenchOptions {
  int threads = 1;
  std::string filter;     ///< operations whose name contains it; empty: all
  double seconds = 0.3;   ///< at least this long per case
  bool quiet = false;
  bool profile = false;   ///< of the training steps, by kernel
  bool fused = true;      ///< the networks by fused operations
  Precision precision = Precision::float32;  ///< of the convolutions
  std::string precision_name = "float32";   ///< as asked for
};

class Bench {
 public:
  explicit Bench(const Backend& backend, const BenchOptions& options);

  bool wanted(const std::string& operation) const;
  /// Verifies and times; prints a row. A case whose error is too large is reported and counted, not timed.
  void time(const Case& c);
  /// The same for something that verifies itself. `launch` is done when it returns, and is `count` of what is to be timed.
  Timing time(const std::string& operation, const std::string& shape, Cost cost, double error, const Launch& launch, int count = 1);
  /// Times kernels on this bench's stream.
  Timing repeat(const Launch& launch, double seconds);
  /// Prints and keeps a row.
  Timing report(const std::string& operation, const std::string& shape, Cost cost, double error, const Timing& timing);
  bool on_host() const { return stream_.device().host_memory; }

  const Roofs& roofs();
  const BenchOptions& options() const { return options_; }
  const Backend& backend() const { return backend_; }
  const KernelTable<float>& table() const { return *backend_.kernels; }
  Stream& stream() { return stream_; }
  const std::vector<Row>& rows() const { return rows_; }
  int failures() const { return failures_; }
  void note(const std::string& text);  ///< a line of its own in the table
  /// A number that is no time, for reports.
  void value(const std::string& name, double number) { values_[name] = number; }
  const std::map<std::string, double>& values() const { return values_; }

 private:
  Backend backend_;
  BenchOptions options_;
  Stream stream_, one_{1};
  Roofs roofs_;
  std::vector<Row> rows_;
  std::map<std::string, double> values_;
  int failures_ = 0;
  bool measured_roofs_ = false;
};

/// Writes rows as CSV: operation, shape, threads, median, quartiles, GFLOP/s, GB/s, share, error; comment lines give device,
/// version and roofs. Throws Error.
void write_csv(const std::string& path, Bench& bench, const std::string& version);

/// --precision of benchmarks: "float32", as the program takes it: on a GPU tf32x3; "tf32", "fma" (ordinary multiply-adds): GPUs
/// only; "bf16". Throws Error.
Precision bench_precision(const std::string& name, const Backend& backend);

}  // namespace fringe::bench
