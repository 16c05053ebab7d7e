#include "io/pickle.hpp"

#include "convmixer/core/error.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace convmixer {

namespace {

using Kind = PickleValue::Kind;

constexpr std::size_t kMostValues = std::size_t{1} << 20;

/// Python's names for the opcodes.
enum Opcode : std::uint8_t {
  MARK = '(',
  STOP = '.',
  BININT = 'J',
  BININT1 = 'K',
  BININT2 = 'M',
  NONE = 'N',
  REDUCE = 'R',
  BINSTRING = 'T',
  SHORT_BINSTRING = 'U',
  BINUNICODE = 'X',
  APPEND = 'a',
  BUILD = 'b',
  GLOBAL = 'c',
  APPENDS = 'e',
  BINGET = 'h',
  LONG_BINGET = 'j',
  BINPUT = 'q',
  LONG_BINPUT = 'r',
  SETITEM = 's',
  TUPLE = 't',
  SETITEMS = 'u',
  EMPTY_DICT = '}',
  EMPTY_LIST = ']',
  EMPTY_TUPLE = ')',
  BINBYTES = 'B',
  BINFLOAT = 'G',
  BINPERSID = 'Q',
  SHORT_BINBYTES = 'C',
  PROTO = 0x80,
  NEWOBJ = 0x81,
  TUPLE1 = 0x85,
  TUPLE2 = 0x86,
  TUPLE3 = 0x87,
  NEWTRUE = 0x88,
  NEWFALSE = 0x89,
  LONG1 = 0x8a,
  SHORT_BINUNICODE = 0x8c,
  BINUNICODE8 = 0x8d,
  BINBYTES8 = 0x8e,
  EMPTY_SET = 0x8f,
  ADDITEMS = 0x90,
  STACK_GLOBAL = 0x93,
  MEMOIZE = 0x94,
  FRAME = 0x95,
  BYTEARRAY8 = 0x96,
};

/// The unpickler's stack machine.
class Machine {
 public:
  Machine(std::span<const std::uint8_t> bytes, const std::string& where, std::vector<PickleValue>& values)
      : bytes_(bytes), where_(where), values_(values) {}

  PickleRef run() {
    for (;;) {
      opcode_at_ = at_;
      const std::uint8_t opcode = take(1)[0];
      if (opcode == STOP) break;
      if (!number_or_text(opcode) && !container(opcode) && !memo(opcode)) call(opcode);
    }
    if (at_ != bytes_.size()) damaged("bytes follow the end");
    if (stack_.size() != 1 || !marks_.empty()) damaged("it ends with something unfinished");
    return stack_.back();
  }

 private:
  [[noreturn]] void damaged(std::string_view what) const {
    fail("{}: no readable pickle: {}, at byte {}", where_, what, opcode_at_);
  }

  std::span<const std::uint8_t> take(std::uint64_t count) {
    if (count > bytes_.size() - at_) damaged("it is cut off");
    const auto taken = bytes_.subspan(at_, static_cast<std::size_t>(count));
    at_ += static_cast<std::size_t>(count);
    return taken;
  }

  /// A little-endian number of so many bytes.
  std::uint64_t number(std::size_t width) {
    std::uint64_t value = 0;
    const auto digits = take(width);
    for (std::size_t i = 0; i < width; ++i) value |= std::uint64_t{digits[i]} << (8 * i);
    return value;
  }

  std::string_view text(std::uint64_t length) {
    const auto characters = take(length);
    return {reinterpret_cast<const char*>(characters.data()), characters.size()};
  }

  std::string_view line() {
    const auto rest = bytes_.subspan(at_);
    const auto end = std::ranges::find(rest, std::uint8_t{'\n'});
    const std::string_view found = text(static_cast<std::uint64_t>(end - rest.begin()));
    take(1);
    return found;
  }

  void push(PickleRef ref) {
    // Values can be pushed again out of the memo, so that the stack needs a limit of its own.
    if (stack_.size() == kMostValues) damaged("more values than are read");
    stack_.push_back(ref);
  }

  void push(PickleValue value) {
    if (values_.size() == kMostValues) damaged("more values than are read");
    values_.push_back(std::move(value));
    push(static_cast<PickleRef>(values_.size() - 1));
  }
  void push_integer(std::int64_t value) { push(PickleValue{.kind = Kind::integer, .integer = value}); }
  void push_boolean(bool value) { push(PickleValue{.kind = Kind::boolean, .integer = value ? 1 : 0}); }
  void push_text(std::string_view value) { push(PickleValue{.kind = Kind::text, .text = value}); }

  /// The topmost value above the last mark.
  PickleRef pop() {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) damaged("a value is missing");
    const PickleRef top = stack_.back();
    stack_.pop_back();
    return top;
  }

  std::vector<PickleRef> pop(std::size_t count) {
    std::vector<PickleRef> popped(count);
    for (std::size_t i = count; i-- > 0;) popped[i] = pop();
    return popped;
  }

  std::vector<PickleRef> pop_to_mark() {
    if (marks_.empty()) damaged("a mark is missing");
    std::vector<PickleRef> popped = pop(stack_.size() - marks_.back());
    marks_.pop_back();
    return popped;
  }

  PickleValue& top(Kind kind) {
    const PickleRef ref = pop();
    stack_.push_back(ref);
    if (values_[ref].kind != kind) damaged("a value is of another type than its opcode needs");
    return values_[ref];
  }

  void extend(Kind kind, const std::vector<PickleRef>& items) {
    if (kind == Kind::dict && items.size() % 2 != 0) damaged("a key has no value");
    if (is_object()) return;  // of a class derived from dict or list: what it does with them isn't known
    // Appending the same list again and again is no way around the limit on values.
    if ((items_ += items.size()) > kMostValues) damaged("more values than are read");
    PickleValue& container = top(kind);
    container.items.insert(container.items.end(), items.begin(), items.end());
  }

  /// Whether the topmost value is an object of some class.
  bool is_object() {
    const PickleRef ref = pop();
    stack_.push_back(ref);
    return values_[ref].kind == Kind::call;
  }

  void push_sequence(std::vector<PickleRef> items) {
    if ((items_ += items.size()) > kMostValues) damaged("more values than are read");
    push(PickleValue{.kind = Kind::sequence, .items = std::move(items)});
  }

  void push_long() {
    const std::uint64_t width = number(1);
    if (width > 8) damaged("a whole number of more than 64 bits");
    std::uint64_t value = number(static_cast<std::size_t>(width));
    const bool negative = width > 0 && width < 8 && ((value >> (8 * width - 1)) & 1U) != 0;
    if (negative) value |= ~std::uint64_t{0} << (8 * width);
    push_integer(static_cast<std::int64_t>(value));
  }

  /// Eight bytes, the most significant first.
  void push_real() {
    std::uint64_t bits = 0;
    for (const std::uint8_t byte : take(8)) bits = bits << 8U | byte;
    push(PickleValue{.kind = Kind::real, .real = std::bit_cast<double>(bits)});
  }

  bool number_or_text(std::uint8_t opcode) {
    switch (opcode) {
      case NONE:
        push(PickleValue{});
        return true;
      case NEWTRUE:
      case NEWFALSE:
        push_boolean(opcode == NEWTRUE);
        return true;
      case BININT:
        push_integer(static_cast<std::int32_t>(number(4)));
        return true;
      case BININT1:
        push_integer(static_cast<std::int64_t>(number(1)));
        return true;
      case BININT2:
        push_integer(static_cast<std::int64_t>(number(2)));
        return true;
      case LONG1:
        push_long();
        return true;
      case BINFLOAT:
        push_real();
        return true;
      case SHORT_BINSTRING:
      case SHORT_BINUNICODE:
      case SHORT_BINBYTES:
        push_text(text(number(1)));
        return true;
      case BINSTRING:
      case BINUNICODE:
      case BINBYTES:
        push_text(text(number(4)));
        return true;
      case BINUNICODE8:
      case BINBYTES8:
      case BYTEARRAY8:
        push_text(text(number(8)));
        return true;
      default:
        return false;
    }
  }

  bool container(std::uint8_t opcode) {
    switch (opcode) {
      case MARK:
        if (marks_.size() == kMostValues) damaged("more marks than are read");
        marks_.push_back(stack_.size());
        return true;
      case EMPTY_DICT:
        push(PickleValue{.kind = Kind::dict});
        return true;
      case EMPTY_LIST:
      case EMPTY_TUPLE:
      case EMPTY_SET:
        push_sequence({});
        return true;
      case TUPLE1:
      case TUPLE2:
      case TUPLE3:
        push_sequence(pop(opcode - TUPLE1 + std::size_t{1}));
        return true;
      case TUPLE:
        push_sequence(pop_to_mark());
        return true;
      case APPEND:
        extend(Kind::sequence, pop(1));
        return true;
      case APPENDS:
      case ADDITEMS:
        extend(Kind::sequence, pop_to_mark());
        return true;
      case SETITEM:
        extend(Kind::dict, pop(2));
        return true;
      case SETITEMS:
        extend(Kind::dict, pop_to_mark());
        return true;
      default:
        return false;
    }
  }

  void put(std::uint64_t index) {
    if (index >= kMostValues) damaged("more values than are read");
    if (index >= memo_.size()) memo_.resize(static_cast<std::size_t>(index) + 1, kNothing);
    const PickleRef ref = pop();
    stack_.push_back(ref);
    memo_[static_cast<std::size_t>(index)] = ref;
  }

  void get(std::uint64_t index) {
    if (index >= memo_.size() || memo_[static_cast<std::size_t>(index)] == kNothing)
      damaged("it refers to a value that isn't there");
    push(memo_[static_cast<std::size_t>(index)]);
  }

  bool memo(std::uint8_t opcode) {
    switch (opcode) {
      case BINPUT:
        put(number(1));
        return true;
      case LONG_BINPUT:
        put(number(4));
        return true;
      case MEMOIZE:
        put(memo_.size());
        return true;
      case BINGET:
        get(number(1));
        return true;
      case LONG_BINGET:
        get(number(4));
        return true;
      case PROTO:
        if (const std::uint64_t protocol = number(1); protocol < 2 || protocol > 5) damaged("an unknown protocol");
        return true;
      case FRAME:  // how many bytes the writer wrote at once: of no consequence
        number(8);
        return true;
      default:
        return false;
    }
  }

  /// OrderedDict() is filled like a dict afterwards, as which it is read.
  void push_call(std::vector<PickleRef> items) {
    const PickleValue& callee = values_[items[0]];
    const bool ordered = callee.kind == Kind::global && callee.text == "collections" && callee.name == "OrderedDict";
    if (ordered && values_[items[1]].items.empty()) {
      push(PickleValue{.kind = Kind::dict});
    } else {
      push(PickleValue{.kind = Kind::call, .items = std::move(items)});
    }
  }

  /// Names and calls, noted down.
  void call(std::uint8_t opcode) {
    switch (opcode) {
      case GLOBAL: {
        const std::string_view module = line();
        push(PickleValue{.kind = Kind::global, .text = module, .name = line()});
        return;
      }
      case STACK_GLOBAL: {
        const std::vector<PickleRef> names = pop(2);
        const PickleValue& module = values_[names[0]];
        const PickleValue& name = values_[names[1]];
        if (module.kind != Kind::text || name.kind != Kind::text) damaged("a name is no text");
        push(PickleValue{.kind = Kind::global, .text = module.text, .name = name.text});
        return;
      }
      case REDUCE:
      case NEWOBJ:
        push_call(pop(2));
        return;
      case BINPERSID:
        push(PickleValue{.kind = Kind::persistent, .items = pop(1)});
        return;
      case BUILD: {
        const PickleRef state = pop();
        if (!is_object() && values_[stack_.back()].kind == Kind::dict) return;  // an OrderedDict's attributes
        PickleValue& object = top(Kind::call);
        if (object.items.size() > 2) damaged("an object is given its state twice");
        object.items.push_back(state);
        return;
      }
      default:
        damaged(fmt::format("opcode {:#04x} is none of those that are read", opcode));
    }
  }

  static constexpr PickleRef kNothing = ~PickleRef{0};

  std::span<const std::uint8_t> bytes_;
  const std::string& where_;
  std::vector<PickleValue>& values_;
  std::size_t at_ = 0;
  std::size_t opcode_at_ = 0;
  std::size_t items_ = 0;  // of all containers together
  std::vector<PickleRef> stack_;
  std::vector<std::size_t> marks_;
  std::vector<PickleRef> memo_;
};

}  // namespace

Pickle::Pickle(std::span<const std::uint8_t> bytes, const std::string& where) {
  root_ = Machine(bytes, where, values_).run();
}

const PickleValue* Pickle::find(const PickleValue& dict, std::string_view key) const {
  if (dict.kind != Kind::dict) return nullptr;
  const PickleValue* found = nullptr;
  for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    const PickleValue& candidate = values_[dict.items[i]];
    if (candidate.kind == Kind::text && candidate.text == key) found = &values_[dict.items[i + 1]];  // as Python's
  }
  return found;
}

}  // namespace convmixer
