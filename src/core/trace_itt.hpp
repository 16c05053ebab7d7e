/// ITT task marks (https://github.com/intel/ittapi): what Intel VTune shows on its threads' lines beside its samples.
/// Does nothing in builds without CONVMIXER_ITT.
#pragma once

#include <string>

namespace convmixer::itt {

/// ITT's own handle of a name.
using TaskName = void*;

#ifdef CONVMIXER_ITT

/// Whether a collector was there when the process began.
[[nodiscard]] bool collected();
[[nodiscard]] TaskName task_name(const std::string& text);
/// A task on the calling thread, to be ended there; tasks nest.
void begin_task(TaskName name) noexcept;
void end_task() noexcept;
void name_thread(const std::string& name);

#else

[[nodiscard]] inline bool collected() { return false; }
[[nodiscard]] inline TaskName task_name(const std::string& /*text*/) { return nullptr; }
inline void begin_task(TaskName /*name*/) noexcept {}
inline void end_task() noexcept {}
inline void name_thread(const std::string& /*name*/) {}

#endif

}  // namespace convmixer::itt
