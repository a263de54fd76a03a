#!/bin/sh
# The build without HDF5: configures one, checks that it says what is left out and leaves out no more, and compiles what stands in
# for the files. `without_hdf5.sh FOLDER all` builds everything and runs the tests of the operations and one benchmark.
set -eu
cd "$(dirname "$0")/.."
folder=${1:-build/without_hdf5}
what=${2:-}
type=Debug  # compiles in half the time
[ "$what" != all ] || type=Release
log=$folder/configure.log
fail() {
  echo "without_hdf5: $1" >&2
  exit 1
}
mkdir -p "$folder"
cmake -S . -B "$folder" -G Ninja -DCMAKE_BUILD_TYPE=$type -DCMAKE_DISABLE_FIND_PACKAGE_HDF5=ON -DFRINGE_CUDA=OFF \
  -DFRINGE_TESTS=ON -DFRINGE_BENCH=ON -DFRINGE_APPS=ON > "$log" 2>&1 || fail "it does not configure: see $log"
for left_out in "loading of checkpoints and models" "the program" "the tests checkpoint_test, golden_test"; do
  grep -q -e "-- HDF5 was not found.*left out .*$left_out" "$log" || fail "no line says that $left_out is left out: see $log"
done
targets=$(ninja -C "$folder" -t targets all)
has() { printf '%s\n' "$targets" | grep -q "^$1: "; }
for target in engine_tests fringe_bench; do
  has $target || fail "there is no $target"
done
if has fringe_program; then fail "the program is there, and cannot be"; fi
if grep -qi hdf5/serial "$folder/compile_commands.json"; then fail "HDF5's headers are still looked for"; fi
objects=CMakeFiles/fringe_core.dir/engine
ninja -C "$folder" $objects/checkpoint.cpp.o $objects/without_hdf5/checkpoint_file.cpp.o
[ "$what" = all ] || exit 0
cmake --build "$folder"
ctest --test-dir "$folder" -LE "slow|nvcc" -E without_hdf5 --output-on-failure
"$folder/bench/fringe_bench" leaky_relu --seconds 0.01
