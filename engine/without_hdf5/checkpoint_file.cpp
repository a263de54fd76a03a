// Stands in for engine/checkpoint_file.cpp and engine/hdf5.cpp in builds without HDF5: checkpoints live in memory only.
#include "engine/checkpoint.h"

namespace fringe {

void Checkpoint::save(const std::string& path) const { fail("{}: this build has no HDF5 to write a checkpoint with", path); }

Checkpoint Checkpoint::load(const std::string& path) { fail("{}: this build has no HDF5 to read a checkpoint with", path); }

std::string Checkpoint::library() { return {}; }

}  // namespace fringe
