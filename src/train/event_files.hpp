/// The event files of a run: names that TensorBoard reads in their order, and what belongs in them.
#pragma once

#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/train/run_folder.hpp"
#include "core/appended_file.hpp"

#include <cstdint>
#include <memory>
#include <string_view>

namespace convmixer {

/// In the first event of each of our files: those of other programs are left alone.
inline constexpr std::string_view kEventWriter = "convmixer";

/// Scalars by which an event is known that is later than the updates of its step.
inline constexpr std::string_view kEpochTag = "epoch";               ///< of an epoch's end: which it was
inline constexpr std::string_view kTestedEpochTag = "epoch/tested";  ///< of the final test: whose weights were tested

/// Whether a file of this name is one, whoever wrote it.
[[nodiscard]] bool is_event_file_name(std::string_view name);

/// Takes out of the event files of earlier sessions what is later than `position`, and the session's end, so that a
/// training that goes on from there writes every step once. A file in which nothing else is left is removed. Whether
/// any is left. Throws Error naming the file.
bool cut_event_files(const RunFolder& folder, const TrainingPosition& position);

/// A new file, "events.out.tfevents.SECONDS.HOST.PID.N", whose name comes after those of all that are there: so
/// TensorBoard, which reads a folder's files by name, reads it last, whatever the clock did. Throws Error naming it.
[[nodiscard]] std::unique_ptr<AppendedFile> new_event_file(const RunFolder& folder, std::int64_t unix_seconds);

}  // namespace convmixer
