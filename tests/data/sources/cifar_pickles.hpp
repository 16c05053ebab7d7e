/// Small files in the format of CIFAR's Python versions, opcode for opcode as Python writes them.
#pragma once

#include "data/sources/cifar_files.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace convmixer::testing_support {

inline std::string little_endian(std::uint64_t value, int width) {
  std::string bytes;
  for (int i = 0; i < width; ++i) bytes.push_back(static_cast<char>(value >> (8 * i)));
  return bytes;
}

/// The rows of pixels of records with these labels.
inline std::string pixel_rows(const std::vector<std::vector<int>>& records) {
  std::string rows;
  for (const auto& labels : records) rows += cifar_record(labels).substr(labels.size());
  return rows;
}

/// Writes the opcodes of Python 2's cPickle, protocol 2, as the published archives have them.
class Python2Pickle {
 public:
  Python2Pickle& raw(std::string_view opcodes) {
    bytes_ += opcodes;
    return *this;
  }
  /// "U", or "T" for long ones, and the number that it is remembered by.
  Python2Pickle& text(std::string_view value) {
    raw(value.size() < 256 ? "U" + little_endian(value.size(), 1) : "T" + little_endian(value.size(), 4)).raw(value);
    return put();
  }
  Python2Pickle& integer(int value) {
    if (value >= 0 && value < 256) return raw("K" + little_endian(static_cast<std::uint64_t>(value), 1));
    if (value >= 0 && value < 65536) return raw("M" + little_endian(static_cast<std::uint64_t>(value), 2));
    return raw("J" + little_endian(static_cast<std::uint32_t>(value), 4));
  }
  Python2Pickle& integers(const std::vector<int>& values) {
    raw("]").put().raw("(");
    for (const int value : values) integer(value);
    return raw("e");
  }
  /// A numpy array of bytes.
  Python2Pickle& matrix(int rows, int columns, std::string_view bytes, bool column_major = false) {
    raw("cnumpy.core.multiarray\n_reconstruct\n").put().raw("cnumpy\nndarray\n").put();
    integer(0).raw("\x85").text("b").raw("\x87").put().raw("R").put();
    raw("(").integer(1).integer(rows).integer(columns).raw("\x86").put();
    raw("cnumpy\ndtype\n").put().text("u1").integer(0).integer(1).raw("\x87").put().raw("R").put();
    raw("(").integer(3).text("|").raw("NNN").integer(-1).integer(-1).integer(0).raw("t").put().raw("b");
    return raw(column_major ? "\x88" : "\x89").text(bytes).raw("t").put().raw("b");
  }
  Python2Pickle& put() {
    const auto index = static_cast<std::uint64_t>(++remembered_);
    return raw(index < 256 ? "q" + little_endian(index, 1) : "r" + little_endian(index, 4));
  }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
  int remembered_ = 0;
};

/// A batch of CIFAR-10.
inline std::string python2_cifar10(const std::vector<int>& labels) {
  std::vector<std::vector<int>> records;
  for (const int label : labels) records.push_back({label});
  Python2Pickle pickle;
  pickle.raw("\x80\x02}").put().raw("(").text("batch_label").text("training batch 1 of 5").text("labels");
  pickle.integers(labels).text("data").matrix(static_cast<int>(labels.size()), 3072, pixel_rows(records));
  return pickle.text("filenames").raw("]").put().raw("(").text("one.png").text("two.png").raw("e").raw("u.").bytes();
}

/// A batch of CIFAR-100: coarse and fine label of each record.
inline std::string python2_cifar100(const std::vector<std::vector<int>>& records) {
  std::vector<int> coarse;
  std::vector<int> fine;
  for (const auto& labels : records) {
    coarse.push_back(labels[0]);
    fine.push_back(labels[1]);
  }
  Python2Pickle pickle;
  pickle.raw("\x80\x02}").put().raw("(").text("fine_labels").integers(fine).text("coarse_labels").integers(coarse);
  return pickle.text("data").matrix(static_cast<int>(records.size()), 3072, pixel_rows(records)).raw("u.").bytes();
}

/// CIFAR-10's batch as Python 3 writes it again with protocol 4: frames, short texts, globals off the stack.
inline std::string python3_cifar10(const std::vector<int>& labels) {
  std::vector<std::vector<int>> records;
  for (const int label : labels) records.push_back({label});
  const auto text = [](std::string_view value) {
    return "\x8c" + little_endian(value.size(), 1) + std::string(value) + "\x94";
  };
  const std::string rows = pixel_rows(records);
  std::string pickle = "\x80\x04\x95" + little_endian(60, 8) + "}\x94(" + text("labels") + "]\x94(";
  for (const int label : labels) pickle += "K" + little_endian(static_cast<std::uint64_t>(label), 1);
  pickle += "e" + text("data") + text("numpy._core.multiarray") + text("_reconstruct") + "\x93\x94" + text("numpy") +
            text("ndarray") + "\x93\x94K" + std::string(1, '\0') + "\x85\x94" + "C\x01" + "b\x94\x87\x94R\x94(K\x01K" +
            little_endian(labels.size(), 1) + "M" + little_endian(3072, 2) + "\x86\x94" + "h\x07" + text("dtype") +
            "\x93\x94" + text("u1") + "\x89\x88\x87\x94R\x94(K\x03" + text("|") +
            "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff" + "K" + std::string(1, '\0') + "t\x94" + "b\x89" + "B" +
            little_endian(rows.size(), 4) + rows + "\x94t\x94" + "bu.";
  return pickle;
}

}  // namespace convmixer::testing_support
