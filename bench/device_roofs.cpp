#include <algorithm>
#include <chrono>
#include <memory>

#include "bench/roofs.h"

namespace fringe::bench {
namespace {

/// Dense products [TFLOP/s], from NVIDIA's data sheets: tensor cores in tf32 and bfloat16, ordinary multiply-adds.
struct Sheet {
  const char* name;  ///< a part of the device's
  double tf32, bfloat16, plain;
};
constexpr Sheet sheets[] = {{"H200", 494, 989, 67},   {"H100 PCIe", 378, 756, 51},  {"H100", 494, 989, 67},
                            {"A100", 156, 312, 19.5}, {"RTX 4090", 82.6, 165, 82.6}};

double peak(const std::string& device, Precision precision) {
  for (const auto& s : sheets)
    if (device.find(s.name) != std::string::npos) switch (precision) {
        case Precision::float32: return s.plain * 1e12;
        case Precision::tf32x3: return s.tf32 / 3 * 1e12;
        case Precision::tf32: return s.tf32 * 1e12;
        case Precision::bfloat16: return s.bfloat16 * 1e12;
      }
  return 0;
}

}  // namespace

Roofs device_roofs(const Stream& stream, const std::string& name) {
  constexpr std::size_t bytes = std::size_t{256} << 20;
  using Clock = std::chrono::steady_clock;
  using Memory = std::unique_ptr<std::byte, void (*)(std::byte*) noexcept>;
  const Device& device = stream.device();
  const Memory from(device.allocate(bytes), device.release), to(device.allocate(bytes), device.release);
  device.fill(stream.queue(), reinterpret_cast<float*>(from.get()), 1, bytes / sizeof(float));
  Roofs roofs{peak(name, stream.precision()), 0};
  for (int round = 0; round < 4; ++round) {
    constexpr int copies = 4;
    stream.wait();
    const auto start = Clock::now();
    for (int i = 0; i < copies; ++i) device.copy(stream.queue(), to.get(), from.get(), bytes);
    stream.wait();
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    roofs.bytes = std::max(roofs.bytes, 2.0 * copies * static_cast<double>(bytes) / seconds);
  }
  return roofs;
}

}  // namespace fringe::bench
