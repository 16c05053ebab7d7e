#include "convmixer/core/standard_streams.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <string>
#include <unistd.h>

namespace convmixer {
namespace {

TEST(WriteText, ReachesAStreamWithoutADescriptorAfterAStopAsWell) {
  char* text = nullptr;
  std::size_t size = 0;
  std::FILE* const memory = ::open_memstream(&text, &size);
  ASSERT_NE(memory, nullptr);
  stop_waiting_for_readers();
  write_text(memory, "a line\n", true);
  EXPECT_EQ(std::string(text, size), "a line\n");
  std::fclose(memory);
  std::free(text);
}

TEST(WriteText, DropsWhatNobodyTakesAfterAStop) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  std::FILE* const pipe = ::fdopen(ends[1], "w");
  ASSERT_NE(pipe, nullptr);
  const std::string full(static_cast<std::size_t>(::fcntl(ends[1], F_GETPIPE_SZ)), '.');
  ASSERT_EQ(::write(ends[1], full.data(), full.size()), static_cast<ssize_t>(full.size()));
  stop_waiting_for_readers();
  write_text(pipe, "nobody reads this\n", true);  // returns
  std::string taken(full.size(), ' ');
  ASSERT_EQ(::read(ends[0], taken.data(), taken.size()), static_cast<ssize_t>(taken.size()));
  write_text(pipe, "taken\n", true);
  taken.resize(static_cast<std::size_t>(::read(ends[0], taken.data(), taken.size())));
  EXPECT_EQ(taken, "taken\n");
  std::fclose(pipe);
  ::close(ends[0]);
}

}  // namespace
}  // namespace convmixer
