// The kernels of the emulation's own tests, as functions of device memory: no CUDA here.
#pragma once
#include "kernels/stream.h"

namespace emulation::kernels {

using fringe::Index;
using fringe::Stream;

// ---- right ones ------------------------------------------------------------------------------------------------------
/// y[i] = 2 x[i]
void twice(Stream& stream, const float* x, float* y, Index n);
/// y = a b, a (16 x K), b (K x 8), rows one after another, through ldmatrix and mma on bfloat16 (K = 16) or tf32 (K = 8).
void product_bf16(Stream& stream, const float* a, const float* b, float* y);
void product_tf32(Stream& stream, const float* a, const float* b, float* y);
/// y[b] = the sum of x over block b's 256 elements; y[blocks] counts the threads that saw a positive one.
void block_sums(Stream& stream, const float* x, float* y, Index blocks);
/// y[l] = lane l's value after shuffles up, down, by index and exclusive or: four rows of 32.
void shuffles(Stream& stream, float* y);
/// y = x by a pipeline of asynchronous copies of 128 floats each.
void copy_pipeline(Stream& stream, const float* x, float* y, Index stages);

// ---- the same with one bug each; "none" is without ------------------------------------------------------------------------
/// Runs one of the planted bugs on x and y (256 floats each); right would be y[i] = 2 x[i ^ 1] or as the bug has it.
/// Returns whether y is as it should be.
bool planted(const char* bug);

// ---- the runtime ---------------------------------------------------------------------------------------------------------
struct RuntimeResults {
  float ordered, eventless, replayed, after_update;
};
/// Two streams with and without an event between them; a captured graph replayed after its input has changed.
RuntimeResults runtime();
/// True when an allocation and a wait during capture are refused.
bool capture_refuses();
/// True when work of a second stream that waits for the captured one is in the graph, in order; with `joins` false, when a capture
/// is refused that nobody brought this stream back to.
bool forked_capture(bool joins);

}  // namespace emulation::kernels
