/// Numbers in safetensors metadata, whose values are strings. Both ways are exact.
#pragma once

#include "convmixer/io/tensor_file.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace convmixer {

/// "convmixer 0.1.0": which program wrote a file.
[[nodiscard]] std::string generator();
/// Whether this program, of whichever version, wrote the file.
[[nodiscard]] bool is_own(const TensorFile& file);

/// The shortest decimal number that reads back to the same value, finite or not.
[[nodiscard]] std::string metadata_from(double value);
/// The same for a list, separated by blanks.
[[nodiscard]] std::string metadata_from(std::span<const float> values);

/// Texts, as a JSON array. Bytes that are no UTF-8 are replaced.
[[nodiscard]] std::string metadata_from(std::span<const std::string> texts);

/// The readers throw Error naming the file, the key and what was found.
[[nodiscard]] std::int64_t metadata_int64(const TensorFile& file, const std::string& key, std::int64_t least,
                                          std::int64_t most);
[[nodiscard]] double metadata_double(const TensorFile& file, const std::string& key);
/// Finite numbers only.
[[nodiscard]] std::vector<float> metadata_floats(const TensorFile& file, const std::string& key);
[[nodiscard]] std::vector<std::string> metadata_texts(const TensorFile& file, const std::string& key);

}  // namespace convmixer
