/// Every reader of files that come from elsewhere, fed from memory: what libFuzzer and the mutation tests call.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace convmixer::fuzz {

using Bytes = std::span<const std::uint8_t>;

// Each reads the bytes as its format. They may be refused by an Error, which is caught here; nothing else may happen.
void cifar_records(Bytes bytes);
void cifar_pickle(Bytes bytes);
void archive(Bytes bytes);
void png(Bytes bytes);
void jpeg(Bytes bytes);
void packed(Bytes bytes);
void safetensors(Bytes bytes);
void options(Bytes bytes);

struct Reader {
  std::string name;
  void (*read)(Bytes);
};
[[nodiscard]] const std::vector<Reader>& readers();

}  // namespace convmixer::fuzz
