#include "train/holdout_options.hpp"

#include "convmixer/core/error.hpp"

#include <fmt/format.h>

#include <charconv>
#include <string>

namespace convmixer {
namespace {

/// The whole text as a number, or nothing.
template <typename Number>
std::optional<Number> parse(const std::string& text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

bool read_size(const std::string& text, HoldoutSize& size) {
  if (const auto images = parse<std::int64_t>(text)) {
    if (*images < 0) return false;
    size = {.images = *images};
    return true;
  }
  const auto share = parse<double>(text);
  if (!share || !(*share > 0.0 && *share < 1.0)) return false;
  size = {.share = *share};
  return true;
}

}  // namespace

std::vector<Option> holdout_options(TrainConfig& config) {
  HoldoutSize& size = config.holdout;
  std::optional<std::uint64_t>& seed = config.holdout_seed;
  const Option size_option{
      "holdout",
      "N",
      "set so many training images aside in all, or below 1 such a share, of every class in proportion: best, patience "
      "and until-accuracy go by them, and the test images are evaluated once, at the end; 0: none",
      "a number of images such as 5000, or a share below 1 such as 0.1",
      [&size](const std::string& text) { return read_size(text, size); },
      [&size] { return size.share > 0.0 ? fmt::format("{}", size.share) : fmt::format("{}", size.images); }};
  const Option seed_option{
      "holdout-seed",
      "N",
      "which images those are, for runs of several seeds on the same ones; the run's seed if not given",
      "a whole number of at least 0",
      [&seed](const std::string& text) {
        const auto number = parse<std::uint64_t>(text);
        if (!number && !text.empty()) return false;
        seed = number;
        return true;
      },
      [&seed] { return seed ? fmt::format("{}", *seed) : std::string(); }};
  return {size_option, seed_option};
}

void check_holdout_options(const TrainConfig& config) {
  if (config.holdout_seed && !config.holdout.is_on()) fail_usage("holdout-seed has no effect without holdout");
}

}  // namespace convmixer
