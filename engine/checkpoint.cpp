#include "engine/checkpoint.h"

namespace fringe {

const Checkpoint::Array& Checkpoint::array(const std::string& name) const {
  const auto found = arrays_.find(name);
  require(found != arrays_.end(), "checkpoint{}: there is no array {}", where(), name);
  return found->second;
}

double Checkpoint::number(const std::string& name) const {
  const auto found = numbers.find(name);
  require(found != numbers.end(), "checkpoint{}: there is no number {}", where(), name);
  return found->second;
}

const std::string& Checkpoint::text(const std::string& name) const {
  const auto found = texts.find(name);
  require(found != texts.end(), "checkpoint{}: there is no text {}", where(), name);
  return found->second;
}

void Checkpoint::put(const std::string& name, const std::vector<double>& values) {
  arrays_[name] = {channel_vector(static_cast<Index>(values.size())), values};
}

std::vector<double> Checkpoint::values(const std::string& name) const { return array(name).values; }

void Checkpoint::add(const std::string& prefix, const Checkpoint& other) {
  for (const auto& [name, value] : other.arrays_) arrays_[prefix + name] = value;
  for (const auto& [name, value] : other.numbers) numbers[prefix + name] = value;
  for (const auto& [name, value] : other.texts) texts[prefix + name] = value;
}

Checkpoint Checkpoint::part(const std::string& prefix) const {
  Checkpoint c;
  c.path_ = path_;
  const auto copy = [&](const auto& from, auto& to) {
    for (const auto& [name, value] : from)
      if (name.starts_with(prefix)) to[name.substr(prefix.size())] = value;
  };
  copy(arrays_, c.arrays_);
  copy(numbers, c.numbers);
  copy(texts, c.texts);
  return c;
}

}  // namespace fringe
