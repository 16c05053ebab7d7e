/// What carries bytes between ranks: MPI, or for tests the threads of one process.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace convmixer {

/// Each call throws Error naming the other rank where it can't be reached.
class Transport {
 public:
  virtual ~Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  [[nodiscard]] virtual int rank() const noexcept = 0;
  [[nodiscard]] virtual int size() const noexcept = 0;

  /// Sends to another rank and receives as many bytes from it as `received` has, both at once. The other one does the
  /// same, with the lengths the other way round; either may be 0.
  virtual void exchange(int other, std::span<const std::byte> sent, std::span<std::byte> received) = 0;

  /// From now on somebody waits for what is exchanged, or nobody does: of one that leaves the CPU to others meanwhile.
  virtual void hurry(bool /*whether*/) {}

 protected:
  Transport() = default;
};

}  // namespace convmixer
