// The picture of a training: its curves, and held-out crystals beside what the network draws of them.
#pragma once
#include <string>

#include "apps/phasing/train.h"

namespace fringe::cli {

void draw_training(const std::string& path, const TrainResult& result);

}  // namespace fringe::cli
