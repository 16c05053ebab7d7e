#include "convmixer/core/program.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/printable.hpp"

#include <cstdio>
#include <exception>
#include <filesystem>
#include <new>

namespace convmixer {

Failure failure_in_flight(std::string_view less_memory) {
  try {
    throw;
  } catch (const Error& error) {
    return {error.what(), error.kind() == ErrorKind::usage ? 2 : 1};
  } catch (const std::bad_alloc&) {
    return {fmt::format("out of memory; {}", less_memory), 1};
  } catch (const std::filesystem::filesystem_error& error) {
    return {fmt::format("{}: {}", error.path1().string(), error.code().message()), 1};
  } catch (const std::exception& error) {
    return {error.what(), 1};
  }
}

int report(std::string_view program, const Failure& failure) {
  constexpr std::size_t kLongest = 20'000;
  std::fflush(stdout);
  std::fputs(fmt::format("{}: error: {}\n", program, printable(failure.message, kLongest)).c_str(), stderr);
  return failure.status;
}

}  // namespace convmixer
