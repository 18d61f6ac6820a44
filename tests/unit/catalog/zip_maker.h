// Makes ZIP files byte by byte, so that tests can make them wrong in any one place.
#ifndef FUNCTION_STREAM_TESTS_CATALOG_ZIP_MAKER_H_
#define FUNCTION_STREAM_TESTS_CATALOG_ZIP_MAKER_H_

#include <zlib.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace fs::catalog {

struct ZipEntry {
  std::string path;
  std::string bytes;
  bool is_deflated = false;
  uint16_t flags = 0;
  std::optional<uint16_t> method = {};
  uint32_t mode = 0100644;                     // Unix mode in the external attributes
  std::optional<uint32_t> crc = {};            // as told, where it is a lie
  std::optional<uint32_t> told_size = {};      // unpacked size as told
  std::optional<std::string> local_path = {};  // in the local header, where it differs
};

inline void Append(std::string& out, uint64_t value, int width) {
  for (int i = 0; i < width; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
}

inline std::string Deflated(const std::string& bytes) {
  z_stream stream = {};
  deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 9, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

// `front` stands before the first entry, and all offsets account for it.
inline std::string MakeZip(const std::vector<ZipEntry>& entries, const std::string& front = "") {
  std::string body = front, directory;
  for (const ZipEntry& entry : entries) {
    const std::string stored = entry.is_deflated ? Deflated(entry.bytes) : entry.bytes;
    const auto sum =
        static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(entry.bytes.data()), static_cast<uInt>(entry.bytes.size())));
    const auto common = [&](std::string& out, const std::string& path) {
      Append(out, 20, 2);
      Append(out, entry.flags, 2);
      Append(out, entry.method.value_or(entry.is_deflated ? 8 : 0), 2);
      Append(out, 0, 2);
      Append(out, 0x21, 2);
      Append(out, entry.crc.value_or(sum), 4);
      Append(out, stored.size(), 4);
      Append(out, entry.told_size.value_or(static_cast<uint32_t>(entry.bytes.size())), 4);
      Append(out, path.size(), 2);
      Append(out, 0, 2);
    };
    const size_t offset = body.size();
    body += "PK\3\4";
    common(body, entry.local_path.value_or(entry.path));
    body += entry.local_path.value_or(entry.path) + stored;

    directory += "PK\1\2";
    Append(directory, 3 << 8 | 20, 2);
    common(directory, entry.path);
    Append(directory, 0, 2);
    Append(directory, 0, 2);
    Append(directory, 0, 2);
    Append(directory, static_cast<uint64_t>(entry.mode) << 16, 4);
    Append(directory, offset, 4);
    directory += entry.path;
  }
  std::string zip = body + directory + "PK\5\6";
  Append(zip, 0, 4);
  Append(zip, entries.size(), 2);
  Append(zip, entries.size(), 2);
  Append(zip, directory.size(), 4);
  Append(zip, body.size(), 4);
  Append(zip, 0, 2);
  return zip;
}

}  // namespace fs::catalog

#endif  // FUNCTION_STREAM_TESTS_CATALOG_ZIP_MAKER_H_
