#include "kernels/cuda/choices.h"

#include <cuda_runtime_api.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include "kernels/cuda/check.h"

namespace fringe::cuda {
namespace {

constexpr const char* first_line = "fringe cuda choices 1";
constexpr std::string_view device_word = "device ", separator = " = ";
constexpr Algorithm algorithms[] = {Algorithm::own, Algorithm::one_pass, Algorithm::cudnn};

const char* name(Precision precision) {
  switch (precision) {
    case Precision::float32: return "float32";
    case Precision::tf32x3: return "tf32x3";
    case Precision::tf32: return "tf32";
    case Precision::bfloat16: return "bfloat16";
  }
  return "";
}

struct State {
  Choices choices;
  std::string file;
  bool measures = false;
  Algorithm latest = Algorithm::own;
};
State state;

bool is_recorded(cudaStream_t queue) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  check(cudaStreamIsCapturing(queue, &status), "query of the queue");
  return status != cudaStreamCaptureStatusNone;
}

struct Events {
  cudaEvent_t begin = nullptr, end = nullptr;
  Events() {
    check(cudaEventCreate(&begin), "making an event");
    check(cudaEventCreate(&end), "making an event");
  }
  ~Events() { cudaEventDestroy(begin), cudaEventDestroy(end); }
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;
};

/// The shortest of three runs of four, after one that is not counted [ms].
float time_of(cudaStream_t queue, const std::function<void()>& run) {
  constexpr int tries = 3, repetitions = 4;
  const Events events;
  run();
  float shortest = std::numeric_limits<float>::infinity();
  for (int i = 0; i < tries; ++i) {
    check(cudaEventRecord(events.begin, queue), "recording an event");
    for (int k = 0; k < repetitions; ++k) run();
    check(cudaEventRecord(events.end, queue), "recording an event");
    check(cudaEventSynchronize(events.end), "wait for the device");
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, events.begin, events.end), "reading a time");
    shortest = std::min(shortest, milliseconds / repetitions);
  }
  return shortest;
}

/// The whole file or none of it, whoever else reads or writes it. A cache that cannot be written is no reason to end: the next
/// run measures again.
void write_file() {
  if (state.file.empty()) return;
  std::error_code error;
  const std::filesystem::path path(state.file);
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), error);
  const std::string temporary = fmt::format("{}.{}.partial", state.file, getpid());
  std::ofstream out(temporary);
  out << state.choices.text();
  out.close();
  if (out) std::filesystem::rename(temporary, path, error);
  if (!out || error) std::filesystem::remove(temporary, error);
}

}  // namespace

const char* name(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::own: return "own";
    case Algorithm::one_pass: return "one_pass";
    case Algorithm::cudnn: return "cudnn";
  }
  return "";
}

std::string Work::key() const {
  return fmt::format("{} {}x{}x{}x{} {}x{}x{} {}-{} {}", operation, volume.n, volume.d, volume.h, volume.w, kernel.n, kernel.d,
                     kernel.h, kernel.w, kernel.c, name(precision));
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
    const auto named = [&](Algorithm a) { return value == cuda::name(a); };
    const auto* const found = std::find_if(std::begin(algorithms), std::end(algorithms), named);
    require(found != std::end(algorithms), "line {}: there is no algorithm '{}'", number, value);
    require(c.chosen.emplace(key, *found).second, "line {}: '{}' is there twice", number, key);
  }
  return c;
}

std::string Choices::text() const {
  std::string t = fmt::format("{}\n{}{}\n", first_line, device_word, device);
  for (const auto& [key, algorithm] : chosen) t += fmt::format("{}{}{}\n", key, separator, cuda::name(algorithm));
  return t;
}

void measure_choices(const std::string& device, const std::string& file, bool renew) {
  state = {{device, {}}, file, true};
  if (file.empty() || renew) return;
  std::ifstream in(file);
  if (!in) return;
  std::ostringstream text;
  text << in.rdbuf();
  try {
    if (auto found = Choices::parse(text.str()); found.device == device) state.choices = std::move(found);
  } catch (const Error& error) {
    fail("{}, {}; all is measured again", file, error.what());
  }
}

void forget_choices() { state = {}; }

void choose(const Work& work, Algorithm algorithm) { state.choices.chosen[work.key()] = algorithm; }

std::optional<Algorithm> choice(const Work& work) {
  const auto found = state.choices.chosen.find(work.key());
  if (found == state.choices.chosen.end()) return {};
  return found->second;
}

void run_one_of(Stream& stream, const Work& work, std::initializer_list<Candidate> candidates) {
  const Candidate* best = candidates.begin();
  if (candidates.size() > 1 && (state.measures || !state.choices.chosen.empty())) {
    const auto queue = static_cast<cudaStream_t>(stream.queue());
    if (const auto chosen = choice(work)) {
      for (const auto& c : candidates)
        if (c.algorithm == *chosen) best = &c;
    } else if (state.measures && !is_recorded(queue)) {
      float shortest = std::numeric_limits<float>::infinity();
      for (const auto& c : candidates)
        if (const float t = time_of(queue, c.run); t < shortest) shortest = t, best = &c;
      choose(work, best->algorithm);
      write_file();
    }
  }
  state.latest = best->algorithm;
  best->run();
}

Algorithm latest_algorithm() { return state.latest; }

}  // namespace fringe::cuda
