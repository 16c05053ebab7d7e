#include "plan/plain/lifetimes.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <vector>

namespace convmixer {
namespace {

using kernels::ElementType;
using kernels::Format;
using kernels::Layout;

Layout floats(std::int64_t count) { return {Shape{count}, ElementType::f32, Format::plain}; }

/// So many buffers of 16 floats.
StepList buffers(std::size_t count) {
  StepList list;
  list.buffers.assign(count, Buffer{.layout = floats(16)});
  return list;
}

/// A step that uses these buffers.
void add_step(StepList& list, const std::vector<BufferId>& used, std::optional<Overwrite> may_overwrite = {}) {
  KernelStep kernel;
  for (const BufferId id : used) kernel.operands.push_back({id, {}});
  list.steps.push_back({{}, kernel, may_overwrite});
}

void expect_span(const Lifetimes& lifetimes, BufferId id, int first, int last) {
  EXPECT_EQ(lifetimes.span(id).first, first) << "buffer " << id;
  EXPECT_EQ(lifetimes.span(id).last, last) << "buffer " << id;
}

TEST(Lifetimes, LastFromTheFirstStepThatUsesABufferToTheLast) {
  StepList list = buffers(3);
  add_step(list, {0});
  add_step(list, {1});
  add_step(list, {0, 1});
  const Lifetimes lifetimes(list);
  expect_span(lifetimes, 0, 0, 2);
  expect_span(lifetimes, 1, 1, 2);
  expect_span(lifetimes, 2, -1, -1);
}

TEST(Lifetimes, LastToTheEndForWhatTheCallerReads) {
  StepList list = buffers(2);
  list.buffer(0).kept_to_end = true;
  add_step(list, {0});
  add_step(list, {1});
  expect_span(Lifetimes(list), 0, 0, 2);
}

TEST(Lifetimes, OfAViewAreThoseOfItsBuffer) {
  StepList list = buffers(2);
  list.buffer(1).view_of = 0;
  add_step(list, {0});
  add_step(list, {1});
  const Lifetimes lifetimes(list);
  EXPECT_EQ(lifetimes.owner(1), 0);
  expect_span(lifetimes, 0, 0, 1);
}

TEST(Lifetimes, JoinTheResultToTheOperandThatItMayOverwrite) {
  StepList list = buffers(3);
  add_step(list, {0});
  add_step(list, {0, 1}, Overwrite{0, 1});
  add_step(list, {1, 2}, Overwrite{1, 2});
  const Lifetimes lifetimes(list);
  EXPECT_EQ(lifetimes.owner(1), 0);
  EXPECT_EQ(lifetimes.owner(2), 0) << "a chain has one owner";
  expect_span(lifetimes, 0, 0, 2);
}

TEST(Lifetimes, KeepAnOperandThatIsReadLater) {
  StepList list = buffers(3);
  add_step(list, {0});
  add_step(list, {0, 1}, Overwrite{0, 1});
  add_step(list, {0, 2});
  const Lifetimes lifetimes(list);
  EXPECT_EQ(lifetimes.owner(1), 1);
  expect_span(lifetimes, 0, 0, 2);
}

TEST(Lifetimes, JoinOnlyBuffersOfOneSizeThatThePlanOwns) {
  for (const Home home : {Home::fixed, Home::images, Home::output_gradient}) {
    StepList list = buffers(2);
    list.buffer(0).home = home;
    add_step(list, {0, 1}, Overwrite{0, 1});
    EXPECT_EQ(Lifetimes(list).owner(1), 1) << "the caller's memory stays as it is";
  }
  StepList list = buffers(2);
  list.buffer(1).layout = floats(17);
  add_step(list, {0, 1}, Overwrite{0, 1});
  EXPECT_EQ(Lifetimes(list).owner(1), 1);
}

}  // namespace
}  // namespace convmixer
