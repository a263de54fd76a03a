// Three interruptions of every long command; FRINGE_STOPS=20 for as many as the releases are tried with.
#include "tests/apps/interrupted.h"

using namespace fringe::test;

TEST_SUITE("interrupted") {
  TEST_CASE("stopped again and again at random moments, every long command ends as if it had not been") {
    const char* const stops = std::getenv("FRINGE_STOPS");
    check_interrupted(stops != nullptr ? std::max(1, std::atoi(stops)) : 3, 2026, false);
  }
}
