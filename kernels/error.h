// The one exception type of fringe.
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

/// throw Error(fmt::format(...)) in one word.
template <class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> message, Args&&... args) {
  throw Error(fmt::format(message, std::forward<Args>(args)...));
}

/// Throws when `rule` does not hold.
template <class... Args>
void require(bool rule, fmt::format_string<Args...> message, Args&&... args) {
  if (!rule) [[unlikely]]
    fail(message, std::forward<Args>(args)...);
}

}  // namespace fringe
