#include "kernels/philox.h"

namespace fringe::reference {

template <class T>
void philox_uniform(Stream&, std::uint64_t seed, std::uint64_t stream_id, View<T> y) {
  for (Index i = 0; i < y.size(); ++i)
    y[i] = static_cast<T>(philox::uniform(seed, stream_id, static_cast<std::uint64_t>(i)));  // (1)
}

template <class T>
void philox_normal(Stream&, std::uint64_t seed, std::uint64_t stream_id, View<T> y) {
  for (Index i = 0; i < y.size(); ++i)
    y[i] = static_cast<T>(philox::normal(seed, stream_id, static_cast<std::uint64_t>(i)));  // (2)
}

template PhiloxFill<float> philox_uniform<float>;
template PhiloxFill<double> philox_uniform<double>;
template PhiloxFill<float> philox_normal<float>;
template PhiloxFill<double> philox_normal<double>;

}  // namespace fringe::reference
