#include "kernels/choices.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>
#include <tuple>
#include <vector>

namespace fringe {
namespace {

namespace fs = std::filesystem;

constexpr const char* first_line = "fringe choices 1";
constexpr std::string_view device_word = "device ", separator = " = ";
constexpr std::array algorithms{Way::own,      Way::one_pass, Way::cudnn,
                                Way::winograd, Way::winograd4, Way::general, Way::floats};

const char* name(Precision precision) {
  switch (precision) {
    case Precision::float32: return "float32";
    case Precision::tf32x3: return "tf32x3";
    case Precision::tf32: return "tf32";
    case Precision::bfloat16: return "bfloat16";
  }
  return "";
}

auto extents(const Shape& s) { return std::tie(s.n, s.d, s.h, s.w); }

/// Other processes wait while it lives: what one of them measures, the next one reads. Where locks are not to be had, nobody does.
class FolderLock {
 public:
  explicit FolderLock(const std::string& file) {
    if (file.empty()) return;
    std::error_code error;
    fs::create_directories(fs::path(file).parent_path(), error);
    folder_ = open(fs::path(file).parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder_ >= 0) flock(folder_, LOCK_EX);
  }
  ~FolderLock() {
    if (folder_ >= 0) close(folder_);
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int folder_ = -1;
};

/// What the file has for this device; nothing where there is no file. Throws Error where it is none of ours.
Choices read_file(const std::string& file, const std::string& device) {
  std::ifstream in(file);
  if (file.empty() || !in) return {device, {}};
  std::ostringstream text;
  text << in.rdbuf();
  Choices found = Choices::parse(text.str());
  return found.device == device ? std::move(found) : Choices{device, {}};
}

/// The whole file or none of it, whoever reads it meanwhile; false where it cannot be written.
bool write_file(const std::string& file, const Choices& choices) {
  std::error_code error;
  const std::string temporary = fmt::format("{}.{}.partial", file, getpid());
  std::ofstream out(temporary);
  out << choices.text();
  out.close();
  const bool written = static_cast<bool>(out);
  if (written) fs::rename(temporary, file, error);
  if (!written || error) fs::remove(temporary, error);
  return written && !error;
}

}  // namespace

const char* name(Way algorithm) {
  switch (algorithm) {
    case Way::own: return "own";
    case Way::one_pass: return "one_pass";
    case Way::cudnn: return "cudnn";
    case Way::winograd: return "winograd";
    case Way::winograd4: return "winograd4";
    case Way::general: return "general";
    case Way::floats: return "floats";
  }
  return "";
}

std::string Work::key() const {
  return fmt::format("{} {}x{}x{}x{} {}x{}x{} {}-{} {}{}", operation, volume.n, volume.d, volume.h, volume.w, kernel.n, kernel.d,
                     kernel.h, kernel.w, kernel.c, name(precision), threads > 0 ? fmt::format(" on {}", threads) : "");
}

bool Work::operator<(const Work& o) const {
  const std::string_view mine(operation), other(o.operation);
  return std::tuple(mine, extents(volume), extents(kernel), kernel.c, precision, threads) <
         std::tuple(other, extents(o.volume), extents(o.kernel), o.kernel.c, o.precision, o.threads);
}

Choices Choices::parse(const std::string& text) {
  Choices c;
  std::istringstream lines(text);
  std::string line;
  require(std::getline(lines, line) && line == first_line, "line 1: expected '{}', found '{}'", first_line, line);
  require(std::getline(lines, line) && line.starts_with(device_word), "line 2: expected 'device ...', found '{}'", line);
  c.device = line.substr(device_word.size());
  for (int number = 3; std::getline(lines, line); ++number) {
    const auto at = line.rfind(separator);
    require(at != std::string::npos && at > 0, "line {}: expected 'WORK = ALGORITHM', found '{}'", number, line);
    const std::string key = line.substr(0, at), value = line.substr(at + separator.size());
    const auto* const found =
        std::find_if(algorithms.begin(), algorithms.end(), [&](Way a) { return value == fringe::name(a); });
    require(found != algorithms.end(), "line {}: there is no algorithm '{}'", number, value);
    require(c.chosen.emplace(key, *found).second, "line {}: '{}' is there twice", number, key);
  }
  return c;
}

std::string Choices::text() const {
  std::string t = fmt::format("{}\n{}{}\n", first_line, device_word, device);
  for (const auto& [key, algorithm] : chosen) t += fmt::format("{}{}{}\n", key, separator, fringe::name(algorithm));
  return t;
}

void Chooser::measure(const std::string& device, const std::string& file, bool renew) {
  const std::lock_guard guard(mutex_);
  forget();
  choices_.device = device;
  file_ = file;
  measures_ = true;
  if (file.empty()) return;
  const FolderLock lock(file);
  std::error_code error;
  if (renew) fs::remove(file, error);
  try {
    choices_ = read_file(file, device);
  } catch (const Error& fault) {
    fs::remove(file, error);
    fail("{}, {}; all is measured again", file, fault.what());
  }
  const fs::path folder = fs::path(file).parent_path();
  require(access(folder.c_str(), W_OK) == 0,
          "{} cannot be written: which kernels are the fastest is measured in every run, and two runs may differ by rounding; "
          "FRINGE_CHOICES=off chooses by rule, FRINGE_CHOICES=FOLDER keeps it elsewhere", folder.string());
}

void Chooser::forget() {
  const std::lock_guard guard(mutex_);
  choices_ = {};
  known_.clear();
  preferred_.reset();
  file_.clear();
  measures_ = false;
}

void Chooser::choose(const Work& work, Way algorithm) {
  const std::lock_guard guard(mutex_);
  choices_.chosen[work.key()] = known_[work] = algorithm;
}

void Chooser::prefer(Way algorithm) {
  const std::lock_guard guard(mutex_);
  preferred_ = algorithm;
}

std::optional<Way> Chooser::choice(const Work& work) {
  const std::lock_guard guard(mutex_);
  if (choices_.chosen.empty()) return {};
  if (const auto known = known_.find(work); known != known_.end()) return known->second;
  const auto found = choices_.chosen.find(work.key());
  if (found == choices_.chosen.end()) return {};
  return known_[work] = found->second;
}

const Candidate& Chooser::fastest(const Stream& stream, std::span<const Candidate> candidates) const {
  constexpr std::size_t hopeless_after = 2;
  constexpr double gain = 0.95, hopeless = 1.3, long_run = 0.1;  // [s]: noise is less of it, and the user waits
  std::size_t rounds = 7;
  std::vector<std::vector<double>> ratios(candidates.size());  // to the rule's candidate of the same round
  for (const auto& c : candidates) c.run();
  for (std::size_t round = 0; round < rounds; ++round) {
    const double rule = stopwatch_.seconds(stream, candidates.front().run);
    if (rule > long_run) rounds = 3;
    for (std::size_t i = 1; i < candidates.size(); ++i) {
      auto& mine = ratios[i];
      if (mine.size() >= hopeless_after && *std::min_element(mine.begin(), mine.end()) > hopeless) continue;
      mine.push_back(stopwatch_.seconds(stream, candidates[i].run) / rule);
    }
  }
  const Candidate* best = &candidates.front();
  double shortest = gain;
  for (std::size_t i = 1; i < candidates.size(); ++i) {
    auto& mine = ratios[i];
    if (mine.size() < rounds) continue;
    std::sort(mine.begin(), mine.end());
    if (mine[rounds / 2] <= shortest && mine[rounds - 2] < 1) shortest = mine[rounds / 2], best = &candidates[i];
  }
  return *best;
}

/// Measures, unless another process has done so meanwhile.
Way Chooser::measured(const Stream& stream, const Work& work, std::span<const Candidate> candidates) {
  const FolderLock lock(file_);
  Choices kept{choices_.device, {}};
  try {
    kept = read_file(file_, choices_.device);
  } catch (const Error&) {  // it was one at the beginning: whatever has happened to it, it is written anew
  }
  if (const auto found = kept.chosen.find(work.key()); found != kept.chosen.end()) return found->second;
  struct Timing {
    bool& on;
    explicit Timing(bool& flag) : on(flag) { on = true; }
    ~Timing() { on = false; }
  };
  const Way best = (Timing(timing_), fastest(stream, candidates).algorithm);
  kept.chosen[work.key()] = best;
  if (!file_.empty()) write_file(file_, kept);
  return best;
}

void Chooser::run_one_of(const Stream& stream, const Work& work, std::span<const Candidate> candidates) {
  const Candidate* best = &candidates.front();
  {
    const std::lock_guard guard(mutex_);
    std::optional<Way> chosen = preferred_;
    if (candidates.size() > 1 && !chosen) chosen = choice(work);
    if (candidates.size() > 1 && !chosen && measures_ && !timing_ && stopwatch_.ready(stream)) choose(work, *(chosen = measured(stream, work, candidates)));
    for (const auto& c : candidates)
      if (chosen && c.algorithm == *chosen) best = &c;
    latest_ = best->algorithm;
  }
  best->run();
}

std::string Chooser::described() {
  const std::lock_guard guard(mutex_);
  if (!measures_) return "by rule";
  return file_.empty() ? "measured" : "measured, " + file_;
}

}  // namespace fringe
