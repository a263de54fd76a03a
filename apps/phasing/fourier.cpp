// Three passes of 1-D transforms with FFTW. FFTW's own threads are not used: with them the plan, and so the rounding,
// would depend on their number. One plan per axis is executed on all planes, dealt to the threads.
#include "apps/phasing/fourier.h"

#include <fftw3.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <numbers>

#include "kernels/cpu/parallel.h"
#include "kernels/error.h"

namespace fringe {
namespace {

std::mutex planner;  // FFTW plans are made and destroyed by one thread at a time

struct Destroy {
  void operator()(fftw_plan plan) const {
    const std::lock_guard lock(planner);
    fftw_destroy_plan(plan);
  }
};
using Plan = std::unique_ptr<std::remove_pointer_t<fftw_plan>, Destroy>;

/// `count` in-place transforms of `length` elements `stride` apart, the transforms `distance` apart.
Plan make_plan(Index length, Index stride, Index count, Index distance, int sign, std::complex<double>* memory) {
  const std::lock_guard lock(planner);
  const int n = static_cast<int>(length);
  auto* data = reinterpret_cast<fftw_complex*>(memory);
  return Plan(fftw_plan_many_dft(1, &n, static_cast<int>(count), data, nullptr, static_cast<int>(stride),
                                 static_cast<int>(distance), data, nullptr, static_cast<int>(stride),
                                 static_cast<int>(distance), sign, FFTW_ESTIMATE | FFTW_UNALIGNED));
}

/// exp(i sign 2 pi c j / N), c = N / 2: a ramp that moves the origin from index 0 to index c on the other side of the
/// transform. For even N it is exactly +-1.
std::vector<std::complex<double>> centring(Index n, int sign) {
  std::vector<std::complex<double>> ramp(static_cast<std::size_t>(n));
  for (Index j = 0; j < n; ++j) {
    const Index turns = j * (n / 2) % n;
    ramp[static_cast<std::size_t>(j)] =
        2 * turns == n ? -1.0
                       : std::polar(1.0, sign * 2 * std::numbers::pi * static_cast<double>(turns) / static_cast<double>(n));
  }
  return ramp;
}

// With j = r + c and k = Q + c: exp(s 2 pi i Q r / N) = exp(s 2 pi i (jk - cj - ck + cc) / N), s the sign: the plain
// transform of f times a ramp, times a ramp, times a constant.
void transform(ComplexField& field, int sign, int threads) {
  const auto [D, H, W] = field.extent;
  require(D > 0 && H > 0 && W > 0, "fourier transform: an empty array");
  Stream stream(threads);
  const std::array<std::vector<std::complex<double>>, 3> ramp{centring(D, -sign), centring(H, -sign),
                                                              centring(W, -sign)};
  std::complex<double> constant = sign > 0 ? 1.0 / static_cast<double>(field.size()) : 1.0;
  for (int axis = 0; axis < 3; ++axis) {
    const Index n = field.extent[axis], c = n / 2;
    constant *= std::polar(1.0, sign * 2 * std::numbers::pi * static_cast<double>(c * c % n) / static_cast<double>(n));
  }
  const auto multiply = [&](std::complex<double> factor) {
    cpu::parallel_tasks(stream, D, [&](Index d) {
      for (Index h = 0; h < H; ++h) {
        const auto outer = factor * ramp[0][static_cast<std::size_t>(d)] * ramp[1][static_cast<std::size_t>(h)];
        for (Index w = 0; w < W; ++w) field(d, h, w) *= outer * ramp[2][static_cast<std::size_t>(w)];
      }
    });
  };
  auto* data = field.data.data();
  const auto run = [&](const Plan& plan, Index tasks, Index step) {
    cpu::parallel_tasks(stream, tasks, [&](Index t) {
      auto* at = reinterpret_cast<fftw_complex*>(data + t * step);
      fftw_execute_dft(plan.get(), at, at);
    });
  };
  multiply(1.0);
  const int direction = sign < 0 ? FFTW_FORWARD : FFTW_BACKWARD;
  run(make_plan(W, 1, H, W, direction, data), D, H * W);
  run(make_plan(H, W, W, 1, direction, data), D, H * W);
  run(make_plan(D, H * W, W, 1, direction, data), H, W);
  multiply(constant);
}

}  // namespace

void fourier_forward(ComplexField& field, int threads) { transform(field, -1, threads); }
void fourier_inverse(ComplexField& field, int threads) { transform(field, +1, threads); }

}  // namespace fringe
