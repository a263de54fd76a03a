// Parts that every CXI file of fringe has, for the files that write them.
#pragma once
#include <hdf5.h>

#include <string>

#include "apps/phasing/pattern.h"

namespace fringe::io {

/// What `entry_1/image_1/frame` says of an object on orthogonal axes of the laboratory.
inline constexpr const char* laboratory_frame = "laboratory";

void write_geometry(hid_t file, const Geometry& geometry);
Geometry read_geometry(hid_t file);
/// Version, program and time, and where viewers begin.
void write_entry(hid_t file, int version, const std::string& start_time);
/// entry_1/data_1/data -> target.
void link_default(hid_t file, const std::string& target);
/// ISO 8601, UTC.
std::string now();

}  // namespace fringe::io
