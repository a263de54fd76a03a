#include "apps/io/npy.h"

#include <cstring>
#include <filesystem>
#include <fstream>

namespace fringe::io {
namespace {

/// The text behind 'key': in the header's Python dictionary, up to the matching comma.
std::string field(const std::string& header, const std::string& key, const std::string& path) {
  const auto at = header.find("'" + key + "'");
  const auto colon = at == std::string::npos ? at : header.find(':', at);
  require(colon != std::string::npos, "{}: the .npy header has no {}", path, key);
  auto begin = header.find_first_not_of(' ', colon + 1);
  const auto end = header[begin] == '(' ? header.find(')', begin) + 1 : header.find_first_of(",}", begin);
  return header.substr(begin, end - begin);
}

template <class T>
void convert(const std::vector<char>& bytes, std::vector<float>& out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    T v;
    std::memcpy(&v, bytes.data() + i * sizeof(T), sizeof(T));
    out[i] = static_cast<float>(v);
  }
}

}  // namespace

NpyArray read_npy(const std::string& path) {
  require(std::filesystem::exists(path), "{}: no such file", path);
  std::ifstream in(path, std::ios::binary);
  char start[8] = {};
  in.read(start, 8);
  require(in && std::memcmp(start, "\x93NUMPY", 6) == 0, "{}: not an .npy file", path);
  std::uint32_t length = 0;
  in.read(reinterpret_cast<char*>(&length), start[6] == 1 ? 2 : 4);
  require(in && length < (1U << 20), "{}: the .npy header is damaged", path);
  std::string header(length, ' ');
  in.read(header.data(), length);
  require(static_cast<bool>(in), "{}: the .npy header is truncated", path);

  const std::string type = field(header, "descr", path), order = field(header, "fortran_order", path);
  std::string shape = field(header, "shape", path);
  NpyArray a;
  Index count = 1;
  for (std::size_t at = 0; (at = shape.find_first_of("0123456789", at)) != std::string::npos;) {
    std::size_t used = 0;
    a.extent.push_back(std::stoll(shape.substr(at), &used));
    count *= a.extent.back();
    at += used;
    require(a.extent.back() < (Index{1} << 32) && count < (Index{1} << 34), "{}: the array {} is too large", path, shape);
  }
  require(!a.extent.empty() && count > 0, "{}: the array {} is empty", path, shape);
  require(type.size() >= 4 && (type[1] == '<' || type[1] == '|'), "{}: numbers of type {}, expected little-endian ones", path,
          type);
  const std::string kind = type.substr(2, type.size() - 3);
  const std::size_t bytes_each = kind[0] == 'b' ? 1 : static_cast<std::size_t>(std::atoi(kind.c_str() + 1));
  require(bytes_each >= 1 && bytes_each <= 16, "{}: numbers of type {} are not supported", path, type);
  std::vector<char> bytes(static_cast<std::size_t>(count) * bytes_each);
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  require(static_cast<std::size_t>(in.gcount()) == bytes.size(), "{}: truncated: {} of {} bytes of data", path, in.gcount(),
          bytes.size());
  std::vector<float> values(static_cast<std::size_t>(count));
  if (kind == "f4") convert<float>(bytes, values);
  else if (kind == "f8") convert<double>(bytes, values);
  else if (kind == "i1") convert<std::int8_t>(bytes, values);
  else if (kind == "u1" || kind == "b1") convert<std::uint8_t>(bytes, values);
  else if (kind == "i2") convert<std::int16_t>(bytes, values);
  else if (kind == "u2") convert<std::uint16_t>(bytes, values);
  else if (kind == "i4") convert<std::int32_t>(bytes, values);
  else if (kind == "u4") convert<std::uint32_t>(bytes, values);
  else if (kind == "i8") convert<std::int64_t>(bytes, values);
  else if (kind == "u8") convert<std::uint64_t>(bytes, values);
  else fail("{}: numbers of type {}, expected real ones", path, type);

  if (order.starts_with("True") && a.extent.size() > 1) {
    a.data.resize(values.size());
    std::vector<Index> at(a.extent.size(), 0);
    for (const float v : values) {  // the first index runs fastest
      Index i = 0;
      for (std::size_t k = 0; k < at.size(); ++k) i = i * a.extent[k] + at[k];
      a.data[static_cast<std::size_t>(i)] = v;
      for (std::size_t k = 0; k < at.size() && ++at[k] == a.extent[k]; ++k) at[k] = 0;
    }
  } else {
    a.data = std::move(values);
  }
  return a;
}

}  // namespace fringe::io
