#include "core/trace_itt.hpp"

#include <ittnotify.h>

namespace convmixer::itt {
namespace {

const __itt_domain* domain() {
  static const __itt_domain* const kDomain = __itt_domain_create("convmixer");
  return kDomain;
}

}  // namespace

bool collected() {
  // The first call into ITT, other than those that make names, loads the collector; if there is none, it takes the
  // functions away.
  static const bool kCollected = (static_cast<void>(__itt_get_timestamp()), __itt_task_begin_ptr != nullptr);
  return kCollected;
}

TaskName task_name(const std::string& text) { return __itt_string_handle_create(text.c_str()); }

void begin_task(TaskName name) noexcept {
  __itt_task_begin(domain(), __itt_null, __itt_null, static_cast<__itt_string_handle*>(name));
}

void end_task() noexcept { __itt_task_end(domain()); }

void name_thread(const std::string& name) { __itt_thread_set_name(name.c_str()); }

}  // namespace convmixer::itt
