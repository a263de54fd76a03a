#include "apps/io/frames.h"

#include <cstring>

#include "apps/io/npy.h"
#include "apps/io/tiff.h"
#include "tests/apps/files.h"

using namespace fringe;
using namespace fringe::test;

namespace {

/// A little-endian, uncompressed, one-strip TIFF of 16-bit or 32-bit pixels.
template <class T>
std::string tiff_bytes(Index rows, Index columns, const std::vector<T>& pixels, std::uint16_t format) {
  std::string out("II*\0", 4);
  const auto u16 = [&](std::uint32_t v) { out.append(reinterpret_cast<const char*>(&v), 2); };
  const auto u32 = [&](std::uint32_t v) { out.append(reinterpret_cast<const char*>(&v), 4); };
  const auto size = static_cast<std::uint32_t>(pixels.size() * sizeof(T));
  u32(8 + size);
  out.append(reinterpret_cast<const char*>(pixels.data()), size);
  const std::uint32_t tags[][3] = {{256, 3, static_cast<std::uint32_t>(columns)}, {257, 3, static_cast<std::uint32_t>(rows)},
                                   {258, 3, 8 * sizeof(T)}, {259, 3, 1}, {262, 3, 1}, {273, 4, 8}, {277, 3, 1},
                                   {278, 3, static_cast<std::uint32_t>(rows)}, {279, 4, size}, {339, 3, format}};
  u16(std::size(tags));
  for (const auto& [tag, type, value] : tags) u16(tag), u16(type), u32(1), u32(value);
  u32(0);
  return out;
}

void write(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

std::string npy_bytes(const std::string& type, const std::string& shape, const std::string& data, const char* fortran = "False") {
  std::string header = "{'descr': '" + type + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }";
  while ((header.size() + 11) % 64 != 0) header += ' ';
  header += '\n';
  const auto length = static_cast<std::uint16_t>(header.size());
  return std::string("\x93NUMPY\x01\x00", 8) + std::string(reinterpret_cast<const char*>(&length), 2) + header + data;
}

template <class T>
std::string raw(const std::vector<T>& v) {
  return {reinterpret_cast<const char*>(v.data()), v.size() * sizeof(T)};
}

}  // namespace

TEST_SUITE("frames") {
  TEST_CASE("a folder of TIFFs is read in the order of the names, whatever the pixel type") {
    const Folder folder("frames");
    write(folder / "b_2.tif", tiff_bytes<std::int32_t>(2, 3, {7, 8, 9, 10, 11, -12}, 2));
    write(folder / "b_1.tiff", tiff_bytes<std::uint16_t>(2, 3, {1, 2, 3, 4, 5, 65535}, 1));
    write(folder / "b_3.tif", tiff_bytes<float>(2, 3, {0.5F, 0, 0, 0, 0, 2}, 3));
    write(folder / "notes.txt", "not a frame");
    const auto v = io::read_frames({folder / ""});
    CHECK(v.extent == Extent{3, 2, 3});
    CHECK(v(0, 1, 2) == 65535);
    CHECK(v(1, 0, 0) == 7);
    CHECK(v(1, 1, 2) == -12);
    CHECK(v(2, 0, 0) == 0.5F);
    CHECK(io::read_frames({folder / "b_2.tif", folder / "b_3.tif"}).extent == Extent{2, 2, 3});
  }

  TEST_CASE("frames of different sizes, and a damaged one among good ones, are errors that name the file") {
    const Folder folder("frames");
    write(folder / "1.tif", tiff_bytes<std::uint16_t>(2, 2, {1, 2, 3, 4}, 1));
    write(folder / "2.tif", tiff_bytes<std::uint16_t>(2, 3, {1, 2, 3, 4, 5, 6}, 1));
    CHECK_THROWS_WITH_AS(io::read_frames({folder / ""}), doctest::Contains("2.tif: 2 x 3 pixels, the frames before have 2 x 2"), Error);
    const auto whole = tiff_bytes<std::int32_t>(32, 32, std::vector<std::int32_t>(1024, 5), 2);
    for (std::size_t cut = 0; cut < whole.size(); cut += whole.size() / 23) {
      write(folder / "2.tif", whole.substr(0, cut));
      CHECK_THROWS_WITH_AS(io::read_frames({folder / "2.tif"}), doctest::Contains("2.tif"), Error);
    }
    CHECK_THROWS_WITH_AS(io::read_frames({folder / "3.tif"}), doctest::Contains("3.tif: no such file"), Error);
    const Folder empty("frames_empty");
    CHECK_THROWS_WITH_AS(io::read_frames({empty / ""}), doctest::Contains("there are no .tif files"), Error);
  }

  TEST_CASE("npy arrays of any number type and either order") {
    const Folder folder("npy");
    write(folder / "a.npy", npy_bytes("<f8", "(1, 2, 3)", raw<double>({1, 2, 3, 4, 5, 6})));
    const auto a = io::read_npy(folder / "a.npy");
    CHECK(a.extent == std::vector<Index>{1, 2, 3});
    CHECK(a.data == std::vector<float>{1, 2, 3, 4, 5, 6});
    write(folder / "f.npy", npy_bytes("<i2", "(2, 3)", raw<std::int16_t>({1, 4, 2, 5, 3, 6}), "True"));
    CHECK(io::read_npy(folder / "f.npy").data == a.data);
    write(folder / "u.npy", npy_bytes("|u1", "(6,)", raw<std::uint8_t>({1, 2, 3, 4, 5, 6})));
    CHECK(io::read_npy(folder / "u.npy").data == a.data);
    CHECK(io::read_frames({folder / "a.npy"}).extent == Extent{1, 2, 3});
    CHECK_THROWS_WITH_AS(io::read_frames({folder / "f.npy"}), doctest::Contains("a 2-dimensional array, expected a three-dimensional"),
                         Error);
  }

  TEST_CASE("damaged npy files are errors, wherever they end") {
    const Folder folder("npy");
    const auto whole = npy_bytes("<f4", "(2, 2, 2)", raw<float>(std::vector<float>(8, 1)));
    for (std::size_t cut = 0; cut < whole.size(); cut += 5) {
      write(folder / "a.npy", whole.substr(0, cut));
      CHECK_THROWS_AS(io::read_npy(folder / "a.npy"), Error);
    }
    write(folder / "c.npy", npy_bytes("<c8", "(1,)", std::string(8, '\0')));
    CHECK_THROWS_WITH_AS(io::read_npy(folder / "c.npy"), doctest::Contains("expected real ones"), Error);
    write(folder / "big.npy", npy_bytes("<f4", "(99999999999, 99999999999)", ""));
    CHECK_THROWS_AS(io::read_npy(folder / "big.npy"), Error);
  }
}
