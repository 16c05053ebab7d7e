#include "convmixer/core/cpu.hpp"
#include "core/thread_sanitizer.hpp"
#include "kernels/onednn/onednn_types.hpp"
#include "kernels/onednn/openmp_team.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <utility>

namespace convmixer::kernels {

namespace {

// oneDNN's C interface names the threading of its build by these numbers.
enum class Threading : unsigned { sequential = 1, openmp = 2, tbb = 4, thread_pool = 8 };

Threading threading() { return static_cast<Threading>(dnnl::version()->cpu_runtime & 0xfU); }

/// A loop whose iterations the threads of a team take one after the other.
struct SharedLoop {
  void (*body)(const void*, std::int64_t);
  const void* context;
  std::int64_t count;
  std::atomic<std::int64_t> next{0};

  static void run(void* data) {
    auto& loop = *static_cast<SharedLoop*>(data);
    thread_sanitizer_acquire(&loop);
    for (std::int64_t i = loop.next++; i < loop.count; i = loop.next++) loop.body(loop.context, i);
    thread_sanitizer_release(&loop);
  }
};

/// Calls body(context, number) for every number in [0, team.threads()), on the thread that has it if that comes.
void run_on_team(const OpenmpTeam& team, void (*body)(const void*, int), const void* context) {
  struct Turns {
    void (*body)(const void*, int);
    const void* context;
    int threads;

    static void run(void* data) {
      auto& turns = *static_cast<Turns*>(data);
      thread_sanitizer_acquire(&turns);
      const TeamPlace place = place_in_team();
      for (int thread = place.number; thread < turns.threads; thread += place.team) turns.body(turns.context, thread);
      thread_sanitizer_release(&turns);
    }
  };
  Turns turns{body, context, team.threads()};
  thread_sanitizer_release(&turns);
  team.run(Turns::run, &turns);
  thread_sanitizer_acquire(&turns);
}

}  // namespace

Runtime::Runtime(ThreadPool& pool) : pool_(pool) {
  flush_denormals_to_zero();  // before any worker starts: threads inherit it
  if (threading() == Threading::thread_pool) {
    fail("this oneDNN {} is built for an external thread pool; expected a build for OpenMP, TBB or one thread",
         onednn_version());
  }
  if (threading() == Threading::openmp) openmp_ = std::make_unique<OpenmpTeam>(pool.threads());
  dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  handles_ = std::make_unique<Handles>(Handles{engine, dnnl::stream(engine)});
}

Runtime::~Runtime() = default;

int Runtime::threads() const noexcept { return openmp_ != nullptr ? openmp_->threads() : pool_.threads(); }

std::string Runtime::why_fewer_threads() const { return openmp_ != nullptr ? openmp_->why_fewer() : ""; }

void Runtime::prepare_caller() {
  if (openmp_ == nullptr) return;
  pool_.release_caller();  // threads that OpenMP starts, now or later, take over where the caller may go
  openmp_->prepare_caller();
}

void Runtime::execute(const std::function<void()>& body) {
  if (threading() == Threading::tbb) {
    pool_.execute(body);
  } else {
    prepare_caller();  // OpenMP's team belongs to the thread that starts it
    body();
  }
}

void Runtime::run_parallel(std::int64_t count, Body body, const void* context) {
  SharedLoop loop{body, context, count};
  if (threading() == Threading::tbb) {
    pool_.parallel_for(count, [body, context](std::int64_t i) { body(context, i); });
  } else if (openmp_ != nullptr && count > 1) {
    pool_.release_caller();
    thread_sanitizer_release(&loop);
    openmp_->run(SharedLoop::run, &loop);
    thread_sanitizer_acquire(&loop);
  } else {
    SharedLoop::run(&loop);
  }
}

void Runtime::run_on_threads(ThreadBody body, const void* context) {
  if (threading() == Threading::tbb) {
    pool_.for_each_worker([&](int worker) { body(context, worker); });
  } else if (openmp_ != nullptr) {
    pool_.release_caller();
    run_on_team(*openmp_, body, context);
  } else {
    for (int thread = 0; thread < threads(); ++thread) body(context, thread);
  }
}

int onednn_threads() noexcept { return threading() == Threading::openmp ? openmp_threads() : 1; }

void set_onednn_threads(int threads) noexcept {
  if (threading() == Threading::openmp) set_openmp_threads(threads);
}

std::string onednn_version() {
  const dnnl_version_t* version = dnnl::version();
  return fmt::format("{}.{}.{}", version->major, version->minor, version->patch);
}

std::string onednn_threading() {
  switch (threading()) {
    case Threading::sequential:
      return "sequential";
    case Threading::openmp:
      return "OpenMP";
    case Threading::tbb:
      return "TBB";
    case Threading::thread_pool:
      return "thread pool";
  }
  return "unknown";
}

namespace {

struct InstructionSet {
  dnnl::cpu_isa isa;
  const char* name;
};

/// Whether the CPU, as far as oneDNN may use it, has everything in `isa`: oneDNN numbers its sets as bit masks.
bool has_instructions(dnnl::cpu_isa isa) {
  const auto wanted = static_cast<unsigned>(isa);
  return (static_cast<unsigned>(dnnl::get_effective_cpu_isa()) & wanted) == wanted;
}

}  // namespace

std::string onednn_instructions() {
  using dnnl::cpu_isa;
  static constexpr InstructionSet kBestFirst[] = {
#if DNNL_VERSION_MAJOR >= 3
    {cpu_isa::avx512_core_amx_fp16, "avx512_core_amx_fp16"},
    {cpu_isa::avx512_core_amx, "avx512_core_amx"},
    {cpu_isa::avx512_core_fp16, "avx512_core_fp16"},
    {cpu_isa::avx512_core_bf16, "avx512_core_bf16"},
    {cpu_isa::avx512_core_vnni, "avx512_core_vnni"},
    {cpu_isa::avx512_core, "avx512_core"},
    {cpu_isa::avx2_vnni_2, "avx2_vnni_2"},
#else
    {cpu_isa::avx512_core_amx, "avx512_core_amx"},
    {cpu_isa::avx512_core_bf16, "avx512_core_bf16"},
    {cpu_isa::avx512_core_vnni, "avx512_core_vnni"},
    {cpu_isa::avx512_core, "avx512_core"},
#endif
    {cpu_isa::avx2_vnni, "avx2_vnni"},
    {cpu_isa::avx2, "avx2"},
    {cpu_isa::avx, "avx"},
    {cpu_isa::sse41, "sse41"},
  };
  const auto* const found =
      std::ranges::find_if(kBestFirst, [](const InstructionSet& set) { return has_instructions(set.isa); });
  return found == std::end(kBestFirst) ? "none" : found->name;
}

bool onednn_has_bf16() { return has_instructions(dnnl::cpu_isa::avx512_core_bf16); }

namespace {

int argument_index(Role role) {
  switch (role) {
    case Role::src:
      return DNNL_ARG_SRC;
    case Role::summand0:
      return DNNL_ARG_MULTIPLE_SRC;
    case Role::summand1:
      return DNNL_ARG_MULTIPLE_SRC + 1;
    case Role::second:
      return DNNL_ARG_SRC_1;
    case Role::weights:
      return DNNL_ARG_WEIGHTS;
    case Role::bias:
      return DNNL_ARG_BIAS;
    case Role::dst:
      return DNNL_ARG_DST;
    case Role::diff_src:
      return DNNL_ARG_DIFF_SRC;
    case Role::diff_weights:
      return DNNL_ARG_DIFF_WEIGHTS;
    case Role::diff_bias:
      return DNNL_ARG_DIFF_BIAS;
    case Role::diff_dst:
      return DNNL_ARG_DIFF_DST;
    case Role::scale:
      return DNNL_ARG_SCALE;
    case Role::shift:
      return DNNL_ARG_SHIFT;
    case Role::mean:
      return DNNL_ARG_MEAN;
    case Role::variance:
      return DNNL_ARG_VARIANCE;
    case Role::diff_scale:
      return DNNL_ARG_DIFF_SCALE;
    case Role::diff_shift:
      return DNNL_ARG_DIFF_SHIFT;
    case Role::workspace:
      return DNNL_ARG_WORKSPACE;
  }
  return 0;
}

/// A norm's gradient depends on no shift, but oneDNN 2 wants one; oneDNN 3 wants one for layer norm, and refuses it for
/// batch norm.
bool takes([[maybe_unused]] const dnnl::primitive& primitive, [[maybe_unused]] Role role) {
#if DNNL_VERSION_MAJOR >= 3
  if (role == Role::shift) {
    dnnl_prop_kind_t direction = dnnl_prop_kind_undef;
    dnnl_primitive_kind_t kind = dnnl_undefined_primitive;
    dnnl_primitive_desc_query(primitive.get_primitive_desc(), dnnl_query_prop_kind, 0, &direction);
    dnnl_primitive_desc_query(primitive.get_primitive_desc(), dnnl_query_primitive_kind, 0, &kind);
    return direction != dnnl_backward || kind != dnnl_batch_normalization;
  }
#endif
  return true;
}

}  // namespace

const std::string& Primitive::implementation() const noexcept { return impl_->implementation; }

std::size_t Primitive::scratchpad_bytes() const noexcept { return impl_->scratchpad_bytes; }

// The C++ interface's execute() builds a map and a vector at each call; the C interface takes a ready array.
struct Call::Impl {
  std::string implementation;
  dnnl::primitive primitive;
  dnnl::stream stream;
  std::vector<dnnl::memory> memories;
  std::vector<dnnl_exec_arg_t> arguments;
};

Call::Call(Runtime& runtime, const Primitive& primitive, const std::vector<Argument>& arguments, void* scratchpad) {
  Primitive::Impl& chosen = primitive.impl();
  if (!chosen.primitive) chosen.primitive = chosen.make();
  impl_ = std::make_unique<Impl>(Impl{chosen.implementation, *chosen.primitive, runtime.handles().stream, {}, {}});
  const dnnl::engine& engine = runtime.handles().engine;
  const auto bind = [this](int index, dnnl::memory memory) {
    impl_->arguments.push_back({index, memory.get()});
    impl_->memories.push_back(std::move(memory));
  };
  for (const Argument& argument : arguments) {
    if (!takes(*chosen.primitive, argument.role)) continue;
    bind(argument_index(argument.role), dnnl::memory(descriptor(argument.layout), engine, argument.data));
  }
  if (chosen.scratchpad_bytes > 0) {
    const dnnl::memory::desc bytes({static_cast<dnnl::memory::dim>(chosen.scratchpad_bytes)},
                                   dnnl::memory::data_type::u8, dnnl::memory::format_tag::a);
    bind(DNNL_ARG_SCRATCHPAD, dnnl::memory(bytes, engine, scratchpad));
  }
}

Call::~Call() = default;
Call::Call(Call&&) noexcept = default;
Call& Call::operator=(Call&&) noexcept = default;

void Call::run() {
  const dnnl_status_t status = dnnl_primitive_execute(
      impl_->primitive.get(), impl_->stream.get(), static_cast<int>(impl_->arguments.size()), impl_->arguments.data());
  if (status != dnnl_success) {
    fail("oneDNN could not run {} (status {}); ONEDNN_VERBOSE=1 shows more", impl_->implementation,
         static_cast<int>(status));
  }
}

void Call::rebind(Role role, void* data) {
  const int index = argument_index(role);
  for (std::size_t i = 0; i < impl_->arguments.size(); ++i) {
    if (impl_->arguments[i].arg == index) impl_->memories[i].set_data_handle(data);
  }
}

}  // namespace convmixer::kernels
