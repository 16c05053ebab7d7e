/// Lists of tensors for messages: every name is in them, in few words.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace convmixer {

/// Names that differ in one number are listed as one: "blocks.4-7.1.bias, head.bias".
class TensorList {
 public:
  /// `detail` is what is said of the tensor, " (6, 5)" say; only tensors of which the same is said are listed as one.
  void add(std::string_view name, std::string_view detail = {});

  [[nodiscard]] std::size_t size() const noexcept { return count_; }
  [[nodiscard]] bool empty() const noexcept { return count_ == 0; }

  /// In one line, in the order in which the first of each entry was added; after about `most_bytes` comes "and 12
  /// more". What a terminal shouldn't get is escaped as in JSON.
  [[nodiscard]] std::string text(std::size_t most_bytes = 450) const;

 private:
  /// Names that are alike before and after a number.
  struct Entry {
    std::string before;
    std::string after;
    std::string detail;
    std::vector<std::int64_t> numbers;  ///< none: `before` is the whole name
    std::size_t count = 0;              ///< of the tensors
  };
  std::vector<Entry> entries_;
  std::size_t count_ = 0;
};

}  // namespace convmixer
