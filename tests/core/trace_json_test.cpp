#include "convmixer/core/trace_json.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace convmixer {
namespace {

using nlohmann::json;

Trace two_tracks() {
  const TraceName step("step");
  const TraceName inner("blocks.0 \"convolution\"", "convolution");
  return {
      .duration = 5'000'000,
      .tracks = {{"main", {{step, 12, 1000, 4'000'001}, {inner, -1, 2000, 2000}}}, {"worker 1", {{inner, 0, 7, 9}}}},
      .dropped = 3};
}

json parsed(const Trace& trace) { return json::parse(to_trace_json(trace, "program", {{"precision", "bf16"}})); }

/// The events of one kind ("ph").
std::vector<json> events(const json& trace, const std::string& phase) {
  std::vector<json> found;
  for (const json& event : trace.at("traceEvents")) {
    if (event.at("ph") == phase) found.push_back(event);
  }
  return found;
}

TEST(TraceJson, WritesACompleteEventForEverySpan) {
  const std::vector<json> spans = events(parsed(two_tracks()), "X");
  ASSERT_EQ(spans.size(), 3U);
  EXPECT_EQ(spans[0], json::parse(R"({"ph": "X", "pid": 1, "tid": 1, "name": "step", "cat": "step", "ts": 1.0,
                                      "dur": 3999.001, "args": {"number": 12}})"));
  EXPECT_EQ(spans[1], json::parse(R"({"ph": "X", "pid": 1, "tid": 1, "name": "blocks.0 \"convolution\"",
                                      "cat": "convolution", "ts": 2.0, "dur": 0.0})"));
  EXPECT_EQ(spans[2].at("tid"), 2);
  EXPECT_EQ(spans[2].at("args").at("number"), 0);
}

TEST(TraceJson, NamesAndOrdersProcessAndThreads) {
  const std::vector<json> metadata = events(parsed(two_tracks()), "M");
  ASSERT_EQ(metadata.size(), 6U);
  EXPECT_EQ(metadata[0].at("name"), "process_name");
  EXPECT_EQ(metadata[0].at("args").at("name"), "program");
  EXPECT_EQ(metadata[1].at("name"), "process_sort_index");
  EXPECT_EQ(metadata[1].at("args").at("sort_index"), 0);
  for (const int thread : {1, 2}) {
    const json& name = metadata[static_cast<std::size_t>(2 * thread)];
    const json& order = metadata[static_cast<std::size_t>(2 * thread + 1)];
    EXPECT_EQ(name.at("name"), "thread_name");
    EXPECT_EQ(name.at("tid"), thread);
    EXPECT_EQ(name.at("args").at("name"), thread == 1 ? "main" : "worker 1");
    EXPECT_EQ(order.at("name"), "thread_sort_index");
    EXPECT_EQ(order.at("args").at("sort_index"), thread);
  }
}

TEST(TraceJson, HasSeveralProcessesWithTracksOfTheirOwn) {
  const std::vector<std::string> parts{to_trace_events(two_tracks(), "first", 0),
                                       to_trace_events(two_tracks(), "second", 1)};
  const json read = json::parse(to_trace_json(parts, {.duration = 7'000'000, .tracks = {}, .dropped = 6}, {}));
  EXPECT_EQ(read.at("otherData").at("duration_ms"), "7.000000");
  EXPECT_EQ(read.at("otherData").at("dropped_spans"), "6");
  const std::vector<json> all = read.at("traceEvents");
  const std::vector<json> alone = json::parse(to_trace_json(two_tracks(), "first", {})).at("traceEvents");
  ASSERT_EQ(all.size(), 2 * alone.size());
  for (std::size_t i = 0; i < alone.size(); ++i) {
    EXPECT_EQ(all[i], alone[i]);
    json second = alone[i];
    second["pid"] = 2;
    if (second.at("name") == "process_name") second["args"]["name"] = "second";
    if (second.at("name") == "process_sort_index") second["args"]["sort_index"] = 1;
    EXPECT_EQ(all[alone.size() + i], second);
  }
}

TEST(TraceJson, CarriesNotesDurationAndWhatWasDropped) {
  const json other = parsed(two_tracks()).at("otherData");
  EXPECT_EQ(other.at("precision"), "bf16");
  EXPECT_EQ(other.at("duration_ms"), "5.000000");
  EXPECT_EQ(other.at("dropped_spans"), "3");
}

TEST(TraceJson, KeepsNanosecondsAfterHours) {
  constexpr std::int64_t kHour = 3'600'000'000'000;
  const Trace trace{.duration = 9 * kHour, .tracks = {{"t", {{TraceName("a"), -1, 8 * kHour + 1, 9 * kHour}}}}};
  EXPECT_THAT(to_trace_json(trace, "p", {}), testing::HasSubstr("\"ts\":28800000000.001,\"dur\":3599999999.999"));
}

TEST(TraceJson, TakesAnyBytesAsNames) {
  const Trace trace{.duration = 2, .tracks = {{"t\n\xff", {{TraceName("a\xc3\x28\\"), -1, 0, 1}}}}};
  const json read = json::parse(to_trace_json(trace, "p\x80", {{"n", "\xfe"}}));
  EXPECT_EQ(events(read, "X").size(), 1U);
}

TEST(TraceJson, IsValidWithoutAnySpan) {
  EXPECT_TRUE(events(parsed(Trace{}), "X").empty());
  EXPECT_EQ(parsed(Trace{}).at("displayTimeUnit"), "ms");
}

}  // namespace
}  // namespace convmixer
