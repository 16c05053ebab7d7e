#include "train/followed_run.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace convmixer {

FollowedRun::FollowedRun(Communicator& ranks) {
  const std::string state = broadcast_text(ranks, "", 0);
  std::error_code error;
  const std::filesystem::path parent = std::filesystem::temp_directory_path(error);
  std::string name = (parent / "convmixer-rank-XXXXXX").string();
  if (error || ::mkdtemp(name.data()) == nullptr) {
    const std::string why = error ? error.message() : std::strerror(errno);
    const char* const given =
        std::getenv("TMPDIR");  // of which the standard library makes nothing where it is no folder
    const std::string place = error ? (given == nullptr ? "the system's place for them" : given) : parent.string();
    fail("rank {}: no temporary folder in {}: {}; TMPDIR names another place", ranks.rank(), place, why);
  }
  folder_ = name;
  try {
    write_file_atomically(RunFolder{folder_}.state(), state);
  } catch (const Error&) {
    std::filesystem::remove_all(folder_, error);
    throw;
  }
}

FollowedRun::~FollowedRun() { remove(); }

void FollowedRun::remove() noexcept {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void send_state(Communicator& ranks, const RunFolder& folder) {
  (void)broadcast_text(ranks, read_text_file(folder.state()), 0);
}

std::function<double()> shared_clock(std::function<double()> clock, Communicator& ranks) {
  if (ranks.size() == 1) return clock;
  return [clock = std::move(clock), &ranks] { return broadcast_number(ranks, clock(), 0); };
}

std::function<int()> shared_signal(std::function<int()> stop_signal, Communicator& ranks) {
  if (ranks.size() == 1) return stop_signal;
  return [stop_signal = std::move(stop_signal), &ranks] {
    return static_cast<int>(largest_of_ranks(ranks, stop_signal()));
  };
}

}  // namespace convmixer
