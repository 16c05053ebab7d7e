/// The data of a run, as the run knows it: under its labels, and the same as when it was saved, or noted as another.
#pragma once

#include "convmixer/data/data_identity.hpp"
#include "convmixer/data/dataset.hpp"
#include "convmixer/data/holdout.hpp"
#include "convmixer/dist/communicator.hpp"
#include "convmixer/train/config.hpp"
#include "convmixer/train/run_folder.hpp"
#include "train/saved_run.hpp"

#include <memory>
#include <optional>
#include <string>

namespace convmixer {

class RunData {
 public:
  /// Both data sets are borrowed; `saved` is nothing for a new run. Labels follow the names that the run has for its
  /// classes, whatever order they have in the data. Throws Error (usage) with both lists and the way out for other
  /// classes, unless `may_change` for other images, and as split_holdout does.
  RunData(const TrainConfig& config, const RunFolder& folder, const std::optional<SavedRun>& saved,
          const Dataset& train, const Dataset& test, bool may_change);

  /// Without those that are held out.
  [[nodiscard]] const Dataset& train() const noexcept { return split_.train ? *split_.train : *train_; }
  /// Null if none are.
  [[nodiscard]] const Dataset* holdout() const noexcept { return split_.holdout.get(); }
  [[nodiscard]] const Dataset& test() const noexcept { return *test_; }
  /// What epochs are evaluated on.
  [[nodiscard]] const Dataset& epoch_images() const noexcept { return holdout() != nullptr ? *holdout() : test(); }
  /// Of all training images, the held-out ones among them.
  [[nodiscard]] const DataIdentity& identity() const noexcept { return identity_; }
  /// How the data differs from what the run was saved with; empty if it doesn't, or isn't known.
  [[nodiscard]] const std::string& change() const noexcept { return change_; }
  /// What the change makes of the run's accuracies; empty if nothing.
  [[nodiscard]] const std::string& consequence() const noexcept { return consequence_; }

 private:
  std::unique_ptr<Dataset> relabelled_train_;  // if the run's labels are others
  std::unique_ptr<Dataset> relabelled_test_;
  const Dataset* train_;
  const Dataset* test_;
  HoldoutSplit split_;  // of *train_; empty if none are held out
  DataIdentity identity_;
  std::string change_;
  std::string consequence_;
};

/// On all ranks at once. Throws Error (usage) on one whose data isn't rank 0's, saying in what.
void require_same_data(Communicator& ranks, const DataIdentity& identity);

/// Writes data.json: classes with their numbers of images, and fingerprints.
void write_run_data(const RunFolder& folder, const RunData& data);

}  // namespace convmixer
