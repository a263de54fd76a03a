#!/bin/sh
# On a machine with an NVIDIA GPU: builds for that GPU, runs the kernels' tests on it, runs them under compute-sanitizer, times
# everything beside PyTorch and cuDNN, fits and phases a crystal on both devices, and writes one report. No network is used;
# dependencies elsewhere: CMAKE_ARGS="-DCMAKE_PREFIX_PATH=...". Where the program cannot be built (HDF5 and more are missing), or
# with GPU_CHECK_APPS=0, the kernels, networks and their benchmarks are all that is checked. GPU_CHECK_BUILT=1: what gpu-bundle.sh
# has built elsewhere is here. PyTorch: GPU_CHECK_PYTHON, a Python that has it; its cuFFT and cuDNN are used where the system has none.
# Its parts have been run by hand on an H200 (docs/cuda.md); the script as a whole has run with stand-ins for the tools only.
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
if [ "${GPU_CHECK_BUILT:-0}" != 0 ]; then
  if ! [ -x $build/fringe ] || ! [ -s $build/tests.txt ]; then
    echo "gpu-check: GPU_CHECK_BUILT is set, but gpu-bundle.sh's archive has not been unpacked here" >&2
    exit 1
  fi
  program=$build/fringe
else
  if [ "${GPU_CHECK_APPS:-1}" != 0 ] && configure ON > $build/configure.log 2>&1 && has fringe_program; then
    program=$build/fringe
    targets=fringe_program
  else
    [ "${GPU_CHECK_APPS:-1}" = 0 ] || echo "gpu-check: the program cannot be built here, see $build/configure.log; the rest goes on"
    configure OFF
    targets=fringe_bench
  fi
  cmake --build $build --target device_cuda_tests $targets --parallel "$jobs"
  ctest --test-dir $build -N -L gpu | sed -n 's/.*: gpu\.//p' > $build/tests.txt
fi
# Those of CUDA's libraries that came with a Python and not with the system, where the program looks for its own.
mkdir -p $build/lib
if ! ldconfig -p | grep -q libcufft && command -v "$python" >/dev/null 2>&1; then
  "$python" -c 'import nvidia, pathlib; [print(f) for p in nvidia.__path__ for f in pathlib.Path(p).glob("*/lib/*.so*")]' 2>/dev/null |
    while read -r library; do ln -sf "$library" $build/lib/; done
fi
tests=$build/tests/device_cuda_tests
bench=$build/bench/fringe_bench
[ $program = none ] || bench=$program
failed=0
: > "$report"

# The tests, several at a time; what a test says when it does not run is no pass here.
# shellcheck disable=SC2317  # section calls it
run_tests() {
  out=$build/output
  rm -rf "$out"
  mkdir "$out"
  # shellcheck disable=SC2016  # for the inner shell
  xargs -P "$jobs" -I{} sh -c '"$1" "--source-file=*/{}.cpp" --no-intro > "$2/{}" 2>&1 || touch "$2/{}.failed"' - \
    "$tests" "$out" < "$build/tests.txt"
  while read -r test; do
    if [ -e "$out/$test.failed" ] || grep -qE "cuda:0: (no NVIDIA|the NVIDIA) driver|test cases: +0 " "$out/$test"; then
      echo "failed: $test"
      cat "$out/$test"
      touch "$out/failed"
    else
      echo "passed: $test $(grep -a assertions "$out/$test" | tr -s ' ')"
    fi
  done < "$build/tests.txt"
  [ ! -e "$out/failed" ]
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
  run_tests
if command -v compute-sanitizer >/dev/null 2>&1; then
  # The small shapes of every operation; the tools make a kernel a hundred times slower.
  for tool in memcheck racecheck initcheck synccheck; do
    section "compute-sanitizer $tool" env FRINGE_QUICK_TESTS=1 compute-sanitizer --tool $tool --error-exitcode 9 $tests \
      "--source-file-exclude=*/training_step_test.cpp,*/choices_test.cpp"
  done
  # One of these tests wants the driver to refuse a call.
  section "compute-sanitizer memcheck, training steps" compute-sanitizer --tool memcheck --report-api-errors no --error-exitcode 9 \
    $tests "--source-file=*/training_step_test.cpp"
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
