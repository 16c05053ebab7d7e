// What the fuzzers do, briefly and the same every time: every reader gets its good files damaged in many ways. A reader
// that crashes, throws anything but an Error, or says it in more than one line fails the test program.
#include "convmixer/core/rng.hpp"
#include "fuzz/readers.hpp"
#include "fuzz/seeds.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

namespace convmixer::fuzz {
namespace {

constexpr int kMutations = 400;  // of each seed

std::uint32_t below(Rng& rng, std::size_t bound) { return rng.below(static_cast<std::uint32_t>(bound)); }

void damage(std::string& file, Rng& rng) {
  constexpr std::array<unsigned char, 8> kInteresting{0x00, 0x01, 0x7f, 0x80, 0xff, 0x20, 0x0a, 0x30};
  if (file.empty()) file.push_back('x');
  // Half of the damage lies where headers are.
  const std::size_t reach = rng.below(2) == 0 ? file.size() : std::min<std::size_t>(file.size(), 64);
  const std::size_t at = below(rng, reach);
  const std::size_t length = std::min<std::size_t>(1 + below(rng, 16), file.size() - at);
  switch (rng.below(6)) {
    case 0:
      file[at] = static_cast<char>(static_cast<unsigned char>(file[at]) ^ (1U << rng.below(8)));
      break;
    case 1:
      file[at] = static_cast<char>(kInteresting[below(rng, kInteresting.size())]);
      break;
    case 2:
      file.erase(at, length);
      break;
    case 3:
      file.insert(at, file.substr(at, length));
      break;
    case 4:
      file.replace(at, length, std::string(length, static_cast<char>(kInteresting[below(rng, kInteresting.size())])));
      break;
    default:
      file.resize(at);
  }
}

Bytes as_bytes(const std::string& file) { return {reinterpret_cast<const std::uint8_t*>(file.data()), file.size()}; }

class Mutations : public testing::TestWithParam<Reader> {};

TEST_P(Mutations, AreReadOrRefusedInOneLine) {
  const Reader& reader = GetParam();
  const std::vector<std::string> good = seeds(reader.name);
  ASSERT_FALSE(good.empty());
  for (std::size_t i = 0; i < good.size(); ++i) {
    EXPECT_TRUE(reader.read(as_bytes(good[i]))) << "seed " << i << " is refused";
    Rng rng(1, RandomStream::synthetic_data, static_cast<std::uint32_t>(i));
    for (int round = 0; round < kMutations; ++round) {
      std::string file = good[i];
      for (std::uint32_t changes = 1 + rng.below(4); changes > 0; --changes) damage(file, rng);
      reader.read(as_bytes(file));
    }
  }
}

TEST_P(Mutations, OfRandomBytesAreReadOrRefusedInOneLine) {
  Rng rng(2, RandomStream::synthetic_data);
  for (int round = 0; round < kMutations; ++round) {
    std::string file;
    for (std::uint32_t size = rng.below(300); size > 0; --size) file.push_back(static_cast<char>(rng.next()));
    GetParam().read(as_bytes(file));
  }
  GetParam().read({});
}

INSTANTIATE_TEST_SUITE_P(Readers, Mutations, testing::ValuesIn(readers()),
                         [](const auto& reader) { return reader.param.name; });

}  // namespace
}  // namespace convmixer::fuzz
