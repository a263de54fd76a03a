// The equations (1) and (2) of kernels/modulus.h for n neighbouring voxels: for operations that have a row in cache.
#pragma once
#include "kernels/view.h"

namespace fringe::cpu {

void modulus_row(float epsilon, const float* z, float* m, Index n);
void modulus_gradient_row(const float* z, const float* m, const float* dm, float* dz, Index n);

}  // namespace fringe::cpu
