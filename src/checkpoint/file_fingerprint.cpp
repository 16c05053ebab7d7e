#include "checkpoint/file_fingerprint.hpp"

#include "convmixer/core/file.hpp"

#include <fmt/format.h>

#include <xxhash.h>

namespace convmixer {

std::string file_fingerprint(const std::filesystem::path& path) {
  const MappedFile file(path);
  return fmt::format("{:016x}", XXH3_64bits(file.bytes().data(), file.bytes().size()));
}

}  // namespace convmixer
