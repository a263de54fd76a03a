#include "layers/supervised_loss.h"

#include "layers/diffraction.h"

namespace fringe {
namespace {

/// relative_l2 outside the tape.
template <class T>
Tensor<T> distance(Tape<T>& tape, const Tensor<T>& p, const Tensor<T>& target) {
  const Index samples = p.shape().n;
  const Tensor<T> stats = tape.tensor({samples, 1, 1, 1, 2}), loss = tape.tensor(sample_vector(samples));
  tape.launch(&KernelTable<T>::relative_l2_forward, "relative_l2_forward", RelativeL2Params{}, p.read(), target.read(),
              ConstView<T>{}, stats.view(), loss.view());
  return loss;
}

/// `given`, with the samples that `use_twin` names taken from `twin`.
template <class T>
Tensor<T> chosen(Tape<T>& tape, const Tensor<T>& given, const Tensor<T>& twin, const std::vector<bool>& use_twin) {
  const Tensor<T> out = tape.tensor(given.shape());
  const Index count = given.shape().per_sample();
  for (Index n = 0; n < given.shape().n; ++n) {
    const T* from = (use_twin[static_cast<std::size_t>(n)] ? twin : given).data() + n * count;
    std::copy(from, from + count, out.data() + n * count);
  }
  return out;
}

}  // namespace

template <class T>
Variable<T> supervised_loss(const typename Network<T>::Output& output, const SupervisedTargets<T>& targets,
                            const SupervisedWeights& weights) {
  auto& tape = output.amplitude.tape();
  const bool field = weights.term == PhaseTerm::field;
  const auto rho = autograd::polar(output.amplitude, output.phase);
  auto image = targets.given;
  if (targets.twin.amplitude) {
    const auto total = [&](const typename SupervisedTargets<T>::Image& target) {
      const Tensor<T> l1 = distance(tape, output.amplitude.value(), target.amplitude);
      const Tensor<T> l2 =
          field ? distance(tape, rho.value(), target.field) : distance(tape, output.phase.value(), target.phase);
      std::vector<double> sum;
      for (Index n = 0; n < l1.size(); ++n)
        sum.push_back(weights.amplitude * static_cast<double>(l1[n]) + weights.phase * static_cast<double>(l2[n]));
      return sum;
    };
    const auto a = total(targets.given), b = total(targets.twin);
    std::vector<bool> use_twin;
    for (std::size_t n = 0; n < a.size(); ++n) use_twin.push_back(b[n] < a[n]);
    image.amplitude = chosen(tape, image.amplitude, targets.twin.amplitude, use_twin);
    if (field)
      image.field = chosen(tape, image.field, targets.twin.field, use_twin);
    else
      image.phase = chosen(tape, image.phase, targets.twin.phase, use_twin);
  }
  const auto l1 = autograd::relative_l2(output.amplitude, image.amplitude, {});
  const auto l2 =
      field ? autograd::relative_l2(rho, image.field, {}) : autograd::relative_l2(output.phase, image.phase, {});
  const auto f = autograd::modulus(autograd::fft3d(autograd::pad_centred(rho, targets.magnitude.shape())), T(1e-6));
  const auto l3 = autograd::pearson_loss(f, targets.magnitude, {});
  const double sum = weights.amplitude + weights.phase + weights.diffraction;
  return autograd::weighted_sum<T>({static_cast<T>(weights.amplitude / sum), static_cast<T>(weights.phase / sum),
                                    static_cast<T>(weights.diffraction / sum)},
                                   {l1, l2, l3});
}

template Variable<float> supervised_loss<float>(const Network<float>::Output&, const SupervisedTargets<float>&,
                                                const SupervisedWeights&);
template Variable<double> supervised_loss<double>(const Network<double>::Output&, const SupervisedTargets<double>&,
                                                  const SupervisedWeights&);

}  // namespace fringe
