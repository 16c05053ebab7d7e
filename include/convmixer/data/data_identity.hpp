/// What a data set is, in a few numbers: to tell later whether the same one is there again.
#pragma once

#include "convmixer/data/dataset.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace convmixer {

/// Which images a split has.
struct SplitIdentity {
  std::vector<std::int64_t> class_images;  ///< how many of each class, by label
  /// XXH3 (64 bits, hexadecimal) of number, size, labels and pixels of the images, in their order; it doesn't know
  /// where they lie and how classes are called. Of more than a GiB of pixels, the images at every n-th place, n being
  /// their size in GiB, rounded up.
  std::string fingerprint;

  [[nodiscard]] std::int64_t images() const;
  bool operator==(const SplitIdentity&) const = default;
};

/// What labels mean, and what was trained and tested on.
struct DataIdentity {
  std::vector<std::string> class_names;  ///< by label
  SplitIdentity train;
  SplitIdentity test;

  bool operator==(const DataIdentity&) const = default;
};

/// Reads every label and the pixels that the fingerprint takes: some 20 ms for CIFAR-10. Throws Error for a label that
/// isn't a class of the data set.
[[nodiscard]] SplitIdentity identify(const Dataset& dataset);
/// Of both splits, which have the same classes. The names are as storable_names gives them.
[[nodiscard]] DataIdentity identify(const Dataset& train, const Dataset& test);

/// Names as metadata can hold them: bytes that are no UTF-8 are escaped.
[[nodiscard]] std::vector<std::string> storable_names(const std::vector<std::string>& names);

/// As text for metadata: class_names (a JSON array), train.class_images and test.class_images (numbers with blanks
/// between them), train.fingerprint and test.fingerprint.
[[nodiscard]] std::map<std::string, std::string> to_text(const DataIdentity& identity);
/// Back from it; nothing if a key is missing or isn't of that form.
[[nodiscard]] std::optional<DataIdentity> identity_from(const std::map<std::string, std::string>& text);

/// How the images of a split differ, for messages: "30 training images instead of 51 (leaf: 9 instead of 30)";
/// empty if they don't. `kind` is "training" or "test".
[[nodiscard]] std::string describe_change(const SplitIdentity& before, const SplitIdentity& now,
                                          const std::vector<std::string>& class_names, const std::string& kind);
/// Both splits of a data set.
[[nodiscard]] std::string describe_change(const DataIdentity& before, const DataIdentity& now);

}  // namespace convmixer
