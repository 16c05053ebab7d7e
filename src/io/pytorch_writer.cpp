#include "convmixer/core/error.hpp"
#include "convmixer/core/printable.hpp"
#include "convmixer/io/pytorch_file.hpp"
#include "io/pytorch_format.hpp"
#include "io/tensor_place.hpp"
#include "io/zip_writer.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace convmixer {
namespace {

/// A pickle of protocol 2, which torch.save writes, as far as a state_dict needs it.
/// https://github.com/python/cpython/blob/main/Lib/pickletools.py describes the opcodes.
class PickleWriter {
 public:
  static constexpr std::int64_t kMostInteger = std::numeric_limits<std::int32_t>::max();

  PickleWriter() { opcodes("\x80\x02"); }  // PROTO 2

  void mark() { opcodes("("); }
  void tuple() { opcodes("t"); }  // of what was written since the mark
  void call() { opcodes("R"); }   // of a function with a tuple, the two that were written last
  void persistent() { opcodes("Q"); }
  void false_value() { opcodes("\x89"); }
  void set_items() { opcodes("u"); }  // keys and values since the mark, into the dict before it
  void global(std::string_view module, std::string_view name) { opcodes(fmt::format("c{}\n{}\n", module, name)); }
  void empty_ordered_dict() {
    global("collections", "OrderedDict");
    opcodes(")R");  // called with no arguments
  }
  void text(std::string_view value) {
    opcodes("X");
    four_bytes(value.size());
    bytes_.append(value);
  }
  /// From 0 to kMostInteger.
  void integer(std::int64_t value) {
    opcodes("J");
    four_bytes(static_cast<std::size_t>(value));
  }
  [[nodiscard]] std::string finished() && { return std::move(bytes_) + '.'; }

 private:
  void opcodes(std::string_view bytes) { bytes_.append(bytes); }
  void four_bytes(std::size_t value) {
    for (int i = 0; i < 4; ++i) bytes_.push_back(static_cast<char>(value >> (8 * i) & 0xFFU));
  }

  std::string bytes_;
};

void check(const std::filesystem::path& path, const TensorView& tensor, std::set<std::string_view>& names) {
  const std::string where = tensor_place(path, tensor.name);
  if (!names.insert(tensor.name).second) fail("{}: can't be written: there are two tensors of this name", where);
  if (to_utf8(tensor.name) != tensor.name) fail("{}: can't be written: its name is not UTF-8", where);
  const auto type = std::ranges::find(kPytorchStorageTypes, tensor.dtype, &PytorchStorageType::dtype);
  if (type == kPytorchStorageTypes.end())
    fail("{}: can't be written: expected elements of a type that is read, too", where);
  const auto bytes = static_cast<std::int64_t>(tensor.bytes.size());
  if (bytes % type->bytes != 0 || bytes / type->bytes != tensor.shape.count())
    fail("{}: can't be written: found {} bytes, expected {} elements of {} for shape {}", where, bytes,
         tensor.shape.count(), type->bytes, tensor.shape.to_string());
  if (tensor.shape.count() > PickleWriter::kMostInteger)
    fail("{}: can't be written: {} elements, expected at most {}", where, tensor.shape.count(),
         PickleWriter::kMostInteger);
}

void write_numbers(PickleWriter& pickle, const std::vector<std::int64_t>& numbers) {
  pickle.mark();
  for (const std::int64_t number : numbers) pickle.integer(number);
  pickle.tuple();
}

/// torch._utils._rebuild_tensor_v2(storage, 0, size, stride, requires_grad = False, hooks = OrderedDict()), the
/// storage being ("storage", type, key, "cpu", elements).
void write_tensor(PickleWriter& pickle, const TensorView& tensor, std::string_view key) {
  std::vector<std::int64_t> extents;
  for (int axis = 0; axis < tensor.shape.rank(); ++axis) extents.push_back(tensor.shape[axis]);
  std::vector<std::int64_t> strides(extents.size(), 1);
  for (std::size_t axis = extents.size(); axis-- > 1;) strides[axis - 1] = strides[axis] * extents[axis];

  pickle.global("torch._utils", "_rebuild_tensor_v2");
  pickle.mark();
  pickle.mark();
  pickle.text("storage");
  pickle.global("torch", std::ranges::find(kPytorchStorageTypes, tensor.dtype, &PytorchStorageType::dtype)->name);
  pickle.text(key);
  pickle.text("cpu");
  pickle.integer(tensor.shape.count());
  pickle.tuple();
  pickle.persistent();
  pickle.integer(0);
  write_numbers(pickle, extents);
  write_numbers(pickle, strides);
  pickle.false_value();
  pickle.empty_ordered_dict();
  pickle.tuple();
  pickle.call();
}

std::string to_json(const std::filesystem::path& path, const std::map<std::string, std::string>& metadata) {
  try {
    return nlohmann::json(metadata).dump();
  } catch (const nlohmann::json::exception&) {
    fail("{}: can't be written: the metadata is not UTF-8", path.string());
  }
}

}  // namespace

void write_pytorch_file(const std::filesystem::path& path, std::span<const TensorView> tensors,
                        const std::map<std::string, std::string>& metadata) {
  // The folder that torch.save uses where it writes to no file of a name.
  const auto record = [](std::string_view name) { return fmt::format("archive/{}", name); };
  const auto bytes_of = [](std::string_view text) { return std::as_bytes(std::span(text)); };
  std::set<std::string_view> names;
  PickleWriter pickle;
  pickle.empty_ordered_dict();
  pickle.mark();
  std::vector<ZipEntry> storages;
  for (const TensorView& tensor : tensors) {
    check(path, tensor, names);
    const std::string key = fmt::format("{}", storages.size());
    pickle.text(tensor.name);
    write_tensor(pickle, tensor, key);
    storages.push_back({record(fmt::format("data/{}", key)), tensor.bytes});
  }
  pickle.set_items();
  const std::string text = std::move(pickle).finished();
  const std::string json = metadata.empty() ? "" : to_json(path, metadata);

  std::vector<ZipEntry> entries{{record("data.pkl"), bytes_of(text)}, {record("byteorder"), bytes_of("little")}};
  entries.insert(entries.end(), storages.begin(), storages.end());
  entries.push_back({record("version"), bytes_of("3\n")});  // of the format, since PyTorch 1.6
  if (!json.empty()) entries.push_back({record(kPytorchMetadataRecord), bytes_of(json)});
  write_zip(path, entries);
}

}  // namespace convmixer
