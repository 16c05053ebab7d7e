/// How a program of this project ends where something goes wrong: one line that says what, and an exit status.
#pragma once

#include <string>
#include <string_view>

namespace convmixer {

/// Why a program ends before it is done.
struct Failure {
  std::string message;
  int status = 1;  ///< exit status: 2 for an Error (usage), 1 for everything else
};

/// What the exception says that is being handled: for `catch (...)`. `less_memory` is advice for where memory runs out
/// ("a smaller --batch-size needs less").
[[nodiscard]] Failure failure_in_flight(std::string_view less_memory);

/// "convmixer: error: ..." on standard error, in one line whatever names are in it, after all that was printed. Gives
/// the exit status back.
int report(std::string_view program, const Failure& failure);

}  // namespace convmixer
