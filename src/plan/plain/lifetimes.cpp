#include "plan/plain/lifetimes.hpp"

namespace convmixer {

Lifetimes::Lifetimes(const StepList& list) : owner_(list.buffers.size()), spans_(list.buffers.size()) {
  const int end = static_cast<int>(list.steps.size());
  for (std::size_t id = 0; id < list.buffers.size(); ++id) {
    const BufferId view_of = list.buffers[id].view_of;
    owner_[id] = view_of < 0 ? static_cast<BufferId>(id) : view_of;
  }
  for (int step = 0; step < end; ++step) {
    for (const BufferId id : buffers_of(list.steps[static_cast<std::size_t>(step)])) use(id, step);
  }
  for (std::size_t id = 0; id < list.buffers.size(); ++id) {
    if (list.buffers[id].kept_to_end) use(static_cast<BufferId>(id), end);
  }
  for (int step = 0; step < end; ++step) {
    const auto& may_overwrite = list.steps[static_cast<std::size_t>(step)].may_overwrite;
    if (may_overwrite) overwrite(list, *may_overwrite, step);
  }
}

BufferId Lifetimes::owner(BufferId id) const {
  while (owner_[static_cast<std::size_t>(id)] != id) id = owner_[static_cast<std::size_t>(id)];
  return id;
}

void Lifetimes::use(BufferId id, int step) {
  Span& span = spans_[static_cast<std::size_t>(owner(id))];
  if (span.first < 0) span.first = step;
  span.last = step;
}

void Lifetimes::overwrite(const StepList& list, const Overwrite& buffers, int step) {
  const BufferId from = owner(buffers.operand);
  const BufferId to = owner(buffers.result);
  const Buffer& source = list.buffer(from);
  const Buffer& destination = list.buffer(to);
  if (source.home != Home::arena || destination.home != Home::arena) return;
  if (span(from).last != step || span(to).first != step) return;
  if (source.layout.bytes() != destination.layout.bytes()) return;
  owner_[static_cast<std::size_t>(to)] = from;
  spans_[static_cast<std::size_t>(from)].last = span(to).last;
}

}  // namespace convmixer
