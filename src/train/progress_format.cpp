#include "convmixer/train/duration.hpp"
#include "convmixer/train/progress.hpp"
#include "train/sparkline.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace convmixer {
namespace {

constexpr std::string_view kBold = "1";
constexpr std::string_view kGreen = "32";
constexpr std::string_view kYellow = "33";
constexpr std::string_view kCyan = "36";
constexpr std::string_view kPlain;
constexpr double kWaitWorthNoticing = 0.05;

// Of curves.
constexpr int kLeastRows = 4;  // of a terminal that has a second line for them
constexpr std::size_t kLongestCurve = 40;
constexpr std::size_t kShortestCurve = 8;
constexpr double kLeastLoss = 1e-4;  // what is below it isn't told apart

/// A piece of a line. In a narrow line those of the lowest rank go first.
struct Piece {
  std::string text;
  std::string_view style;
  int rank;
};

std::string styled(std::string_view text, std::string_view style, bool colour) {
  if (!colour || style.empty()) return std::string(text);
  return fmt::format("\x1b[{}m{}\x1b[0m", style, text);
}

std::size_t width(const std::vector<Piece>& pieces) {
  std::size_t sum = 0;
  for (const Piece& piece : pieces) sum += piece.text.size() + (sum == 0 ? 0 : 2);
  return sum;
}

std::string join(const std::vector<Piece>& pieces, bool colour) {
  std::string line;
  for (const Piece& piece : pieces) {
    if (!line.empty()) line += "  ";
    line += styled(piece.text, piece.style, colour);
  }
  return line;
}

std::vector<Piece> pieces_of(const ProgressView& view) {
  std::vector<Piece> pieces;
  pieces.push_back({fmt::format("epoch {}/{}", view.epoch, view.epochs), kBold, 9});
  const char* const evaluation = view.holdout ? "holdout" : "testing";
  pieces.push_back({fmt::format("{} {}/{}", view.evaluating ? evaluation : "step", view.done, view.total), kPlain, 8});
  if (view.image_size > 0) pieces.push_back({fmt::format("{} px", view.image_size), kPlain, 2});
  pieces.push_back({fmt::format("{:.0f} img/s", view.images_per_second), kCyan, 5});
  if (!view.evaluating) {
    pieces.push_back({fmt::format("wait {:.1f}%", 100.0 * view.wait_share),
                      view.wait_share > kWaitWorthNoticing ? kYellow : kPlain, 1});
  }
  if (!view.between_epochs) {
    pieces.push_back({fmt::format("loss {:.4f}", view.loss), kPlain, 7});
    pieces.push_back({fmt::format("acc {:.2f}%", 100.0 * view.accuracy), kGreen, 4});
    pieces.push_back({fmt::format("epoch left {}", format_time_left(view.epoch_seconds_left)), kPlain, 3});
  }
  pieces.push_back({fmt::format("run left {}", format_time_left(view.run_seconds_left)), kPlain, 6});
  return pieces;
}

/// A curve with the values that it begins and ends with. Few values have a short one.
struct CurveText {
  std::string begin;
  std::vector<double> heights;
  std::string end;
  std::string_view style;
};

std::size_t width(const CurveText& text) { return text.begin.size() + text.heights.size() + text.end.size(); }

std::string drawn(const CurveText& text, const Terminal& terminal) {
  return text.begin + styled(sparkline(text.heights, terminal.blocks), text.style, terminal.colour) + text.end;
}

/// By its logarithm: half the loss is as far below it wherever it stands.
CurveText loss_curve(const RunCurves& curves, std::size_t longest) {
  std::vector<double> points = curves.loss().points(longest);
  CurveText text{fmt::format("loss {:.4f} ", points.front()), {}, fmt::format(" {:.4f}", points.back()), kCyan};
  for (double& loss : points) loss = std::log(std::max(loss, kLeastLoss));
  text.heights = std::move(points);
  return text;
}

CurveText accuracy_curve(const RunCurves& curves, std::size_t longest) {
  const std::string last = fmt::format("{:.2f}%", 100.0 * curves.last_accuracy());
  if (curves.evaluations() == 1) return {fmt::format("{} {}", curves.accuracy_name(), last), {}, "", kGreen};
  return {fmt::format("{} {:.2f}% ", curves.accuracy_name(), 100.0 * curves.first_accuracy()),
          curves.accuracy().points(longest), " " + last, kGreen};
}

/// "14:32", with the day or the date if it isn't today's.
std::string format_moment(std::time_t moment, std::time_t now) {
  std::tm then{};
  std::tm today{};
  ::localtime_r(&moment, &then);
  ::localtime_r(&now, &today);
  if (then.tm_yday == today.tm_yday && then.tm_year == today.tm_year) return fmt::format("{:%H:%M}", then);
  constexpr std::time_t kSixDays = std::time_t{6} * 86400;
  if (moment - now < kSixDays) return fmt::format("{:%a %H:%M}", then);
  return fmt::format("{:%Y-%m-%d}", then);
}

}  // namespace

std::string format_live_line(const ProgressView& view, int columns, bool colour) {
  std::vector<Piece> pieces = pieces_of(view);
  const auto room = static_cast<std::size_t>(std::max(columns, 1));
  while (pieces.size() > 1 && width(pieces) > room) {
    pieces.erase(
        std::min_element(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) { return a.rank < b.rank; }));
  }
  if (pieces.front().text.size() > room) pieces.front().text.resize(room);
  return join(pieces, colour);
}

std::string format_curves(const RunCurves& curves, const Terminal& terminal) {
  if (terminal.rows < kLeastRows || curves.loss().points(2).size() < 2) return {};
  const auto room = static_cast<std::size_t>(std::max(terminal.columns - 1, 0));
  for (std::size_t longest = kLongestCurve; curves.evaluations() > 0 && longest >= kShortestCurve; --longest) {
    const CurveText loss = loss_curve(curves, longest);
    const CurveText accuracy = accuracy_curve(curves, longest);
    if (width(loss) + 2 + width(accuracy) <= room) return drawn(loss, terminal) + "  " + drawn(accuracy, terminal);
  }
  for (std::size_t longest = kLongestCurve; longest >= kShortestCurve; --longest) {
    const CurveText loss = loss_curve(curves, longest);
    if (width(loss) <= room) return drawn(loss, terminal);
  }
  return {};
}

std::string format_plain_line(const ProgressView& view) { return join(pieces_of(view), false); }

std::string format_epoch_line(const EpochRecord& r, std::int64_t epochs, bool best, double run_seconds_left,
                              std::time_t now, bool colour) {
  const auto share = [&](double seconds) { return r.train_seconds > 0.0 ? seconds / r.train_seconds : 0.0; };
  const double wait_share = share(r.wait_seconds);
  std::vector<Piece> pieces;
  pieces.push_back({fmt::format("epoch {}/{}", r.epoch, epochs), kBold, 0});
  if (r.image_size > 0) pieces.push_back({fmt::format("{} px", r.image_size), kPlain, 0});
  pieces.push_back({fmt::format("train loss {:.4f} acc {:.2f}%", r.loss, 100.0 * r.accuracy), kPlain, 0});
  const std::string_view mark = best ? " (best)" : "";
  const std::string_view style = best ? kGreen : kPlain;
  if (r.test) {
    pieces.push_back(
        {fmt::format("{} loss {:.4f} acc {:.2f}%{} top-5 {:.2f}%", r.holdout ? "holdout" : "test", r.test->loss,
                     100.0 * r.test->accuracy, r.averaged ? "" : mark, 100.0 * r.test->accuracy_top5),
         r.averaged ? kPlain : style, 0});
  }
  if (r.averaged) {
    pieces.push_back(
        {fmt::format("averaged loss {:.4f} acc {:.2f}%{}", r.averaged->loss, 100.0 * r.averaged->accuracy, mark), style,
         0});
  }
  pieces.push_back({fmt::format("lr {:.4g}", r.learning_rate), kPlain, 0});
  pieces.push_back({fmt::format("{:.1f} img/s", r.images_per_second), kPlain, 0});
  pieces.push_back(
      {fmt::format("wait {:.1f}%", 100.0 * wait_share), wait_share > kWaitWorthNoticing ? kYellow : kPlain, 0});
  if (r.communication_bytes > 0)
    pieces.push_back({fmt::format("exchange {:.1f}%", 100.0 * share(r.communication_seconds)), kPlain, 0});
  pieces.push_back({format_time_left(r.train_seconds + r.test_seconds), kPlain, 0});
  if (std::isfinite(run_seconds_left) && run_seconds_left >= 0.0) {
    const std::time_t end = now + static_cast<std::time_t>(std::llround(std::min(run_seconds_left, 1e9)));
    pieces.push_back(
        {fmt::format("left {} (done {})", format_time_left(run_seconds_left), format_moment(end, now)), kPlain, 0});
  }
  return join(pieces, colour);
}

std::string format_test_line(const TestRecord& r) {
  return fmt::format("test images, once, with the {}: loss {:.4f} acc {:.2f}% top-5 {:.2f}%",
                     r.epoch == 0 ? "initial weights" : fmt::format("weights of epoch {}", r.epoch), r.loss,
                     100.0 * r.accuracy, 100.0 * r.accuracy_top5);
}

}  // namespace convmixer
