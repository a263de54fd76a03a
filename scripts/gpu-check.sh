#!/bin/sh
# On a machine with an NVIDIA GPU: builds for that GPU, runs the kernels' tests on it, runs them under compute-sanitizer, and
# writes one report. No network is used; dependencies elsewhere: CMAKE_ARGS="-DCMAKE_PREFIX_PATH=...". With GPU_CHECK_APPS=1 the
# program is built, too (it needs more libraries), and fits one crystal on the GPU and on the CPU. This script has itself not
# been run on a machine with a GPU.
set -eu
cd "$(dirname "$0")/.."
build=build/gpu
report=${1:-$build/report.txt}
if ! command -v nvidia-smi >/dev/null 2>&1; then
  echo "gpu-check: no nvidia-smi, so no NVIDIA driver on this machine: nothing to check" >&2
  exit 1
fi
apps=OFF
[ "${GPU_CHECK_APPS:-0}" = 0 ] || apps=ON
capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1 | tr -d .)
# shellcheck disable=SC2086
cmake -S . -B $build -DCMAKE_BUILD_TYPE=Release -DFRINGE_CUDA=ON "-DFRINGE_CUDA_ARCHITECTURES=$capability" \
  -DFRINGE_CUDA_EMULATION=OFF -DFRINGE_APPS=$apps -DFRINGE_BENCH=OFF ${CMAKE_ARGS:-}
cmake --build $build --target device_cuda_tests --parallel
tests=$build/tests/device_cuda_tests
failed=0
mkdir -p "$(dirname "$report")"
: > "$report"
# section TITLE COMMAND...: runs it, its output and result go into the report.
section() {
  title=$1
  shift
  echo "== $title" | tee -a "$report"
  if "$@" >> "$report" 2>&1; then echo "   passed" | tee -a "$report"; else failed=1; echo "   FAILED" | tee -a "$report"; fi
}
section "device" nvidia-smi
section "kernels against the reference, a whole training step against the CPU, recorded steps against eager ones" ctest --test-dir $build -L gpu --output-on-failure
if command -v compute-sanitizer >/dev/null 2>&1; then
  for tool in memcheck racecheck initcheck synccheck; do
    section "compute-sanitizer $tool" compute-sanitizer --tool $tool --error-exitcode 9 $tests \
      "--source-file=*/leaky_relu_test.cpp,*/adam_test.cpp,*/fft3d_test.cpp,*/max_pool_test.cpp,*/uniform_density_test.cpp,*/choose_smaller_test.cpp"
  done
  section "compute-sanitizer memcheck, training steps" compute-sanitizer --tool memcheck --error-exitcode 9 $tests \
    "--source-file=*/training_step_test.cpp"
else
  echo "== compute-sanitizer is not installed: not run" | tee -a "$report"
fi
if [ $apps = ON ]; then
  cmake --build $build --target fringe_program --parallel
  crystal=$build/crystal.cxi
  section "simulate" $build/fringe simulate -q -o $crystal --size 64 --seed 3
  for device in cuda:0 cpu; do
    for seed in 1 2 3; do
      section "fit on $device, seed $seed" $build/fringe refine $crystal -o $build/fit.cxi --device $device --epochs 300 --seeds 1 \
        --seed $seed
    done
  done
fi
echo "report: $report"
exit $failed
