// Which of several kernels does a piece of work: by rule, or as was measured once on this device and is kept in a file.
#pragma once
#include <functional>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>

#include "kernels/stream.h"

namespace fringe::cuda {

enum class Algorithm {
  own,       ///< this backend's kernels; of the separable block its three passes
  one_pass,  ///< of the separable block: separable_one_pass.cu
  cudnn,
};
const char* name(Algorithm algorithm);

/// What a kernel's time depends on, on one device.
struct Work {
  const char* operation;  ///< "conv3d_forward"
  Shape volume;           ///< of the array that is read
  Shape kernel;           ///< of the weights, as the operation has them
  Precision precision;
  std::string key() const;  ///< "conv3d_forward 1x64x64x64 3x3x3 32-64 tf32": a word for the file, and unique
};

/// The file: a line that says what it is, a line with the device, then a line for each measurement:
///   fringe cuda choices 1
///   device NVIDIA H200, capability 9.0, driver 13000, cuDNN 9.12.0
///   conv3d_forward 1x64x64x64 3x3x3 32-64 tf32 = cudnn
struct Choices {
  std::string device;
  std::map<std::string, Algorithm> chosen;  ///< by Work::key

  /// Throws Error that names line and fault: another format, a line that is none, an algorithm that is none, a key twice.
  static Choices parse(const std::string& text);
  std::string text() const;
};

// ---- of this process ---------------------------------------------------------------------------------------------------

/// From now on work that has not been chosen for is measured, and chosen for, when it is first done outside a recorded step.
/// `file` (may be empty) is read and written; what is in it of another device, or with other libraries, does not count, nor
/// does anything with `renew`. Throws Error when the file is no such file, and then measures all the same.
void measure_choices(const std::string& device, const std::string& file, bool renew);
/// As at the beginning: nothing is measured, rules decide.
void forget_choices();
void choose(const Work& work, Algorithm algorithm);
std::optional<Algorithm> choice(const Work& work);

struct Candidate {
  Algorithm algorithm;
  std::function<void()> run;  ///< does the work on the stream, any number of times
};
/// Does the work by the candidate that was chosen for it, else by the first of them: who calls puts that of the rule there.
void run_one_of(Stream& stream, const Work& work, std::initializer_list<Candidate> candidates);
/// What the latest run_one_of ran.
Algorithm latest_algorithm();

}  // namespace fringe::cuda
