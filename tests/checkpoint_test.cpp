#include "engine/checkpoint.h"

#include <filesystem>
#include <fstream>

#include "tests/support/arrays.h"

using namespace fringe;
using namespace fringe::test;

TEST_SUITE("checkpoint") {
  const auto folder = std::filesystem::temp_directory_path();

  TEST_CASE("arrays, numbers and texts come back exactly") {
    Context<float> context(cpu::table());
    const Tensor<float> t(context, {1, 2, 3, 4, 5}), back(context, {1, 2, 3, 4, 5});
    const auto values = random_array<float>(t.shape(), 1);
    std::copy(values.begin(), values.end(), t.data());
    t[0] = std::numeric_limits<float>::denorm_min();
    Checkpoint c;
    c.put("a.b", t);
    c.numbers["pi"] = 3.14159265358979312;
    c.texts["seed"] = "18446744073709551615";
    c.texts["empty"] = "";
    const auto path = (folder / "fringe_checkpoint_test.h5").string();
    c.save(path);
    c.save(path);  // replaces
    const auto loaded = Checkpoint::load(path);
    loaded.get("a.b", back);
    CHECK(std::equal(t.data(), t.data() + t.size(), back.data()));
    CHECK(loaded.number("pi") == c.numbers["pi"]);
    CHECK(loaded.text("seed") == c.texts["seed"]);
    CHECK(loaded.text("empty").empty());
    CHECK_THROWS_WITH_AS(loaded.number("e"), doctest::Contains("there is no number e"), Error);
    CHECK_THROWS_WITH_AS(loaded.get("b", back), doctest::Contains("there is no array b"), Error);
    std::filesystem::remove(path);
  }

  TEST_CASE("what cannot be written or read is an Error that says why, and no temporary file is left") {
    Checkpoint c;
    c.numbers["one"] = 1;
    CHECK_THROWS_WITH_AS(c.save((folder / "no_such_folder" / "x.h5").string()), doctest::Contains("does not exist"), Error);
    CHECK_THROWS_WITH_AS(c.save(folder.string()), doctest::Contains("is a folder"), Error);
    CHECK_THROWS_WITH_AS(Checkpoint::load((folder / "fringe_no_such_file.h5").string()), doctest::Contains("no such file"),
                         Error);
    const auto text = (folder / "fringe_checkpoint_test.txt").string();
    std::ofstream(text) << "hello";
    CHECK_THROWS_WITH_AS(Checkpoint::load(text), doctest::Contains("not an HDF5 file"), Error);
    std::filesystem::remove(text);
  }

  TEST_CASE("a file cut short anywhere is an Error, never a crash") {
    Context<float> context(cpu::table());
    const Tensor<float> t(context, {1, 1, 1, 40, 50});
    t.fill(1);
    Checkpoint c;
    c.put("a", t);
    c.numbers["one"] = 1;
    const auto path = (folder / "fringe_checkpoint_cut.h5").string();
    c.save(path);
    const auto size = std::filesystem::file_size(path);
    for (int i = 0; i < 10; ++i) {
      c.save(path);
      std::filesystem::resize_file(path, size * static_cast<std::uintmax_t>(i) / 10);
      CHECK_THROWS_AS(Checkpoint::load(path), Error);
    }
    std::filesystem::remove(path);
  }
}
