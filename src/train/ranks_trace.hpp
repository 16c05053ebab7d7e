/// The traces of ranks that train together, in one file.
#pragma once

#include "convmixer/core/trace.hpp"
#include "convmixer/dist/communicator.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace convmixer {

/// Begins to record on all ranks at once, which all call it: they meet first. So the times of each one's spans, which
/// count from here, are on one axis, up to the time of a message, and to what a rank was kept from running just then.
/// (Clocks of different machines move apart afterwards, by some microseconds a second.)
[[nodiscard]] std::unique_ptr<TraceRecording> record_on_all(Communicator& ranks, int threads,
                                                            std::int64_t spans_per_thread);

/// All ranks call it, each with its own trace. Returns, on rank 0, the text of a file (core/trace_json.hpp) in which
/// each rank is a process, "rank 0" and so on, with its threads as tracks; empty on the others. With one rank the
/// process is "convmixer train". The notes are rank 0's, and so is the duration.
[[nodiscard]] std::string trace_of_ranks(Communicator& ranks, const Trace& trace,
                                         const std::map<std::string, std::string>& notes);

}  // namespace convmixer
