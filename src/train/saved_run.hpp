/// What a run's state says of it, read before its parts are made.
#pragma once

#include "convmixer/core/error.hpp"
#include "convmixer/data/data_identity.hpp"
#include "convmixer/train/run_folder.hpp"

#include <map>
#include <optional>
#include <string>

namespace convmixer {

/// What ends a message about a run that can't go on.
inline constexpr const char* kWaysOut =
    "choose another --out, or --fresh to begin anew (the folder is kept under another name)";

/// What a run computes under. A change of it is no reason to refuse, but it may cost the last bits; one of the ranks,
/// where each has statistics of its own for batch norms, more.
struct Circumstances {
  int threads = 0;
  std::string plan;  ///< of its training steps, "fused", "plain" or "onednn"; empty: not known
  int ranks = 0;     ///< each of which has batch norms of its own; 0: they share theirs, or it isn't known
};

/// What a state is saved with: settings, circumstances, data and initial weights, together its fingerprint.
class SavedRun {
 public:
  using Settings = std::map<std::string, std::string>;

  /// Reads it from a folder that holds a state. Throws Error naming the file and the ways out.
  explicit SavedRun(const RunFolder& folder);

  [[nodiscard]] Circumstances circumstances() const;
  /// Nothing for a run that an earlier release saved.
  [[nodiscard]] std::optional<DataIdentity> data() const;

  /// Of the weights that the run began with (initial_weights.hpp); empty if those were random.
  [[nodiscard]] Settings initial_weights() const;

  /// Throws Error (usage) for settings with which the run can't go on. An option that came after the release that saved
  /// it is compared by its default: that is what the run did. Mean and standard deviation may differ where the data is
  /// known, from which they follow: other data is refused, or allowed, as such; then they are compared, too, as the
  /// state is read.
  void require_settings(const Settings& settings) const;
  /// The fingerprint with which the state is read: these settings beside the rest that it has.
  [[nodiscard]] Settings fingerprint_for(const Settings& settings) const;

 private:
  RunFolder folder_;
  Settings saved_;
};

/// The fingerprint to save; `initial_weights` is InitialWeights' record.
[[nodiscard]] SavedRun::Settings fingerprint_of(const SavedRun::Settings& settings, const Circumstances& circumstances,
                                                const DataIdentity& data, const SavedRun::Settings& initial_weights);

/// Throws what `error` says, with the ways out.
[[noreturn]] void fail_with_ways_out(const Error& error);

}  // namespace convmixer
