// The plug-in by MPI's own calls: those of the standard's version 3, whichever library they are of.
#include "dist/mpi/plugin.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <mpi.h>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>

namespace {

using Clock = std::chrono::steady_clock;

// MPI's tags.
constexpr int kReadyTag = 0;
constexpr int kFirstTag = 1;                              // of what exchange() calls 0; then the other one's
constexpr std::size_t kMostBytes = std::size_t{1} << 30;  // of a message: MPI counts in int

struct State {
  MPI_Comm ranks = MPI_COMM_NULL;
  int rank = 0;
  int size = 1;
  int local_rank = 0;
  int local_size = 1;
  int tags = 1;
  std::string library;
  std::mutex calls;  // MPI takes one at a time (MPI_THREAD_SERIALIZED)
  std::atomic<bool> hurries = false;
};

State& state() {
  static State all;
  return all;
}

/// Null if it is MPI_SUCCESS.
const char* explain(int code, const std::string& what) {
  if (code == MPI_SUCCESS) return nullptr;
  static thread_local std::string error;
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  error = what + ": " + std::string(text.data(), static_cast<std::size_t>(length));
  return error.c_str();
}

/// Its name and number: "Open MPI v4.1.4"; "MPICH 4.0.2", which says "MPICH Version:\t4.0.2"; lines that follow say
/// more.
std::string library_version() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  MPI_Get_library_version(text.data(), &length);
  const std::string all(text.data(), static_cast<std::size_t>(length));
  std::istringstream words(all.substr(0, std::min(all.find_first_of(",\n"), all.size())));
  std::string version;
  for (std::string word; words >> word;) {
    if (word != "Version:") version += (version.empty() ? "" : " ") + word;
  }
  return version;
}

const char* start() {
  int provided = 0;
  if (const char* error = explain(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided), "MPI_Init"))
    return error;
  State& s = state();
  s.tags = provided >= MPI_THREAD_SERIALIZED ? 2 : 1;
  // A communicator of its own: an error on it comes back instead of ending the process, and no other library's messages
  // are among its.
  if (const char* error = explain(MPI_Comm_dup(MPI_COMM_WORLD, &s.ranks), "MPI_Comm_dup")) return error;
  MPI_Comm_set_errhandler(s.ranks, MPI_ERRORS_RETURN);
  MPI_Comm_rank(s.ranks, &s.rank);
  MPI_Comm_size(s.ranks, &s.size);
  MPI_Comm here = MPI_COMM_NULL;
  if (const char* error = explain(MPI_Comm_split_type(s.ranks, MPI_COMM_TYPE_SHARED, s.rank, MPI_INFO_NULL, &here),
                                  "MPI_Comm_split_type"))
    return error;
  MPI_Comm_rank(here, &s.local_rank);
  MPI_Comm_size(here, &s.local_size);
  MPI_Comm_free(&here);
  s.library = library_version();
  return nullptr;
}

/// Calls MPI while no other thread does.
template <typename Call>
int in_turn(const Call& call) {
  const std::lock_guard turn(state().calls);
  return call();
}

/// Until both are done. MPI's own waiting takes all of a CPU, that of ranks which share it with this one, too: after a
/// while, which is longer than what ranks on CPUs of their own wait for each other, this one sleeps in between. Tag 1
/// sleeps from the first moment on: others compute on its CPU.
int wait_for(std::array<MPI_Request, 2>& requests, int tag) {
  constexpr auto kSpin = std::chrono::microseconds(300);
  constexpr auto kNap = std::chrono::microseconds(50);
  const Clock::time_point begin = Clock::now();
  for (int turn = 1;; ++turn) {
    int done = 0;
    const int code = in_turn(
        [&] { return MPI_Testall(static_cast<int>(requests.size()), requests.data(), &done, MPI_STATUSES_IGNORE); });
    if (code != MPI_SUCCESS || done != 0) return code;
    const bool gives_way = tag > 0 && !state().hurries.load(std::memory_order_relaxed);
    if (gives_way || (turn % 16 == 0 && Clock::now() - begin > kSpin)) std::this_thread::sleep_for(kNap);
  }
}

const char* exchange(int tag, int other, const void* sent, std::size_t sent_bytes, void* received,
                     std::size_t received_bytes) {
  const auto* from = static_cast<const char*>(sent);
  auto* to = static_cast<char*>(received);
  while (sent_bytes > 0 || received_bytes > 0) {
    const std::size_t out = std::min(sent_bytes, kMostBytes);
    const std::size_t in = std::min(received_bytes, kMostBytes);
    std::array<MPI_Request, 2> requests{MPI_REQUEST_NULL, MPI_REQUEST_NULL};
    int code = in_turn([&] {
      int begun = MPI_SUCCESS;
      if (in > 0)
        begun = MPI_Irecv(to, static_cast<int>(in), MPI_BYTE, other, kFirstTag + tag, state().ranks, &requests[0]);
      if (begun == MPI_SUCCESS && out > 0)
        begun = MPI_Isend(from, static_cast<int>(out), MPI_BYTE, other, kFirstTag + tag, state().ranks, &requests[1]);
      return begun;
    });
    if (code == MPI_SUCCESS) code = wait_for(requests, tag);
    if (code != MPI_SUCCESS) return explain(code, "rank " + std::to_string(other) + " can't be reached");
    from += out;
    sent_bytes -= out;
    to += in;
    received_bytes -= in;
  }
  return nullptr;
}

const char* announce() {
  return explain(MPI_Send(nullptr, 0, MPI_BYTE, 0, kReadyTag, state().ranks), "rank 0 can't be reached");
}

int has_announced(int other) {
  int found = 0;
  if (MPI_Iprobe(other, kReadyTag, state().ranks, &found, MPI_STATUS_IGNORE) != MPI_SUCCESS || found == 0) return 0;
  return MPI_Recv(nullptr, 0, MPI_BYTE, other, kReadyTag, state().ranks, MPI_STATUS_IGNORE) == MPI_SUCCESS ? 1 : 0;
}

void finish() {
  MPI_Comm_free(&state().ranks);
  MPI_Finalize();
}

void abort_all(int status) {
  MPI_Abort(MPI_COMM_WORLD, status);
  std::_Exit(status);
}

const ConvmixerMpi kPlugin{CONVMIXER_MPI_PLUGIN_VERSION,
                           start,
                           [] { return state().rank; },
                           [] { return state().size; },
                           [] { return state().local_rank; },
                           [] { return state().local_size; },
                           [] { return state().library.c_str(); },
                           [] { return state().tags; },
                           exchange,
                           [](int whether) { state().hurries = whether != 0; },
                           announce,
                           has_announced,
                           finish,
                           abort_all};

}  // namespace

extern "C" __attribute__((visibility("default"))) const ConvmixerMpi* convmixer_mpi() { return &kPlugin; }
