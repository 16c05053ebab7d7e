#include "convmixer/core/trace_summary.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace convmixer {

bool operator==(const OperationTime& a, const OperationTime& b) {
  return a.operation == b.operation && a.spans == b.spans && a.on_main == b.on_main && a.elsewhere == b.elsewhere;
}
std::ostream& operator<<(std::ostream& out, const OperationTime& row) {
  return out << row.operation << " " << row.spans << " " << row.on_main << " " << row.elsewhere;
}

namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TraceSpan span(const std::string& operation, std::int64_t begin, std::int64_t end) {
  return {TraceName(operation + " somewhere", operation), -1, begin, end};
}

TEST(TraceSummary, CountsATimeOnceForTheInnermostSpan) {
  const Trace trace{
      .duration = 100,
      .tracks = {{"main",
                  {span("step", 5, 95), span("forward", 10, 50), span("conv", 10, 30), span("norm", 30, 45),
                   span("backward", 50, 90), span("conv", 60, 90), span("reorder", 60, 70)}}}};
  const TraceSummary summary = summarise(trace, "main");
  EXPECT_THAT(summary.operations, ElementsAre(OperationTime{"conv", 2, 40, 0}, OperationTime{"norm", 1, 15, 0},
                                              OperationTime{"backward", 1, 10, 0}, OperationTime{"reorder", 1, 10, 0},
                                              OperationTime{"step", 1, 10, 0}, OperationTime{"forward", 1, 5, 0}));
  EXPECT_EQ(summary.outside, 10);
}

TEST(TraceSummary, AddsUpToTheDuration) {
  const Trace trace{
      .duration = 1000,
      .tracks = {{"worker 1", {span("task", 0, 1000)}},
                 {"main", {span("a", 3, 500), span("b", 3, 500), span("b", 3, 3), span("c", 700, 1000)}}}};
  const TraceSummary summary = summarise(trace, "main");
  std::int64_t sum = summary.outside;
  for (const OperationTime& row : summary.operations) sum += row.on_main;
  EXPECT_EQ(sum, 1000);
}

TEST(TraceSummary, KeepsOtherThreadsApart) {
  const Trace trace{.duration = 100,
                    .tracks = {{"main", {span("task", 0, 20)}},
                               {"worker 1", {span("task", 0, 30), span("prepare", 40, 50)}},
                               {"worker 2", {span("task", 10, 50), span("inner", 10, 49)}}}};
  const TraceSummary summary = summarise(trace, "main");
  EXPECT_THAT(summary.operations, ElementsAre(OperationTime{"task", 3, 20, 31}, OperationTime{"inner", 1, 0, 39},
                                              OperationTime{"prepare", 1, 0, 10}));
  EXPECT_EQ(summary.outside, 80);
  ASSERT_EQ(summary.threads.size(), 3U);
  EXPECT_EQ(summary.threads[0].in_spans, 20);
  EXPECT_EQ(summary.threads[1].in_spans, 40);
  EXPECT_EQ(summary.threads[2].in_spans, 40);
}

TEST(TraceSummary, OfNothingIsAllOutside) {
  const TraceSummary summary = summarise({.duration = 7, .tracks = {}}, "main");
  EXPECT_THAT(summary.operations, IsEmpty());
  EXPECT_EQ(summary.outside, 7);
}

}  // namespace
}  // namespace convmixer
