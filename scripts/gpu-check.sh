#!/bin/sh
# On a machine with an NVIDIA GPU: builds for that GPU, runs the kernels' tests on it, runs them under compute-sanitizer, and
# writes one report. No network is used; dependencies elsewhere: CMAKE_ARGS="-DCMAKE_PREFIX_PATH=...". HDF5 is not needed. With
# GPU_CHECK_APPS=1 the program is built, too (it needs HDF5 and more), and fits one crystal on the GPU and on the CPU. This script
# has itself not been run on a machine with a GPU; its course has, with stand-ins for the tools.
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
jobs=$(nproc)
# shellcheck disable=SC2086
cmake -S . -B $build -DCMAKE_BUILD_TYPE=Release -DFRINGE_CUDA=ON "-DFRINGE_CUDA_ARCHITECTURES=$capability" \
  -DFRINGE_CUDA_EMULATION=OFF -DFRINGE_APPS=$apps -DFRINGE_BENCH=OFF ${CMAKE_ARGS:-}
cmake --build $build --target device_cuda_tests --parallel "$jobs"
tests=$build/tests/device_cuda_tests
failed=0
mkdir -p "$(dirname "$report")"
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
if [ $apps = ON ]; then
  section "building the program" cmake --build $build --target fringe_program --parallel "$jobs"
  crystal=$build/crystal.cxi
  if [ -x $build/fringe ]; then
    section "simulate" $build/fringe simulate -q -o $crystal --size 64 --seed 3
    for device in cuda:0 cpu; do
      for seed in 1 2 3; do
        section "fit on $device, seed $seed" $build/fringe refine $crystal -o $build/fit.cxi --device $device --epochs 300 \
          --seeds 1 --seed $seed
        section "projections on $device, seed $seed" $build/fringe iterate $crystal -o $build/phased.cxi --device $device --starts 8 \
          --seed $seed
      done
    done
    # The report's iterations per second are what docs/cuda-kernels.md predicts: of one start, and of eight side by side.
    for starts in 1 8; do
      section "HIO on cuda:0, starts side by side: $starts" $build/fringe iterate $crystal -o $build/phased.cxi --device cuda:0 \
        --starts $starts --recipe "20000*HIO" --no-shrink-wrap
    done
  fi
fi
echo "report: $report"
exit $failed
