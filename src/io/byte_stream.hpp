/// Bytes that are had one after the other.
#pragma once

#include <cstddef>
#include <functional>
#include <span>

namespace convmixer {

/// The next bytes of a stream, valid until the next call; empty at its end. May throw Error.
using ByteStream = std::function<std::span<const std::byte>()>;

}  // namespace convmixer
