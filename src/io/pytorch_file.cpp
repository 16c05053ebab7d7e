#include "convmixer/io/pytorch_file.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "io/archive.hpp"
#include "io/pickle.hpp"
#include "io/pytorch_format.hpp"
#include "io/quoted.hpp"
#include "io/strided_views.hpp"
#include "io/tensor_place.hpp"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <set>
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
/// torch.save compresses nothing; what another program has packed again, or a small file holds, may be larger.
constexpr std::size_t kMostTimesItsSize = 8;
constexpr std::size_t kAlwaysUnpacked = std::size_t{16} << 20;
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
  const std::size_t most_bytes = std::max(kMostTimesItsSize * file.bytes().size(), kAlwaysUnpacked);
  Files files;
  for (ArchiveFile& entry :
       read_archive(file.bytes(), path.string(), most_bytes, [](const std::string&) { return ArchiveChoice::take; })) {
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

/// What tensors may be parts of.
struct Contents {
  Files files;
  /// By the storage's file. Tensors may say that its elements are of different types.
  std::map<std::pair<std::string, DType>, StridedViews> views{};

  /// What no tensor is a part of goes.
  void release_others() {
    std::set<std::string> kept;
    for (const auto& [storage, of_storage] : views)
      if (of_storage.is_borrowed()) kept.insert(storage.first);
    std::erase_if(files, [&](const auto& file) { return !kept.contains(file.first); });
  }
};

/// Makes tensors of what a pickle says.
class StateDict {
 public:
  StateDict(const std::filesystem::path& path, const Pickle& pickle, Contents& contents)
      : path_(path), pickle_(pickle), contents_(contents) {}

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
    const PytorchStorageType* type;
    StridedViews* views;
    std::int64_t elements;
  };

  /// ("storage", torch.FloatStorage, key, location, elements), which torch.save keeps apart from the pickle.
  Storage storage_of(const std::string& name, const PickleValue& value) {
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
    const auto file = contents_.files.find(fmt::format("data/{}", key.text));
    if (file == contents_.files.end())
      damaged(name, fmt::format("its data, data/{}, is missing", quoted(std::string(key.text))));
    const std::span<const std::byte> bytes = std::as_bytes(std::span(file->second));
    const auto views =
        contents_.views.try_emplace({file->first, known->dtype}, bytes, static_cast<std::size_t>(known->bytes)).first;
    return {known, &views->second, std::ssize(bytes) / known->bytes};
  }

  /// _rebuild_tensor_v2(storage, offset, size, stride, ...), offset and strides in elements.
  TensorFile::Entry rebuild(const std::string& name, const PickleValue& arguments) {
    if (arguments.items.size() < 4) damaged(name, "a tensor without its layout");
    const Storage storage = storage_of(name, pickle_[arguments.items[0]]);
    const StridedView view{integer(name, arguments.items[1]), integers(name, arguments.items[2]),
                           integers(name, arguments.items[3])};
    if (view.extents.size() != view.strides.size() || view.extents.size() > static_cast<std::size_t>(Shape::kMaxRank))
      damaged(name, fmt::format("{} extents and {} strides: expected as many, {} at most", view.extents.size(),
                                view.strides.size(), Shape::kMaxRank));
    if (!elements_within(view, storage.elements)) {
      damaged(name, fmt::format("shape ({}): expected it to fit into its storage of {} elements",
                                fmt::join(view.extents, ", "), storage.elements));
    }
    Shape shape;  // which takes no more elements than can be counted
    for (const std::int64_t extent : view.extents) shape.push_back(extent);
    const auto bytes = storage.views->row_major(view);
    if (!bytes) {
      damaged(name, fmt::format("it and others with gaps or in other orders hold more than {} times their storage of "
                                "{} elements: expected tensors that share no more of it",
                                StridedViews::kMostCopies, storage.elements));
    }
    return {storage.type->dtype, shape, *bytes};
  }

  const std::filesystem::path& path_;
  const Pickle& pickle_;
  Contents& contents_;
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
  const auto contents = std::make_shared<Contents>(Contents{read_files(path)});
  const std::string& text = contents->files.at("data.pkl");
  const Pickle pickle(std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()),
                      fmt::format("{}: data.pkl", path.string()));
  auto tensors = StateDict(path, pickle, *contents).tensors();
  auto metadata = metadata_of(path, contents->files);
  contents->release_others();
  return {path, std::move(tensors), std::move(metadata), contents};
}

}  // namespace

bool is_pytorch_file(const std::filesystem::path& path) {
  const MappedFile file(path);
  return begins_with(file, kZipBeginning) || begins_with(file, kOldBeginning);
}

PytorchFile::PytorchFile(const std::filesystem::path& path) : TensorFile(read_pytorch(path)) {}

}  // namespace convmixer
