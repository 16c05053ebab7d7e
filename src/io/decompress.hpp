/// Compressed bytes, decompressed as they are read, with the checksums of their format verified.
#pragma once

#include "io/byte_stream.hpp"

#include <cstddef>
#include <span>
#include <string>

namespace convmixer {

/// True for bytes that begin as those of gzip, bzip2, xz or zstd do.
[[nodiscard]] bool is_compressed(std::span<const std::byte> bytes);

/// Decompresses such bytes, also those that were compressed more than once, as servers do. `bytes` must outlive the
/// stream; `where` names them in messages. Checksums are verified where the format has them: gzip's CRC and length by
/// zlib, because libarchive reads past them; the others' by libarchive's libraries. That happens as they are met, so
/// only who reads to the end knows that everything was whole. The stream throws Error for damage, for what is cut off,
/// and beyond 16 GiB.
[[nodiscard]] ByteStream decompress(std::span<const std::byte> bytes, const std::string& where);

}  // namespace convmixer
