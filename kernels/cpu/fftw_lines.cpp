#include "kernels/cpu/fftw_lines.h"

#include <cstdlib>
#include <map>
#include <tuple>

#include "kernels/error.h"

namespace fringe::cpu {
namespace {

enum class Lines { rows, columns };

fftwf_plan plan(Lines lines, Index length, Index count, int sign) {
  const std::lock_guard lock(fftw_planner());
  static std::map<std::tuple<Lines, Index, Index, int>, FftwPlan> cache;
  auto& entry = cache[{lines, length, count, sign}];
  if (entry == nullptr) {
    const bool rows = lines == Lines::rows;
    const auto n = static_cast<int>(length), many = static_cast<int>(count);
    const auto pitch = static_cast<int>(fft_pitch(rows ? length : count));
    const auto size = static_cast<std::size_t>(pitch) * static_cast<std::size_t>(rows ? count : length);
    const std::unique_ptr<void, void (*)(void*)> memory(std::aligned_alloc(64, 2 * size * sizeof(fftwf_complex)), std::free);
    auto* from = static_cast<fftwf_complex*>(memory.get());
    auto* to = rows ? from : from + size;
    const int stride = rows ? 1 : pitch, distance = rows ? pitch : 1;
    entry.reset(fftwf_plan_many_dft(1, &n, many, from, nullptr, stride, distance, to, nullptr, stride, distance, sign,
                                    FFTW_ESTIMATE));
    require(entry != nullptr, "fft3d: no plan for {} lines of length {}", count, length);
  }
  return entry.get();
}

}  // namespace

fftwf_plan row_plan(Index width, Index count, int sign) { return plan(Lines::rows, width, count, sign); }
fftwf_plan column_plan(Index length, Index width, int sign) { return plan(Lines::columns, length, width, sign); }

}  // namespace fringe::cpu
