#include "kernels/add.h"

namespace fringe::reference {

template <class T>
void add(Stream&, ConstView<T> a, ConstView<T> b, View<T> y) {
  require_shape("add", "b", b.shape, a.shape);
  require_shape("add", "y", y.shape, a.shape);
  for (Index i = 0; i < y.size(); ++i) y[i] = a[i] + b[i];
}

template Add<float> add<float>;
template Add<double> add<double>;

}  // namespace fringe::reference
