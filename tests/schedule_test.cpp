#include "engine/schedule.h"

#include <doctest/doctest.h>

using namespace fringe;

TEST_SUITE("schedule") {
  TEST_CASE("cosine falls from the rate to zero, through half of it in the middle") {
    const ScheduleOptions o{.schedule = Schedule::cosine, .rate = 2};
    CHECK(plan_step(o, 0, 100).rate == 2);
    CHECK(plan_step(o, 50, 100).rate == doctest::Approx(1));
    CHECK(plan_step(o, 100, 100).rate == doctest::Approx(0));
  }
  TEST_CASE("alternating is the paper's: ADAM, SGD, ADAM, the rate times 0.95 every period") {
    const ScheduleOptions o{.schedule = Schedule::alternating, .rate = 1, .decay = 0.95, .period = 200};
    CHECK(plan_step(o, 199, 1000).method == Method::adam);
    CHECK(plan_step(o, 200, 1000).method == Method::sgd);
    CHECK(plan_step(o, 400, 1000).method == Method::adam);
    CHECK(plan_step(o, 399, 1000).rate == doctest::Approx(0.95));
    CHECK(plan_step(o, 400, 1000).rate == doctest::Approx(0.95 * 0.95));
  }
  TEST_CASE("warm-up rises linearly") {
    const ScheduleOptions o{.schedule = Schedule::constant, .rate = 1, .warm_up = 0.1};
    CHECK(plan_step(o, 5, 100).rate == doctest::Approx(0.5));
    CHECK(plan_step(o, 10, 100).rate == 1);
  }
  TEST_CASE("names are read back; others are refused with the list") {
    for (const Schedule s : {Schedule::constant, Schedule::cosine, Schedule::step, Schedule::alternating})
      CHECK(parse_schedule(name(s)) == s);
    CHECK_THROWS_WITH_AS(parse_schedule("linear"), "schedule 'linear': expected constant, cosine, step or alternating", Error);
  }
}
