/// One of several processes that were started together, from its beginning to its exit status.
#pragma once

#include "convmixer/dist/launched_ranks.hpp"

#include <functional>
#include <string_view>

namespace convmixer {

/// Runs `body` on this process, one of several, and gives back its exit status. Where it throws, or MPI can't start,
/// all processes end, with Failure's status: nobody would come to meet this one. What all of them find, rank 0 tells
/// (core/program.hpp), alone; what only another rank finds, that one does, with its number. `program` is the name in
/// messages, `less_memory` advice for where memory runs out.
[[nodiscard]] int run_rank(const Launch& launch, std::string_view program, std::string_view less_memory,
                           const std::function<int(LaunchedRanks& ranks)>& body);

}  // namespace convmixer
