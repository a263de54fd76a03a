#!/bin/sh
# fringe for 64-bit Arm (NEON), compiled and tested on a Debian or Ubuntu machine of another kind: `arm64.sh FOLDER`. Nothing is
# installed and root is not needed: the Arm libraries are downloaded by apt-get and unpacked below FOLDER/root. Then the program
# and the engine's tests are compiled, the tests run in QEMU's user emulation, and a short fit does; where build/release/fringe
# is there, its fit has to agree. Emulated code says what NEON computes and nothing about how fast it is.
set -eu
cd "$(dirname "$0")/.."
folder=${1:-build/arm64}
fail() {
  echo "arm64: $1" >&2
  exit 1
}
for tool in aarch64-linux-gnu-g++ apt-get dpkg-deb cmake ninja python3; do
  command -v $tool > /dev/null 2>&1 || fail "there is no $tool: apt-get install g++-aarch64-linux-gnu qemu-user, and what scripts/install-deps.sh installs"
done
qemu=$(command -v qemu-aarch64 || command -v qemu-aarch64-static) || fail "there is no qemu-aarch64: apt-get install qemu-user"
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
root=$folder/root

if [ ! -e "$folder/unpacked" ]; then
  packages="libc6-dev libhdf5-dev libfftw3-dev libfmt-dev libhwy-dev libcli11-dev libtomlplusplus-dev libtiff-dev libcairo2-dev doctest-dev"
  apt=$folder/apt
  mkdir -p "$root" "$apt/state/lists/partial" "$apt/cache/archives/partial"
  : > "$apt/status"
  # As on a machine of that kind where nothing is installed: everything that is needed comes along.
  arm() {
    apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User="$(id -un)" -o Dir::State="$apt/state" \
      -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache" "$@"
  }
  arm update
  # shellcheck disable=SC2086  # the list is meant to be split
  arm install -y --download-only --no-install-recommends $packages > /dev/null
  for archive in "$apt"/cache/archives/*.deb; do dpkg-deb -x "$archive" "$root"; done
  rm -rf "$apt"
  : > "$folder/unpacked"
fi

build=$folder/release
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_TOOLCHAIN_FILE=cmake/arm64.cmake -DFRINGE_ARM64_ROOT="$root" \
  -DFRINGE_CUDA=OFF -DFRINGE_MPI=OFF -DFRINGE_CUDA_EMULATION=OFF
cmake --build "$build" --target engine_tests fringe_program
"$qemu" -L "$root" "$build/fringe" info | grep "instruction sets .*NEON" || fail "the program does not run, or not with NEON"
"$qemu" -L "$root" "$build/tests/engine_tests" --no-intro

fit() { # PROGRAM... REPORT: two epochs of a small fit by the kernels of the rules
  report=$1
  shift
  FRINGE_CHOICES=off "$@" refine "$folder/crystal.cxi" -o "$folder/result.cxi" --json "$folder/$report" --seeds 1 --trial 1 --epochs 2 \
    --width 8 --no-polish --threads 2 --device cpu -q
}
"$qemu" -L "$root" "$build/fringe" simulate --size 32 --photons 1e6 -q -o "$folder/crystal.cxi"
fit arm64.json "$qemu" -L "$root" "$build/fringe"
[ -x build/release/fringe ] || exit 0
fit here.json build/release/fringe
python3 - "$folder/here.json" "$folder/arm64.json" <<'PYTHON'
import json, sys
here, arm = (json.load(open(name)) for name in sys.argv[1:])
for key in "chi2", "pearson", "free_llk":
    print(f"{key}: {here[key]:.9g} here, {arm[key]:.9g} on Arm")
    if abs(here[key] - arm[key]) > 1e-3 * abs(here[key]):
        sys.exit(f"arm64: {key} differs by more than 1e-3 after two epochs")
PYTHON
