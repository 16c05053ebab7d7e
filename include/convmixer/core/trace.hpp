/// Where time goes on every thread: named spans, recorded while a recording is on. Anything may open a scope, on any
/// thread; off, a scope costs one relaxed load and a branch; on, two looks at the clock, no lock and no allocation. In
/// builds with CONVMIXER_ITT each span is an ITT task as well, whenever Intel VTune collects.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace convmixer {

/// What spans are called. Made ahead of time: it is looked up under a lock and kept for the process's lifetime, so
/// equal ones are the same. A copy is a pointer.
class TraceName {
 public:
  /// `text` is what a trace shows ("blocks.3.0.fn.0 depthwise convolution forward"), `operation` what a table adds up
  /// ("depthwise convolution forward"); without it, `text` is the operation as well.
  explicit TraceName(std::string_view text, std::string_view operation = {});

  [[nodiscard]] const std::string& text() const noexcept;
  [[nodiscard]] const std::string& operation() const noexcept;

  bool operator==(const TraceName&) const noexcept = default;

  struct Entry;

 private:
  friend class TraceScope;
  friend class TraceRecording;
  explicit TraceName(const Entry* entry) noexcept : entry_(entry) {}

  const Entry* entry_;
};

namespace trace_detail {

/// 0: nobody wants spans. Else the number of the recording that is on, times two; plus one if an ITT
/// collector wants them.
inline std::atomic<std::uint32_t> listeners{0};

struct Span;

}  // namespace trace_detail

/// A span from here to the end of the C++ scope. Scopes of one thread nest.
class [[nodiscard]] TraceScope {
 public:
  /// `number` tells equal spans apart: of a step, a batch, a task; negative: none.
  explicit TraceScope(TraceName name, std::int64_t number = -1) noexcept
      : listeners_(trace_detail::listeners.load(std::memory_order_relaxed)) {
    if (listeners_ != 0) [[unlikely]]
      begin(name, number);
  }
  ~TraceScope() {
    if (listeners_ != 0) [[unlikely]]
      end();
  }
  TraceScope(const TraceScope&) = delete;
  TraceScope& operator=(const TraceScope&) = delete;

 private:
  void begin(TraceName name, std::int64_t number) noexcept;
  void end() noexcept;

  std::uint32_t listeners_;
  trace_detail::Span* span_ = nullptr;
};

/// Names the calling thread's track in recordings that it has not been in yet; those of lower `order` stand above.
/// Threads without a name are "thread 1" and so on, below the named ones.
void name_traced_thread(std::string_view name, int order);

/// One span of a recording; times are nanoseconds since the recording began.
struct TraceSpan {
  TraceName name;
  std::int64_t number = -1;  ///< negative: none
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

/// What one thread did.
struct TraceTrack {
  std::string thread;
  std::vector<TraceSpan> spans;  ///< by begin; of two that nest the outer one comes first
};

/// What was recorded.
struct Trace {
  std::int64_t duration = 0;  ///< nanoseconds from the recording's begin to its end
  std::vector<TraceTrack> tracks;
  std::int64_t dropped = 0;  ///< spans that found no room
};

/// Records the spans of all threads. One at a time in a process.
class TraceRecording {
 public:
  /// Begins at once. There is room for `threads` threads and for `spans_per_thread` spans on each; memory that isn't
  /// used is never touched. What doesn't fit is dropped, and counted. With `meet` it begins when that returns, which is
  /// called once there is room: for recordings of other processes that are to begin at the same time. Throws Error if
  /// another recording is on, and (usage) for room of less than one thread and span, or of more than any memory has;
  /// Error for what this one hasn't.
  TraceRecording(int threads, std::int64_t spans_per_thread, const std::function<void()>& meet = {});
  /// Ends it, if finish() hasn't; what was recorded is lost.
  ~TraceRecording();
  TraceRecording(const TraceRecording&) = delete;
  TraceRecording& operator=(const TraceRecording&) = delete;

  /// Ends it and returns what was recorded; to be called once. Spans that are still open end here, those that were open
  /// when it began aren't in it.
  [[nodiscard]] Trace finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace convmixer
