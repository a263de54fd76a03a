// What computes, in words, for reports.
#pragma once
#include <string>
#include <vector>

namespace fringe {

/// That this process may run on: those that Slurm, mpirun or taskset left it, not all of the machine.
int available_processors();
std::string processor_name();                    ///< "AMD EPYC ..., AVX3"
std::string device_name();                       ///< "AMD EPYC ..., 2 processors, AVX3"
std::vector<std::string> instruction_sets();     ///< that the kernels were built for and this machine has, best first
std::string version();                           ///< of fringe
std::vector<std::string> library_versions();     ///< "HDF5 1.10.8", "FFTW 3.3.10", ...

}  // namespace fringe
