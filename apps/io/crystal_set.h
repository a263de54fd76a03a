// Sets of simulated crystals, as one HDF5 file: what networks are trained on.
//
//   /objects       (count, n, n, n)      complex (r, i), one crystal a chunk
//   /intensities   (count, N, N, N)      float [photons], N = 2 n; absent in sets of objects alone
//   /phase_range, /photons, /polyhedron  (count)   how each was drawn; photons 0: no noise
//   /complete      (count)               1 = written
//   /parameters    attributes: every distribution the set was drawn from, seed, version, command
//
// All chunks are allocated before the first one is filled, and `complete` is written after what it speaks of is on its
// way to the disk: a process killed at any moment leaves a file that can be gone on with.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "apps/phasing/simulate.h"
#include "engine/hdf5.h"

namespace fringe::io {

struct CrystalSetLayout {
  Index count = 0;
  Index size = 64;  ///< N
  bool patterns = true;
  std::map<std::string, double> parameters;
  std::map<std::string, std::string> texts;  ///< seed, version, command
  /// Names of texts that may differ when a set is gone on with.
  std::vector<std::string> free_texts;
};

struct SetEntry {
  Specimen specimen;
  Volume<Complex> object;
  Volume<float> intensity;
};

/// Writes PATH.partial, which finish() renames. An existing PATH.partial of the same layout is gone on with.
class CrystalSetWriter {
 public:
  /// Throws Error when PATH.partial is of another layout, naming what differs.
  CrystalSetWriter(const std::string& path, const CrystalSetLayout& layout);

  bool complete(Index i) const { return complete_[static_cast<std::size_t>(i)] != 0; }
  Index completed() const;
  /// Entries number first, first + 1, ...
  void write(Index first, const std::vector<SetEntry>& entries);
  void finish();

 private:
  void create(const CrystalSetLayout& layout);
  void resume(const CrystalSetLayout& layout);

  std::string path_, partial_;
  Index n_ = 0;
  hdf5::Handle file_;
  std::vector<std::uint8_t> complete_;
};

/// A finished set. Reading is not thread safe.
class CrystalSet {
 public:
  /// Throws Error: no such file; no set; not finished; damaged.
  explicit CrystalSet(const std::string& path);

  Index count() const { return count_; }
  Index size() const { return 2 * n_; }  ///< N
  bool has_patterns() const { return patterns_; }
  Volume<Complex> object(Index i) const;
  Volume<float> intensity(Index i) const;
  Specimen specimen(Index i) const;  ///< shape, phase range and photons; the rest as by default
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  hdf5::Handle file_;
  Index count_ = 0, n_ = 0;
  bool patterns_ = false;
  std::vector<double> phase_range_, photons_, polyhedron_;
};

/// Whether the file is a finished set.
bool is_crystal_set(const std::string& path);

}  // namespace fringe::io
