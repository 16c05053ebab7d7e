#include "data/sources/cifar_batch.hpp"

#include "convmixer/core/error.hpp"
#include "io/pickle.hpp"

#include <optional>
#include <utility>

namespace convmixer {

namespace {

using Kind = PickleValue::Kind;

CifarBatch read_records(std::span<const std::uint8_t> bytes, const CifarFormat& format, const std::string& where) {
  const std::size_t label_bytes = format.label_ranges.size();
  const std::size_t record_bytes = label_bytes + kCifarImageBytes;
  if (bytes.empty() || bytes.size() % record_bytes != 0)
    fail("{}: found {} bytes, expected a multiple of {} (records of {} label and {} pixel bytes) of {}", where,
         bytes.size(), record_bytes, label_bytes, kCifarImageBytes, format.name);
  CifarBatch batch;
  batch.first_image = bytes.data() + label_bytes;
  batch.stride = record_bytes;
  batch.labels.resize(bytes.size() / record_bytes);
  for (std::size_t i = 0; i < batch.labels.size(); ++i) {
    for (std::size_t j = 0; j < label_bytes; ++j) {
      const int found = bytes[i * record_bytes + j];
      if (found >= format.label_ranges[j])
        fail("{}: found label {} in byte {} of record {}, expected 0 to {}", where, found, j, i,
             format.label_ranges[j] - 1);
    }
    batch.labels[i] = bytes[i * record_bytes + format.used_label()];
  }
  return batch;
}

/// A numpy array of bytes with two dimensions.
struct ByteMatrix {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  bool column_major = false;
  std::string_view bytes;
};

/// The dictionary of the Python version, looked at as numpy would build it.
class PickledBatch {
 public:
  PickledBatch(std::span<const std::uint8_t> bytes, const CifarFormat& format, const std::string& where)
      : pickle_(bytes, where), format_(format), where_(where) {}

  [[nodiscard]] ByteMatrix images() const {
    const PickleValue& value = entry("data");
    const auto matrix = as_matrix(value);
    if (!matrix || matrix->columns != static_cast<std::int64_t>(kCifarImageBytes) || matrix->rows < 1)
      fail("{}: 'data' is not an array of {} bytes for each image", where_, kCifarImageBytes);
    return *matrix;
  }

  /// The labels under a key, one for each of `count` images.
  [[nodiscard]] std::vector<std::uint8_t> labels(std::string_view key, int range, std::int64_t count) const {
    const PickleValue& value = entry(key);
    if (value.kind != Kind::sequence || static_cast<std::int64_t>(value.items.size()) != count)
      fail("{}: '{}' is not a list of {} labels, one for each image", where_, key, count);
    std::vector<std::uint8_t> labels;
    labels.reserve(value.items.size());
    for (const PickleRef ref : value.items) {
      const PickleValue& label = pickle_[ref];
      if (label.kind != Kind::integer || label.integer < 0 || label.integer >= range)
        fail("{}: label {} of '{}' is {}, expected 0 to {}", where_, labels.size(), key,
             label.kind == Kind::integer ? fmt::format("{}", label.integer) : "no whole number", range - 1);
      labels.push_back(static_cast<std::uint8_t>(label.integer));
    }
    return labels;
  }

 private:
  [[nodiscard]] const PickleValue& entry(std::string_view key) const {
    if (pickle_.root().kind != Kind::dict)
      fail("{}: holds no dictionary, expected that of {}'s Python version", where_, format_.name);
    const PickleValue* value = pickle_.find(pickle_.root(), key);
    if (value == nullptr) fail("{}: has no '{}', expected in {}'s Python version", where_, key, format_.name);
    return *value;
  }

  /// Item `index` of a sequence or call, if it is of this kind.
  [[nodiscard]] const PickleValue* item(const PickleValue* value, std::size_t index, Kind kind) const {
    if (value == nullptr || index >= value->items.size()) return nullptr;
    const PickleValue& found = pickle_[value->items[index]];
    return found.kind == kind ? &found : nullptr;
  }

  /// The arguments of a call of numpy's function of this name; nullptr for any other value.
  [[nodiscard]] const PickleValue* numpy_call(const PickleValue* value, std::string_view function) const {
    if (value == nullptr || value->kind != Kind::call) return nullptr;
    const PickleValue* called = item(value, 0, Kind::global);
    const bool is_it = called != nullptr && called->name == function &&
                       (called->text == "numpy" || called->text.starts_with("numpy."));
    return is_it ? item(value, 1, Kind::sequence) : nullptr;
  }

  [[nodiscard]] bool is_byte_type(const PickleValue* value) const {
    const PickleValue* name = item(numpy_call(value, "dtype"), 0, Kind::text);
    return name != nullptr && (name->text == "u1" || name->text == "|u1" || name->text == "uint8");
  }

  /// Both ways in which numpy pickles an array: an empty one with a state of (version, shape, type, column-major,
  /// bytes), and since protocol 5 a call with (bytes, type, shape, order).
  [[nodiscard]] std::optional<ByteMatrix> as_matrix(const PickleValue& value) const {
    const PickleValue* shape = nullptr;
    const PickleValue* type = nullptr;
    const PickleValue* bytes = nullptr;
    bool column_major = false;
    if (numpy_call(&value, "_reconstruct") != nullptr) {
      const PickleValue* state = item(&value, 2, Kind::sequence);
      shape = item(state, 1, Kind::sequence);
      type = item(state, 2, Kind::call);
      const PickleValue* order = item(state, 3, Kind::boolean);
      if (order == nullptr) return std::nullopt;
      column_major = order->integer != 0;
      bytes = item(state, 4, Kind::text);
    } else if (const PickleValue* arguments = numpy_call(&value, "_frombuffer"); arguments != nullptr) {
      bytes = item(arguments, 0, Kind::text);
      type = item(arguments, 1, Kind::call);
      shape = item(arguments, 2, Kind::sequence);
      const PickleValue* order = item(arguments, 3, Kind::text);
      if (order == nullptr) return std::nullopt;
      column_major = order->text == "F";
    }
    const PickleValue* rows = item(shape, 0, Kind::integer);
    const PickleValue* columns = item(shape, 1, Kind::integer);
    if (bytes == nullptr || rows == nullptr || columns == nullptr || shape->items.size() != 2 || !is_byte_type(type))
      return std::nullopt;
    const auto size = static_cast<std::int64_t>(bytes->text.size());
    if (rows->integer < 1 || columns->integer < 1 || columns->integer > size || size % columns->integer != 0 ||
        rows->integer != size / columns->integer)
      return std::nullopt;
    return ByteMatrix{rows->integer, columns->integer, column_major, bytes->text};
  }

  Pickle pickle_;
  const CifarFormat& format_;
  const std::string& where_;
};

/// The matrix with its rows one after the other.
std::shared_ptr<const std::vector<std::uint8_t>> rows_of(const ByteMatrix& matrix) {
  const auto rows = static_cast<std::size_t>(matrix.rows);
  const auto columns = static_cast<std::size_t>(matrix.columns);
  auto result = std::make_shared<std::vector<std::uint8_t>>(matrix.bytes.size());
  for (std::size_t row = 0; row < rows; ++row)
    for (std::size_t column = 0; column < columns; ++column)
      (*result)[row * columns + column] = static_cast<std::uint8_t>(matrix.bytes[column * rows + row]);
  return result;
}

CifarBatch read_pickled(std::span<const std::uint8_t> bytes, const CifarFormat& format, const std::string& where) {
  const PickledBatch pickled(bytes, format, where);
  const ByteMatrix images = pickled.images();
  CifarBatch batch;
  batch.first_image = reinterpret_cast<const std::uint8_t*>(images.bytes.data());
  batch.stride = kCifarImageBytes;
  for (std::size_t i = 0; i < format.label_keys.size(); ++i) {
    std::vector<std::uint8_t> labels = pickled.labels(format.label_keys[i], format.label_ranges[i], images.rows);
    if (i == format.used_label()) batch.labels = std::move(labels);
  }
  if (images.column_major) {
    const auto rows = rows_of(images);
    batch.first_image = rows->data();
    batch.storage = rows;
  }
  return batch;
}

}  // namespace

CifarBatch read_cifar_batch(std::span<const std::uint8_t> bytes, std::shared_ptr<const void> storage,
                            CifarVersion version, const CifarFormat& format, const std::string& where) {
  CifarBatch batch =
      version == CifarVersion::binary ? read_records(bytes, format, where) : read_pickled(bytes, format, where);
  if (batch.storage == nullptr) batch.storage = std::move(storage);
  return batch;
}

}  // namespace convmixer
