/// What processes that train together ask of each other: sums, copies, waiting.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace convmixer {

/// A group of processes, the ranks. Each has an object of its own, used from one thread at a time.
///
/// All ranks make the same calls in the same order, with spans of the same length and the same root. A call returns
/// when this rank's part is done, which may be before the others' (barrier() excepted). Every call throws Error naming
/// the rank where another one can't be reached or made another call; the object can't be used after that.
///
/// **Sums** run in a fixed binary tree over the ranks. There are 2^n of them, and the sum of ranks [a, a + 2^k), a
/// multiple of 2^k, is that of its lower half plus that of its upper half:
///     sum of 4 ranks = (x0 + x1) + (x2 + x3)
/// each addition rounded to the span's type. So every rank has the same bits, in every run; and a rank whose own value
/// is the sum over a subtree of some larger tree (the chunks of its part of a batch) completes that tree: 2^n ranks
/// have the bits that one process with all the chunks has.
class Communicator {
 public:
  virtual ~Communicator();
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  /// From 0 to size() - 1.
  [[nodiscard]] virtual int rank() const noexcept = 0;
  /// Number of ranks: a power of two.
  [[nodiscard]] virtual int size() const noexcept = 0;

  /// Replaces each value by its sum over all ranks, on all of them.
  virtual void sum(std::span<float> values) = 0;
  virtual void sum(std::span<double> values) = 0;

  /// Replaces `bytes` on all ranks by those of rank `root`. Throws Error (usage) unless 0 <= root < size().
  void broadcast(std::span<std::byte> bytes, int root);

  /// Returns when all ranks have called it.
  virtual void barrier() = 0;

 protected:
  Communicator() = default;

 private:
  /// With a root that is there.
  virtual void broadcast_from(std::span<std::byte> bytes, int root) = 0;
};

/// The one rank of a process that trains alone: sums leave values as they are, nothing waits, nothing fails.
[[nodiscard]] std::unique_ptr<Communicator> make_local_communicator();

}  // namespace convmixer
