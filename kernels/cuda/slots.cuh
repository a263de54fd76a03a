// Many small arrays in one launch: the optimizers' parameters. The list travels as the kernel's parameter (4 KB at most), so
// nothing has to be copied to the device; longer lists take several launches.
#pragma once
#include <algorithm>
#include <span>

#include "kernels/cuda/launch.cuh"

namespace fringe::cuda {

constexpr int slot_threads = 256;
constexpr unsigned slot_chunk = 4 * slot_threads;  ///< elements a block takes

/// `Most` slots of `Arrays` arrays of equal size: slot s has blocks first[s] .. first[s + 1] - 1.
template <int Arrays, int Most>
struct SlotList {
  float* data[Most][Arrays];
  unsigned size[Most];
  unsigned first[Most + 1];
  int count;

  /// Calls f(arrays of the slot, element) for the elements of this block.
  template <class F>
  __device__ void for_each(const F& f) const {
    int slot = 0;
    for (int step = Most; step > 0; step /= 2)  // the last slot that begins at or before this block
      if (slot + step < count && first[slot + step] <= blockIdx.x) slot += step;
    const unsigned begin = (blockIdx.x - first[slot]) * slot_chunk;
    for (unsigned i = begin + threadIdx.x; i < begin + slot_chunk && i < size[slot]; i += slot_threads) f(data[slot], i);
  }
};

/// Hands the slots over in lists: launch(list, blocks). fill(slot, data) names the arrays of a slot and returns their size.
template <int Arrays, int Most, class Slot, class Fill, class Launch>
void in_lists(std::span<const Slot> slots, const Fill& fill, const Launch& launch) {
  static_assert((Most & (Most - 1)) == 0, "for_each searches by halving");
  for (std::size_t begin = 0; begin < slots.size(); begin += Most) {
    SlotList<Arrays, Most> list{};
    list.count = static_cast<int>(std::min<std::size_t>(Most, slots.size() - begin));
    for (int s = 0; s < list.count; ++s) {
      const Index size = fill(slots[begin + static_cast<std::size_t>(s)], list.data[s]);
      require(size < (Index{1} << 31), "cuda: a parameter of {} elements", size);
      list.size[s] = static_cast<unsigned>(size);
      list.first[s + 1] = list.first[s] + blocks_for(list.size[s], slot_chunk);
    }
    launch(list, list.first[list.count]);
  }
}

}  // namespace fringe::cuda
