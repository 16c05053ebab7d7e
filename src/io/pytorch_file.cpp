#include "convmixer/io/pytorch_file.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "io/archive.hpp"
#include "io/pickle.hpp"
#include "io/pytorch_format.hpp"
#include "io/quoted.hpp"
#include "io/tensor_place.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace convmixer {
namespace {

using Kind = PickleValue::Kind;

constexpr std::string_view kZipBeginning = "PK\x03\x04";
/// Before PyTorch 1.6 a file began with a pickled number, serialization.py's MAGIC_NUMBER.
constexpr std::string_view kOldBeginning("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e", 15);
constexpr std::size_t kMostBytes = std::size_t{16} << 30;
constexpr std::array<std::string_view, 5> kStateDictKeys{"state_dict", "model", "model_state_dict", "model_state",
                                                         "net"};

/// The archive's files by their names within its one folder.
using Files = std::map<std::string, std::string>;

bool begins_with(const MappedFile& file, std::string_view beginning) {
  const auto bytes = file.bytes().first(std::min(file.bytes().size(), beginning.size()));
  return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()) == beginning;
}

Files read_files(const std::filesystem::path& path) {
  const MappedFile file(path);
  if (begins_with(file, kOldBeginning)) {
    fail(
        "{}: torch.save's format of before PyTorch 1.6, expected the one since: load it in PyTorch and write it by "
        "torch.save(state_dict, PATH)",
        path.string());
  }
  Files files;
  for (ArchiveFile& entry :
       read_archive(file.bytes(), path.string(), kMostBytes, [](const std::string&) { return ArchiveChoice::take; })) {
    const std::size_t slash = entry.name.find('/');
    files[entry.name.substr(slash == std::string::npos ? 0 : slash + 1)] = std::move(entry.bytes);
  }
  if (files.contains("constants.pkl")) {
    fail("{}: a TorchScript archive: expected a state_dict, as torch.save(model.state_dict(), PATH) writes it",
         path.string());
  }
  if (!files.contains("data.pkl"))
    fail("{}: a zip archive without data.pkl: torch.save didn't write it", path.string());
  if (const auto order = files.find("byteorder"); order != files.end() && !order->second.starts_with("little"))
    fail("{}: written on a big-endian machine: expected little-endian tensors", path.string());
  return files;
}

/// Bytes that the tensors have as copies.
using Copies = std::vector<std::vector<std::byte>>;

/// Makes tensors of what a pickle says.
class StateDict {
 public:
  StateDict(const std::filesystem::path& path, const Files& files, const Pickle& pickle, Copies& copies)
      : path_(path), files_(files), pickle_(pickle), copies_(copies) {}

  [[nodiscard]] std::map<std::string, TensorFile::Entry> tensors() {
    const PickleValue* dict = &pickle_.root();
    const PickleValue* object = dict->kind == Kind::call ? dict : nullptr;
    for (const std::string_view key : kStateDictKeys) {
      const PickleValue* const inner = pickle_.find(pickle_.root(), key);
      if (inner != nullptr && inner->kind == Kind::call) object = inner;
      if (inner == nullptr || inner->kind != Kind::dict) continue;
      dict = inner;
      break;
    }
    if (dict->kind == Kind::call) fail_whole_object(*dict);
    if (dict->kind != Kind::dict) {
      fail(
          "{}: expected a state_dict (names and tensors), found another object: write it by "
          "torch.save(model.state_dict(), PATH)",
          path_.string());
    }
    std::map<std::string, TensorFile::Entry> found;
    for (std::size_t i = 0; i + 1 < dict->items.size(); i += 2) {
      const PickleValue& key = pickle_[dict->items[i]];
      if (key.kind != Kind::text) continue;
      const std::string name(key.text);
      if (auto tensor = tensor_of(name, pickle_[dict->items[i + 1]])) found[name] = *tensor;
    }
    if (found.empty() && object != nullptr) fail_whole_object(*object);
    if (found.empty()) fail("{}: a state_dict without tensors", path_.string());
    return found;
  }

 private:
  [[noreturn]] void damaged(const std::string& name, std::string_view what) const {
    fail("{}: {}", tensor_place(path_, name), what);
  }

  /// A module that was saved as it is.
  [[noreturn]] void fail_whole_object(const PickleValue& object) const {
    const PickleValue& callee = pickle_[object.items[0]];
    const bool has_name = callee.kind == Kind::global;
    fail(
        "{}: a whole object{}, which only its own code could read: expected a state_dict, as "
        "torch.save(model.state_dict(), PATH) writes it",
        path_.string(),
        has_name ? fmt::format(" of class {}", quoted(fmt::format("{}.{}", callee.text, callee.name))) : "");
  }

  /// The arguments of a call of that function; nullptr for anything else.
  const PickleValue* arguments_of(const PickleValue& value, std::string_view module, std::string_view function) const {
    if (value.kind != Kind::call) return nullptr;
    const PickleValue& callee = pickle_[value.items[0]];
    if (callee.kind != Kind::global || callee.text != module || callee.name != function) return nullptr;
    const PickleValue& arguments = pickle_[value.items[1]];
    return arguments.kind == Kind::sequence ? &arguments : nullptr;
  }

  std::optional<TensorFile::Entry> tensor_of(const std::string& name, const PickleValue& value) {
    if (const PickleValue* parameter = arguments_of(value, "torch._utils", "_rebuild_parameter")) {
      if (parameter->items.empty()) damaged(name, "a parameter without its tensor");
      const PickleValue& data = pickle_[parameter->items[0]];
      const PickleValue* arguments = arguments_of(data, "torch._utils", "_rebuild_tensor_v2");
      return arguments == nullptr ? std::nullopt : std::optional(rebuild(name, *arguments));
    }
    const PickleValue* arguments = arguments_of(value, "torch._utils", "_rebuild_tensor_v2");
    return arguments == nullptr ? std::nullopt : std::optional(rebuild(name, *arguments));
  }

  std::int64_t integer(const std::string& name, PickleRef ref) const {
    const PickleValue& value = pickle_[ref];
    if (value.kind != Kind::integer || value.integer < 0)
      damaged(name, "expected a number of at least 0 in its layout");
    return value.integer;
  }

  std::vector<std::int64_t> integers(const std::string& name, PickleRef ref) const {
    const PickleValue& value = pickle_[ref];
    if (value.kind != Kind::sequence) damaged(name, "expected a list of numbers in its layout");
    std::vector<std::int64_t> numbers;
    for (const PickleRef item : value.items) numbers.push_back(integer(name, item));
    return numbers;
  }

  struct Storage {
    const PytorchStorageType* type = nullptr;
    std::string_view bytes;
  };

  /// ("storage", torch.FloatStorage, key, location, elements), which torch.save keeps apart from the pickle.
  Storage storage_of(const std::string& name, const PickleValue& value) const {
    if (value.kind != Kind::persistent || value.items.empty()) damaged(name, "expected a storage");
    const PickleValue& id = pickle_[value.items[0]];
    if (id.kind != Kind::sequence || id.items.size() < 3) damaged(name, "expected a storage");
    const PickleValue& type = pickle_[id.items[1]];
    const PickleValue& key = pickle_[id.items[2]];
    if (type.kind != Kind::global || key.kind != Kind::text) damaged(name, "expected a storage");
    const auto known = std::ranges::find(kPytorchStorageTypes, type.name, &PytorchStorageType::name);
    if (known == kPytorchStorageTypes.end()) {
      damaged(name, fmt::format("elements in a {}: expected f32, f16, bf16 or integers of 8, 32 or 64 bits",
                                quoted(std::string(type.name))));
    }
    const auto file = files_.find(fmt::format("data/{}", key.text));
    if (file == files_.end())
      damaged(name, fmt::format("its data, data/{}, is missing", quoted(std::string(key.text))));
    return {known, file->second};
  }

  /// _rebuild_tensor_v2(storage, offset, size, stride, ...), offset and strides in elements.
  TensorFile::Entry rebuild(const std::string& name, const PickleValue& arguments) {
    if (arguments.items.size() < 4) damaged(name, "a tensor without its layout");
    const Storage storage = storage_of(name, pickle_[arguments.items[0]]);
    const std::int64_t offset = integer(name, arguments.items[1]);
    const std::vector<std::int64_t> extents = integers(name, arguments.items[2]);
    const std::vector<std::int64_t> strides = integers(name, arguments.items[3]);
    if (extents.size() != strides.size() || extents.size() > static_cast<std::size_t>(Shape::kMaxRank))
      damaged(name, fmt::format("{} extents and {} strides: expected as many, {} at most", extents.size(),
                                strides.size(), Shape::kMaxRank));
    Shape shape;
    std::int64_t count = 1;
    std::int64_t last = offset;  // element that lies furthest away
    bool overflow = false;
    for (std::size_t axis = 0; axis < extents.size(); ++axis) {
      shape.push_back(extents[axis]);
      std::int64_t reach = 0;
      overflow |= __builtin_mul_overflow(count, extents[axis], &count);
      overflow |= __builtin_mul_overflow(std::max<std::int64_t>(extents[axis], 1) - 1, strides[axis], &reach);
      overflow |= __builtin_add_overflow(last, reach, &last);
    }
    const auto elements = static_cast<std::int64_t>(storage.bytes.size()) / storage.type->bytes;
    // Strides of 0 let a few bytes claim to be any number of elements: no parameter is stored like that.
    if (overflow || (count > 0 && last >= elements) || count > elements) {
      damaged(name,
              fmt::format("shape {}: expected it to fit into its storage of {} elements", shape.to_string(), elements));
    }
    return {storage.type->dtype, shape, gather(storage, offset, extents, strides, count)};
  }

  /// The elements in row-major order.
  std::span<const std::byte> gather(const Storage& storage, std::int64_t offset,
                                    const std::vector<std::int64_t>& extents, const std::vector<std::int64_t>& strides,
                                    std::int64_t count) {
    const auto width = static_cast<std::size_t>(storage.type->bytes);
    std::vector<std::byte>& copy = copies_.emplace_back(static_cast<std::size_t>(count) * width);
    std::vector<std::int64_t> index(extents.size());
    std::int64_t from = offset;
    for (std::int64_t i = 0; i < count; ++i) {
      std::memcpy(copy.data() + static_cast<std::size_t>(i) * width,
                  storage.bytes.data() + static_cast<std::size_t>(from) * width, width);
      for (std::size_t axis = extents.size(); axis-- > 0;) {
        from += strides[axis];
        if (++index[axis] < extents[axis]) break;
        from -= strides[axis] * extents[axis];
        index[axis] = 0;
      }
    }
    return copy;
  }

  const std::filesystem::path& path_;
  const Files& files_;
  const Pickle& pickle_;
  Copies& copies_;
};

/// What our own writer put beside the pickle; nothing in other programs' files.
std::map<std::string, std::string> metadata_of(const std::filesystem::path& path, const Files& files) {
  const auto record = files.find(std::string(kPytorchMetadataRecord));
  if (record == files.end()) return {};
  const auto refuse = [&]() { fail("{}: its {} is not an object of texts", path.string(), kPytorchMetadataRecord); };
  std::map<std::string, std::string> metadata;
  const auto object = nlohmann::json::parse(record->second, nullptr, false);
  if (!object.is_object()) refuse();
  for (const auto& [key, value] : object.items()) {
    if (!value.is_string()) refuse();
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

TensorFile read_pytorch(const std::filesystem::path& path) {
  const Files files = read_files(path);
  const std::string& text = files.at("data.pkl");
  const Pickle pickle(std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()),
                      fmt::format("{}: data.pkl", path.string()));
  const auto copies = std::make_shared<Copies>();
  auto tensors = StateDict(path, files, pickle, *copies).tensors();
  return {path, std::move(tensors), metadata_of(path, files), copies};
}

}  // namespace

bool is_pytorch_file(const std::filesystem::path& path) {
  const MappedFile file(path);
  return begins_with(file, kZipBeginning) || begins_with(file, kOldBeginning);
}

PytorchFile::PytorchFile(const std::filesystem::path& path) : TensorFile(read_pytorch(path)) {}

}  // namespace convmixer
