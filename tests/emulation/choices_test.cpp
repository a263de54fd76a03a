// The choice between kernels on a device: timed by its events, and not within a recorded step. The rest: tests/choices_test.cpp.
#include "kernels/cuda/choices.h"

#include <doctest/doctest.h>

using namespace fringe;
using namespace fringe::cuda;

namespace {

const Work work{"conv3d_forward", {1, 8, 8, 8, 4}, {3, 3, 3, 4, 2}, Precision::tf32};

/// Two candidates of which one takes far longer on the device; how often each ran.
struct Race {
  Stream stream{1, cuda::device(0)};
  std::unique_ptr<std::byte, void (*)(std::byte*) noexcept> memory{stream.device().allocate(64),
                                                                   stream.device().release};
  int quick = 0, slow = 0;
  void fill(int times) {
    for (int i = 0; i < times; ++i) stream.device().fill(stream.queue(), reinterpret_cast<float*>(memory.get()), 1, 1);
  }
  void run() {
    quick = slow = 0;
    run_one_of(stream, work, {{Way::own, [&] { ++slow, fill(20); }}, {Way::cudnn, [&] { ++quick, fill(1); }}});
    stream.wait();
  }
};

}  // namespace

TEST_SUITE("choices") {
  TEST_CASE("the device says which is the fastest, once, and not while a step is recorded") {
    Race race;
    race.run();
    CHECK(race.slow == 1);
    CHECK(race.quick == 0);
    chooser().measure("a device", "", false);
    if (race.stream.device().begin_capture != nullptr) {
      race.stream.device().begin_capture(race.stream.queue());
      race.slow = race.quick = 0;
      const auto own = [&] { ++race.slow, race.fill(1); };
      run_one_of(race.stream, work, {{Way::own, own}, {Way::cudnn, [&] { ++race.quick; }}});
      race.stream.device().destroy_graph(race.stream.device().end_capture(race.stream.queue()));
      CHECK(race.slow == 1);
      CHECK(race.quick == 0);
      CHECK_FALSE(chooser().choice(work).has_value());
    }
    race.run();
    CHECK(race.slow > 1);
    CHECK(race.quick > 1);
    CHECK(chooser().choice(work) == Way::cudnn);
    race.run();
    CHECK(race.slow == 0);
    CHECK(race.quick == 1);
    CHECK(chooser().latest() == Way::cudnn);
    chooser().forget();
  }
}
