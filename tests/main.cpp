#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdlib>

int main(int argc, char** argv) {
  setenv("FRINGE_CHOICES", "off", 0);  // programs that tests run choose kernels by rule, not by a file in somebody's home
  return doctest::Context(argc, argv).run();
}
