/// Every reader of files that come from elsewhere, fed from memory: what libFuzzer and the mutation tests call.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace convmixer::fuzz {

using Bytes = std::span<const std::uint8_t>;

// Each reads the bytes as its format. They may be refused by an Error, which is caught here; nothing else may happen.
// True if they were read: by one of the ways that there are to read them.
bool cifar_records(Bytes bytes);
bool cifar_pickle(Bytes bytes);
bool archive(Bytes bytes);
bool png(Bytes bytes);
bool jpeg(Bytes bytes);
bool pnm(Bytes bytes);
bool predict_image(Bytes bytes);
bool packed(Bytes bytes);
bool safetensors(Bytes bytes);
bool pytorch(Bytes bytes);
/// The pickle of such a file: checksums give away what is changed in the file itself.
bool pytorch_pickle(Bytes bytes);
/// A TensorBoard event file, and one event alone, as checksums give away what is changed in the file.
bool events(Bytes bytes);
bool options(Bytes bytes);

struct Reader {
  std::string name;
  bool (*read)(Bytes);
};
[[nodiscard]] const std::vector<Reader>& readers();

}  // namespace convmixer::fuzz
