// Which of several kernels does a piece of work: by rule, or as was measured once on this machine and is kept in a file.
// docs/adr/0011-measured-choices.md
#pragma once
#include <functional>
#include <initializer_list>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include "kernels/stream.h"

namespace fringe {

enum class Way {
  own,       ///< the backend's ordinary kernels; of the separable block its three passes
  one_pass,  ///< of the separable block
  cudnn,
  winograd,  ///< kernels/cpu/convolution_winograd.h
  winograd4, ///< kernels/cpu/convolution_winograd4.h
  general,   ///< the CPU's kernels without those for 8 or 1 channels
  floats,    ///< in bfloat16, the float kernels on rounded numbers instead of tiles
};
const char* name(Way algorithm);

/// What a kernel's time depends on, on one machine.
struct Work {
  const char* operation;  ///< "conv3d_forward"
  Shape volume;           ///< of the array that is read
  Shape kernel;           ///< of the weights, as the operation has them
  Precision precision;
  int threads = 0;  ///< of the CPU; 0: none of its business

  /// "conv3d_forward 1x64x64x64 3x3x3 32-64 tf32", with threads " on 2" behind it: a word for the file, and unique.
  std::string key() const;
  bool operator<(const Work& other) const;  ///< of what the key has, which is all but the channels of `volume`
};

/// The file: a line that says what it is, a line with the device, then a line for each measurement:
///   fringe choices 1
///   device NVIDIA H200, capability 9.0, driver 13000, cuDNN 9.12.0
///   conv3d_forward 1x64x64x64 3x3x3 32-64 tf32 = cudnn
struct Choices {
  std::string device;
  std::map<std::string, Way> chosen;  ///< by Work::key

  /// Throws Error that names line and fault: another format, a line that is none, an algorithm that is none, a key twice.
  static Choices parse(const std::string& text);
  std::string text() const;
};

struct Candidate {
  Way algorithm;
  std::function<void()> run;  ///< does the work on the stream, any number of times
};

/// How a backend measures.
struct Stopwatch {
  bool (*ready)(const Stream&);                                       ///< false while nothing may be measured
  double (*seconds)(const Stream&, const std::function<void()>& run);  ///< of one run, by one or several
};

/// The choices of one backend in this process; may be asked by several threads at once.
class Chooser {
 public:
  explicit Chooser(const Stopwatch& stopwatch) : stopwatch_(stopwatch) {}

  /// From now on work that has not been chosen for is measured, and chosen for, when it is first done at a time when that may
  /// be. `file` (may be empty) is read and written; what is in it of another device, or with other libraries, does not count;
  /// with `renew` it is removed. Throws Error when the file is no such file or its folder cannot be written, and then measures
  /// all the same.
  void measure(const std::string& device, const std::string& file, bool renew);
  /// As at the beginning: nothing is measured, rules decide.
  void forget();
  void choose(const Work& work, Way algorithm);
  /// From now on this one does what it is a candidate for, whatever was chosen.
  void prefer(Way algorithm);
  std::optional<Way> choice(const Work& work);

  /// Does the work by the candidate that was chosen for it, else by the first of them: who calls puts that of the rule there.
  /// When it is measured, another one takes the rule's place only where it is faster by 5 % in the median of rounds in which
  /// all take turns, and in all rounds but one: noise does not choose. Seven rounds; three where a run takes more than 0.1 s.
  void run_one_of(const Stream& stream, const Work& work, std::span<const Candidate> candidates);
  void run_one_of(const Stream& stream, const Work& work, std::initializer_list<Candidate> candidates) {
    run_one_of(stream, work, std::span(candidates.begin(), candidates.size()));
  }
  /// What the latest run_one_of ran.
  Way latest() const { return latest_; }
  /// "by rule", "measured", or with the file, for reports.
  std::string described();

 private:
  const Candidate& fastest(const Stream& stream, std::span<const Candidate> candidates) const;
  Way measured(const Stream& stream, const Work& work, std::span<const Candidate> candidates);

  Stopwatch stopwatch_;
  std::recursive_mutex mutex_;
  Choices choices_;
  std::map<Work, Way> known_;  ///< those of choices_ that were asked for: no key is made again
  std::optional<Way> preferred_;
  std::string file_;
  bool measures_ = false;
  bool timing_ = false;  ///< a candidate is being timed: what it consists of is not measured meanwhile
  Way latest_ = Way::own;
};

}  // namespace fringe
