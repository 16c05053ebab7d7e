#include "convmixer/dist/rank_cpus.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/core/threads.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <sched.h>
#include <string_view>
#include <unistd.h>

namespace convmixer {

namespace {

constexpr char kSeparator = '\n';  // of cores, after the machine's name

/// Of a rank among the places.
std::size_t place_of(const std::vector<RankPlace>& places, int rank) {
  if (rank < 0 || rank >= std::ssize(places))
    fail_usage("CPUs of rank {}: expected one of the {} whose places are given", rank, counted(places.size(), "rank"));
  return static_cast<std::size_t>(rank);
}

/// The ranks on the machine of `rank`, itself among them.
std::vector<std::size_t> neighbours(const std::vector<RankPlace>& places, std::size_t rank) {
  std::vector<std::size_t> ranks;
  for (std::size_t other = 0; other < places.size(); ++other) {
    if (places[other].machine == places[rank].machine) ranks.push_back(other);
  }
  return ranks;
}

std::vector<int> parse_cpus(std::string_view text) {
  std::vector<int> cpus;
  const char* const end = text.data() + text.size();
  for (const char* at = text.data(); at != end;) {
    const auto [last, error] = std::from_chars(at, end, cpus.emplace_back());
    if (error != std::errc() || (last != end && *last != ' '))
      fail("CPUs of a rank: found '{}', expected numbers", text);
    at = last == end ? end : last + 1;
  }
  return cpus;
}

}  // namespace

RankPlace rank_place() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) name[0] = '?';
  return {name.data(), cores_by_node()};
}

std::string to_text(const RankPlace& place) {
  std::string text = place.machine;
  for (const std::vector<int>& core : place.cores) text += fmt::format("{}{}", kSeparator, fmt::join(core, " "));
  return text;
}

RankPlace parse_rank_place(const std::string& text) {
  RankPlace place;
  std::string_view rest = text;
  place.machine = rest.substr(0, rest.find(kSeparator));
  for (std::size_t at = rest.find(kSeparator); at != std::string_view::npos; at = rest.find(kSeparator)) {
    rest.remove_prefix(at + 1);
    place.cores.push_back(parse_cpus(rest.substr(0, rest.find(kSeparator))));
  }
  return place;
}

std::vector<int> share_of_cpus(const std::vector<RankPlace>& places, int rank) {
  const std::size_t own = place_of(places, rank);
  const Cores& cores = places[own].cores;
  std::size_t sharing = 0;  // ranks that may use the same cores
  std::size_t place = 0;    // of this one among them
  for (const std::size_t other : neighbours(places, own)) {
    if (places[other].cores != cores) continue;
    if (other == own) place = sharing;
    ++sharing;
  }
  std::size_t begin = 0;
  std::size_t end = cores.size();
  if (cores.size() >= sharing) {
    begin = cores.size() * place / sharing;
    end = cores.size() * (place + 1) / sharing;
  }
  std::vector<int> cpus;
  for (std::size_t core = begin; core < end; ++core) cpus.insert(cpus.end(), cores[core].begin(), cores[core].end());
  return cpus;
}

std::string why_bound(const std::vector<RankPlace>& places, int rank, int machine_cores) {
  const std::size_t own = place_of(places, rank);
  const auto ranks = static_cast<int>(neighbours(places, own).size());
  const int share = machine_cores / ranks;
  if (places[own].cores.size() != 1 || share < 2) return "";
  return fmt::format(
      "rank {} may run on one core alone, where each of the {} on this machine could have {}: start them with 'mpirun "
      "--bind-to none' (Open MPI binds to a core when it starts one or two), or with --threads 1 if that is meant",
      rank, ranks, counted(share, "core"));
}

void run_on(const std::vector<int>& cpus) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : cpus) CPU_SET(static_cast<std::size_t>(cpu), &set);
  if (::sched_setaffinity(0, sizeof set, &set) != 0)
    fail("CPUs {}: can't run on them: {}", fmt::join(cpus, ", "), std::strerror(errno));
}

ThreadCount choose_rank_threads(Communicator& ranks, int requested) {
  std::vector<RankPlace> places;
  for (const std::string& text : gather_texts(ranks, to_text(rank_place()))) places.push_back(parse_rank_place(text));
  if (requested == 0) {
    const auto cores = static_cast<int>(cores_by_node(/*whole_machine=*/true).size());
    if (const std::string why = why_bound(places, ranks.rank(), cores); !why.empty()) fail_usage("{}", why);
  }
  run_on(share_of_cpus(places, ranks.rank()));
  ranks.prepare_background();
  return choose_thread_count(requested);
}

}  // namespace convmixer
