// Stands in for VTune: what ITT loads where INTEL_LIBITTNOTIFY64 names it. Writes a line for every call to the file
// that CONVMIXER_TEST_ITT_LOG names: "thread", then "begin NAME", "end" or "name NAME". TBB and oneDNN make such calls
// as well: only tasks of the project's domain are logged.
#define INTEL_NO_MACRO_BODY
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <ittnotify.h>
#include <mutex>
#include <string>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

__itt_domain ours{};
__itt_domain others{};

void log(const std::string& what) {
  static std::FILE* const kFile = std::fopen(std::getenv("CONVMIXER_TEST_ITT_LOG"), "w");
  std::fprintf(kFile, "%ld %s\n", ::syscall(SYS_gettid), what.c_str());
  std::fflush(kFile);
}

}  // namespace

extern "C" {

const char* __itt_api_version() { return "test"; }

__itt_domain* __itt_domain_create(const char* name) {
  ours.flags = 1;
  others.flags = 1;
  return std::string(name) == "convmixer" ? &ours : &others;
}

__itt_string_handle* __itt_string_handle_create(const char* name) {
  static std::mutex mutex;
  static std::deque<std::string> texts;
  static std::deque<__itt_string_handle> handles;
  const std::lock_guard lock(mutex);
  __itt_string_handle& handle = handles.emplace_back();
  handle.strA = texts.emplace_back(name).c_str();
  return &handle;
}

void __itt_task_begin(const __itt_domain* domain, __itt_id /*id*/, __itt_id /*parent*/, __itt_string_handle* name) {
  if (domain == &ours) log("begin " + std::string(name->strA));
}

void __itt_task_end(const __itt_domain* domain) {
  if (domain == &ours) log("end");
}

void __itt_thread_set_name(const char* name) { log("name " + std::string(name)); }

}  // extern "C"
