#!/bin/sh
# Installs the packages fringe is built from, where apt-get can; elsewhere prints what to install.
set -eu
packages="g++ cmake ninja-build pkg-config python3 libhdf5-dev libfftw3-dev libfmt-dev libhwy-dev libcli11-dev
libtomlplusplus-dev libtiff-dev libcairo2-dev fonts-dejavu-core doctest-dev"

if ! command -v apt-get >/dev/null 2>&1 || ! command -v dpkg-query >/dev/null 2>&1; then
  cat <<TEXT
This is no Debian or Ubuntu, so nothing was installed. fringe needs
  a C++20 compiler (gcc 12 or newer), cmake 3.22, ninja, pkg-config
  HDF5 (C library), FFTW 3 (single and double precision), fmt 9, Google Highway 1.0, CLI11, toml++ 3, doctest
  and, for TIFF frames, libtiff; for pictures, Cairo and a DejaVu font.
Fedora:  dnf install gcc-c++ cmake ninja-build pkgconf hdf5-devel fftw-devel fmt-devel highway-devel cli11-devel \\
         tomlplusplus-devel libtiff-devel cairo-devel dejavu-sans-fonts doctest-devel
conda:   conda install -c conda-forge cxx-compiler cmake ninja pkg-config hdf5 fftw fmt libhwy cli11 tomlplusplus \\
         libtiff cairo doctest
spack:   spack install hdf5 fftw precision=float,double fmt highway cli11 tomlplusplus libtiff cairo doctest
TEXT
  exit 0  # they may be there already; CMake says which are not
fi

missing=""
for package in $packages; do
  status=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
  [ "$status" = "install ok installed" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "Installing:$missing"
sudo=""
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null 2>&1; then
    echo "That needs root, and there is no sudo here. As root: apt-get install$missing" >&2
    exit 1
  fi
  sudo="sudo"
fi
$sudo apt-get update -qq
# shellcheck disable=SC2086  # the list is meant to be split
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
