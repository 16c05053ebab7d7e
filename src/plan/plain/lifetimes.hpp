/// When each buffer of a plain plan is in use, and which share memory.
#pragma once

#include "plan/plain/step_list.hpp"

#include <vector>

namespace convmixer {

/// A buffer that a step may overwrite, and is not read later, and the step's result are one: they have one owner, whose
/// memory both use.
class Lifetimes {
 public:
  explicit Lifetimes(const StepList& list);

  /// The buffer whose memory this one uses.
  [[nodiscard]] BufferId owner(BufferId id) const;

  /// First and last step that use a buffer; -1: none.
  struct Span {
    int first = -1;
    int last = -1;
  };
  /// Of an owner.
  [[nodiscard]] const Span& span(BufferId id) const { return spans_[static_cast<std::size_t>(id)]; }

 private:
  void use(BufferId id, int step);
  void overwrite(const StepList& list, const Overwrite& buffers, int step);

  std::vector<BufferId> owner_;  // of each buffer: itself, or one that is nearer to the owner
  std::vector<Span> spans_;
};

}  // namespace convmixer
