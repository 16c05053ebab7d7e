#include "train/earlier_curves.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/train/run_history.hpp"

#include <cmath>
#include <optional>
#include <string>

namespace convmixer {
namespace {

/// A row's step, if it is one of the first so many; the file may hold anything.
std::optional<std::int64_t> step_of(const RecordTable& table, std::size_t row, std::int64_t steps) {
  const double step = table.number("step", row);
  if (step >= 1.0 && step <= static_cast<double>(steps)) return static_cast<std::int64_t>(step);
  return std::nullopt;
}

void add_epochs(const RunHistory& history, std::int64_t steps, RunCurves& curves) {
  const RecordTable& epochs = history.epochs();
  const RecordTable& records = history.steps();
  const std::string accuracy = std::string(history.epoch_images()) + "_accuracy";
  std::int64_t before = 0;
  std::size_t record = 0;
  for (std::size_t row = 0; row < epochs.rows(); ++row) {
    const auto step = step_of(epochs, row, steps);
    if (!step) continue;
    bool has_records = false;
    for (; record < records.rows() && records.number("step", record) <= static_cast<double>(*step); ++record)
      has_records = true;
    const double loss = epochs.number("loss", row);
    if (!has_records && std::isfinite(loss)) curves.fill_loss(before, *step, loss);
    before = *step;
    const double averaged = epochs.number("ema_" + accuracy, row);
    const double value = std::isfinite(averaged) ? averaged : epochs.number(accuracy, row);
    if (std::isfinite(value)) curves.add_accuracy(value);
  }
}

}  // namespace

void add_earlier_curves(const RunFolder& folder, std::int64_t steps, RunCurves& curves) {
  try {
    const RunHistory history(folder.path);
    const RecordTable& records = history.steps();
    for (std::size_t row = 0; row < records.rows(); ++row) {
      const double loss = records.number("loss", row);
      if (const auto step = step_of(records, row, steps); step && std::isfinite(loss)) curves.add_loss(*step, loss);
    }
    add_epochs(history, steps, curves);
  } catch (const Error&) {  // it is there for a drawing alone
  }
}

}  // namespace convmixer
