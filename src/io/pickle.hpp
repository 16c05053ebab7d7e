/// Values out of a Python pickle, without running it: a pickle is a program for Python's unpickler, which may import
/// and call anything. Here a name stays a name and a call is only noted down.
/// Opcodes: https://docs.python.org/3/library/pickletools.html
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace convmixer {

/// A value of a Pickle, by its number.
using PickleRef = std::uint32_t;

struct PickleValue {
  enum class Kind : std::uint8_t {
    none,
    boolean,     ///< `integer` is 0 or 1
    integer,     ///< `integer`
    real,        ///< `real`
    text,        ///< `text`: UTF-8, or the bytes of a Python 2 string
    sequence,    ///< a list or tuple: `items`
    dict,        ///< `items`: key, value, key, value ...; OrderedDict, too
    global,      ///< the function or class `name` of module `text`
    call,        ///< `items`: what is called, its tuple of arguments, and the states that it was given afterwards
    persistent,  ///< `items`: the name of an object that the writer keeps elsewhere
  };
  Kind kind = Kind::none;
  std::int64_t integer = 0;
  double real = 0.0;
  std::string_view text{};  ///< borrowed from the pickle's bytes
  std::string_view name{};
  std::vector<PickleRef> items{};
};

/// The values of one pickle. They may refer to one another in circles: follow them to a fixed depth only.
class Pickle {
 public:
  /// Reads the opcodes that dictionaries, lists, tuples, sets, numbers, strings, numpy arrays and PyTorch's tensors are
  /// written with by Python 2's protocol 2 and Python 3's 2 to 5, and those of objects, whose state is passed over.
  /// `bytes` must outlive the values, `where` names them in messages. Throws Error, naming the byte, for every other
  /// opcode, for damage, for bytes after the end, and for over a million values.
  Pickle(std::span<const std::uint8_t> bytes, const std::string& where);

  [[nodiscard]] const PickleValue& root() const { return values_[root_]; }
  [[nodiscard]] const PickleValue& operator[](PickleRef ref) const { return values_[ref]; }

  /// The value of a text key of a dict; nullptr if it has none, or is no dict.
  [[nodiscard]] const PickleValue* find(const PickleValue& dict, std::string_view key) const;

 private:
  std::vector<PickleValue> values_;
  PickleRef root_ = 0;
};

}  // namespace convmixer
