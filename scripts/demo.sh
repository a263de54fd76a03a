#!/bin/sh
# The main job on one simulated crystal with photon noise: simulate, retrieve, compare with the truth, draw.
set -eu
cd "$(dirname "$0")/.."
fringe=build/release/fringe
mkdir -p demo
echo "== a crystal of 32^3 voxels and its noisy pattern of 64^3"
$fringe simulate -o demo/crystal.cxi --size 64 --seed 1 --photons 1e7 --voxel-size 10e-9
echo "== retrieving it with an untrained network: a minute or two on two cores"
$fringe refine demo/crystal.cxi -o demo/result.cxi -o demo/result.vti --json demo/report.json
echo "== against the truth"
$fringe compare demo/result.cxi demo/crystal.cxi
$fringe show demo/result.cxi -o demo/picture.png
$fringe show demo/crystal.cxi -o demo/truth.png
echo "== see demo/picture.png (and truth.png), result.cxi (silx, h5py, PyNX), result.vti (ParaView), report.json"
