#include "apps/io/tiff.h"

#include <filesystem>

#ifdef FRINGE_HAS_TIFF
#include <tiffio.h>

#include <memory>

namespace fringe::io {
namespace {

struct Close {
  void operator()(TIFF* t) const { TIFFClose(t); }
};

template <class T>
void convert(const std::vector<std::uint8_t>& bytes, float* out) {
  const auto* from = reinterpret_cast<const T*>(bytes.data());
  for (std::size_t i = 0; i < bytes.size() / sizeof(T); ++i) out[i] = static_cast<float>(from[i]);
}

/// The page that `tiff` is at, appended to `frames`.
void read_page(TIFF* tiff, const std::string& path, Volume<float>& frames) {
  std::uint32_t width = 0, height = 0;
  std::uint16_t bits = 1, samples = 1, format = SAMPLEFORMAT_UINT;
  TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &width);
  TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &height);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &bits);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &samples);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &format);
  require(width > 0 && height > 0 && width < (1U << 20) && height < (1U << 20), "{}: {} x {} pixels", path, height, width);
  require(samples == 1, "{}: {} samples a pixel, expected 1 (grey)", path, samples);
  if (frames.extent[0] > 0)
    require(frames.extent[1] == height && frames.extent[2] == width, "{}: page {} has {} x {} pixels, the first {} x {}",
            path, frames.extent[0], height, width, frames.extent[1], frames.extent[2]);
  frames.extent = {frames.extent[0] + 1, height, width};
  const std::size_t begin = frames.data.size();
  frames.data.resize(begin + std::size_t{height} * width);

  const bool tiled = TIFFIsTiled(tiff) != 0;
  require(!tiled, "{}: a tiled TIFF, expected strips", path);
  std::vector<std::uint8_t> bytes(std::size_t{height} * width * bits / 8);
  const auto row = static_cast<std::size_t>(TIFFScanlineSize(tiff));
  require(row * height == bytes.size(), "{}: {} bits a pixel are not supported", path, bits);
  for (std::uint32_t y = 0; y < height; ++y)
    require(TIFFReadScanline(tiff, bytes.data() + y * row, y) == 1, "{}: the TIFF is damaged or truncated at row {} of {}",
            path, y, height);
  float* out = frames.data.data() + begin;
  const int kind = format * 100 + bits;
  switch (kind) {
    case SAMPLEFORMAT_UINT * 100 + 8: return convert<std::uint8_t>(bytes, out);
    case SAMPLEFORMAT_UINT * 100 + 16: return convert<std::uint16_t>(bytes, out);
    case SAMPLEFORMAT_UINT * 100 + 32: return convert<std::uint32_t>(bytes, out);
    case SAMPLEFORMAT_INT * 100 + 8: return convert<std::int8_t>(bytes, out);
    case SAMPLEFORMAT_INT * 100 + 16: return convert<std::int16_t>(bytes, out);
    case SAMPLEFORMAT_INT * 100 + 32: return convert<std::int32_t>(bytes, out);
    case SAMPLEFORMAT_IEEEFP * 100 + 32: return convert<float>(bytes, out);
    case SAMPLEFORMAT_IEEEFP * 100 + 64: return convert<double>(bytes, out);
    default: fail("{}: TIFF pixels of {} bits in format {} are not supported", path, bits, format);
  }
}

}  // namespace

Volume<float> read_tiff(const std::string& path) {
  TIFFSetErrorHandler(nullptr);    // what is wrong is said in our own words
  TIFFSetWarningHandler(nullptr);  // areaDetector's private tags are none of anyone's concern
  require(std::filesystem::exists(path), "{}: no such file", path);
  const std::unique_ptr<TIFF, Close> tiff(TIFFOpen(path.c_str(), "r"));
  require(tiff != nullptr, "{}: not a TIFF file, or damaged", path);
  Volume<float> frames;
  do read_page(tiff.get(), path, frames);
  while (TIFFReadDirectory(tiff.get()) == 1);
  return frames;
}

}  // namespace fringe::io
#else
namespace fringe::io {
Volume<float> read_tiff(const std::string& path) {
  fail("{}: this build of fringe has no libtiff; install libtiff-dev and build again", path);
}
}  // namespace fringe::io
#endif
