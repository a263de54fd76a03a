// The emulation itself: what its threads, warps, tensor cores, streams and devices do, and that it finds planted bugs.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/emulation/counters.h"
#include "tests/emulation/emulation_kernels.h"

using namespace fringe;
namespace kernels = emulation::kernels;

namespace {

Stream& device_stream() {
  static Stream stream(1, cuda::device(0));
  return stream;
}

/// An array on the device.
class Numbers {
 public:
  explicit Numbers(const std::vector<float>& values) : count_(values.size()) {
    device_stream().device().upload(device_stream().queue(), data(), values.data(), 4 * count_);
  }
  float* data() { return reinterpret_cast<float*>(memory_.get()); }
  std::vector<float> read() {
    std::vector<float> values(count_);
    device_stream().device().download(device_stream().queue(), values.data(), data(), 4 * count_);
    return values;
  }

 private:
  std::size_t count_;
  std::unique_ptr<std::byte, void (*)(std::byte*) noexcept> memory_{device_stream().device().allocate(4 * count_),
                                                                    device_stream().device().release};
};

std::vector<float> random_numbers(std::size_t count, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> values(count);
  for (auto& v : values) v = uniform(engine);
  return values;
}

/// The number with `bits` bits of fraction that is nearest.
float rounded(float x, int bits) {
  int exponent = 0;
  const float fraction = std::frexp(x, &exponent);
  return std::ldexp(std::nearbyint(std::ldexp(fraction, bits + 1)), exponent - bits - 1);
}

void check_product(void (*product)(Stream&, const float*, const float*, float*), std::size_t k, int bits) {
  const auto a = random_numbers(16 * k, 1), b = random_numbers(8 * k, 2);
  Numbers da(a), db(b), dy(std::vector<float>(128, NAN));
  product(device_stream(), da.data(), db.data(), dy.data());
  const auto y = dy.read();
  for (std::size_t i = 0; i < 16; ++i)
    for (std::size_t j = 0; j < 8; ++j) {
      double sum = 0;
      for (std::size_t m = 0; m < k; ++m)
        sum += static_cast<double>(rounded(a[i * k + m], bits)) * static_cast<double>(rounded(b[m * 8 + j], bits));
      CHECK(static_cast<double>(y[i * 8 + j]) == doctest::Approx(sum).epsilon(1e-6));
    }
}

}  // namespace

TEST_SUITE("emulation") {
  TEST_CASE("mma and ldmatrix: the product of a 16 x K and a K x 8 matrix, in bfloat16 and in tf32") {
    check_product(kernels::product_bf16, 16, 7);
    check_product(kernels::product_tf32, 8, 10);
  }

  TEST_CASE("sums over warps and blocks, votes and atomics see every thread once") {
    const auto x = random_numbers(3 * 256, 3);
    Numbers dx(x), dy({0, 0, 0, 0, 0});
    kernels::block_sums(device_stream(), dx.data(), dy.data(), 3);
    const auto y = dy.read();
    double positive = 0;
    for (std::size_t block = 0; block < 3; ++block) {
      double sum = 0;
      for (std::size_t i = 0; i < 256; ++i) sum += static_cast<double>(x[block * 256 + i]), positive += x[block * 256 + i] > 0;
      CHECK(static_cast<double>(y[block]) == doctest::Approx(sum).epsilon(1e-4));
    }
    CHECK(static_cast<double>(y[3]) == positive);
    CHECK(static_cast<double>(y[4]) == positive);
  }

  TEST_CASE("shuffles: up and down keep the value at the edge of their segment") {
    Numbers dy(std::vector<float>(128, NAN));
    kernels::shuffles(device_stream(), dy.data());
    const auto y = dy.read();
    for (std::size_t l = 0; l < 32; ++l) {
      CHECK(y[l] == static_cast<float>(l == 0 ? 0 : l - 1));
      CHECK(y[32 + l] == static_cast<float>(l % 16 < 14 ? l + 2 : l));
      CHECK(y[64 + l] == 5);
      CHECK(y[96 + l] == static_cast<float>(l ^ 3));
    }
  }

  TEST_CASE("asynchronous copies arrive with the wait for them") {
    const auto x = random_numbers(7 * 128, 4);
    Numbers dx(x), dy(std::vector<float>(x.size(), NAN));
    kernels::copy_pipeline(device_stream(), dx.data(), dy.data(), 7);
    const auto y = dy.read();
    for (std::size_t i = 0; i < x.size(); ++i) CHECK(y[i] == x[i ^ 127]);
  }

  TEST_CASE("streams are ordered by events only; a captured graph reads what memory holds when it is replayed") {
    const auto r = kernels::runtime();
    CHECK(r.ordered == 4);
    CHECK(r.eventless == 2);
    CHECK(r.replayed == 16);
    CHECK(r.after_update == 40);
    CHECK(kernels::capture_refuses());
  }

  TEST_CASE("a capture takes in the streams that wait for it, and is refused when they do not come back") {
    CHECK(kernels::forked_capture(true));
    CHECK(kernels::forked_capture(false));
  }

  TEST_CASE("counters: launches, copies, allocations and waits are counted") {
    const auto before = emulation::counters();
    Numbers x({1, 2, 3, 4}), y({0, 0, 0, 0});
    kernels::twice(device_stream(), x.data(), y.data(), 4);
    CHECK(y.read() == std::vector<float>{2, 4, 6, 8});
    const auto& now = emulation::counters();
    CHECK(now.kernels - before.kernels == 1);
    CHECK(now.allocations - before.allocations == 2);
    CHECK(now.copies - before.copies == 3);
    CHECK(now.waits - before.waits >= 1);
  }

  TEST_CASE("devices: without driver, device or the instructions needed there is a reason, and an error for who insists") {
    std::string why;
    auto& machine = emulation::machine();
    CHECK(cuda::devices(why).size() == 1);
    machine.driver_error = 35;
    machine.driver_version = 0;
    CHECK(cuda::devices(why).empty());
    CHECK(why == "no NVIDIA driver (libcuda.so.1 was not found)");
    CHECK_THROWS_WITH_AS(cuda::device(0), "cuda:0: no NVIDIA driver (libcuda.so.1 was not found); use --device cpu", Error);
    machine.driver_version = 11040;
    CHECK(cuda::devices(why).empty());
    CHECK(why.starts_with("the NVIDIA driver is too old: it supports CUDA 11.4, this build needs 1"));
    machine = {};
    machine.devices = 0;
    CHECK(cuda::devices(why).empty());
    CHECK(why == "the NVIDIA driver finds no CUDA device");
    machine = {};
    machine.fft = false;
    CHECK(cuda::devices(why).empty());
    CHECK_THROWS_WITH_AS(cuda::device(0), doctest::Contains("cuda:0: cuFFT was not found"), Error);
    machine = {};
    machine.capability = 75;
    CHECK(cuda::devices(why).empty());
    CHECK(why == "emulated device has compute capability 7.5, at least 8.0 is needed");
    machine = {};
    CHECK_THROWS_WITH_AS(cuda::device(3), "cuda:3: there are 1 CUDA devices, counted from 0", Error);
  }

  TEST_CASE("out of memory: the message says what was asked, what is free, and what to lower") {
    emulation::machine().memory = std::size_t{100} << 20;
    CHECK_THROWS_WITH_AS(device_stream().device().allocate(std::size_t{200} << 20),
                         doctest::Contains("out of device memory: 201 MB asked for"), Error);
    emulation::machine() = {};
  }

  TEST_CASE("asynchronous errors name the kernels that may be to blame") {
    Numbers x({1, 2}), y({0, 0});
    device_stream().wait();
    emulation::machine().kernel_error = 700;
    kernels::twice(device_stream(), x.data(), y.data(), 2);
    CHECK_THROWS_WITH_AS(device_stream().wait(), doctest::Contains("kernels launched since the last wait, the latest last: twice_kernel"),
                         Error);
    emulation::repair();
  }
}

// Run by CTest (planted.*) with the bug's name, one at a time, because most end the program. CTest looks for the report.
TEST_CASE("planted" * doctest::skip()) {
  const char* bug = std::getenv("PLANTED_BUG");
  REQUIRE(bug != nullptr);
  CHECK_MESSAGE(kernels::planted(bug), "emulated values are wrong");
}
