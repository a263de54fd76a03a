// One-dimensional transforms of the lines of a rectangle of complex numbers in scratch memory. FFTW uses vector instructions
// only on aligned memory: the rectangle begins at a multiple of 64 bytes, and so does each of its rows, `fft_pitch` numbers
// apart. FFTW_ESTIMATE plans: measured ones differ from run to run, and so would the last bits of the results. Plans are made
// once for each extent and kept for the life of the program.
#pragma once
#include "kernels/cpu/fftw_plan.h"
#include "kernels/view.h"

namespace fringe::cpu {

/// Complex numbers from one row of `width` to the next: no power of two, so that a column does not fall into a few sets of the
/// cache.
inline Index fft_pitch(Index width) { return (width + 7) / 8 * 8 + 8; }

/// `count` neighbouring rows of `width`, in place.
fftwf_plan row_plan(Index width, Index count, int sign);
/// `width` neighbouring columns of `length`, from one rectangle to another.
fftwf_plan column_plan(Index length, Index width, int sign);

inline void execute(fftwf_plan plan, float* from, float* to) {
  fftwf_execute_dft(plan, reinterpret_cast<fftwf_complex*>(from), reinterpret_cast<fftwf_complex*>(to));
}

}  // namespace fringe::cpu
