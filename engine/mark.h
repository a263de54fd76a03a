// A place in a device's queue that another queue, or the host, can wait for.
#pragma once
#include <memory>

#include "kernels/device.h"

namespace fringe {

/// For Device::set_mark, await_mark and pass_mark.
using Mark = std::unique_ptr<void, void (*)(void*) noexcept>;

inline Mark make_mark(const Device& device) { return {device.make_mark(), device.destroy_mark}; }

}  // namespace fringe
