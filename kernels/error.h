// The exceptions of fringe: Error, and the kinds of it that a caller can do something about.
#pragma once
#include <fmt/core.h>

#include <stdexcept>
#include <string>

namespace fringe {

/// Thrown at every public entry that finds its input wrong. The message names the operation, the rule and the finding:
/// "conv3d: weights have 8 input channels, x has 16". Libraries never print, exit or abort.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Not the input is wrong but what computes has failed: what was found before is good, and worth keeping.
class DeviceError : public Error {
 public:
  using Error::Error;
};
/// There is no memory left for what comes next; what is there can still be used.
class OutOfMemory : public DeviceError {
 public:
  using DeviceError::DeviceError;
};

/// throw Error(fmt::format(...)) in one word; fail<OutOfMemory>(...) throws that.
template <class Kind = Error, class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> message, Args&&... args) {
  throw Kind(fmt::format(message, std::forward<Args>(args)...));
}

/// Throws when `rule` does not hold.
template <class... Args>
void require(bool rule, fmt::format_string<Args...> message, Args&&... args) {
  if (!rule) [[unlikely]]
    fail(message, std::forward<Args>(args)...);
}

}  // namespace fringe
