#!/bin/sh
# On a machine with an NVIDIA GPU: builds for that GPU, runs the kernels' tests on it, runs them under compute-sanitizer, times
# everything beside PyTorch and cuDNN, fits and phases a crystal on both devices, and writes one report. No network is used;
# dependencies elsewhere: CMAKE_ARGS="-DCMAKE_PREFIX_PATH=...". Where the program cannot be built (HDF5 and more are missing), or
# with GPU_CHECK_APPS=0, the kernels, networks and their benchmarks are all that is checked. PyTorch: GPU_CHECK_PYTHON, a Python
# that has it. This script has itself not been run on a machine with a GPU; its course has, with stand-ins for the tools.
set -eu
cd "$(dirname "$0")/.."
build=build/gpu
report=${1:-$build/report.txt}
python=${GPU_CHECK_PYTHON:-python3}
if ! command -v nvidia-smi >/dev/null 2>&1; then
  echo "gpu-check: no nvidia-smi, so no NVIDIA driver on this machine: nothing to check" >&2
  exit 1
fi
capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1 | tr -d .)
jobs=$(nproc)
mkdir -p $build "$(dirname "$report")"
configure() {
  # shellcheck disable=SC2086
  cmake -S . -B $build -DCMAKE_BUILD_TYPE=Release -DFRINGE_CUDA=ON "-DFRINGE_CUDA_ARCHITECTURES=$capability" \
    -DFRINGE_CUDA_EMULATION=OFF "-DFRINGE_APPS=$1" -DFRINGE_BENCH=ON ${CMAKE_ARGS:-}
}
has() { cmake --build $build --target help | grep -q "$1"; }
program=none
if [ "${GPU_CHECK_APPS:-1}" != 0 ] && configure ON > $build/configure.log 2>&1 && has fringe_program; then
  program=$build/fringe
  targets=fringe_program
else
  [ "${GPU_CHECK_APPS:-1}" = 0 ] || echo "gpu-check: the program cannot be built here, see $build/configure.log; the rest goes on"
  configure OFF
  targets=fringe_bench
fi
cmake --build $build --target device_cuda_tests $targets --parallel "$jobs"
tests=$build/tests/device_cuda_tests
bench=$build/bench/fringe_bench
[ $program = none ] || bench=$program
failed=0
: > "$report"

# What a test says when it does not run is no pass here.
# shellcheck disable=SC2317  # section calls it
none_skipped() {
  "$@" > "$build/output.txt" 2>&1 || { cat "$build/output.txt"; return 1; }
  cat "$build/output.txt"
  ! grep -q "(Skipped)\|No tests were found" "$build/output.txt"
}
# section TITLE COMMAND...: runs it, its output and result go into the report.
section() {
  title=$1
  shift
  echo "== $title" | tee -a "$report"
  if "$@" >> "$report" 2>&1; then echo "   passed" | tee -a "$report"; else failed=1; echo "   FAILED" | tee -a "$report"; fi
}

section "device" nvidia-smi
section "kernels against the reference, a whole training step against the CPU, recorded steps against eager ones" \
  none_skipped ctest --test-dir $build -L gpu --output-on-failure
if command -v compute-sanitizer >/dev/null 2>&1; then
  # The small shapes of every operation; the tools make a kernel a hundred times slower.
  for tool in memcheck racecheck initcheck synccheck; do
    section "compute-sanitizer $tool" env FRINGE_QUICK_TESTS=1 compute-sanitizer --tool $tool --error-exitcode 9 $tests \
      "--source-file-exclude=*/training_step_test.cpp,*/choices_test.cpp"
  done
  section "compute-sanitizer memcheck, training steps" compute-sanitizer --tool memcheck --error-exitcode 9 $tests \
    "--source-file=*/training_step_test.cpp"
else
  echo "== compute-sanitizer is not installed: not run" | tee -a "$report"
fi
if [ $program != none ]; then
  crystal=$build/crystal.cxi
  section "simulate" $program simulate -q -o $crystal --size 64 --seed 3
  for device in cuda:0 cpu; do
    section "a set drawn on $device" $program simulate --count 512 --device $device --photons 1e6,1e8 --shape mixed -o $build/set.h5
    rm -f $build/set.h5
    for seed in 1 2 3; do
      section "fit on $device, seed $seed" $program refine $crystal -o $build/fit.cxi --device $device --epochs 300 --seeds 1 \
        --seed $seed
      section "projections on $device, seed $seed" $program iterate $crystal -o $build/phased.cxi --device $device --starts 8 \
        --seed $seed
    done
  done
fi
# Every kernel; step and prediction for each width and format; layer by layer; iterations and simulated patterns. gpu.py writes
# tables beside PyTorch's and cuDNN's; without a Python there are fringe's own lists.
if command -v "$python" >/dev/null 2>&1; then
  section "benchmarks" "$python" bench/peers/gpu.py --fringe $bench --device cuda:0 --out $build/bench
else
  echo "== no Python: no tables beside PyTorch's and cuDNN's" | tee -a "$report"
  words=bench
  [ $program != none ] || words=
  # shellcheck disable=SC2086
  section "every kernel" $bench $words --device cuda:0 --width 8 --csv $build/kernels.csv
  for precision in float32 tf32 bf16 fma; do
    for width in 8 16 32; do
      for what in training_step inference; do
        # shellcheck disable=SC2086
        section "$what, w = $width, $precision" $bench $words $what --device cuda:0 --width $width --precision $precision
      done
    done
  done
fi
echo "report: $report"
exit $failed
