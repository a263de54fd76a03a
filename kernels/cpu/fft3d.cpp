// Strategy: FFTW, cut into planes by hand so that results do not depend on the number of threads: each (H, W) plane is
// multiplied by the centring sign and transformed while in cache; then lines along D, one h at a time, with the second
// sign. FFTW_ESTIMATE plans: measured ones differ from run to run, and so would the last bits of the results; FFTW_UNALIGNED,
// as plans for aligned arrays round differently.
// Plans are made once for each extent and kept for the life of the program.
#include "kernels/fft3d.h"

#include <map>
#include <tuple>

#include "kernels/cpu/fftw_plan.h"
#include "kernels/cpu/parallel.h"

namespace fringe::cpu {
namespace {

struct Plans {
  FftwPlan plane;  ///< (H, W) in place
  FftwPlan lines;  ///< W lines along D at once, in place
};

const Plans& plans(const Shape& s, int sign) {
  const std::lock_guard lock(fftw_planner());
  static std::map<std::tuple<Index, Index, Index, int>, Plans> cache;
  auto& entry = cache[{s.d, s.h, s.w, sign}];
  if (entry.plane == nullptr) {
    constexpr unsigned flags = FFTW_ESTIMATE | FFTW_UNALIGNED;
    const auto d = static_cast<int>(s.d), h = static_cast<int>(s.h), w = static_cast<int>(s.w);
    auto* memory = fftwf_alloc_complex(static_cast<std::size_t>(s.voxels()));
    entry.plane.reset(fftwf_plan_dft_2d(h, w, memory, memory, sign, flags));
    entry.lines.reset(fftwf_plan_many_dft(1, &d, w, memory, nullptr, h * w, 1, memory, nullptr, h * w, 1, sign, flags));
    fftwf_free(memory);
  }
  return entry;
}

void transform(Stream& stream, ConstView<float> x, View<float> y, int direction) {
  fft3d::require_shapes(x.shape, y.shape);
  const Shape s = x.shape;
  const Plans& plan = plans(s, direction);
  auto* field = reinterpret_cast<fftwf_complex*>(y.data);
  parallel_tasks(stream, s.n * s.d, [&](Index task) {
    const Index begin = task * s.h * s.w;
    bool empty = true;  // the planes outside a padded object are zero, and so are their transforms
    for (Index i = 2 * begin; i < 2 * (begin + s.h * s.w) && empty; ++i) empty = x[i] == 0;
    if (empty) {
      std::fill(y.data + 2 * begin, y.data + 2 * (begin + s.h * s.w), 0.0F);
      return;
    }
    for (Index h = 0; h < s.h; ++h) {
      const float even = (task % s.d + h) % 2 == 0 ? 1.0F : -1.0F;
      const float* from = x.data + 2 * (begin + h * s.w);
      float* to = y.data + 2 * (begin + h * s.w);
      for (Index w = 0; w < s.w; w += 2) {
        to[2 * w] = even * from[2 * w];
        to[2 * w + 1] = even * from[2 * w + 1];
        to[2 * w + 2] = -even * from[2 * w + 2];
        to[2 * w + 3] = -even * from[2 * w + 3];
      }
    }
    fftwf_execute_dft(plan.plane.get(), field + begin, field + begin);
  });
  // exp(-+ 2 pi i (N/2)^2 / N) of every axis: the sign that is left over
  const float global = (s.d / 2 + s.h / 2 + s.w / 2) % 2 == 0 ? 1.0F : -1.0F;
  parallel_tasks(stream, s.n * s.h, [&](Index task) {
    const Index n = task / s.h, h = task % s.h, begin = n * s.voxels() + h * s.w;
    fftwf_execute_dft(plan.lines.get(), field + begin, field + begin);
    for (Index d = 0; d < s.d; ++d) {
      const float even = (d + h) % 2 == 0 ? global : -global;
      float* row = y.data + 2 * (begin + d * s.h * s.w);
      for (Index w = 0; w < s.w; w += 2) {
        row[2 * w] *= even;
        row[2 * w + 1] *= even;
        row[2 * w + 2] *= -even;
        row[2 * w + 3] *= -even;
      }
    }
  });
}

}  // namespace

void fft3d_forward(Stream& stream, ConstView<float> x, View<float> y) { transform(stream, x, y, FFTW_FORWARD); }
void fft3d_backward(Stream& stream, ConstView<float> x, View<float> y) { transform(stream, x, y, FFTW_BACKWARD); }

}  // namespace fringe::cpu
