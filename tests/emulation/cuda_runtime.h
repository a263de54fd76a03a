// Found before NVIDIA's header of this name when a .cu file is compiled for the CPU.
#pragma once
#include "tests/emulation/emulation.h"
