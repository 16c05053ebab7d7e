#include "plan/plain/plain_execution.hpp"

#include "convmixer/core/aligned_buffer.hpp"
#include "convmixer/core/error.hpp"
#include "plan/engine_runtime.hpp"
#include "plan/memory_plan.hpp"
#include "plan/plain/plan_builder.hpp"

#include <algorithm>
#include <functional>
#include <utility>
#include <variant>

namespace convmixer {

namespace {

using kernels::Call;
using kernels::Role;

/// Whether a buffer in this role is what the step may write over its operand.
bool is_result(Role role) {
  switch (role) {
    case Role::dst:
    case Role::diff_src:
    case Role::diff_weights:
    case Role::diff_bias:
      return true;
    default:
      return false;
  }
}

/// Which buffers share memory because a step may overwrite its operand, and from when to when each is in use.
class Lifetimes {
 public:
  explicit Lifetimes(const StepList& list) : owner_(list.buffers.size()), spans_(list.buffers.size()) {
    const int end = static_cast<int>(list.steps.size());
    for (std::size_t id = 0; id < list.buffers.size(); ++id) {
      const BufferId view_of = list.buffers[id].view_of;
      owner_[id] = view_of < 0 ? static_cast<BufferId>(id) : view_of;
    }
    for (int at = 0; at < end; ++at) {
      for (const Operand& operand : list.steps[static_cast<std::size_t>(at)].operands) use(operand.buffer, at);
    }
    for (std::size_t id = 0; id < list.buffers.size(); ++id) {
      if (list.buffers[id].kept_to_end) use(static_cast<BufferId>(id), end);
    }
    for (int at = 0; at < end; ++at) overwrite(list, list.steps[static_cast<std::size_t>(at)], at);
  }

  /// The buffer whose memory this one uses.
  [[nodiscard]] BufferId owner(BufferId id) const {
    while (owner_[static_cast<std::size_t>(id)] != id) id = owner_[static_cast<std::size_t>(id)];
    return id;
  }

  struct Span {
    int first = -1;
    int last = -1;
  };
  /// Of an owner.
  [[nodiscard]] const Span& span(BufferId id) const { return spans_[static_cast<std::size_t>(id)]; }

 private:
  void use(BufferId id, int at) {
    Span& span = spans_[static_cast<std::size_t>(owner(id))];
    if (span.first < 0) span.first = at;
    span.last = at;
  }

  void overwrite(const StepList& list, const Step& step, int at) {
    if (!step.may_overwrite) return;
    const BufferId from = owner(*step.may_overwrite);
    const auto written = std::ranges::find_if(step.operands, [](const Operand& o) { return is_result(o.role); });
    const BufferId to = owner(written->buffer);
    const Buffer& source = list.buffers[static_cast<std::size_t>(from)];
    const Buffer& destination = list.buffers[static_cast<std::size_t>(to)];
    if (source.home != Home::arena || destination.home != Home::arena) return;
    if (span(from).last != at || span(to).first != at) return;
    if (source.layout.bytes() != destination.layout.bytes()) return;
    owner_[static_cast<std::size_t>(to)] = from;
    spans_[static_cast<std::size_t>(from)].last = span(to).last;
  }

  std::vector<BufferId> owner_;
  std::vector<Span> spans_;
};

class PlainExecution : public Execution {
 public:
  PlainExecution(const Graph& graph, Parameters& parameters, Engine& engine, const ExecutionOptions& plan_options,
                 const Execution* lender)
      : Execution(plan_options), runtime(runtime_of(engine)) {
    const StepList list = build_plain_plan(graph, parameters, runtime, options);
    place(list, lender);
    for (const Step& step : list.steps) add(step, list);
    forward_steps = list.forward_steps;
    output = as_floats(list, list.output);
    if (list.input_gradient) input_gradient = as_floats(list, *list.input_gradient);
  }

  std::span<const float> forward(std::span<const float> images, bool update_statistics) override {
    bind(image_readers, images);
    run(0, forward_steps, update_statistics);
    return output;
  }

  void backward(std::span<const float> output_gradient) override {
    bind(gradient_readers, output_gradient);
    run(forward_steps, steps.size(), false);
  }

 private:
  /// Gives every buffer its address.
  void place(const StepList& list, const Execution* lender) {
    const Lifetimes lifetimes(list);
    std::vector<Lifetime> arena_buffers;
    std::vector<BufferId> ids;
    for (BufferId id = 0; id < static_cast<BufferId>(list.buffers.size()); ++id) {
      const Buffer& buffer = list.buffers[static_cast<std::size_t>(id)];
      if (buffer.home != Home::arena || lifetimes.owner(id) != id || lifetimes.span(id).first < 0) continue;
      ids.push_back(id);
      arena_buffers.push_back({buffer.layout.bytes(), lifetimes.span(id).first, lifetimes.span(id).last});
      memory.unshared += static_cast<std::int64_t>(buffer.layout.bytes());
    }
    const std::size_t arena_bytes = place_in_arena(arena_buffers);
    std::size_t scratchpad_bytes = 0;
    for (const Step& step : list.steps) {
      if (!step.own) scratchpad_bytes = std::max(scratchpad_bytes, step.primitive.scratchpad_bytes());
    }
    memory.arena = static_cast<std::int64_t>(arena_bytes);
    memory.scratchpad = static_cast<std::int64_t>(scratchpad_bytes);
    take_memory(lender);

    if (owns_memory) touch(arena_buffers);

    addresses.assign(list.buffers.size(), nullptr);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      addresses[static_cast<std::size_t>(ids[i])] = arena() + arena_buffers[i].offset;
    }
    for (std::size_t id = 0; id < list.buffers.size(); ++id) {
      if (list.buffers[id].home == Home::fixed) addresses[id] = list.buffers[id].fixed;
    }
    for (std::size_t id = 0; id < list.buffers.size(); ++id) {
      addresses[id] = addresses[static_cast<std::size_t>(lifetimes.owner(static_cast<BufferId>(id)))];
    }
  }

  /// Lets the threads be the first to touch the memory, zero so far: the system then puts it near them. Images come
  /// first in a buffer, and oneDNN hands them out in the order of its threads.
  void touch(const std::vector<Lifetime>& buffers) const {
    const auto threads = static_cast<std::size_t>(runtime.threads());
    runtime.for_each_thread([&](int number) {
      const auto thread = static_cast<std::size_t>(number);
      for (const Lifetime& buffer : buffers) {
        const std::size_t begin = buffer.bytes * thread / threads;
        const std::size_t end = buffer.bytes * (thread + 1) / threads;
        touch_pages({arena() + buffer.offset + begin, end - begin});
      }
    });
  }

  void add(const Step& step, const StepList& list) {
    add_report(step.report);
    std::vector<kernels::Argument> arguments;
    HandWrittenStep own{step.own, {}, step.moves_statistics};
    for (const auto& [role, id] : step.operands) {
      const Buffer& buffer = list.buffers[static_cast<std::size_t>(id)];
      void* const address = addresses[static_cast<std::size_t>(id)];
      const Home home = list.buffers[static_cast<std::size_t>(buffer.view_of < 0 ? id : buffer.view_of)].home;
      const Reader reader{steps.size(), role, own.operands.size()};
      if (home == Home::images) image_readers.push_back(reader);
      if (home == Home::output_gradient) gradient_readers.push_back(reader);
      arguments.push_back({role, buffer.layout, address});
      own.operands.push_back(address);
    }
    if (step.own) {
      steps.emplace_back(std::move(own));
    } else {
      steps.emplace_back(Call(runtime, step.primitive, arguments, scratchpad()));
    }
  }

  [[nodiscard]] std::span<float> as_floats(const StepList& list, BufferId id) const {
    const auto index = static_cast<std::size_t>(id);
    return {static_cast<float*>(addresses[index]),
            static_cast<std::size_t>(list.buffers[index].layout.shape().count())};
  }

  void run(std::size_t begin, std::size_t end, bool update_statistics) {
    const auto body = [this, begin, end, update_statistics] {
      begin_steps(begin);
      for (std::size_t i = begin; i < end; ++i) {
        next_step([&] {
          if (auto* call = std::get_if<Call>(&steps[i])) {
            call->run();
          } else {
            const auto& own = std::get<HandWrittenStep>(steps[i]);
            if (update_statistics || !own.moves_statistics) own.kernel(own.operands);
          }
        });
      }
    };
    runtime.execute(std::ref(body));  // a copy of what it captures would be allocated
  }

  /// An operand whose memory the caller gives.
  struct Reader {
    std::size_t step;
    Role role;
    std::size_t operand;
  };

  void bind(const std::vector<Reader>& readers, std::span<const float> values) {
    auto* const data = const_cast<float*>(values.data());  // oneDNN's interface knows no const; readers only read
    for (const Reader& reader : readers) {
      if (auto* call = std::get_if<Call>(&steps[reader.step])) {
        call->rebind(reader.role, data);
      } else {
        std::get<HandWrittenStep>(steps[reader.step]).operands[reader.operand] = data;
      }
    }
  }

  struct HandWrittenStep {
    HandWrittenKernel kernel;
    std::vector<void*> operands;
    bool moves_statistics;
  };

  kernels::Runtime& runtime;
  std::vector<void*> addresses;  // by buffer; null for what the caller gives
  std::vector<std::variant<Call, HandWrittenStep>> steps;
  std::size_t forward_steps = 0;
  std::vector<Reader> image_readers;
  std::vector<Reader> gradient_readers;
};

}  // namespace

std::unique_ptr<Execution> make_plain_execution(const Graph& graph, Parameters& parameters, Engine& engine,
                                                const ExecutionOptions& options, const Execution* lender) {
  return std::make_unique<PlainExecution>(graph, parameters, engine, options, lender);
}

}  // namespace convmixer
