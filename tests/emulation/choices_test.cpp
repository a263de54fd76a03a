// The choice between kernels: measured once, kept in a file, read back; and files that are none.
#include "kernels/cuda/choices.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

using namespace fringe;
using namespace fringe::cuda;

namespace {

namespace fs = std::filesystem;

std::string contents(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

/// A file in a folder of its own, which is not there yet; gone at the end, and the choices with it.
struct File {
  std::string folder = (fs::temp_directory_path() / ("fringe_choices_" + std::to_string(getpid()))).string();
  std::string path = folder + "/a/choices.txt";
  File() { fs::remove_all(folder); }
  ~File() {
    fs::remove_all(folder);
    forget_choices();
  }
};

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
  void run(const Work& w = work) {
    quick = slow = 0;
    run_one_of(stream, w, {{Algorithm::own, [&] { ++slow, fill(20); }}, {Algorithm::cudnn, [&] { ++quick, fill(1); }}});
    stream.wait();
  }
};

}  // namespace

TEST_SUITE("choices") {
  TEST_CASE("without measuring, the rule's candidate runs, once") {
    Race race;
    race.run();
    CHECK(race.slow == 1);
    CHECK(race.quick == 0);
    choose(work, Algorithm::cudnn);
    race.run();
    CHECK(race.slow == 0);
    CHECK(race.quick == 1);
    CHECK(latest_algorithm() == Algorithm::cudnn);
    choose(work, Algorithm::one_pass);  // not among the candidates
    race.run();
    CHECK(race.slow == 1);
    forget_choices();
  }

  TEST_CASE("what is measured once is kept, by shape and device, in a file that the next run reads") {
    const File file;
    Race race;
    measure_choices("a device", file.path, false);
    race.run();
    CHECK(race.slow > 1);
    CHECK(race.quick > 1);
    CHECK(latest_algorithm() == Algorithm::cudnn);
    race.run();
    CHECK(race.slow == 0);
    CHECK(race.quick == 1);
    CHECK(contents(file.path) ==
          "fringe cuda choices 1\ndevice a device\nconv3d_forward 1x8x8x8 3x3x3 4-2 tf32 = cudnn\n");
    CHECK(std::distance(fs::directory_iterator(fs::path(file.path).parent_path()), fs::directory_iterator()) == 1);

    measure_choices("a device", file.path, false);  // as in the next run
    race.run();
    CHECK(race.slow == 0);
    Work other = work;
    other.precision = Precision::tf32x3;
    race.run(other);
    CHECK(race.slow > 1);
    CHECK(Choices::parse(contents(file.path)).chosen.size() == 2);

    for (const bool renew : {true, false}) {  // --tune; then another device
      measure_choices(renew ? "a device" : "another device", file.path, renew);
      CHECK_FALSE(choice(work).has_value());
      race.run();
      CHECK(race.slow > 1);
      CHECK(Choices::parse(contents(file.path)).chosen.size() == 1);
    }
    CHECK(Choices::parse(contents(file.path)).device == "another device");
  }

  TEST_CASE("nothing is measured while a step is recorded, and a file that cannot be written is no error") {
    Race race;
    measure_choices("a device", "/proc/no/such/place", false);
    if (race.stream.device().begin_capture != nullptr) {
      race.stream.device().begin_capture(race.stream.queue());
      race.slow = race.quick = 0;
      const auto own = [&] { ++race.slow, race.fill(1); };
      run_one_of(race.stream, work, {{Algorithm::own, own}, {Algorithm::cudnn, [&] { ++race.quick; }}});
      race.stream.device().destroy_graph(race.stream.device().end_capture(race.stream.queue()));
      CHECK(race.slow == 1);
      CHECK(race.quick == 0);
      CHECK_FALSE(choice(work).has_value());
    }
    race.run();
    CHECK(choice(work) == Algorithm::cudnn);
    forget_choices();
  }

  TEST_CASE("what is no such file says line and fault") {
    const std::string head = "fringe cuda choices 1\ndevice d\n";
    const Choices c = Choices::parse(head + "a = own\nb = one_pass\n");
    CHECK(c.device == "d");
    CHECK(c.chosen.at("b") == Algorithm::one_pass);
    CHECK(Choices::parse(c.text()).text() == c.text());
    const auto says = [](const std::string& text, const char* message) {
      CHECK_THROWS_WITH_AS(Choices::parse(text), message, Error);
    };
    says("", "line 1: expected 'fringe cuda choices 1', found ''");
    says("fringe cuda choices 2\n", "line 1: expected 'fringe cuda choices 1', found 'fringe cuda choices 2'");
    says("fringe cuda choices 1\nx\n", "line 2: expected 'device ...', found 'x'");
    says(head + "a = own\nb\n", "line 4: expected 'WORK = ALGORITHM', found 'b'");
    says(head + " = own\n", "line 3: expected 'WORK = ALGORITHM', found ' = own'");
    says(head + "a = ours\n", "line 3: there is no algorithm 'ours'");
    says(head + "a = own\na = cudnn\n", "line 4: 'a' is there twice");
    const File file;
    fs::create_directories(fs::path(file.path).parent_path());
    std::ofstream(file.path) << "something else";
    CHECK_THROWS_WITH_AS(measure_choices("d", file.path, false), doctest::Contains("choices.txt, line 1: expected"),
                         Error);
    Race race;
    race.run();  // all the same
    CHECK(race.slow > 1);
    CHECK(contents(file.path).starts_with(head));
  }
}
