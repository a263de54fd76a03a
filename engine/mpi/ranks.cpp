// The build with MPI: the only file that includes it. A process that no mpirun started never touches the library.
#include "engine/ranks.h"

#define OMPI_SKIP_MPICXX 1  // the C interface is all that is used; the old C++ one needs another library
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>

#include <cstdlib>
#include <exception>

namespace fringe {
namespace {

/// Set by the launchers of Open MPI, MPICH and its kin, and Slurm's PMIx.
bool launched() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK"})
    if (std::getenv(name) != nullptr) return true;
  return false;
}

template <class T>
void all_reduce(std::span<T> values, MPI_Datatype type, int size) {
  if (size == 1) return;
  require(MPI_Allreduce(MPI_IN_PLACE, values.data(), static_cast<int>(values.size()), type, MPI_SUM, MPI_COMM_WORLD) ==
              MPI_SUCCESS,
          "mpi: the sum over {} ranks failed", size);
}

}  // namespace

Ranks::Ranks() {
  if (!launched()) return;
  int started = 0;
  MPI_Initialized(&started);
  if (started == 0) {
    require(MPI_Init(nullptr, nullptr) == MPI_SUCCESS, "mpi: cannot start");
  }
  MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
  MPI_Comm_size(MPI_COMM_WORLD, &size_);
}

Ranks::~Ranks() {
  int started = 0, ended = 0;
  MPI_Initialized(&started);
  MPI_Finalized(&ended);
  // A rank that ends by an exception would leave the others waiting for it: mpirun then has to end them.
  if (started != 0 && ended == 0 && std::uncaught_exceptions() == 0) MPI_Finalize();
}

std::string Ranks::library() { return fmt::format("MPI {}.{}", MPI_VERSION, MPI_SUBVERSION); }

void Ranks::sum(std::span<float> values) const { all_reduce(values, MPI_FLOAT, size_); }
void Ranks::sum(std::span<double> values) const { all_reduce(values, MPI_DOUBLE, size_); }

}  // namespace fringe
