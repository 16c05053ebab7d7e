#include "convmixer/dist/communicator.hpp"

#include "support/error_of.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <limits>
#include <vector>

namespace convmixer {
namespace {

using testing_support::error_of;

TEST(LocalCommunicator, IsRankZeroOfOne) {
  const auto local = make_local_communicator();
  EXPECT_EQ(local->rank(), 0);
  EXPECT_EQ(local->size(), 1);
}

/// Bits, so that a NaN and the sign of a zero count.
template <typename Bits, typename Value>
std::vector<Bits> bits_of(const std::vector<Value>& values) {
  std::vector<Bits> bits;
  for (const Value value : values) bits.push_back(std::bit_cast<Bits>(value));
  return bits;
}

template <typename Bits, typename Value>
void expect_sums_leave_values_as_they_are() {
  using Limits = std::numeric_limits<Value>;
  std::vector<Value> values{1, -Value{0}, Limits::denorm_min(), Limits::max(), Limits::infinity(), Limits::quiet_NaN()};
  const std::vector<Bits> before = bits_of<Bits>(values);
  make_local_communicator()->sum(std::span<Value>(values));
  EXPECT_EQ(bits_of<Bits>(values), before);
}

TEST(LocalCommunicator, SumsLeaveFloatsAsTheyAre) { expect_sums_leave_values_as_they_are<std::uint32_t, float>(); }
TEST(LocalCommunicator, SumsLeaveDoublesAsTheyAre) { expect_sums_leave_values_as_they_are<std::uint64_t, double>(); }

TEST(LocalCommunicator, SumsOfNothingAreNothing) {
  const auto local = make_local_communicator();
  local->sum(std::span<float>());
  local->sum(std::span<double>());
  local->broadcast({}, 0);
}

TEST(LocalCommunicator, BroadcastsItsOwnBytesToItself) {
  std::vector<std::byte> bytes{std::byte{1}, std::byte{0}, std::byte{255}};
  const std::vector<std::byte> before = bytes;
  make_local_communicator()->broadcast(bytes, 0);
  EXPECT_EQ(bytes, before);
}

TEST(LocalCommunicator, DoesNotWaitForAnyone) { make_local_communicator()->barrier(); }

TEST(Communicator, RefusesToBroadcastFromARankThatIsNotThere) {
  const auto local = make_local_communicator();
  std::vector<std::byte> bytes(3);
  EXPECT_STREQ(error_of([&] { local->broadcast(bytes, 1); }).what(),
               "broadcast from rank 1: expected a rank from 0 to 0");
  EXPECT_STREQ(error_of([&] { local->broadcast(bytes, -1); }).what(),
               "broadcast from rank -1: expected a rank from 0 to 0");
  EXPECT_EQ(error_of([&] { local->broadcast(bytes, 1); }).kind(), ErrorKind::usage);
}

/// What any communicator must pass through to its implementation.
class FourRanks final : public Communicator {
 public:
  [[nodiscard]] int rank() const noexcept override { return 1; }
  [[nodiscard]] int size() const noexcept override { return 4; }
  void sum(std::span<float> /*values*/) override {}
  void sum(std::span<double> /*values*/) override {}
  void combine(std::span<double> /*values*/, const Merge& /*merge*/) override {}
  void barrier() override {}
  int root = -1;

 private:
  void broadcast_from(std::span<std::byte> /*bytes*/, int from) override { root = from; }
};

TEST(Communicator, BroadcastsFromAnyRankThatIsThere) {
  FourRanks ranks;
  ranks.broadcast({}, 3);
  EXPECT_EQ(ranks.root, 3);
  EXPECT_STREQ(error_of([&] { ranks.broadcast({}, 4); }).what(), "broadcast from rank 4: expected a rank from 0 to 3");
  EXPECT_EQ(ranks.root, 3);
}

}  // namespace
}  // namespace convmixer
