#include "convmixer/data/dataset_report.hpp"

#include "convmixer/core/error.hpp"
#include "data/colour_statistics.hpp"

#include <unordered_map>
#include <xxhash.h>

namespace convmixer {

namespace {

struct Digest {
  XXH128_hash_t hash;
  bool operator==(const Digest& other) const { return XXH128_isEqual(hash, other.hash) != 0; }
};

struct DigestHash {
  std::size_t operator()(const Digest& digest) const { return digest.hash.low64; }
};

/// Digest of an image to the label of the first one that has it. 128 bits: equal digests are equal images.
using Labels = std::unordered_map<Digest, std::int32_t, DigestHash>;

Digest digest_of(const Dataset& dataset, std::int64_t index) {
  const auto pixels = checked_image(dataset, index, image_bytes(dataset));
  return {XXH3_128bits(pixels.data(), pixels.size())};
}

}  // namespace

DatasetReport examine(const Dataset& train, const Dataset& test) {
  if (train.class_names() != test.class_names() || train.image_size() != test.image_size() ||
      train.channels() != test.channels())
    fail("the training images have other classes or sizes than the test images");
  check_dataset(train);
  if (test.size() > 0) check_dataset(test);
  DatasetReport report;
  report.train_counts.resize(train.class_names().size());
  report.test_counts.resize(train.class_names().size());
  ColourStatistics statistics(train.channels());
  Labels in_train;
  for (std::int64_t i = 0; i < train.size(); ++i) {
    const std::int32_t label = checked_label(train, i, train.classes());
    ++report.train_counts[static_cast<std::size_t>(label)];
    statistics.add(checked_image(train, i, image_bytes(train)), train.image_size());
    const auto [first, is_new] = in_train.emplace(digest_of(train, i), label);
    if (is_new) continue;
    ++report.repeated_in_train;
    if (first->second != label) ++report.contradicting;
  }
  report.measured = statistics.normalisation();
  Labels in_test;
  for (std::int64_t i = 0; i < test.size(); ++i) {
    const std::int32_t label = checked_label(test, i, train.classes());
    ++report.test_counts[static_cast<std::size_t>(label)];
    const Digest digest = digest_of(test, i);
    const auto [first, is_new] = in_test.emplace(digest, label);
    const auto trained = in_train.find(digest);
    if (!is_new) ++report.repeated_in_test;
    if (trained != in_train.end()) ++report.test_in_train;
    const bool contradicts =
        (!is_new && first->second != label) || (trained != in_train.end() && trained->second != label);
    if (contradicts) ++report.contradicting;
  }
  return report;
}

}  // namespace convmixer
