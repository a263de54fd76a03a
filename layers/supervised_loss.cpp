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

/// The terms of (1) that depend on which of crystal and twin is the target, one number per sample.
template <class T>
Tensor<T> combined(Tape<T>& tape, const SupervisedWeights& weights, const Tensor<T>& l1, const Tensor<T>& l2) {
  const Tensor<T> a = tape.tensor(channel_vector(2)), sum = tape.tensor(l1.shape());
  a.put({static_cast<T>(weights.amplitude), static_cast<T>(weights.phase)});
  const ConstView<T> terms[] = {l1.read(), l2.read()};
  tape.launch(&KernelTable<T>::weighted_sum_forward, "weighted_sum_forward", a.read(), std::span<const ConstView<T>>(terms),
              sum.view());
  return sum;
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
      return combined(tape, weights, l1, l2);
    };
    const auto a = total(targets.given), b = total(targets.twin);
    const Tensor<T>& given = field ? targets.given.field : targets.given.phase;
    const Tensor<T>& twin = field ? targets.twin.field : targets.twin.phase;
    Tensor<T>& second = field ? image.field : image.phase;
    image.amplitude = tape.tensor(given.shape().with_channels(1));
    second = tape.tensor(given.shape());
    const ChoiceSlot<T> slots[] = {{targets.given.amplitude.read(), targets.twin.amplitude.read(), image.amplitude.view()},
                                   {given.read(), twin.read(), second.view()}};
    tape.launch(&KernelTable<T>::choose_smaller, "choose_smaller", a.read(), b.read(), std::span<const ChoiceSlot<T>>(slots));
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
