#include "data/sources/cifar_md5.hpp"

#include <boost/uuid/detail/md5.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace convmixer {

std::string_view published_md5(std::string_view file) {
  using Entry = std::pair<std::string_view, std::string_view>;
  static constexpr std::array kPublished{Entry{"data_batch_1.bin", "5dd7e06a14cb22eb9f671a540d1b7c25"},
                                         Entry{"data_batch_2.bin", "5ea93a67294ea407fff1d09f752e9692"},
                                         Entry{"data_batch_3.bin", "942cd6a4bcdd0dd3c604fbe906cb4421"},
                                         Entry{"data_batch_4.bin", "ae636b3ba5c66a11e91e8cb52e771fcb"},
                                         Entry{"data_batch_5.bin", "53f37980c15c3d472c316c40844f3f0d"},
                                         Entry{"test_batch.bin", "803d5f7f4d78ea53de84dbe85f74fb6d"},
                                         Entry{"data_batch_1", "c99cafc152244af753f735de768cd75f"},
                                         Entry{"data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"},
                                         Entry{"data_batch_3", "54ebc095f3ab1f0389bbae665268c751"},
                                         Entry{"data_batch_4", "634d18415352ddfa80567beed471001a"},
                                         Entry{"data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"},
                                         Entry{"test_batch", "40351d587109b95175f43aff81a1287e"},
                                         Entry{"train", "16019d7e3df5f24257cddd939b257f8d"},
                                         Entry{"test", "f0ef6b0ae62326f3e7ffdfab6717acfc"}};
  const auto* const found = std::ranges::find(kPublished, file, &Entry::first);
  return found == kPublished.end() ? std::string_view() : found->second;
}

std::string md5_of(std::span<const std::byte> bytes) {
  boost::uuids::detail::md5 hash;
  hash.process_bytes(bytes.data(), bytes.size());
  boost::uuids::detail::md5::digest_type digest;
  hash.get_digest(digest);
  std::string text;
  for (const auto part : digest)
    text += fmt::format("{:0{}x}", part, 2 * sizeof(part));  // words; since Boost 1.86 bytes
  return text;
}

}  // namespace convmixer
