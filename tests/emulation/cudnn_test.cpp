// Convolutions by cuDNN, where it is there: the oracle of the own kernels on a device, and their alternative; emulated,
// that it is asked for the right thing (EMU_CUDNN=1).
#include "kernels/cuda/cudnn.h"

#include "kernels/conv3d.h"
#include "kernels/cuda/choices.h"
#include "tests/support/arrays.h"
#include "tests/support/backends.h"

using namespace fringe;
using namespace fringe::test;

namespace {

struct Case {
  Shape x, kernel;
};
constexpr Case cases[] = {
    {{2, 3, 4, 5, 3}, {3, 3, 3, 3, 5}}, {{1, 6, 3, 7, 8}, {1, 3, 1, 8, 8}}, {{1, 4, 4, 9, 4}, {1, 1, 3, 4, 2}}};

void choose(const Case& c, Precision precision, cuda::Way algorithm) {
  for (const char* operation : {"conv3d_forward", "conv3d_data", "conv3d_weights"})
    cuda::chooser().choose({operation, c.x.with_channels(1), c.kernel, precision}, algorithm);
}

}  // namespace

TEST_SUITE("cudnn") {
  TEST_CASE("forward, data and weight gradient by cuDNN equal the reference and the own kernels") {
    std::string why;
    if (cuda::cudnn::version(why).empty()) {
      MESSAGE("left out: " << why);
      return;
    }
    const bool emulated = std::getenv("EMU_CUDNN") != nullptr;
    for (const auto precision : {Precision::tf32x3, Precision::tf32}) {
      for (const auto& c : cases) {
        CAPTURE(c.kernel.str());
        Stream stream;
        stream.set_precision(precision);
        const auto x = random_array<float>(c.x, 1), w = random_array<float>(c.kernel, 2, 0.3),
                   b = random_array<float>(channel_vector(c.kernel.c), 3);
        const auto dy = random_array<float>(c.x.with_channels(c.kernel.c), 4);
        const auto run = [&](const auto& table, auto& operands, auto& results) {
          const auto& [x_, w_, b_, dy_] = operands;
          auto& [y, dx, dw, db] = results;
          table.conv3d_forward(stream, x_.view(), w_.view(), b_.view(), y);
          const auto first = cuda::chooser().latest();
          table.conv3d_backward_data(stream, dy_.view(), w_.view(), dx);
          const auto second = cuda::chooser().latest();
          table.conv3d_backward_weights(stream, x_.view(), dy_.view(), dw, db);
          return std::array{first, second, cuda::chooser().latest()};
        };
        const auto results = [&]<class T>(T) {
          return std::array{Array<T>(dy.shape()), Array<T>(c.x), Array<T>(c.kernel), Array<T>(b.shape())};
        };
        const auto as_double = [](const Array<float>& a) {
          Array<double> d(a.shape());
          std::copy(a.begin(), a.end(), d.begin());
          return d;
        };
        const std::array operands{x, w, b, dy};
        const std::array exact_operands{as_double(x), as_double(w), as_double(b), as_double(dy)};
        auto exact = results(double{});
        run(reference::table<double>(), exact_operands, exact);
        for (const auto algorithm : {cuda::Way::cudnn, cuda::Way::own}) {
          choose(c, precision, algorithm);
          auto found = results(float{});
          for (const auto ran : run(*backends().front(), operands, found)) CHECK(ran == algorithm);
          for (std::size_t i = 0; i < found.size(); ++i) {
            CHECK(relative_error(found[i], exact[i]) < (precision == Precision::tf32 ? 3e-3 : 1e-5));
            found[i].check_canaries();
          }
          // Rounded factors tell that the engine with tensor cores was taken, which is proposed before the exact one.
          const bool proposed = c.kernel.n * c.kernel.d > 1;
          if (emulated && algorithm == cuda::Way::cudnn)
            CHECK((relative_error(found[0], exact[0]) > 1e-5) == (precision == Precision::tf32 && proposed));
        }
      }
    }
    cuda::chooser().forget();
  }

  TEST_CASE("what cuDNN cannot do, or is not asked for, is done by the own kernels") {
    Stream stream;
    const Case five{{1, 6, 5, 6, 2}, {5, 1, 1, 2, 2}}, plain{{1, 2, 3, 4, 2}, {3, 3, 3, 2, 2}};
    for (const auto& [c, precision] : {std::pair{five, Precision::tf32x3}, {plain, Precision::bfloat16}}) {
      if (c.kernel.n == 5 && std::getenv("EMU_CUDNN") == nullptr) continue;  // a real one can
      stream.set_precision(precision);
      choose(c, precision, cuda::Way::cudnn);
      const auto x = random_array<float>(c.x, 1), w = random_array<float>(c.kernel, 2, 0.3);
      Array<float> y(c.x);
      backends().front()->conv3d_forward(stream, x.view(), w.view(), {}, y);
      CHECK(cuda::chooser().latest() == cuda::Way::own);
    }
    cuda::chooser().forget();
  }
}
