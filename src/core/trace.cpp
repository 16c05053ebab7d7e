#include "convmixer/core/trace.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"
#include "core/trace_itt.hpp"

#include <algorithm>
#include <chrono>
#include <limits>
#include <map>
#include <mutex>
#include <new>
#include <utility>

namespace convmixer {

struct TraceName::Entry {
  std::string text;
  std::string operation;
  itt::TaskName itt;
};

namespace {

using trace_detail::listeners;

constexpr std::uint32_t kItt = 1;

std::int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

const TraceName::Entry* intern(std::string_view text, std::string_view operation) {
  // Never destroyed: threads may still open scopes while the process ends.
  static auto& entries = *new std::map<std::pair<std::string, std::string>, std::unique_ptr<TraceName::Entry>>;
  static auto& mutex = *new std::mutex;
  std::pair key(std::string(text), std::string(operation.empty() ? text : operation));
  const std::lock_guard lock(mutex);
  std::unique_ptr<TraceName::Entry>& entry = entries[key];
  if (entry) return entry.get();
  if (itt::collected()) listeners.fetch_or(kItt);
  entry = std::make_unique<TraceName::Entry>(TraceName::Entry{key.first, key.second, itt::task_name(key.first)});
  return entry.get();
}

}  // namespace

TraceName::TraceName(std::string_view text, std::string_view operation) : entry_(intern(text, operation)) {}

const std::string& TraceName::text() const noexcept { return entry_->text; }
const std::string& TraceName::operation() const noexcept { return entry_->operation; }

/// Without initial values: memory that no span uses stays untouched.
struct trace_detail::Span {
  const TraceName::Entry* name;
  std::int64_t number;
  std::int64_t begin;
  std::int64_t end;  // kOpen until then; atomic
};

namespace {

using trace_detail::Span;

constexpr std::int64_t kOpen = std::numeric_limits<std::int64_t>::max();
constexpr int kUnnamedOrder = std::numeric_limits<int>::max();

/// What one thread writes. The recording reads spans below `count`, which the thread raises once they are written.
struct Track {
  explicit Track(std::int64_t capacity)
      : spans(std::make_unique_for_overwrite<Span[]>(static_cast<std::size_t>(capacity))), room(capacity) {}

  std::unique_ptr<Span[]> spans;
  std::int64_t room;
  std::atomic<std::int64_t> count{0};
  std::atomic<std::int64_t> dropped{0};
  std::string thread;
  int order = kUnnamedOrder;
};

/// The tracks of the recording that is on. A thread takes its own at its first span; that is the one time it locks.
struct Session {
  std::mutex mutex;
  std::uint32_t number = 0;  // of the recording that is on, or was last; counts up
  bool on = false;
  std::vector<std::shared_ptr<Track>> tracks;
  std::size_t taken = 0;
  std::atomic<std::int64_t> dropped{0};  // spans of threads for which no track was left
};

Session& session() {
  static auto& only = *new Session;  // never destroyed, as above
  return only;
}

/// What a thread knows of itself. It shares its track's memory, so that a span may end after the recording has.
struct ThisThread {
  std::uint32_t session = 0;
  std::shared_ptr<Track> track;  // null: there was none left
  std::string name;
  int order = kUnnamedOrder;
};

ThisThread& this_thread() {
  thread_local ThisThread self;
  return self;
}

/// Gives the thread a track of recording `number`. False if that is over.
bool take_track(ThisThread& self, std::uint32_t number) {
  Session& all = session();
  const std::lock_guard lock(all.mutex);
  if (!all.on || all.number != number) return false;
  self.session = number;
  self.track = all.taken < all.tracks.size() ? all.tracks[all.taken++] : nullptr;
  if (self.track) {
    self.track->thread = self.name;
    self.track->order = self.order;
  }
  return true;
}

std::uint32_t recording_of(std::uint32_t listener_bits) { return listener_bits >> 1U; }

}  // namespace

void TraceScope::begin(TraceName name, std::int64_t number) noexcept {
  if ((listeners_ & kItt) != 0) itt::begin_task(name.entry_->itt);
  const std::uint32_t recording = recording_of(listeners_);
  if (recording == 0) return;
  ThisThread& self = this_thread();
  if (self.session != recording && !take_track(self, recording)) return;
  Track* const track = self.track.get();
  if (track == nullptr) {
    session().dropped.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  const std::int64_t at = track->count.load(std::memory_order_relaxed);
  if (at == track->room) {
    track->dropped.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  span_ = &track->spans[static_cast<std::size_t>(at)];
  *span_ = {name.entry_, number, now(), kOpen};
  track->count.store(at + 1, std::memory_order_release);
}

void TraceScope::end() noexcept {
  if ((listeners_ & kItt) != 0) itt::end_task();
  // A thread that has gone on to another recording within this scope no longer holds the span's memory.
  if (span_ == nullptr || this_thread().session != recording_of(listeners_)) return;
  std::atomic_ref(span_->end).store(now(), std::memory_order_release);
}

void name_traced_thread(std::string_view name, int order) {
  this_thread().name = name;
  this_thread().order = order;
  itt::name_thread(this_thread().name);
}

struct TraceRecording::Impl {
  std::uint32_t number = 0;
  std::int64_t begin = 0;
  bool on = true;

  /// Returns the moment of the end; from then on no thread takes a track.
  std::int64_t stop() {
    on = false;
    Session& all = session();
    const std::lock_guard lock(all.mutex);
    all.on = false;
    listeners.fetch_and(kItt);
    return now();
  }
};

TraceRecording::TraceRecording(int threads, std::int64_t spans_per_thread, const std::function<void()>& meet)
    : impl_(std::make_unique<Impl>()) {
  if (threads < 1 || spans_per_thread < 1)
    fail_usage("recording of a trace: found room for {} and {} on each, expected at least 1 of both",
               counted(threads, "thread"), counted(spans_per_thread, "span"));
  constexpr std::int64_t kMostSpans = std::int64_t{1} << 40;
  if (spans_per_thread > kMostSpans / threads)
    fail_usage("recording of a trace: found room for {} on each of {}, expected at most {} in all",
               counted(spans_per_thread, "span"), counted(threads, "thread"), kMostSpans);
  std::vector<std::shared_ptr<Track>> tracks;
  tracks.reserve(static_cast<std::size_t>(threads));
  try {
    for (int i = 0; i < threads; ++i) tracks.push_back(std::make_shared<Track>(spans_per_thread));
  } catch (const std::bad_alloc&) {
    fail("recording of a trace: out of memory for {} on each of {}", counted(spans_per_thread, "span"),
         counted(threads, "thread"));
  }
  if (meet) meet();
  Session& all = session();
  const std::lock_guard lock(all.mutex);
  if (all.on) fail("a trace is being recorded already; expected one recording at a time");
  all.on = true;
  all.tracks = std::move(tracks);
  all.taken = 0;
  all.dropped = 0;
  impl_->number = ++all.number;
  impl_->begin = now();
  listeners.fetch_or(impl_->number << 1U);
}

TraceRecording::~TraceRecording() {
  if (impl_->on) (void)impl_->stop();
}

Trace TraceRecording::finish() {
  if (!impl_->on) fail("a recording of a trace can't end twice");
  const std::int64_t end = impl_->stop();
  std::vector<std::shared_ptr<Track>> tracks;
  Trace trace;
  {
    Session& all = session();
    const std::lock_guard lock(all.mutex);
    tracks = std::move(all.tracks);
    tracks.resize(all.taken);
    trace.dropped = all.dropped.load(std::memory_order_relaxed);
  }
  trace.duration = end - impl_->begin;
  std::ranges::stable_sort(tracks, {}, &Track::order);
  int unnamed = 0;
  for (const std::shared_ptr<Track>& track : tracks) {
    TraceTrack read{track->thread.empty() ? fmt::format("thread {}", ++unnamed) : track->thread, {}};
    const std::int64_t count = track->count.load(std::memory_order_acquire);
    read.spans.reserve(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i) {
      Span& span = track->spans[static_cast<std::size_t>(i)];
      if (span.begin > end) break;  // by a thread that looked just before the end
      const std::int64_t ended = std::atomic_ref(span.end).load(std::memory_order_acquire);
      read.spans.push_back(
          {TraceName(span.name), span.number, span.begin - impl_->begin, std::min(ended, end) - impl_->begin});
    }
    trace.dropped += track->dropped.load(std::memory_order_relaxed);
    trace.tracks.push_back(std::move(read));
  }
  return trace;
}

}  // namespace convmixer
