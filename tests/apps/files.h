// A folder for one test's files, and running the program.
#pragma once
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace fringe::test {

/// Made when it is constructed, removed with all it holds at the end.
class Folder {
 public:
  explicit Folder(const std::string& name)
      : path_(std::filesystem::temp_directory_path() / ("fringe_" + name + "_" + std::to_string(getpid()))) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& file) const { return (path_ / file).string(); }

 private:
  std::filesystem::path path_;
};

struct Outcome {
  int code = -1;
  std::string out, err;
};

inline std::string contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

/// Runs `fringe ARGUMENTS` in a shell.
inline Outcome fringe(const Folder& folder, const std::string& arguments, const std::string& before = "") {
  const std::string out = folder / "stdout.txt", err = folder / "stderr.txt";
  const int status =
      std::system((before + "'" FRINGE_PROGRAM "' " + arguments + " > '" + out + "' 2> '" + err + "'").c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), contents(out), contents(err)};
}

inline const std::string two_ranks = "mpirun --allow-run-as-root --oversubscribe -n 2 ";
/// Whether runs on two_ranks are possible here; says so if not.
inline bool has_mpi() {
  const bool has = std::system("mpirun --version > /dev/null 2>&1") == 0 &&
                   std::system("'" FRINGE_PROGRAM "' info 2>/dev/null | grep -q MPI") == 0;
  if (!has) MESSAGE("skipped: no mpirun, or a build without MPI");
  return has;
}

}  // namespace fringe::test
