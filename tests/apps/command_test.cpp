// The program as users meet it: exit codes, messages, files.
#include <csignal>
#include <cstring>
#include <filesystem>

#include "apps/io/cxi.h"
#include "apps/io/hdf5_data.h"
#include "tests/apps/files.h"

using namespace fringe;
using namespace fringe::test;

namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// A quick fit of a pattern of 16^3.
const std::string quick = " --epochs 12 --seeds 2 --width 2 --threads 1 --quiet ";

void simulate(const Folder& folder) {
  REQUIRE(fringe::test::fringe(folder, "simulate -q -o '" + (folder / "c.cxi") + "' --size 16 --seed 3").code == 0);
}

}  // namespace

TEST_SUITE("command") {
  TEST_CASE("help is there for the program and every command; wrong usage exits with 2") {
    const Folder folder("help");
    CHECK(fringe::test::fringe(folder, "--help").code == 0);
    for (const std::string command : {"simulate", "prepare", "refine", "lab", "show", "compare", "info"}) {
      const auto o = fringe::test::fringe(folder, command + " --help");
      CHECK(o.code == 0);
      CHECK(contains(o.out, "Options"));
    }
    CHECK(contains(fringe::test::fringe(folder, "--version").out, "fringe 0."));
    for (const std::string usage : {"", "retrieve", "refine", "simulate -o x.cxi --size many", "refine a.cxi -o b.cxi --resume",
                                    "refine a.cxi -o b.cxi --time 0", "refine a.cxi -o b.cxi --time soon",
                                    "refine a.cxi -o b.cxi --schedule linear", "prepare a -o b --centre middle"}) {
      CAPTURE(usage);
      const auto o = fringe::test::fringe(folder, usage);
      CHECK(o.code == 2);
      CHECK_FALSE(o.err.empty());
    }
    const auto said = [&](const std::string& usage) { return fringe::test::fringe(folder, usage).err; };
    CHECK(contains(said("refine a.cxi -o b.cxi --time 0"), "must be more than 0"));
    CHECK(contains(said("refine a.cxi -o b.txt"), "--output: must end in .cxi or .h5 or .hdf5 or .vti, not 'b.txt'"));
    CHECK(contains(said("show a.cxi -o b.jpg"), "--output: must end in .png, not 'b.jpg'"));
    CHECK(contains(said("refine a.cxi -o b.cxi --epochs -3"), "--epochs: must be more than 0, not '-3'"));
    CHECK(contains(said("refine a.cxi -o b.cxi --free-fraction 2"), "--free-fraction: must be between 0 and 0.4, not '2'"));
    for (const std::string command : {"refine a.cxi -o b.cxi", "ensemble a.cxi -o b.cxi", "train -o m.h5", "predict m.h5 a.cxi -o b.cxi"}) {
      CAPTURE(command);
      const auto o = fringe::test::fringe(folder, command + " --precision fp8");
      CHECK(o.code == 2);
      CHECK(contains(o.err, "--precision"));
      CHECK(contains(o.err, "fp8"));
      CHECK(contains(o.err, "bf16"));
    }
    CHECK(contains(said("retrieve"), "there is no command 'retrieve'; there are simulate, prepare"));
  }

  TEST_CASE("simulate, refine, compare, show: files, tables, reports") {
    const Folder f("chain");
    simulate(f);
    const auto refine = fringe::test::fringe(f, "refine '" + (f / "c.cxi") + "' -o '" + (f / "r.cxi") + "' -o '" + (f / "r.vti") +
                                                    "' --epochs 12 --seeds 2 --width 2 --json '" + (f / "r.json") + "' --save-model '" +
                                                    (f / "m.h5") + "'");
    CHECK(refine.code == 0);
    CHECK(contains(refine.out, "chi2"));
    CHECK(contains(refine.err, "epochs/s"));
    const auto json = contents(f / "r.json");
    for (const std::string key : {"chi2", "pearson", "llk", "free_llk", "true_error", "seconds", "epochs", "epochs_per_second",
                                  "device", "version", "command"})
      CHECK(contains(json, "\"" + key + "\": "));
    CHECK(contains(contents(f / "r.vti"), "ImageData"));
    const auto compare = fringe::test::fringe(f, "compare '" + (f / "c.cxi") + "' '" + (f / "c.cxi") + "' --json '" + (f / "s.json") + "'");
    CHECK(compare.code == 0);
    CHECK(contains(compare.out, "true error         0.0000"));
    CHECK(fringe::test::fringe(f, "compare '" + (f / "r.cxi") + "' '" + (f / "c.cxi") + "'").code == 0);
    CHECK(contains(fringe::test::fringe(f, "info '" + (f / "r.cxi") + "'").out, "/entry_1/image_1/data (8, 8, 8)"));
    CHECK(contains(fringe::test::fringe(f, "info").out, "instruction sets"));
    if (std::system("taskset --version > /dev/null 2>&1") == 0)  // what Slurm leaves a job is what it uses
      CHECK(contains(fringe::test::fringe(f, "info", "taskset -c 0 ").out, "threads           1\n"));
    for (const std::string file : {"r.cxi", "c.cxi"}) {
      const auto show = fringe::test::fringe(f, "show '" + (f / file) + "' -o '" + (f / "p.png") + "'");
      if (contains(show.err, "has no Cairo")) {
        MESSAGE("skipped: this build has no Cairo");
        continue;
      }
      CHECK(show.code == 0);
      CHECK(contents(f / "p.png").substr(1, 3) == "PNG");
    }
    // The model goes in again, and does not fit another width.
    CHECK(fringe::test::fringe(f, "refine '" + (f / "c.cxi") + "' -o '" + (f / "r.cxi") + "' --epochs 2 --seeds 1 -q --model '" + (f / "m.h5") + "'")
              .code == 0);
    const auto other = fringe::test::fringe(f, "refine '" + (f / "c.cxi") + "' -o '" + (f / "r.cxi") + "' --width 4 --model '" + (f / "m.h5") + "'");
    CHECK(other.code == 1);
    CHECK(contains(other.err, "the model has width 2, --width says 4"));
  }

  TEST_CASE("--quiet prints nothing, errors go to standard error with exit code 1") {
    const Folder f("quiet");
    simulate(f);
    const auto o = fringe::test::fringe(f, "refine '" + (f / "c.cxi") + "' -o '" + (f / "r.cxi") + "'" + quick);
    CHECK(o.code == 0);
    CHECK(o.out.empty());
    CHECK(o.err.empty());
    const auto missing = fringe::test::fringe(f, "refine '" + (f / "none.cxi") + "' -o '" + (f / "r.cxi") + "'");
    CHECK(missing.code == 1);
    CHECK(contains(missing.err, "none.cxi: no such file"));
    const auto folder = fringe::test::fringe(f, "refine '" + (f / "c.cxi") + "' -o '" + (f / "no/such/r.cxi") + "'");
    CHECK(folder.code == 1);
    CHECK(contains(folder.err, "does not exist"));
    const auto path = fringe::test::fringe(f, "refine '" + (f / "c.cxi") + ":/entry_1/nothing' -o '" + (f / "r.cxi") + "'");
    CHECK(path.code == 1);
    CHECK(contains(path.err, "/entry_1/instrument_1/detector_1/data (16, 16, 16)"));
  }

  TEST_CASE("the same seed gives the same bits; the paper's recipe runs") {
    const Folder f("seed");
    simulate(f);
    const auto run = [&](const std::string& name, const std::string& more) {
      REQUIRE(fringe::test::fringe(f, "refine '" + (f / "c.cxi") + "' -o '" + (f / name) + "'" + quick + more).code == 0);
      return io::read_object(f / name).data;
    };
    const auto a = run("a.cxi", ""), b = run("b.cxi", ""), c = run("d.cxi", "--seed 2");
    CHECK(a == b);
    CHECK(a != c);
    CHECK(fringe::test::fringe(f, "refine '" + (f / "c.cxi") + "' -o '" + (f / "p.cxi") + "' --paper --width 2 --epochs 5 -q").code == 0);
  }

  TEST_CASE("refine in bfloat16: reproducible, near float32 but not the same, and the report says so") {
    const Folder f("bf16");
    simulate(f);
    const auto run = [&](const std::string& name, const std::string& more) {
      REQUIRE(fringe::test::fringe(f, "refine '" + (f / "c.cxi") + "' -o '" + (f / name) + "' --no-polish --json '" + (f / "r.json") + "'" +
                                          quick + more)
                  .code == 0);
      return io::read_reconstruction(f / name);
    };
    const auto whole = run("w.cxi", "");
    CHECK(contains(contents(f / "r.json"), "\"precision\": \"float32\""));
    const auto mixed = run("m.cxi", "--precision bf16");
    const auto json = contents(f / "r.json");
    CHECK(contains(json, "\"precision\": \"bf16\""));
    CHECK(contains(json, "\"float32_from\": \"0.6\""));
    CHECK(mixed.configuration.at("precision") == "bf16");
    CHECK(run("n.cxi", "--precision bf16").object.data == mixed.object.data);
    CHECK(mixed.object.data != whole.object.data);
    const auto rounded = run("r.cxi", "--precision bf16 --float32-from 1");
    CHECK(rounded.object.data != mixed.object.data);
    // Not a single epoch in bfloat16: float32, bit for bit.
    CHECK(run("f.cxi", "--precision bf16 --float32-from 0").object.data == whole.object.data);
    for (const auto* r : {&mixed, &rounded}) CHECK(r->metrics.at("chi2") == doctest::Approx(whole.metrics.at("chi2")).epsilon(0.1));
  }

  TEST_CASE("a time limit that is over before the first epoch still ends with a result") {
    const Folder f("no_time");
    simulate(f);
    REQUIRE(fringe::test::fringe(f, "refine '" + (f / "c.cxi") + "' -o '" + (f / "r.cxi") + "'" + quick + "--time 0.000001s").code == 0);
    CHECK(io::read_reconstruction(f / "r.cxi").metrics.at("epochs") == 1);
  }

  TEST_CASE("--time ends in time") {
    const Folder f("time");
    simulate(f);
    const auto o = fringe::test::fringe(f, "refine '" + (f / "c.cxi") + "' -o '" + (f / "r.cxi") + "' --time 2s --epochs 1000000 --threads 1 --width 2 --json '" +
                                               (f / "r.json") + "' -q");
    CHECK(o.code == 0);
    const auto r = io::read_reconstruction(f / "r.cxi");
    CHECK(r.metrics.at("seconds") < 4);
    CHECK(r.metrics.at("epochs") > 20);
  }

  TEST_CASE("an output that cannot be written is noticed before the work") {
    const Folder f("unwritable");
    simulate(f);
    // A folder that loses its write permission is not seen by root; a name under a file is refused for everybody.
    std::ofstream(f / "file") << "x";
    const auto o = fringe::test::fringe(f, "refine '" + (f / "c.cxi") + "' -o '" + (f / "file/r.cxi") + "'" + quick);
    CHECK(o.code == 1);
    CHECK(contains(o.err, "file/r.cxi"));
  }

  TEST_CASE("prepare: bad input is refused with its reason") {
    const Folder f("prepare");
    const auto prepare = [&](const std::string& frames, const std::string& more = "") {
      return fringe::test::fringe(f, "prepare '" + frames + "' -o '" + (f / "p.cxi") + "' " + more);
    };
    const auto write = [&](const Volume<float>& v) {
      hdf5::write_atomically(f / "a.h5", [&](hid_t file) { io::write_volume(file, "/a", v); });
    };
    CHECK(contains(prepare(f / "none").err, "none: no such file"));
    Volume<float> v({16, 16, 16}, 0);
    write(v);
    CHECK(contains(prepare((f / "a.h5") + ":/a").err, "all counts are zero"));
    v(8, 8, 8) = 1000, v(8, 8, 9) = 300, v(8, 9, 8) = 300, v(9, 8, 8) = 300;
    v(1, 1, 1) = -1;
    write(v);
    const auto negative = prepare((f / "a.h5") + ":/a");
    CHECK(negative.code == 1);
    CHECK(contains(negative.err, "frame 1, row 1, column 1 holds -1"));
    CHECK(prepare((f / "a.h5") + ":/a", "--mask-invalid --size 16").code == 0);
    CHECK(contains(prepare((f / "a.h5") + ":/a", "--mask-invalid --size 15").err, "must have an even number of voxels"));
    // A single bright spot would be an object as large as the array.
    CHECK(contains(prepare((f / "a.h5") + ":/a", "--mask-invalid --size 16").err, "the object is too large"));
    const auto strict = prepare((f / "a.h5") + ":/a", "--mask-invalid --size 16 --strict");
    CHECK(strict.code == 1);
    CHECK(contains(prepare((f / "a.h5") + ":/b").err, "it holds /a (16, 16, 16)"));
  }
}
