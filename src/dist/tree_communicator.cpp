#include "dist/tree_communicator.hpp"

#include "convmixer/core/trace.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

namespace convmixer {

namespace {

/// From here on a sum's traffic, not its messages, decides how long it takes.
constexpr std::size_t kLongBytes = std::size_t{32} * 1024;

template <typename T>
void add(std::span<T> lower, std::span<const T> upper) {
  for (std::size_t i = 0; i < lower.size(); ++i) lower[i] += upper[i];
}

class TreeCommunicator final : public Communicator {
 public:
  explicit TreeCommunicator(std::unique_ptr<Transport> transport)
      : transport_(std::move(transport)), rank_(transport_->rank()), size_(transport_->size()) {}

  [[nodiscard]] int rank() const noexcept override { return rank_; }
  [[nodiscard]] int size() const noexcept override { return size_; }

  void sum(std::span<float> values) override { sum_of(values); }
  void sum(std::span<double> values) override { sum_of(values); }
  void combine(std::span<double> values, const Merge& merge) override { combine_of<double>(values, merge); }

  void barrier() override {
    double nothing = 0.0;
    sum(std::span(&nothing, 1));
  }

  [[nodiscard]] CommunicationTotals totals() const noexcept override { return totals_; }

 private:
  void exchange(int other, std::span<const std::byte> sent, std::span<std::byte> received) {
    static const TraceName kExchange("exchange with a rank");
    const TraceScope scope(kExchange, other);
    const auto begin = std::chrono::steady_clock::now();
    transport_->exchange(other, sent, received);
    totals_.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if (sent.empty()) return;
    ++totals_.messages;
    totals_.bytes += static_cast<std::int64_t>(sent.size());
  }

  [[nodiscard]] bool is_power_of_two() const noexcept { return std::has_single_bit(static_cast<unsigned>(size_)); }

  template <typename T>
  std::span<T> received(std::size_t count) {
    if (buffer_.size() < count * sizeof(T)) buffer_.resize(count * sizeof(T));
    return {reinterpret_cast<T*>(buffer_.data()), count};  // from operator new: aligned for any number
  }

  template <typename T>
  void sum_of(std::span<T> values) {
    if (is_power_of_two() && values.size_bytes() >= kLongBytes) {
      sum_in_halves(values);
    } else {
      combine_of<T>(values, add<T>);
    }
  }

  template <typename T, class Operation>
  void combine_of(std::span<T> values, const Operation& operation) {
    if (values.empty()) return;
    if (is_power_of_two()) {
      for (int bit = 1; bit < size_; bit *= 2) combine_with(rank_ ^ bit, values, operation);
    } else {
      combine_upwards(0, size_, values, operation);
      copy_downwards(0, size_, std::as_writable_bytes(values));
    }
  }

  /// Both ranks have the result.
  template <typename T, class Operation>
  void combine_with(int other, std::span<T> values, const Operation& operation) {
    const std::span<T> others = received<T>(values.size());
    exchange(other, std::as_bytes(values), std::as_writable_bytes(others));
    if (rank_ < other) {
      operation(values, std::span<const T>(others));
    } else {
      operation(others, std::span<const T>(values));
      std::ranges::copy(others, values.begin());
    }
  }

  /// The first of ranks [begin, end) has their result.
  template <typename T, class Operation>
  void combine_upwards(int begin, int end, std::span<T> values, const Operation& operation) {
    if (end - begin < 2) return;
    const int middle = (begin + end) / 2;
    rank_ < middle ? combine_upwards(begin, middle, values, operation)
                   : combine_upwards(middle, end, values, operation);
    if (rank_ == middle) exchange(begin, std::as_bytes(values), {});
    if (rank_ != begin) return;
    const std::span<T> others = received<T>(values.size());
    exchange(middle, {}, std::as_writable_bytes(others));
    operation(values, std::span<const T>(others));
  }

  /// What the first of ranks [begin, end) has.
  void copy_downwards(int begin, int end, std::span<std::byte> bytes) {
    if (end - begin < 2 || bytes.empty()) return;
    const int middle = (begin + end) / 2;
    if (rank_ == begin) exchange(middle, bytes, {});
    if (rank_ == middle) exchange(begin, {}, bytes);
    rank_ < middle ? copy_downwards(begin, middle, bytes) : copy_downwards(middle, end, bytes);
  }

  template <typename T>
  void sum_in_halves(std::span<T> values) {
    struct Part {
      std::size_t begin;
      std::size_t end;
    };
    std::vector<Part> parts{{0, values.size()}};
    const auto span_of = [&](const Part& part) { return values.subspan(part.begin, part.end - part.begin); };
    for (int bit = 1; bit < size_; bit *= 2) {
      const Part all = parts.back();
      const std::size_t middle = (all.begin + all.end) / 2;
      const Part lower{all.begin, middle};
      const Part upper{middle, all.end};
      const bool keeps_lower = (rank_ & bit) == 0;
      const std::span<T> kept = span_of(keeps_lower ? lower : upper);
      const std::span<T> others = received<T>(kept.size());
      exchange(rank_ ^ bit, std::as_bytes(span_of(keeps_lower ? upper : lower)), std::as_writable_bytes(others));
      add<T>(kept, others);  // a + b is b + a
      parts.push_back(keeps_lower ? lower : upper);
    }
    for (int bit = size_ / 2; bit > 0; bit /= 2) {
      const Part mine = parts.back();
      parts.pop_back();
      const Part all = parts.back();
      const Part theirs = mine.begin == all.begin ? Part{mine.end, all.end} : Part{all.begin, mine.begin};
      exchange(rank_ ^ bit, std::as_bytes(span_of(mine)), std::as_writable_bytes(span_of(theirs)));
    }
  }

  /// Down a tree over the ranks counted from the root.
  void broadcast_from(std::span<std::byte> bytes, int root) override {
    if (bytes.empty()) return;
    if (root != 0) {
      if (rank_ == root) exchange(0, bytes, {});
      if (rank_ == 0) exchange(root, {}, bytes);
    }
    copy_downwards(0, size_, bytes);
  }

  std::unique_ptr<Transport> transport_;
  int rank_;
  int size_;
  std::vector<std::byte> buffer_;
  CommunicationTotals totals_;
};

}  // namespace

std::unique_ptr<Communicator> make_tree_communicator(std::unique_ptr<Transport> transport) {
  return std::make_unique<TreeCommunicator>(std::move(transport));
}

}  // namespace convmixer
