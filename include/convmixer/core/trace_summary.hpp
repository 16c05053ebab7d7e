/// Traces added up by operation.
#pragma once

#include "convmixer/core/trace.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace convmixer {

/// What the spans of one operation took, without the spans inside of them; nanoseconds.
struct OperationTime {
  std::string operation;
  std::int64_t spans = 0;    ///< on all threads
  std::int64_t on_main = 0;  ///< on the main thread
  std::int64_t elsewhere = 0;
};

/// The time of a track that is in spans, nanoseconds.
struct ThreadTime {
  std::string thread;
  std::int64_t in_spans = 0;
};

struct TraceSummary {
  std::vector<OperationTime> operations;  ///< by time on the main thread, then elsewhere, falling
  std::int64_t outside = 0;  ///< of the main thread, outside of all spans: with `on_main` of all operations it adds up
                             ///< to the trace's duration
  std::vector<ThreadTime> threads;
};

/// `main` is the name of the main thread's track.
[[nodiscard]] TraceSummary summarise(const Trace& trace, const std::string& main);

}  // namespace convmixer
