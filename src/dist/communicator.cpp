#include "convmixer/dist/communicator.hpp"

#include "convmixer/core/error.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace convmixer {

Communicator::~Communicator() = default;

void Communicator::broadcast(std::span<std::byte> bytes, int root) {
  if (root < 0 || root >= size()) fail_usage("broadcast from rank {}: expected a rank from 0 to {}", root, size() - 1);
  broadcast_from(bytes, root);
}

std::string broadcast_text(Communicator& ranks, const std::string& text, int root) {
  std::array<std::uint64_t, 1> length{text.size()};
  ranks.broadcast(std::as_writable_bytes(std::span(length)), root);
  std::string result = ranks.rank() == root ? text : std::string(length[0], '\0');
  if (!result.empty()) ranks.broadcast(std::as_writable_bytes(std::span(result)), root);
  return result;
}

double broadcast_number(Communicator& ranks, double number, int root) {
  ranks.broadcast(std::as_writable_bytes(std::span(&number, 1)), root);
  return number;
}

double largest_of_ranks(Communicator& ranks, double number) {
  ranks.combine({&number, 1}, [](std::span<double> lower, std::span<const double> upper) {
    lower[0] = std::max(lower[0], upper[0]);
  });
  return number;
}

std::vector<std::string> gather_texts(Communicator& ranks, const std::string& text) {
  std::vector<std::string> texts;
  for (int rank = 0; rank < ranks.size(); ++rank) texts.push_back(broadcast_text(ranks, text, rank));
  return texts;
}

}  // namespace convmixer
