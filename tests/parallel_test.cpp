// The threads that CPU kernels run on.
#include "kernels/cpu/parallel.h"

#include <atomic>
#include <chrono>
#include <doctest/doctest.h>
#include <set>
#include <thread>
#include <vector>

using namespace fringe;

namespace {

/// How often each of `tasks` is run.
std::vector<int> runs_of(Stream& stream, Index tasks) {
  std::vector<std::atomic<int>> runs(static_cast<std::size_t>(tasks));
  cpu::parallel_tasks(stream, tasks, [&](Index t) { ++runs[static_cast<std::size_t>(t)]; });
  return {runs.begin(), runs.end()};
}

}  // namespace

TEST_SUITE("parallel") {
  TEST_CASE("every task runs once, whatever the number of threads and tasks, call after call") {
    for (const int threads : {1, 2, 3, 8}) {
      Stream stream(threads);
      for (int call = 0; call < 50; ++call)
        for (const Index tasks : {0, 1, 2, 7, 64}) REQUIRE(runs_of(stream, tasks) == std::vector<int>(static_cast<std::size_t>(tasks), 1));
    }
  }

  TEST_CASE("pieces run on threads of their own, the first on the caller's, and sleep in between") {
    Stream stream(3);
    for (int call = 0; call < 3; ++call) {
      std::vector<std::thread::id> by(3);
      cpu::parallel_tasks(stream, 3, [&](Index t) { by[static_cast<std::size_t>(t)] = std::this_thread::get_id(); });
      CHECK(by[0] == std::this_thread::get_id());
      CHECK(std::set(by.begin(), by.end()).size() == 3);
      std::this_thread::sleep_for(std::chrono::milliseconds(20));  // longer than helpers stay awake
    }
  }

  TEST_CASE("a body may run kernels itself, and several threads may have helpers at once") {
    std::atomic<int> wrong = 0;
    const auto work = [&] {
      Stream outer(3);
      for (int call = 0; call < 20; ++call)
        cpu::parallel_tasks(outer, 5, [&](Index) {
          Stream inner(2);
          if (runs_of(inner, 4) != std::vector<int>(4, 1)) ++wrong;
        });
    };
    {
      const std::jthread one(work), other(work);
    }
    CHECK(wrong == 0);
  }

  TEST_CASE("sums do not depend on the number of threads") {
    std::vector<double> x(100003);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = 1.0 / static_cast<double>(i + 1);
    const auto sum = [&](int threads) {
      Stream stream(threads);
      double total[1];
      cpu::parallel_sums<1>(stream, static_cast<Index>(x.size()), total, [&](Index begin, Index end, double* partial) {
        partial[0] = 0;
        for (Index i = begin; i < end; ++i) partial[0] += x[static_cast<std::size_t>(i)];
      });
      return total[0];
    };
    CHECK(sum(1) == doctest::Approx(12.0901).epsilon(1e-5));
    CHECK(sum(2) == sum(1));
    CHECK(sum(5) == sum(1));
  }
}
