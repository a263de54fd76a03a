#include "apps/phasing/recipe.h"

#include <array>
#include <cctype>

#include "kernels/error.h"

namespace fringe {
namespace {

constexpr Index most = 10'000'000;
constexpr std::array<std::pair<const char*, Algorithm>, 7> names{{{"ER", Algorithm::er},
                                                                  {"HIO", Algorithm::hio},
                                                                  {"RAAR", Algorithm::raar},
                                                                  {"DM", Algorithm::dm},
                                                                  {"SF", Algorithm::sf},
                                                                  {"CF", Algorithm::cf},
                                                                  {"ML", Algorithm::ml}}};

void append(std::vector<Block>& recipe, const Block& block) {
  if (!recipe.empty() && recipe.back().algorithm == block.algorithm)
    recipe.back().count += block.count;
  else
    recipe.push_back(block);
}

class Parser {
 public:
  explicit Parser(const std::string& text) : text_(text) {}

  std::vector<Block> whole() {
    auto recipe = sum(0);
    if (!at_end()) wrong(next() == ')' ? "this bracket was never opened" : "expected '+' or the end");
    return recipe;
  }

 private:
  [[noreturn]] void wrong(const std::string& what) const {
    fail("recipe: {} at character {}:\n  {}\n  {}^", what, at_ + 1, text_, std::string(at_, ' '));
  }
  bool at_end() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
    return at_ == text_.size();
  }
  char next() { return at_end() ? '\0' : text_[at_]; }
  bool is_digit() { return std::isdigit(static_cast<unsigned char>(next())) != 0; }

  std::vector<Block> sum(int depth) {
    std::vector<Block> recipe = term(depth);
    while (next() == '+') {
      ++at_;
      for (const auto& block : term(depth)) append(recipe, block);
    }
    return recipe;
  }

  std::vector<Block> term(int depth) {
    Index count = 1;
    const std::size_t begin = (at_end(), at_);
    if (is_digit()) {
      count = 0;
      while (at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_]))) {
        count = 10 * count + (text_[at_++] - '0');
        if (count > most) at_ = begin, wrong("more than ten million iterations");
      }
      if (count == 0) at_ = begin, wrong("a count must be at least 1");
      if (next() != '*') wrong("expected '*' after the count");
      ++at_;
    }
    std::vector<Block> inner;
    if (next() == '(') {
      if (depth == 50) wrong("more than fifty brackets inside each other");
      const std::size_t opened = at_++;
      inner = sum(depth + 1);
      if (next() != ')') {
        if (at_end()) at_ = opened, wrong("this bracket is never closed");
        wrong("expected '+' or ')'");
      }
      ++at_;
    } else {
      inner = {{algorithm(), 1}};
    }
    std::vector<Block> repeated;
    if (inner.size() == 1) {
      repeated = {{inner[0].algorithm, count * inner[0].count}};
    } else {
      if (count * static_cast<Index>(inner.size()) > most) at_ = begin, wrong("more than ten million iterations");
      for (Index i = 0; i < count; ++i)
        for (const auto& block : inner) append(repeated, block);
    }
    if (iterations(repeated) > most) at_ = begin, wrong("more than ten million iterations");
    return repeated;
  }

  Algorithm algorithm() {
    if (at_end()) wrong("expected an algorithm or '('");
    std::size_t end = at_;
    std::string word;
    while (end < text_.size() && std::isalpha(static_cast<unsigned char>(text_[end])))
      word += static_cast<char>(std::toupper(static_cast<unsigned char>(text_[end++])));
    for (const auto& [known, algorithm] : names)
      if (word == known) {
        at_ = end;
        return algorithm;
      }
    wrong(word.empty() ? "expected a count, an algorithm or '('" : "'" + word + "' is none of ER, HIO, RAAR, DM, SF, CF, ML");
  }

  const std::string& text_;
  std::size_t at_ = 0;
};

}  // namespace

std::string name(Algorithm algorithm) {
  for (const auto& [known, value] : names)
    if (value == algorithm) return known;
  fail("recipe: no such algorithm");
}

std::vector<Block> parse_recipe(const std::string& text) { return Parser(text).whole(); }

Index iterations(const std::vector<Block>& recipe) {
  Index sum = 0;
  for (const auto& block : recipe) sum += block.count;
  return sum;
}

std::string text_of(const std::vector<Block>& recipe) {
  std::string text;
  for (const auto& block : recipe)
    text += (text.empty() ? "" : "+") + std::to_string(block.count) + "*" + name(block.algorithm);
  return text;
}

}  // namespace fringe
