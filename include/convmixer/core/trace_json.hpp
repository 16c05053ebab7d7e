/// Traces as files that ui.perfetto.dev and chrome://tracing open.
#pragma once

#include "convmixer/core/trace.hpp"

#include <map>
#include <string>

namespace convmixer {

/// The trace as a JSON object in Chrome's trace-event format (Google's document "Trace Event Format"): for each track a
/// complete event ("X") for every span, `operation` as its category, `number` among its arguments, times in
/// microseconds; metadata events name process and threads and put the tracks in order; `notes` are the object's
/// "otherData", besides duration_ms and dropped_spans.
[[nodiscard]] std::string to_trace_json(const Trace& trace, const std::string& process,
                                        const std::map<std::string, std::string>& notes);

}  // namespace convmixer
