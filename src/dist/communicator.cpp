#include "convmixer/dist/communicator.hpp"

#include "convmixer/core/error.hpp"

namespace convmixer {

Communicator::~Communicator() = default;

void Communicator::broadcast(std::span<std::byte> bytes, int root) {
  if (root < 0 || root >= size()) fail_usage("broadcast from rank {}: expected a rank from 0 to {}", root, size() - 1);
  broadcast_from(bytes, root);
}

}  // namespace convmixer
