#!/bin/sh
# On a machine with an NVIDIA GPU: builds for that GPU, runs the kernels' tests on it, runs them under compute-sanitizer, and
# writes one report. No network is used; dependencies elsewhere: CMAKE_ARGS="-DCMAKE_PREFIX_PATH=...". This script has itself
# not been run on a machine with a GPU.
set -eu
cd "$(dirname "$0")/.."
build=build/gpu
report=${1:-$build/report.txt}
if ! command -v nvidia-smi >/dev/null 2>&1; then
  echo "gpu-check: no nvidia-smi, so no NVIDIA driver on this machine: nothing to check" >&2
  exit 1
fi
capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1 | tr -d .)
# shellcheck disable=SC2086
cmake -S . -B $build -DCMAKE_BUILD_TYPE=Release -DFRINGE_CUDA=ON "-DFRINGE_CUDA_ARCHITECTURES=$capability" \
  -DFRINGE_CUDA_EMULATION=OFF -DFRINGE_APPS=OFF -DFRINGE_BENCH=OFF ${CMAKE_ARGS:-}
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
section "kernels against the reference" ctest --test-dir $build -L gpu --output-on-failure
if command -v compute-sanitizer >/dev/null 2>&1; then
  for tool in memcheck racecheck initcheck synccheck; do
    section "compute-sanitizer $tool" compute-sanitizer --tool $tool --error-exitcode 9 $tests \
      "--source-file=*/leaky_relu_test.cpp,*/adam_test.cpp,*/fft3d_test.cpp,*/max_pool_test.cpp,*/uniform_density_test.cpp"
  done
else
  echo "== compute-sanitizer is not installed: not run" | tee -a "$report"
fi
echo "report: $report"
exit $failed
