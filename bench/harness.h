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
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "bench/roofs.h"
#include "kernels/table.h"

namespace fringe::bench {

/// The arrays of one case. Two Operands that are asked for the same arrays in the same order hold the same numbers.
class Operands {
 public:
  View<float> random(Shape shape);         ///< normal numbers
  View<float> positive(Shape shape);       ///< their absolute values
  View<float> result(Shape shape);         ///< NaN; compared with the reference's
  View<float> updated(Shape shape);        ///< positive numbers that the kernel changes; compared too
  View<float> zeros(Shape shape);
  View<std::uint8_t> bytes(Shape shape);

  /// Largest difference of a result from `expected`'s, over the largest value of that result; NaN for anything not finite.
  double error(const Operands& expected) const;

 private:
  View<float> make(Shape shape, bool compared);
  std::deque<std::vector<float>> floats_;
  std::deque<std::vector<std::uint8_t>> bytes_;
  std::vector<std::size_t> results_;  ///< indices of floats_
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

/// Times of one case [s].
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
};

class Bench {
 public:
  Bench(const KernelTable<float>& table, const BenchOptions& options);

  bool wanted(const std::string& operation) const;
  /// Verifies and times; prints a row. A case whose error is too large is reported and counted, not timed.
  void time(const Case& c);
  /// The same for something that verifies itself.
  Timing time(const std::string& operation, const std::string& shape, Cost cost, double error, const Launch& launch);

  const Roofs& roofs();
  const BenchOptions& options() const { return options_; }
  const KernelTable<float>& table() const { return table_; }
  Stream& stream() { return stream_; }
  const std::vector<Row>& rows() const { return rows_; }
  int failures() const { return failures_; }
  void note(const std::string& text);  ///< a line of its own in the table
  /// A number that is no time, for reports.
  void value(const std::string& name, double number) { values_[name] = number; }
  const std::map<std::string, double>& values() const { return values_; }

 private:
  const KernelTable<float>& table_;
  BenchOptions options_;
  Stream stream_, one_{1};
  Roofs roofs_;
  std::vector<Row> rows_;
  std::map<std::string, double> values_;
  int failures_ = 0;
  bool measured_roofs_ = false;
};

/// Repeats `launch` for at least `seconds` and five times, after one call that is not counted.
Timing repeat(const Launch& launch, double seconds);

/// Writes rows as CSV: operation, shape, threads, median, quartiles, GFLOP/s, GB/s, share, error; comment lines give device,
/// version and roofs. Throws Error.
void write_csv(const std::string& path, Bench& bench, const std::string& device, const std::string& version);

}  // namespace fringe::bench
