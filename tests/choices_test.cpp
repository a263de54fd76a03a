// The choice between kernels: measured once, kept in a file, read back, renewed; files that are none; several processes at once.
#include "kernels/choices.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "kernels/cpu/choices.h"
#include "kernels/cpu/convolution.h"
#include "kernels/fused_separable_conv3d.h"
#include "kernels/libraries.h"
#include "tests/fused_conv3d_cases.h"

using namespace fringe;
using namespace fringe::test;

namespace {

namespace fs = std::filesystem;

std::string contents(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

/// A file in a folder of its own, which is not there yet; gone at the end.
struct File {
  std::string folder = (fs::temp_directory_path() / ("fringe_choices_" + std::to_string(getpid()))).string();
  std::string path = folder + "/a/choices.txt";
  File() { fs::remove_all(folder); }
  ~File() { fs::remove_all(folder); }
};

const Work work{"conv3d_forward", {1, 8, 8, 8, 4}, {3, 3, 3, 4, 2}, Precision::float32, 2};

/// A watch whose times are what the candidates say: "measures" in no time and always the same.
double next_time = 0;
double said_time(const Stream&, const std::function<void()>& run) {
  run();
  return next_time;
}
bool ready_now = true;
bool is_ready(const Stream&) { return ready_now; }

/// Candidates whose times are told, in units of the rule's; how often each ran.
struct Race {
  Chooser chooser{{is_ready, said_time}};
  Stream stream{1};
  int own = 0, winograd = 0;
  std::vector<double> times{1.0};  ///< of winograd, one a round, the last for ever; own takes 1
  double unit = 1e-3;              ///< [s]

  void run(const Work& w = work) {
    own = winograd = 0;
    chooser.run_one_of(stream, w, {{Way::own, [&] { ++own, next_time = unit; }},
                                   {Way::winograd, [&] {
                                      const auto round = static_cast<std::size_t>(std::max(0, winograd - 1));  // one run is not timed
                                      next_time = unit * times[std::min(round, times.size() - 1)];
                                      ++winograd;
                                    }}});
  }
  bool was_measured() const { return own + winograd > 1; }
};

}  // namespace

TEST_SUITE("choices") {
  TEST_CASE("without measuring, the rule's candidate runs, once; or the one that was chosen") {
    Race race;
    race.times = {0.1};
    race.run();
    CHECK(race.own == 1);
    CHECK(race.winograd == 0);
    race.chooser.choose(work, Way::winograd);
    race.run();
    CHECK(race.own == 0);
    CHECK(race.winograd == 1);
    CHECK(race.chooser.latest() == Way::winograd);
    Work same = work;
    same.volume.c = 7;  // those of the kernel count
    race.run(same);
    CHECK(race.winograd == 1);
    race.chooser.choose(work, Way::own);
    race.run(same);
    CHECK(race.own == 1);
    race.chooser.choose(work, Way::one_pass);  // not among the candidates
    race.run();
    CHECK(race.own == 1);
    CHECK(race.chooser.described() == "by rule");
  }

  TEST_CASE("what is faster by 5 % takes the rule's place; what is not, or not steadily, does not") {
    const auto chosen = [](std::vector<double> times) {
      Race race;
      race.times = std::move(times);
      race.chooser.measure("a machine", "", false);
      race.run();
      return race.chooser.latest();
    };
    CHECK(chosen({0.94}) == Way::winograd);
    CHECK(chosen({0.96}) == Way::own);
    CHECK(chosen({2}) == Way::own);
    CHECK(chosen({9, 0.9}) == Way::winograd);                            // one disturbed round
    CHECK(chosen({1.2, 0.5, 1.1, 0.5, 0.5, 0.5, 0.5}) == Way::own);      // faster in the median, slower in two rounds
    CHECK(chosen({0.5, 0.99, 0.99, 0.99, 0.99, 0.5, 0.5}) == Way::own);  // one lucky round or three
    Race race;
    race.times = {2};
    race.chooser.measure("a machine", "", false);
    race.run();
    CHECK(race.winograd == 3);  // hopeless after two rounds, and not timed any more
    race.times = {0.9}, race.unit = 0.2;
    Work long_work = work;
    long_work.volume.n = 100;
    race.run(long_work);
    CHECK(race.chooser.latest() == Way::winograd);
    CHECK(race.own == 4);  // three rounds are enough
  }

  TEST_CASE("what is measured once is kept, by shape, threads and machine, in a file that the next run reads") {
    const File file;
    Race race;
    race.times = {0.5};
    race.chooser.measure("a machine", file.path, false);
    race.run();
    CHECK(race.was_measured());
    CHECK(race.chooser.latest() == Way::winograd);
    race.run();
    CHECK(race.own == 0);
    CHECK(race.winograd == 1);
    CHECK(contents(file.path) ==
          "fringe choices 1\ndevice a machine\nconv3d_forward 1x8x8x8 3x3x3 4-2 float32 on 2 = winograd\n");
    CHECK(std::distance(fs::directory_iterator(fs::path(file.path).parent_path()), fs::directory_iterator()) == 1);
    CHECK(race.chooser.described() == "measured, " + file.path);

    race.chooser.measure("a machine", file.path, false);  // as in the next run
    race.times = {2};
    race.run();
    CHECK_FALSE(race.was_measured());
    CHECK(race.chooser.latest() == Way::winograd);
    Work others[] = {work, work, work, work};
    others[0].precision = Precision::bfloat16, others[1].threads = 1, others[2].volume.n = 2, others[3].kernel.c = 3;
    for (const Work& other : others) {
      race.run(other);
      CHECK(race.was_measured());
    }
    CHECK(Choices::parse(contents(file.path)).chosen.size() == 5);

    for (const bool renew : {true, false}) {  // --tune; then another machine
      race.chooser.measure(renew ? "a machine" : "another machine", file.path, renew);
      CHECK_FALSE(race.chooser.choice(work).has_value());
      race.run();
      CHECK(race.was_measured());
      CHECK(race.chooser.latest() == Way::own);
      CHECK(Choices::parse(contents(file.path)).chosen.size() == 1);
    }
    CHECK(Choices::parse(contents(file.path)).device == "another machine");
  }

  TEST_CASE("nothing is measured when it may not be, nor what a candidate consists of while it is timed") {
    Race race;
    race.chooser.measure("a machine", "", false);
    ready_now = false;
    race.run();
    ready_now = true;
    CHECK_FALSE(race.was_measured());
    CHECK_FALSE(race.chooser.choice(work).has_value());
    Work part = work;
    part.operation = "part";
    int parts = 0;
    const auto whole = [&] {
      race.chooser.run_one_of(race.stream, part, {{Way::own, [&] { ++parts, next_time = 1e-3; }}, {Way::general, [] {}}});
    };
    race.chooser.run_one_of(race.stream, work, {{Way::own, whole}, {Way::winograd, whole}});
    CHECK(race.chooser.choice(work).has_value());
    CHECK(race.chooser.choice(part).has_value());  // in the run that counts
    CHECK(parts > 2);
  }

  TEST_CASE("a folder that cannot be written is said once, and no reason not to measure") {
    Race race;
    race.times = {0.5};
    CHECK_THROWS_WITH_AS(race.chooser.measure("a machine", "/proc/no/such/choices.txt", false),
                         doctest::Contains("/proc/no/such cannot be written: which kernels are the fastest is measured in every run"),
                         Error);
    race.run();
    CHECK(race.chooser.latest() == Way::winograd);
  }

  TEST_CASE("what is no such file says line and fault") {
    const std::string head = "fringe choices 1\ndevice d\n";
    const Choices c = Choices::parse(head + "a = own\nb = one_pass\n");
    CHECK(c.device == "d");
    CHECK(c.chosen.at("b") == Way::one_pass);
    CHECK(Choices::parse(c.text()).text() == c.text());
    const auto says = [](const std::string& text, const char* message) {
      CHECK_THROWS_WITH_AS(Choices::parse(text), message, Error);
    };
    says("", "line 1: expected 'fringe choices 1', found ''");
    says("fringe choices 2\n", "line 1: expected 'fringe choices 1', found 'fringe choices 2'");
    says("fringe choices 1\nx\n", "line 2: expected 'device ...', found 'x'");
    says(head + "a = own\nb\n", "line 4: expected 'WORK = ALGORITHM', found 'b'");
    says(head + " = own\n", "line 3: expected 'WORK = ALGORITHM', found ' = own'");
    says(head + "a = ours\n", "line 3: there is no algorithm 'ours'");
    says(head + "a = own\na = cudnn\n", "line 4: 'a' is there twice");
    const File file;
    fs::create_directories(fs::path(file.path).parent_path());
    std::ofstream(file.path) << "something else";
    Race race;
    CHECK_THROWS_WITH_AS(race.chooser.measure("d", file.path, false), doctest::Contains("choices.txt, line 1: expected"), Error);
    race.run();  // all the same
    CHECK(race.was_measured());
    CHECK(contents(file.path).starts_with(head));
  }

  TEST_CASE("processes that measure at the same time come to the same choices, and the file has all of them") {
    const File file;
    constexpr int processes = 4, works = 6;
    std::vector<pid_t> children;
    for (int p = 0; p < processes; ++p) {
      const pid_t child = fork();
      if (child == 0) {  // what the odd ones measure is the opposite of what the even ones do
        Race race;
        race.times = {p % 2 == 0 ? 0.5 : 2.0};
        race.chooser.measure("a machine", file.path, false);
        std::ofstream mine(file.folder + "/" + std::to_string(p));
        for (Index n = 1; n <= works; ++n) {
          Work one = work;
          one.volume.n = n;
          race.run(one);
          mine << one.key() << " = " << name(race.chooser.latest()) << "\n";
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        mine.close();
        _exit(0);
      }
      children.push_back(child);
    }
    for (const pid_t child : children) {
      int status = -1;
      CHECK(waitpid(child, &status, 0) == child);
      CHECK(status == 0);
    }
    const Choices kept = Choices::parse(contents(file.path));
    CHECK(kept.chosen.size() == works);
    std::string lines;
    for (const auto& [key, algorithm] : kept.chosen) lines += fmt::format("{} = {}\n", key, name(algorithm));
    for (int p = 0; p < processes; ++p) CHECK(contents(file.folder + "/" + std::to_string(p)) == lines);
  }
}

namespace {

/// Everything that fused convolutions and blocks compute, one array after another.
std::vector<float> all_results(Stream& stream, const FusedCase& c) {
  const FusedOperands<float> o(c, {3, 3, 3, c.in.c, c.out});
  const auto& t = cpu::table();
  const auto slope = static_cast<float>(c.slope);
  Array<float> y(o.y.shape()), statistics(batch_norm_fold::statistics_shape(c.out)), dx(o.x.shape()), daffine(o.affine.shape()),
      dw(o.w.shape()), db(o.b.shape());
  const View<float> da = c.affine ? daffine.view() : View<float>{};
  t.fused_conv3d_forward(stream, slope, o.reading(), o.w, o.b, y, statistics);
  t.fused_conv3d_backward_data(stream, o.gradient(), o.w, o.reading(), dx, da);
  t.fused_conv3d_backward_weights(stream, o.reading(), o.gradient(), dw, db);
  std::vector<float> all;
  const auto keep = [&](const Array<float>& a) {
    a.check_canaries();
    all.insert(all.end(), a.begin(), a.end());
  };
  for (const auto* a : {&y, &statistics, &dx, &dw, &db}) keep(*a);
  if (c.affine) keep(daffine);
  return all;
}

}  // namespace

TEST_SUITE("choices of the CPU") {
  TEST_CASE("every algorithm of every shape agrees; what was measured is what runs, and two runs with one file are bitwise equal") {
    const File file;
    const FusedCase cases[] = {{{1, 6, 4, 18, 8}, 8, 8, true, false, true, true, 0.01},
                               {{1, 8, 8, 8, 16}, 16, 16, true, false, true, true, 0.1},
                               {{1, 4, 4, 16, 1}, 8, 8, false, false, true, false, 0.1},
                               {{1, 5, 4, 12, 8}, 8, 1, true, false, false, false, 0},
                               {{1, 4, 6, 8, 16}, 8, 8, true, true, true, false, 0.01}};
    for (const auto precision : {Precision::float32, Precision::bfloat16}) {
      Stream stream(2);
      stream.set_precision(precision);
      for (const auto& c : cases) {
        CAPTURE(c.in.str());
        cpu::chooser().forget();
        const auto by_rule = all_results(stream, c);
        for (const auto algorithm : {Way::own, Way::winograd, Way::general, Way::floats}) {
          CAPTURE(name(algorithm));
          cpu::chooser().forget();
          for (const char* operation : {"conv3d_forward", "conv3d_data", "conv3d_weights", "upsampled_conv3d_forward",
                                        "upsampled_conv3d_data", "upsampled_conv3d_weights"}) {
            const bool small = std::string_view(operation).starts_with("upsampled") && !std::string_view(operation).ends_with("data");
            Shape volume = c.in;
            if (small) volume = {c.in.n, c.in.d / 2, c.in.h / 2, c.in.w / 2, c.in.c};
            const bool gradient = std::string_view(operation).ends_with("data");
            cpu::chooser().choose({operation, gradient ? c.in.with_channels(c.out) : volume.with_channels(c.in.c),
                                   {3, 3, 3, c.in.c, c.out}, precision, 2}, algorithm);
          }
          const auto found = all_results(stream, c);
          double worst = 0, size = 0;
          for (std::size_t i = 0; i < found.size(); ++i) {
            worst = std::max(worst, std::abs(double(found[i]) - double(by_rule[i])));
            size = std::max(size, std::abs(double(by_rule[i])));
          }
          // In bfloat16 a last bit of what a prologue makes can round a factor the other way.
          CHECK(worst < (precision == Precision::bfloat16 ? 1e-3 : 2e-5) * size);
        }
      }
      for (const bool again : {false, true}) {
        static std::vector<std::vector<float>> first;
        if (!again) first.clear();
        cpu::measure_kernels("a processor, with something", file.folder, false);
        for (std::size_t i = 0; i < std::size(cases); ++i) {
          const auto found = all_results(stream, cases[i]);
          if (again)
            CHECK(found == first[i]);
          else
            first.push_back(found);
        }
      }
      cpu::chooser().forget();
    }
    const std::string kept = contents(file.folder + "/cpu_a_processor.txt");
    CHECK(kept.find("conv3d_forward 1x8x8x8 3x3x3 16-16 float32 on 2 = ") != std::string::npos);
    CHECK(kept.find("conv3d_weights 1x6x4x18 3x3x3 8-8 float32 on 2 = ") != std::string::npos);
  }

  TEST_CASE("the separable block by either way, with v and work space or without; the loser's memory is given back") {
    const FusedCase c{{1, 8, 6, 10, 8}, 8, 8, true, false, true, false, 0.01};
    const FusedOperands<float> o(c, {3, 3, 3, 8, 8});
    const auto wd = random_array<float>({3, 1, 1, 8, 8}, 11, 0.3), wh = random_array<float>({1, 3, 1, 8, 8}, 12, 0.3),
               ww = random_array<float>({1, 1, 3, 8, 8}, 13, 0.3), b = random_array<float>(channel_vector(8), 14);
    const SeparableWeights<ConstView<float>> k{wd.view(), b.view(), wh.view(), b.view(), ww.view(), b.view()};
    const auto run = [&](Stream& stream, bool work_space) {
      Array<float> u(c.in), v(c.in), y(c.in), dv(c.in), du(c.in), dx(c.in), daffine(o.affine.shape()), dwd(wd.shape()), dwh(wh.shape()),
          dww(ww.shape()), db(b.shape()), statistics(batch_norm_fold::statistics_shape(8));
      const auto& t = cpu::table();
      const View<float> none, kept_v = work_space ? v.view() : none;
      t.fused_separable_conv3d_forward(stream, 0.01F, o.reading(), k, u, kept_v, y, statistics);
      t.fused_separable_conv3d_backward(stream, o.reading(), u.view(), kept_v, k, o.gradient(), work_space ? dv.view() : none,
                                        work_space ? du.view() : none, dx, daffine, {dwd, db, dwh, db, dww, db});
      std::vector<float> all;
      for (const auto* a : {&y, &statistics, &dx, &daffine, &dwd, &dwh, &dww}) all.insert(all.end(), a->begin(), a->end());
      return all;
    };
    std::vector<std::vector<float>> found;
    for (const auto algorithm : {Way::own, Way::one_pass})
      for (const bool work_space : {true, false}) {
        Stream stream(2);
        for (const char* operation : {"separable_forward", "separable_backward"})
          cpu::chooser().choose({operation, c.in, {3, 3, 3, 8, 8}, Precision::float32, 2}, algorithm);
        found.push_back(run(stream, work_space));
        CHECK(stream.workspace_bytes() == (algorithm == Way::own && !work_space ? 3 * 8 * 6 * 10 * 8 * sizeof(float) : 0));
      }
    CHECK(found[0] == found[1]);
    CHECK(found[2] == found[3]);
    for (std::size_t i = 0; i < found[0].size(); ++i)
      REQUIRE(found[2][i] == doctest::Approx(found[0][i]).epsilon(1e-4).scale(1));
    cpu::chooser().forget();
    cpu::measure_kernels("a processor", "", false);
    Stream stream(2);
    run(stream, false);
    const auto chosen = cpu::chooser().choice({"separable_backward", c.in, {3, 3, 3, 8, 8}, Precision::float32, 2});
    REQUIRE(chosen.has_value());
    if (*chosen == Way::one_pass) CHECK(stream.workspace_bytes() == 0);
    cpu::chooser().forget();
  }
}
