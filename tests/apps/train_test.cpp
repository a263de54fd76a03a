// Training and prediction as users meet them.
#include <cmath>
#include <thread>

#include "apps/io/cxi.h"
#include "engine/checkpoint.h"
#include "tests/apps/files.h"

using namespace fringe;
using namespace fringe::test;

namespace {

const std::string tiny = " --size 16 --levels 2 --width 2 --samples 128 --batch 8 --validation 16 --threads 1 -q ";

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// Largest difference of the weights, relative to the largest weight; infinity where the models differ in kind.
double difference(const std::string& a, const std::string& b) {
  const auto x = Checkpoint::load(a), y = Checkpoint::load(b);
  double most = 0, largest = 0;
  for (const std::string name : {"network.encoder.0.conv.weight", "network.amplitude.head.weight",
                                 "network.phase.0.conv.weight", "network.encoder.1.conv_norm.running_var"}) {
    const auto v = x.array_values(name), w = y.array_values(name);
    if (v.size() != w.size()) return INFINITY;
    for (std::size_t i = 0; i < v.size(); ++i) {
      most = std::max(most, std::abs(v[i] - w[i]));
      largest = std::max(largest, std::abs(v[i]));
    }
  }
  return most / largest;
}

}  // namespace

TEST_SUITE("train") {
  TEST_CASE("training lowers the held-out loss and writes models, curves and report; every recipe runs") {
    const Folder f("train");
    const auto run =
        fringe::test::fringe(f, "train -o '" + (f / "m.h5") + "' --last '" + (f / "l.h5") + "' --csv '" +
                                    (f / "c.csv") + "' --json '" + (f / "r.json") + "' --epochs 4 --rate 0.01" + tiny);
    CHECK(run.code == 0);
    CHECK(run.err.empty());
    std::istringstream csv(contents(f / "c.csv"));
    std::string line;
    std::vector<double> losses;
    std::getline(csv, line);
    CHECK(contains(line, "phase_correlation"));
    while (std::getline(csv, line)) {
      for (int k = 0; k < 5; ++k) line = line.substr(line.find(',') + 1);
      losses.push_back(std::stod(line));
    }
    REQUIRE(losses.size() == 4);
    CHECK(*std::min_element(losses.begin(), losses.end()) < losses[0]);
    for (const std::string key : {"validation_phase_correlation", "mean_image_mean", "best_epoch", "configuration"})
      CHECK(contains(contents(f / "r.json"), "\"" + key + "\": "));
    CHECK(fringe::test::fringe(f, "train --paper -o '" + (f / "p.h5") + "' --epochs 2 --given-twin" + tiny).code == 0);
    CHECK(
        fringe::test::fringe(f, "train --input logarithm --photons 1e4,1e5 -o '" + (f / "n.h5") + "' --epochs 1" + tiny)
            .code == 0);
    CHECK(fringe::test::fringe(f, "train -o x.h5 --batch 16 --micro-batch 5 ").code == 2);
    CHECK(fringe::test::fringe(f, "train -o x.h5 --resume").code == 2);
  }

  TEST_CASE("what photons the training sees: a wide range by default, a set's own, none for the paper or where 0 is asked for") {
    const Folder f("train_noise");
    REQUIRE(fringe::test::fringe(f, "simulate -q --size 16 --count 20 -o '" + (f / "quiet.h5") + "'").code == 0);
    REQUIRE(fringe::test::fringe(f, "simulate -q --size 16 --count 20 --photons 1e6 -o '" + (f / "noisy.h5") + "'").code == 0);
    const std::string small = " --levels 2 --width 2 --batch 8 --epochs 1 --threads 1 -q -o '" + (f / "m.h5") + "' --json '" + (f / "r.json") + "' ";
    const auto configuration = [&](const std::string& arguments) {
      const auto run = fringe::test::fringe(f, "train " + arguments + small);
      CHECK_MESSAGE(run.code == 0, run.err);
      return contents(f / "r.json");
    };
    const std::string drawn = "--size 16 --samples 16 --validation 4 ";
    CHECK(contains(configuration(drawn), "noise true polyhedra 0 phase 1,1 photons 100000,1000000000"));
    CHECK(contains(configuration(drawn + "--photons 1e4"), "noise true polyhedra 0 phase 1,1 photons 10000,10000"));
    CHECK(contains(configuration(drawn + "--photons 0"), "noise false"));
    CHECK(contains(configuration(drawn + "--paper"), "noise false"));
    CHECK(contains(configuration("'" + (f / "quiet.h5") + "'"), "noise true"));
    CHECK(contains(configuration("'" + (f / "noisy.h5") + "'"), "noise false"));
    CHECK(contains(configuration("'" + (f / "noisy.h5") + "' --photons 1e5"), "noise true"));
  }

  TEST_CASE("two ranks draw the same as one process with the same batch, within rounding") {
    if (!has_mpi()) return;
    const Folder f("mpi");
    const std::string options = " --epochs 2 --micro-batch 4" + tiny;
    REQUIRE(fringe::test::fringe(f, "train -o '" + (f / "one.h5") + "'" + options).code == 0);
    REQUIRE(fringe::test::fringe(f, "train -o '" + (f / "two.h5") + "'" + options, two_ranks).code == 0);
    const double d = difference(f / "one.h5", f / "two.h5");
    MESSAGE("largest difference of weights " << d);
    CHECK(d < 1e-3);
  }

  TEST_CASE("bfloat16: training and prediction say so, and stay within its rounding of float32") {
    const Folder f("bf16_train");
    /// The report, and whether it says bfloat16.
    const auto run = [&](const std::string& arguments, bool rounds) {
      REQUIRE(fringe::test::fringe(f, arguments + (rounds ? " --precision bf16" : "") + " --json '" + (f / "r.json") + "'").code == 0);
      const auto json = contents(f / "r.json");
      CHECK(contains(json, rounds ? "\"precision\": \"bf16\"" : "\"precision\": \"float32\""));
      return json;
    };
    const auto train = [&](const std::string& name, bool rounds) {
      const auto json = run("train --epochs 4 --rate 0.01 -o '" + (f / name) + "'" + tiny, rounds);
      const std::string key = "\"validation_loss\": ";
      REQUIRE(contains(json, key));
      return std::stod(json.substr(json.find(key) + key.size()));
    };
    const double loss = train("whole.h5", false), rounded_loss = train("rounded.h5", true);
    CHECK(train("again.h5", true) == rounded_loss);
    CHECK(difference(f / "rounded.h5", f / "again.h5") == 0);
    CHECK(difference(f / "rounded.h5", f / "whole.h5") > 0);
    CHECK(loss < 1);  // 1: nothing is drawn
    CHECK(rounded_loss == doctest::Approx(loss).epsilon(0.1));
    REQUIRE(fringe::test::fringe(f, "simulate -q --size 16 --seed 1 -o '" + (f / "c.cxi") + "'").code == 0);
    const auto predict = [&](const std::string& name, bool rounds) {
      run("predict -q '" + (f / "whole.h5") + "' '" + (f / "c.cxi") + "' -o '" + (f / name) + "'", rounds);
      return io::read_reconstruction(f / name);
    };
    const auto whole = predict("w.cxi", false), rounded = predict("b.cxi", true);
    CHECK(rounded.configuration.at("precision") == "bf16");
    CHECK(rounded.object.data != whole.object.data);
    CHECK(rounded.metrics.at("chi2") == doctest::Approx(whole.metrics.at("chi2")).epsilon(0.05));
  }

  TEST_CASE("predict: one pattern, a set, and a watched folder in which a bad file stops nothing") {
    const Folder f("predict");
    REQUIRE(fringe::test::fringe(f, "train -o '" + (f / "m.h5") + "' --epochs 4 --rate 0.01" + tiny).code == 0);
    for (const std::string seed : {"1", "2"})
      REQUIRE(
          fringe::test::fringe(f, "simulate -q --size 16 --seed " + seed + " -o '" + (f / ("c" + seed + ".cxi")) + "'")
              .code == 0);
    REQUIRE(fringe::test::fringe(f, "simulate -q --size 16 --count 3 -o '" + (f / "s.h5") + "'").code == 0);
    const auto one =
        fringe::test::fringe(f, "predict '" + (f / "m.h5") + "' '" + (f / "c1.cxi") + "' -o '" + (f / "r.cxi") + "' --json '" +
                                    (f / "r.json") + "'");
    CHECK(one.code == 0);
    CHECK(contains(one.out, "ms"));
    for (const std::string key : {"chi2", "pearson", "llk", "true_error", "latency_seconds"})
      CHECK(contains(contents(f / "r.json"), "\"" + key + "\": "));
    CHECK(io::read_reconstruction(f / "r.cxi").metrics.contains("true_error"));
    CHECK(fringe::test::fringe(f, "predict '" + (f / "m.h5") + "' '" + (f / "s.h5") + "' -o '" + (f / "stack") + "'")
              .code == 0);
    CHECK(io::is_reconstruction(f / "stack/s-000002.cxi"));
    const auto none =
        fringe::test::fringe(f, "predict '" + (f / "c1.cxi") + "' '" + (f / "c1.cxi") + "' -o '" + (f / "r.cxi") + "'");
    CHECK(none.code == 1);
    CHECK(contains(none.err, "not a fringe model"));

    std::filesystem::create_directories(f / "in");
    std::ofstream(f / "in/bad.cxi") << "no HDF5";
    std::filesystem::copy_file(f / "c1.cxi", f / "in/a.cxi");
    Outcome watched;
    std::thread watching([&] {
      watched = fringe::test::fringe(
          f, "predict '" + (f / "m.h5") + "' --watch '" + (f / "in") + "' -o '" + (f / "out") + "' --idle 3");
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(900));
    std::filesystem::copy_file(f / "c2.cxi", f / "in/b.cxi");
    watching.join();
    CHECK(watched.code == 0);
    CHECK(io::is_reconstruction(f / "out/a.cxi"));
    CHECK(io::is_reconstruction(f / "out/b.cxi"));
    CHECK(std::filesystem::exists(f / "in/set-aside/bad.cxi"));
    CHECK(contains(watched.err, "bad.cxi set aside"));
    CHECK(contains(watched.out, "a.cxi -> "));
    // However short --idle is, what is there when the watch begins is drawn: looking twice takes longer.
    CHECK(fringe::test::fringe(f, "predict '" + (f / "m.h5") + "' --watch '" + (f / "in") + "' -o '" + (f / "again") +
                                      "' --idle 0.01")
              .code == 0);
    CHECK(io::is_reconstruction(f / "again/a.cxi"));
    CHECK(io::is_reconstruction(f / "again/b.cxi"));
    // A trained model is a start for refine.
    CHECK(fringe::test::fringe(f, "refine '" + (f / "c1.cxi") + "' -o '" + (f / "t.cxi") + "' --epochs 3 -q --model '" +
                                      (f / "m.h5") + "'")
              .code == 0);
  }
}
