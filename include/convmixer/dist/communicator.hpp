/// What processes that train together ask of each other: sums, copies, waiting.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace convmixer {

/// What a rank has exchanged with others so far.
struct CommunicationTotals {
  std::int64_t messages = 0;  ///< sent
  std::int64_t bytes = 0;     ///< sent
  double seconds = 0.0;       ///< that the calling thread was in here, waiting for the others among it
};

/// A group of processes, the ranks. Each has an object of its own, used from one thread at a time.
///
/// All ranks make the same calls in the same order, with spans of the same length and the same root. A call returns
/// when this rank's part is done, which may be before the others' (barrier() excepted). Every call throws Error naming
/// the rank that can't be reached; the object can't be used after that.
///
/// **Sums** run in a fixed binary tree over the ranks: that of ranks [a, b) is the sum of [a, m) plus that of [m, b)
/// with m = (a + b) / 2,
///     sum of 4 ranks = (x0 + x1) + (x2 + x3)
/// each addition rounded to the span's type. So every rank has the same bits, in every run; and a rank whose own value
/// is the sum over a subtree of some larger tree (over the parts of a batch, of which it has a share) completes that
/// tree: 2^n ranks have the bits that one process with all the parts has.
class Communicator {
 public:
  /// Puts the result of two subtrees in the place of the lower one's, both of the same length.
  using Merge = std::function<void(std::span<double> lower, std::span<const double> upper)>;

  virtual ~Communicator();
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  /// From 0 to size() - 1.
  [[nodiscard]] virtual int rank() const noexcept = 0;
  /// Number of ranks.
  [[nodiscard]] virtual int size() const noexcept = 0;

  /// Replaces each value by its sum over all ranks, on all of them.
  virtual void sum(std::span<float> values) = 0;
  virtual void sum(std::span<double> values) = 0;
  /// The same tree with another operation than the sum. Which rank calls `merge` for a node is not fixed: it must be a
  /// function of its arguments alone.
  virtual void combine(std::span<double> values, const Merge& merge) = 0;

  /// Begins to do as sum() does, in the background if the communicator can, while the caller goes on; other calls may
  /// come in between. Nobody may touch the values before finish_sums(). One that can't has added them up by its return.
  virtual void start_sum(std::span<float> values) { sum(values); }
  virtual void start_sum(std::span<double> values) { sum(values); }
  /// Returns when all sums that were begun are there. Throws the Error that one of them met.
  virtual void finish_sums() {}
  /// For a caller that has met an error: returns when nobody touches the values of sums that were begun any more. Those
  /// that aren't under way are left; the ranks are out of step then, and the object can't be used after that.
  virtual void drop_sums() noexcept {}
  /// Starts the thread that sums in the background, which from then on runs where the caller may run. Else the first
  /// start_sum() does.
  virtual void prepare_background() {}

  /// Replaces `bytes` on all ranks by those of rank `root`. Throws Error (usage) unless 0 <= root < size().
  void broadcast(std::span<std::byte> bytes, int root);

  /// Returns when all ranks have called it.
  virtual void barrier() = 0;

  [[nodiscard]] virtual CommunicationTotals totals() const noexcept { return {}; }

 protected:
  Communicator() = default;

 private:
  /// With a root that is there.
  virtual void broadcast_from(std::span<std::byte> bytes, int root) = 0;
};

/// The one rank of a process that trains alone: sums leave values as they are, nothing waits, nothing fails.
[[nodiscard]] std::unique_ptr<Communicator> make_local_communicator();

/// Text of rank `root`, on all ranks.
[[nodiscard]] std::string broadcast_text(Communicator& ranks, const std::string& text, int root);
/// A number of rank `root`, on all ranks.
[[nodiscard]] double broadcast_number(Communicator& ranks, double number, int root);
/// The largest of all ranks' numbers.
[[nodiscard]] double largest_of_ranks(Communicator& ranks, double number);
/// Each rank's text, by rank, on all ranks.
[[nodiscard]] std::vector<std::string> gather_texts(Communicator& ranks, const std::string& text);

}  // namespace convmixer
