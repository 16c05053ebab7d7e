#include "plan/plain/step_list.hpp"

namespace convmixer {

std::vector<BufferId> buffers_of(const Step& step) {
  std::vector<BufferId> buffers;
  std::visit(
      [&](const auto& work) {
        for (const auto& operand : work.operands) buffers.push_back(operand.buffer);
      },
      step.work);
  return buffers;
}

}  // namespace convmixer
