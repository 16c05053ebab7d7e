/// The curves of a run that goes on, up to where it was stopped.
#pragma once

#include "convmixer/train/run_curves.hpp"
#include "convmixer/train/run_folder.hpp"

#include <cstdint>

namespace convmixer {

/// Adds what metrics.jsonl has of the run's first `steps` steps: the loss of its step records, or of an epoch without
/// any the epoch's mean; and the accuracy of each epoch that was evaluated. Nothing where it can't be read: a training
/// doesn't depend on it.
void add_earlier_curves(const RunFolder& folder, std::int64_t steps, RunCurves& curves);

}  // namespace convmixer
