#include "convmixer/dist/launched_ranks.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"
#include "dist/mpi/plugin.h"
#include "dist/overlapped_communicator.hpp"
#include "dist/tree_communicator.hpp"

#include <array>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace convmixer {

namespace {

namespace fs = std::filesystem;

constexpr const char* kPluginFile = "convmixer-mpi.so";

/// MPICH's mpirun would lose what a rank has printed just before it ends all.
constexpr auto kOutputIsRead = std::chrono::milliseconds(200);

/// Variables by which a launcher tells a process its place. (srun sets some of SLURM's for each step that it starts,
/// and Open MPI's or MPICH's beside them with --mpi.)
struct Variables {
  const char* size;
  const char* rank;
  const char* local_rank;  ///< how many ranks before it are on its machine
  const char* launcher;
};
constexpr std::array<Variables, 3> kLaunchers{
    {{"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_RANK", "Open MPI"},
     {"PMI_SIZE", "PMI_RANK", "MPI_LOCALRANKID", "MPICH or Intel MPI"},
     {"SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "SLURM_LOCALID", "srun"}}};

int read_number(const char* variable) {
  const char* const text = std::getenv(variable);
  int number = -1;
  if (text != nullptr) {
    const char* const end = text + std::strlen(text);
    const auto [last, error] = std::from_chars(text, end, number);
    if (error != std::errc() || last != end) number = -1;
  }
  if (number < 0)
    fail_usage("{}='{}': expected a number, as the launcher of parallel programs sets it", variable,
               text == nullptr ? "" : text);
  return number;
}

void throw_if(const char* error) {
  if (error != nullptr) fail("{}", error);
}

class MpiTransport final : public Transport {
 public:
  MpiTransport(const ConvmixerMpi& mpi, int tag) : mpi_(mpi), rank_(mpi.rank()), size_(mpi.size()), tag_(tag) {}

  [[nodiscard]] int rank() const noexcept override { return rank_; }
  [[nodiscard]] int size() const noexcept override { return size_; }
  void exchange(int other, std::span<const std::byte> sent, std::span<std::byte> received) override {
    throw_if(mpi_.exchange(tag_, other, sent.data(), sent.size(), received.data(), received.size()));
  }
  void hurry(bool whether) override { mpi_.hurry(whether ? 1 : 0); }

 private:
  const ConvmixerMpi& mpi_;
  int rank_;
  int size_;
  int tag_;
};

/// It stays loaded: MPI's libraries don't take kindly to being unloaded.
const ConvmixerMpi& load_plugin(const Launch& launch) {
  const fs::path file = find_mpi_plugin();
  const std::string started = fmt::format("started as one of {} processes by {}", launch.ranks, launch.launcher);
  if (file.empty()) {
    fail(
        "{}, but {} isn't there: expected the package convmixer-mpi, or a build with -DCONVMIXER_MPI=ON and Debian's "
        "libopenmpi-dev or another MPI",
        started, kPluginFile);
  }
  // Open MPI's own plug-ins need its symbols, and so do others'.
  void* const library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (library == nullptr) fail("{}, but MPI can't be loaded: {}", started, ::dlerror());
  const auto entry = reinterpret_cast<ConvmixerMpiEntry>(::dlsym(library, CONVMIXER_MPI_ENTRY));
  const ConvmixerMpi* const mpi = entry == nullptr ? nullptr : entry();
  if (mpi == nullptr || mpi->version != CONVMIXER_MPI_PLUGIN_VERSION)
    fail("{}: of another release than this program, expected version {}", file.string(), CONVMIXER_MPI_PLUGIN_VERSION);
  return *mpi;
}

}  // namespace

Launch find_launch() {
  for (const Variables& variables : kLaunchers) {
    if (std::getenv(variables.size) == nullptr) continue;
    Launch launch{
        .ranks = read_number(variables.size), .rank = read_number(variables.rank), .launcher = variables.launcher};
    if (std::getenv(variables.local_rank) != nullptr) launch.local_rank = read_number(variables.local_rank);
    if (launch.ranks > 1) return launch;
  }
  return {};
}

bool is_first_of_launch() {
  try {
    return find_launch().rank == 0;
  } catch (const Error&) {
    return true;
  }
}

fs::path find_mpi_plugin() {
  std::vector<fs::path> places;
  if (const char* const given = std::getenv("CONVMIXER_MPI_PLUGIN"); given != nullptr) return given;
  Dl_info here{};
  if (::dladdr(reinterpret_cast<const void*>(&find_mpi_plugin), &here) != 0 && here.dli_fname != nullptr)
    places.push_back(fs::path(here.dli_fname).parent_path() / "convmixer");
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (!error) {
    for (const char* const folder : {"lib", CONVMIXER_LIBDIR})
      places.push_back(program.parent_path().parent_path() / folder / "convmixer");
  }
  for (const fs::path& place : places) {
    if (fs::exists(place / kPluginFile, error)) return place / kPluginFile;
  }
  return {};
}

struct LaunchedRanks::Impl {
  const ConvmixerMpi& mpi;
  std::unique_ptr<Communicator> communicator;

  void start(const Launch& launch) {
    throw_if(mpi.start());
    if (mpi.size() != launch.ranks) {
      fail(
          "{} has started {} processes, but MPI ({}) finds {}: expected the mpirun of the MPI that convmixer was built "
          "with (Debian has mpirun.openmpi and mpirun.mpich), or srun with --mpi=pmix or pmi2",
          launch.launcher, launch.ranks, mpi.library(), counted(mpi.size(), "process", "processes"));
    }
    communicator = make_tree_communicator(std::make_unique<MpiTransport>(mpi, 0));
    if (mpi.tags() > 1)
      communicator = make_overlapped_communicator(std::move(communicator), std::make_unique<MpiTransport>(mpi, 1));
  }
};

LaunchedRanks::LaunchedRanks(const Launch& launch) : impl_(new Impl{load_plugin(launch), nullptr}) {
  impl_->start(launch);
}

LaunchedRanks::~LaunchedRanks() {
  impl_->communicator.reset();  // whose thread calls MPI
  impl_->mpi.finish();
}

Communicator& LaunchedRanks::communicator() noexcept { return *impl_->communicator; }
int LaunchedRanks::local_rank() const { return impl_->mpi.local_rank(); }
int LaunchedRanks::local_size() const { return impl_->mpi.local_size(); }
std::string LaunchedRanks::library() const { return impl_->mpi.library(); }

void LaunchedRanks::meet(int seconds) {
  using Clock = std::chrono::steady_clock;
  const int rank = communicator().rank();
  if (rank > 0) {
    throw_if(impl_->mpi.announce());
  } else {
    const Clock::time_point end = Clock::now() + std::chrono::seconds(seconds);
    std::vector<int> missing;
    for (int other = 1; other < communicator().size(); ++other) missing.push_back(other);
    while (true) {
      std::erase_if(missing, [this](int other) { return impl_->mpi.has_announced(other) != 0; });
      if (missing.empty()) break;
      if (Clock::now() >= end) {
        std::string names;
        for (const int other : missing) names += fmt::format("{}{}", names.empty() ? "" : ", ", other);
        fail(
            "{} {} not ready after {}: data that it can't read or that takes long to read, or a machine that can't be "
            "reached? --start-timeout waits longer",
            missing.size() == 1 ? "rank" : "ranks", names, counted(seconds, "second"));
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  communicator().barrier();
}

void LaunchedRanks::abort(int status) {
  std::this_thread::sleep_for(kOutputIsRead);
  impl_->mpi.abort(status);
  std::_Exit(status);
}

}  // namespace convmixer
