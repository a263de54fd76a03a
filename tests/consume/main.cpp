// One forward pass of the network, with nothing but the installed headers and library.
#include <engine/device.h>
#include <layers/network.h>

#include <cstdio>

int main() {
  fringe::Context<float> context(fringe::default_table());
  fringe::Network<float> network(context, {.levels = 2, .width = 2}, 1);
  const fringe::Tensor<float> input(context, {1, 8, 8, 8, 1});
  input.fill(1);
  fringe::Tape<float> tape(context, false);
  const auto out = network.forward(tape, tape.constant(input));
  std::printf("fringe %s, output %s\n", fringe::version().c_str(), out.amplitude.shape().str().c_str());
  return out.amplitude.shape() == fringe::Shape{1, 4, 4, 4, 1} ? 0 : 1;
}
