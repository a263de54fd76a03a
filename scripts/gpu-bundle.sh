#!/bin/sh
# For a machine with a GPU but without compilers, packages or network: builds the program and the kernels' tests here and packs them
# with the libraries they need, but for the C and C++ ones and CUDA's.
#
#   scripts/gpu-bundle.sh 90 fringe-gpu.tar.gz                                      here; 90: compute capability 9.0
#   tar xzf fringe-gpu.tar.gz && GPU_CHECK_BUILT=1 scripts/gpu-check.sh             there, in a checkout of the same state
#
# Here nvcc 12 or later and the program's libraries are needed, no GPU. CMAKE_ARGS as in gpu-check.sh.
set -eu
[ $# = 2 ] || { echo "usage: scripts/gpu-bundle.sh CAPABILITY ARCHIVE.tar.gz     (capability 9.0 is 90)" >&2; exit 2; }
archive=$(realpath -m "$2")
cd "$(dirname "$0")/.."
build=build/gpu
# The old kind of run path holds for the libraries' own libraries, too, and for those that are opened at run time.
# shellcheck disable=SC2016,SC2086  # $ORIGIN is the linker's
cmake -S . -B $build -DCMAKE_BUILD_TYPE=Release -DFRINGE_CUDA=ON "-DFRINGE_CUDA_ARCHITECTURES=$1" -DFRINGE_CUDA_EMULATION=OFF \
  -DFRINGE_APPS=ON -DFRINGE_BENCH=ON '-DCMAKE_BUILD_RPATH=$ORIGIN/lib;$ORIGIN/../lib' \
  -DCMAKE_EXE_LINKER_FLAGS=-Wl,--disable-new-dtags ${CMAKE_ARGS:-}
cmake --build $build --target device_cuda_tests fringe_program --parallel "$(nproc)"
rm -rf build/gpu/lib
mkdir $build/lib
for program in $build/fringe $build/tests/device_cuda_tests; do
  ldd "$program" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }'
done | sort -u | grep -vE '/(libc|libm|libdl|libpthread|librt|libresolv|libstdc\+\+|libgcc_s)\.so' | while read -r library; do
  cp -L "$library" $build/lib/
done
ctest --test-dir $build -N -L gpu | sed -n 's/.*: gpu\.//p' > $build/tests.txt
tar czf "$archive" $build/fringe $build/tests/device_cuda_tests $build/lib $build/tests.txt
echo "$archive: $(du -h "$archive" | cut -f 1), $(wc -l < $build/tests.txt) tests"
