// Amplitude and phase of every voxel of a crystal as the unknowns of a fit.
#pragma once
#include "apps/phasing/fit_voxels.h"
#include "apps/phasing/fourier.h"
#include "autograd/tape.h"
#include "engine/parameter.h"

namespace fringe {

/// Amplitudes are in units of `level`, the density level of the object that they came from. Those of zero and less are empty voxels
/// (ReLU), which have no gradient: the crystal, and one layer of voxels around it, is the support of the fit.
struct SingleVoxels {
  /// `margin`: density [density level] given to the empty voxels that touch the crystal, with their neighbours' phase, so that its
  /// surface can move outwards as well as inwards. Throws Error for an object of zeros.
  SingleVoxels(Context<float>& context, const Volume<Complex>& object, double margin);

  /// `scale` times the amplitudes, empty voxels zero, for diffract().
  Variable<float> drawn_amplitude(Tape<float>& tape, double scale = 1);
  /// In units of the density level.
  Volume<Complex> object() const;

  double level = 0;
  Parameter<float> amplitude, phase;  ///< (1,D,H,W,1)
};

/// The factor of the amplitudes with which their diffraction has as many photons as were measured; 0 where it has none.
double photon_scale(Tape<float>& tape, SingleVoxels& voxels, const FitVoxels& measured);

}  // namespace fringe
