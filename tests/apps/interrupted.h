// Every long command, stopped at random moments by SIGKILL, SIGTERM or SIGINT and begun again with the same words until
// it ends, must end as if nothing had happened: every number in every file it writes is the undisturbed run's, bit for
// bit.
#pragma once
#include <fmt/ranges.h>
#include <spawn.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "engine/hdf5.h"
#include "tests/apps/files.h"

namespace fringe::test {

/// A command that can be interrupted. Its files are where it runs; what it reads is one folder up.
struct LongCommand {
  std::string name;
  std::vector<std::string> words;
  bool quick = true;  ///< takes a second or less
};

inline std::vector<std::string> split_words(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

/// c.cxi a pattern with noise, blurred.cxi one of partially coherent light, set.h5 forty of them, model.h5 a trained network, given.cxi a crystal of c.cxi.
inline void prepare_long_commands(const Folder& f) {
  const auto run = [&](const std::string& arguments) {
    REQUIRE(fringe(f, arguments + " -q", "cd '" + (f / "") + "' && ").code == 0);
  };
  run("simulate -o c.cxi --size 16 --seed 3 --photons 1e5");
  run("simulate -o blurred.cxi --size 16 --seed 3 --photons 1e7 --coherence 0.6,0.8,0.5");
  run("simulate -o set.h5 --count 40 --size 16 --photons 1e5");
  run("train -o model.h5 --size 16 --levels 2 --width 2 --samples 128 --batch 8 --validation 16 --epochs 4 --rate 0.01 "
      "--threads 1");
  run("iterate c.cxi -o given.cxi --starts 2 --recipe 50*RAAR+20*ER");
}

inline std::vector<LongCommand> long_commands() {
  const std::string checkpoint = " --checkpoint k.h5 --checkpoint-interval 0.1 --resume";
  std::vector<LongCommand> commands;
  const auto add = [&](const std::string& name, bool quick, const std::string& words) {
    commands.push_back({name, split_words(words + " -q"), quick});
  };
  add("refine: trials, choice, polish", true,
      "refine ../c.cxi -o r.cxi --save-model m.h5 --epochs 120 --width 2 --threads 1" + checkpoint);
  add("refine: bfloat16, then float32", true,
      "refine ../c.cxi -o r.cxi --save-model m.h5 --epochs 120 --seeds 2 --width 2 --precision bf16 --threads 1" + checkpoint);
  add("refine: ends on a plateau", false,
      "refine ../c.cxi -o r.cxi --epochs 600 --width 1 --seeds 1 --schedule constant --rate 1e-9 --density-prior 0 "
      "--threads 1" +
          checkpoint);
  add("refine: from a crystal", false,
      "refine ../c.cxi -o r.cxi --start ../given.cxi --start-epochs 40 --epochs 60 --width 2 --threads 1" + checkpoint);
  add("iterate", true,
      "iterate ../c.cxi -o r.cxi --recipe 4*(100*RAAR+50*HIO)+50*ER+20*ML --detwin 130,30 --low-resolution 0.4 "
      "--starts 6 "
      "--threads 2" +
          checkpoint);
  add("iterate: partial coherence, widths", false,
      "iterate ../blurred.cxi -o r.cxi --recipe 4*(60*RAAR+20*ER) --coherence gaussian --starts 3 --threads 2" + checkpoint);
  add("iterate: partial coherence, a free kernel", false,
      "iterate ../c.cxi -o r.cxi --recipe 2*(60*HIO+40*ER)+50*DM+20*ER --beta 0.8 --coherence lucy --starts 3 "
      "--threads 2" +
          checkpoint);
  add("ensemble of projections", true,
      "ensemble ../c.cxi -o r.cxi --starts 5 --recipe 3*(100*RAAR+50*ER)+10*ML --threads 2");
  add("ensemble of networks", true,
      "ensemble ../c.cxi -o r.cxi --starts 3 --method refine --epochs 60 --width 2 --threads 1");
  add("phase", false, "phase ../c.cxi -o r.cxi --threads 2");
  add("phase: partial coherence", false, "phase ../blurred.cxi -o r.cxi --threads 2");
  add("train: drawn crystals", true,
      "train -o m.h5 --last l.h5 --size 16 --levels 2 --width 2 --samples 64 --batch 8 --validation 16 --epochs 3 "
      "--threads 1" +
          checkpoint);
  add("train: bfloat16", false,
      "train -o m.h5 --size 16 --levels 2 --width 2 --samples 64 --batch 8 --validation 16 --epochs 3 --precision bf16 "
      "--threads 1" +
          checkpoint);
  add("train: a set, until it gets no better", false,
      "train ../set.h5 -o m.h5 --levels 2 --width 2 --batch 4 --epochs 30 --rate 0.3 --patience 2 --threads 1" +
          checkpoint);
  add("simulate --count", true,
      "simulate -o s.h5 --count 160 --size 16 --shape mixed --phase-range 0.5,4 --photons 1e4,1e6 --threads 2");
  add("predict: a set", true, "predict ../model.h5 ../set.h5 -o out --resume --threads 1");
  add("predict --watch", true, "predict ../model.h5 --watch ../watched -o out --idle 0.4 --resume --threads 1");
  return commands;
}

/// The exit code of the program after it got `signal` at `seconds`, or had ended by then; 128 + the signal that ended
/// it.
inline int run_until(const std::string& folder, const std::vector<std::string>& words, double seconds, int signal) {
  const std::string shell = "cd '" + folder + "' && exec '" FRINGE_PROGRAM "' \"$@\" > stdout.txt 2> stderr.txt";
  std::vector<std::string> all{"sh", "-c", shell, "fringe"};
  all.insert(all.end(), words.begin(), words.end());
  std::vector<char*> argv;
  for (auto& w : all) argv.push_back(w.data());
  argv.push_back(nullptr);
  pid_t child = 0;
  REQUIRE(posix_spawn(&child, "/bin/sh", nullptr, nullptr, argv.data(), environ) == 0);
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  int status = 0;
  while (waitpid(child, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() >= end) {
      kill(child, signal);
      waitpid(child, &status, 0);
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// Everything in an HDF5 file but times of day and seconds spent: the bytes of each data set and attribute, by path.
inline std::map<std::string, std::string> numbers_in(const std::string& path) {
  std::map<std::string, std::string> found;
  const auto timed = [](const std::string& name) {
    return name.find("second") != std::string::npos || name.find("start_time") != std::string::npos;
  };
  const auto bytes = [](hid_t type, hid_t space, const auto& read) {
    REQUIRE(H5Tis_variable_str(type) <= 0);
    std::string data(
        H5Tget_size(type) * static_cast<std::size_t>(std::max<hssize_t>(0, H5Sget_simple_extent_npoints(space))), '\0');
    if (!data.empty()) REQUIRE(read(data.data()) >= 0);
    return data;
  };
  const auto visit = [&](const auto& self, hid_t at, const std::string& where) -> void {
    for (int i = 0; i < H5Aget_num_attrs(at); ++i) {
      const hdf5::Handle a(
          H5Aopen_by_idx(at, ".", H5_INDEX_NAME, H5_ITER_INC, static_cast<hsize_t>(i), H5P_DEFAULT, H5P_DEFAULT));
      char name[256] = {};
      H5Aget_name(a.get(), sizeof name, name);
      if (timed(name)) continue;
      const hdf5::Handle type(H5Aget_type(a.get())), space(H5Aget_space(a.get()));
      found[where + "@" + name] =
          bytes(type.get(), space.get(), [&](void* to) { return H5Aread(a.get(), type.get(), to); });
    }
    for (const auto& name : hdf5::link_names(at)) {
      if (timed(name)) continue;
      const hdf5::Handle object(H5Oopen(at, name.c_str(), H5P_DEFAULT));
      const std::string here = where + "/" + name;
      if (H5Iget_type(object.get()) == H5I_GROUP) {
        self(self, object.get(), here);
      } else {
        const hdf5::Handle type(H5Dget_type(object.get())), space(H5Dget_space(object.get()));
        found[here] = bytes(type.get(), space.get(), [&](void* to) {
          return H5Dread(object.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, to);
        });
      }
    }
  };
  const auto file = hdf5::open(path);
  visit(visit, file.get(), "");
  return found;
}

/// The results in a folder, by their path in it: not checkpoints, and not what a killed run was writing.
inline std::vector<std::string> results_in(const std::string& folder) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    const auto extension = entry.path().extension();
    if (entry.is_regular_file() && (extension == ".cxi" || extension == ".h5") && entry.path().filename() != "k.h5")
      files.push_back(std::filesystem::relative(entry.path(), folder).string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// Runs every command, or the quick ones, undisturbed, then again and again to its end until it has been stopped
/// `times` times.
inline void check_interrupted(int times, unsigned seed, bool only_quick) {
  const Folder f("interrupted");
  prepare_long_commands(f);
  std::filesystem::create_directories(f / "watched");
  for (const char* name : {"a.cxi", "b.cxi", "c.cxi"})
    std::filesystem::copy_file(f / "c.cxi", f / (std::string("watched/") + name));
  std::mt19937 random(seed);
  for (const auto& command : long_commands()) {
    if (only_quick && !command.quick) continue;
    CAPTURE(command.name);
    const std::string whole = f / "whole", part = f / "part";
    std::filesystem::create_directories(whole);
    const auto begin = std::chrono::steady_clock::now();
    REQUIRE(run_until(whole, command.words, 600, SIGKILL) == 0);
    const auto since = [](auto from) { return std::chrono::duration<double>(std::chrono::steady_clock::now() - from).count(); };
    double undisturbed = since(begin);
    const auto files = results_in(whole);
    REQUIRE(!files.empty());
    int stopped = 0, ends = 0;
    std::map<int, int> by_code;
    while (stopped < times) {
      std::filesystem::create_directories(part);
      int code = -1;
      for (int attempt = 0; code != 0; ++attempt) {
        REQUIRE(attempt < 200);
        const int signal = std::array{SIGKILL, SIGTERM, SIGINT}[random() % 3];
        // Any moment is as likely as any other; where the machine has become slower, later ones come in time.
        const double moment = std::uniform_real_distribution<double>(0, undisturbed * (1 + 0.1 * attempt))(random);
        const auto start = std::chrono::steady_clock::now();
        code = run_until(part, command.words, stopped < times ? moment : 600, signal);
        // Where the machine has become faster, most moments would come too late.
        if (attempt == 0 && code == 0) undisturbed = std::min(undisturbed, since(start));
        const bool known = code == 0 || code == 128 + SIGKILL || code == 128 + SIGTERM || code == 128 + SIGINT;
        CAPTURE(contents(part + "/stderr.txt"));
        REQUIRE(known);
        stopped += code != 0;
        ++by_code[code];
      }
      ++ends;
      CAPTURE(fmt::format("{}", fmt::join(results_in(part), " ")));
      CHECK(results_in(part) == files);
      for (const auto& file : files) {
        CAPTURE(file);
        const auto expected = numbers_in(whole + "/" + file), found = numbers_in(part + "/" + file);
        CHECK(found.size() == expected.size());
        for (const auto& [name, value] : expected) {
          CAPTURE(name);
          const auto same = found.find(name);
          REQUIRE(same != found.end());
          CHECK(same->second == value);
        }
      }
      std::filesystem::remove_all(part);
    }
    MESSAGE(command.name << ": stopped " << by_code[137] << " times by SIGKILL, " << by_code[143] << " by SIGTERM, "
                         << by_code[130] << " by SIGINT; it ended " << ends << " times; undisturbed " << undisturbed
                         << " s");
    std::filesystem::remove_all(whole);
  }
}

}  // namespace fringe::test
