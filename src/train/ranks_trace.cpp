#include "train/ranks_trace.hpp"

#include "convmixer/core/trace_json.hpp"

#include <fmt/format.h>

#include <vector>

namespace convmixer {

std::unique_ptr<TraceRecording> record_on_all(Communicator& ranks, int threads, std::int64_t spans_per_thread) {
  return std::make_unique<TraceRecording>(threads, spans_per_thread, [&ranks] {
    ranks.barrier();  // in which a rank may have waited long, and sleeps between two looks
    ranks.barrier();
  });
}

std::string trace_of_ranks(Communicator& ranks, const Trace& trace, const std::map<std::string, std::string>& notes) {
  if (ranks.size() == 1) return to_trace_json(trace, "convmixer train", notes);
  const std::string own = to_trace_events(trace, fmt::format("rank {}", ranks.rank()), ranks.rank());
  auto dropped = static_cast<double>(trace.dropped);
  ranks.sum(std::span(&dropped, 1));
  std::vector<std::string> events = gather_texts(ranks, ranks.rank() == 0 ? "" : own);  // rank 0 has its own
  if (ranks.rank() > 0) return "";
  events.front() = own;
  return to_trace_json(
      events, {.duration = trace.duration, .tracks = {}, .dropped = static_cast<std::int64_t>(dropped)}, notes);
}

}  // namespace convmixer
