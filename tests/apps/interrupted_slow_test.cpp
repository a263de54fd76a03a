// Twenty interruptions of every long command.
#include "tests/apps/interrupted.h"

using namespace fringe::test;

TEST_SUITE("interrupted") {
  TEST_CASE("stopped twenty times at random moments, every long command ends as if it had not been") {
    check_interrupted(20, 2026, false);
  }
}
