#include "plan/plain/execution.hpp"

#include "convmixer/core/aligned_buffer.hpp"
#include "kernels/onednn/onednn_caches.hpp"
#include "plan/engine_runtime.hpp"
#include "plan/memory_plan.hpp"
#include "plan/plain/build_steps.hpp"
#include "plan/plain/lifetimes.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <utility>
#include <variant>

namespace convmixer {

namespace {

using kernels::Call;
using kernels::Role;

class PlainExecution : public Execution {
 public:
  PlainExecution(const Graph& graph, Parameters& parameters, Engine& engine, const ExecutionOptions& chosen,
                 const Execution* lender)
      : Execution(chosen), runtime_(runtime_of(engine)) {
    kernels::expect_cache_sizes();
    runtime_.prepare_caller();
    const StepList list = build_steps(graph, parameters, runtime_, options);
    place(list, lender);
    std::vector<std::vector<ParameterId>> gradients = gradients_by_step(list, parameters);
    for (std::size_t i = 0; i < list.steps.size(); ++i) add(list.steps[i], list, std::move(gradients[i]));
    forward_steps_ = list.forward_steps;
    dropout_draws_ = list.dropout_draws;
    output = as_floats(list, list.output);
    if (list.input_gradient) input_gradient = as_floats(list, *list.input_gradient);
  }

  std::span<const float> forward(std::span<const float> images, bool update_statistics) override {
    for (const auto& point : image_readers_) point(images);
    run(0, forward_steps_, update_statistics);
    return output;
  }

  void set_dropout_draws(const DropoutDraws& draws) override { *dropout_draws_ = draws; }

  void backward(std::span<const float> output_gradient) override {
    for (const auto& point : gradient_readers_) point(output_gradient);
    run(forward_steps_, steps_.size(), false);
  }

 private:
  struct BoundStep {
    std::variant<Call, std::function<void()>> work;  // a primitive's, a hand-written kernel's
    bool moves_statistics;
  };

  /// Gives every buffer its address.
  void place(const StepList& list, const Execution* lender) {
    const Lifetimes lifetimes(list);
    std::vector<BufferId> placed;
    std::vector<Lifetime> places;
    for (BufferId id = 0; id < static_cast<BufferId>(list.buffers.size()); ++id) {
      const Buffer& buffer = list.buffer(id);
      const auto [first, last] = lifetimes.span(id);
      if (buffer.home != Home::arena || lifetimes.owner(id) != id || first < 0) continue;
      placed.push_back(id);
      places.push_back({buffer.layout.bytes(), first, last});
      memory.unshared += static_cast<std::int64_t>(buffer.layout.bytes());
    }
    memory.arena = static_cast<std::int64_t>(place_in_arena(places));
    memory.scratchpad = static_cast<std::int64_t>(largest_scratchpad(list));
    take_memory(lender);
    if (owns_memory) touch(places);

    addresses_.assign(list.buffers.size(), nullptr);
    for (std::size_t i = 0; i < placed.size(); ++i) address(placed[i]) = arena() + places[i].offset;
    for (BufferId id = 0; id < static_cast<BufferId>(list.buffers.size()); ++id) {
      if (list.buffer(id).home == Home::fixed) address(id) = list.buffer(id).fixed;
    }
    for (BufferId id = 0; id < static_cast<BufferId>(list.buffers.size()); ++id) {
      address(id) = address(lifetimes.owner(id));
    }
  }

  static std::size_t largest_scratchpad(const StepList& list) {
    std::size_t bytes = 0;
    for (const Step& step : list.steps) {
      const auto* const primitive = std::get_if<PrimitiveStep>(&step.work);
      if (primitive != nullptr) bytes = std::max(bytes, primitive->primitive.scratchpad_bytes());
    }
    return bytes;
  }

  /// Lets the threads be the first to touch the memory, zero so far: the system then puts it near them. Images come
  /// first in a buffer, and oneDNN hands them out in the order of its threads.
  void touch(const std::vector<Lifetime>& buffers) const {
    const auto threads = static_cast<std::size_t>(runtime_.threads());
    runtime_.for_each_thread([&](int number) {
      const auto thread = static_cast<std::size_t>(number);
      for (const Lifetime& buffer : buffers) {
        const std::size_t begin = buffer.bytes * thread / threads;
        const std::size_t end = buffer.bytes * (thread + 1) / threads;
        touch_pages({arena() + buffer.offset + begin, end - begin});
      }
    });
  }

  /// Each parameter's gradient is final after the last step that uses it.
  static std::vector<std::vector<ParameterId>> gradients_by_step(const StepList& list, Parameters& parameters) {
    std::map<const void*, std::size_t> last_use;
    for (std::size_t i = list.forward_steps; i < list.steps.size(); ++i) {
      for (const BufferId id : buffers_of(list.steps[i])) {
        const BufferId view_of = list.buffer(id).view_of;
        last_use[list.buffer(view_of < 0 ? id : view_of).fixed] = i;
      }
    }
    std::vector<std::vector<ParameterId>> gradients(list.steps.size());
    for (ParameterId id = 0; id < static_cast<ParameterId>(parameters.graph().parameters().size()); ++id) {
      const auto found = last_use.find(parameters.gradient(id).data());
      if (found != last_use.end()) gradients[found->second].push_back(id);
    }
    return gradients;
  }

  /// Binds a step to its buffers' addresses.
  void add(const Step& step, const StepList& list, std::vector<ParameterId> gradients) {
    add_report(step.report, std::move(gradients));
    std::visit([&](const auto& work) { bind(work, step.moves_statistics, list); }, step.work);
  }

  void bind(const PrimitiveStep& step, bool moves_statistics, const StepList& list) {
    std::vector<kernels::Argument> arguments;
    for (const auto& [role, buffer] : step.operands) {
      arguments.push_back({role, list.buffer(buffer).layout, address(buffer)});
      read_from_caller(list, buffer, [this, index = steps_.size(), role = role](void* data) {
        std::get<Call>(steps_[index].work).rebind(role, data);
      });
    }
    steps_.push_back({Call(runtime_, step.primitive, arguments, scratchpad()), moves_statistics});
  }

  void bind(const KernelStep& step, bool moves_statistics, const StepList& list) {
    for (const auto& [buffer, point] : step.operands) {
      point(address(buffer));
      read_from_caller(list, buffer, point);
    }
    steps_.push_back({step.run, moves_statistics});
  }

  /// If the caller gives the buffer's memory: `point` is told of it whenever it does.
  void read_from_caller(const StepList& list, BufferId id, std::function<void(void*)> point) {
    const BufferId view_of = list.buffer(id).view_of;
    const Home home = list.buffer(view_of < 0 ? id : view_of).home;
    if (home != Home::images && home != Home::output_gradient) return;
    auto& readers = home == Home::images ? image_readers_ : gradient_readers_;
    // oneDNN's interface knows no const; readers only read.
    readers.push_back(
        [point = std::move(point)](std::span<const float> values) { point(const_cast<float*>(values.data())); });
  }

  void run(std::size_t begin, std::size_t end, bool update_statistics) {
    const auto body = [this, begin, end, update_statistics] {
      begin_steps(begin);
      for (std::size_t i = begin; i < end; ++i) {
        next_step([&] {
          BoundStep& step = steps_[i];
          if (step.moves_statistics && !update_statistics) return;
          if (auto* const call = std::get_if<Call>(&step.work)) {
            call->run();
          } else {
            std::get<std::function<void()>>(step.work)();
          }
        });
      }
    };
    runtime_.execute(std::ref(body));  // a copy of what it captures would be allocated
  }

  [[nodiscard]] void*& address(BufferId id) { return addresses_[static_cast<std::size_t>(id)]; }
  [[nodiscard]] std::span<float> as_floats(const StepList& list, BufferId id) {
    return {static_cast<float*>(address(id)), static_cast<std::size_t>(list.buffer(id).layout.shape().count())};
  }

  kernels::Runtime& runtime_;
  std::vector<void*> addresses_;  // by buffer; null for what the caller gives
  std::vector<BoundStep> steps_;
  std::size_t forward_steps_ = 0;
  std::shared_ptr<DropoutDraws> dropout_draws_;
  std::vector<std::function<void(std::span<const float>)>> image_readers_;
  std::vector<std::function<void(std::span<const float>)>> gradient_readers_;
};

}  // namespace

std::unique_ptr<Execution> make_plain_execution(const Graph& graph, Parameters& parameters, Engine& engine,
                                                const ExecutionOptions& options, const Execution* lender) {
  return std::make_unique<PlainExecution>(graph, parameters, engine, options, lender);
}

}  // namespace convmixer
