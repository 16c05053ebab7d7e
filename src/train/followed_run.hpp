/// A run that several ranks train: rank 0 has the folder, the others take part without seeing it.
#pragma once

#include "convmixer/dist/communicator.hpp"
#include "convmixer/train/run_folder.hpp"

#include <filesystem>
#include <functional>

namespace convmixer {

/// What a rank other than 0 opens in place of the run's folder: one of its own, that has the run's state as rank 0 has
/// saved it, so that it begins where that one does, and refuses settings or data that are others there. Nothing is
/// written to it later.
class FollowedRun {
 public:
  /// Meets send_state() of rank 0. Throws Error for a temporary folder ($TMPDIR) that can't be written.
  explicit FollowedRun(Communicator& ranks);
  /// As remove().
  ~FollowedRun();
  FollowedRun(const FollowedRun&) = delete;
  FollowedRun& operator=(const FollowedRun&) = delete;

  [[nodiscard]] const std::filesystem::path& folder() const noexcept { return folder_; }

  /// Once the run is open nobody reads the folder again, and a rank that is killed can't remove it.
  void remove() noexcept;

 private:
  std::filesystem::path folder_;
};

/// On rank 0, once it has opened the run.
void send_state(Communicator& ranks, const RunFolder& folder);

/// The clock of rank 0, and a signal that any rank got, at each call on all of them: so all decide alike. All ranks
/// call both in the same order, which follows, since nothing else makes them differ. With one rank, what is given.
/// `ranks` must outlive them.
[[nodiscard]] std::function<double()> shared_clock(std::function<double()> clock, Communicator& ranks);
[[nodiscard]] std::function<int()> shared_signal(std::function<int()> stop_signal, Communicator& ranks);

}  // namespace convmixer
