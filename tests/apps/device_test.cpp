// --device as users meet it, on a machine that may or may not have a GPU.
#include "engine/backend.h"
#include "tests/apps/files.h"

using namespace fringe;
using namespace fringe::test;

namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

const std::string quick = " --epochs 4 --seeds 1 --width 2 --threads 1 --no-polish ";

/// Why this machine has no GPU that can be used; empty when it has one.
std::string why_none() {
  std::string why;
  return cuda::devices(why).empty() ? why : "";
}

}  // namespace

TEST_SUITE("device") {
  TEST_CASE("a GPU that cannot be used is an error where it was asked for, and one line and the CPU with auto") {
    const Folder f("device");
    REQUIRE(fringe::test::fringe(f, "simulate -q -o '" + (f / "c.cxi") + "' --size 16 --seed 3").code == 0);
    const auto refine = [&](const std::string& options) {
      return fringe::test::fringe(f, "refine '" + (f / "c.cxi") + "' -o '" + (f / "r.cxi") + "'" + quick + options);
    };
    const std::string why = why_none();
    CHECK(refine("--device cpu").code == 0);
    const std::string iterate = "iterate '" + (f / "c.cxi") + "' -o '" + (f / "i.cxi") + "' --recipe 20*ER --starts 1 ";
    for (const std::string coherence : {"full", "gaussian"})
      CHECK(fringe::test::fringe(f, iterate + "--device auto --coherence " + coherence).code == 0);
    const auto none = refine("--device cuda:99");
    CHECK(none.code == 1);
    CHECK(contains(none.err, "fringe: error: cuda:99: "));
    const auto automatic = refine("--device auto --save-model '" + (f / "m.h5") + "'");
    CHECK(automatic.code == 0);
    if (why.empty()) return;  // the GPU's own tests take it from here
    CHECK(contains(automatic.err, "fringe: no GPU is used, the CPU is: " + why));
    for (const std::string& command : {"refine '" + (f / "c.cxi") + "' -o '" + (f / "r.cxi") + "'" + quick,
                                      iterate, "predict '" + (f / "m.h5") + "' '" + (f / "c.cxi") + "' -o '" + (f / "p.cxi") + "' ",
                                      "train -o '" + (f / "t.h5") + "' --size 16 --width 2 --samples 4 --batch 2 --epochs 1 "}) {
      CAPTURE(command);
      const auto asked = fringe::test::fringe(f, command + "--device cuda:0");
      CHECK(asked.code == 1);
      CHECK(contains(asked.err, "fringe: error: cuda:0: "));
      CHECK(contains(asked.err, why));
      CHECK(contains(asked.err, "--device cpu"));
    }
    CHECK(contains(fringe::test::fringe(f, "info").out, "none: " + why));
  }

  TEST_CASE("what is no device is wrong usage") {
    const Folder f("nodevice");
    for (const std::string device : {"gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:0"}) {
      CAPTURE(device);
      const auto o = fringe::test::fringe(f, "refine a.cxi -o b.cxi --device " + device);
      CHECK(o.code == 2);
      CHECK(contains(o.err, "is not auto, cpu or cuda:K"));
      CHECK_FALSE(is_backend_request(device));
    }
    for (const std::string device : {"auto", "cpu", "cuda", "cuda:0", "cuda:12"}) CHECK(is_backend_request(device));
  }

  TEST_CASE("the backend of the host is there without being asked for, and says what it is") {
    std::string why;
    const Backend host = choose_backend("cpu", why);
    CHECK(why.empty());
    CHECK(host.device->host_memory);
    CHECK(host.index == -1);
    CHECK(contains(host.name(), "processors"));
    CHECK_THROWS_WITH_AS(choose_backend("tpu", why), "device 'tpu': expected auto, cpu or cuda:K", Error);
  }
}
