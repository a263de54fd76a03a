// The recipe strings of iterative phasing.
#include "apps/phasing/recipe.h"

#include "tests/apps/files.h"

using namespace fringe;

namespace {
std::string refusal(const std::string& text) {
  try {
    parse_recipe(text);
  } catch (const Error& e) {
    return e.what();
  }
  return "accepted";
}
bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }
}  // namespace

TEST_SUITE("recipe") {
  TEST_CASE("terms run from left to right, brackets repeat, neighbours of one kind are joined") {
    CHECK(parse_recipe("ER") == std::vector<Block>{{Algorithm::er, 1}});
    CHECK(text_of(parse_recipe(" 2 * ( 3*hio + er ) + 5*ER ")) == "3*HIO+1*ER+3*HIO+6*ER");
    const auto paper = parse_recipe("50*ER+19*(50*HIO+50*ER)");
    CHECK(iterations(paper) == 1950);
    CHECK(paper.size() == 39);
    CHECK(text_of(parse_recipe("2*(2*(RAAR+DM)+SF)+CF+3*ML")) ==
          "1*RAAR+1*DM+1*RAAR+1*DM+1*SF+1*RAAR+1*DM+1*RAAR+1*DM+1*SF+1*CF+3*ML");
    CHECK(parse_recipe("3*(4*(5*ER))") == std::vector<Block>{{Algorithm::er, 60}});
  }

  TEST_CASE("what is no recipe is refused, and the character shown") {
    CHECK(contains(refusal("50*ER+19*(50*HIQ+50*ER)"), "'HIQ' is none of ER, HIO, RAAR, DM, SF, CF, ML at character 14:\n"
                                                       "  50*ER+19*(50*HIQ+50*ER)\n               ^"));
    CHECK(contains(refusal(""), "expected an algorithm or '(' at character 1"));
    CHECK(contains(refusal("50*ER+"), "at character 7"));
    CHECK(contains(refusal("50ER"), "expected '*' after the count at character 3"));
    CHECK(contains(refusal("2*(ER+HIO"), "this bracket is never closed at character 3"));
    CHECK(contains(refusal("ER)"), "this bracket was never opened at character 3"));
    CHECK(contains(refusal("ER HIO"), "expected '+' or the end at character 4"));
    CHECK(contains(refusal("ER+(HIO ML)"), "expected '+' or ')' at character 9"));
    CHECK(contains(refusal("0*ER"), "at least 1 at character 1"));
    CHECK(contains(refusal("ER+-5*ER"), "at character 4"));
    CHECK(contains(refusal("99999999999*ER"), "more than ten million"));
    CHECK(contains(refusal("5000*(5000*ER+5000*HIO)"), "more than ten million"));
    CHECK(contains(refusal(std::string(60, '(') + "ER" + std::string(60, ')')), "fifty brackets"));
  }
}
