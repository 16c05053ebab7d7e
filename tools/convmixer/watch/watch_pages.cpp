#include "watch/watch_pages.hpp"

#include "convmixer/core/printable.hpp"
#include "convmixer/train/run_figures.hpp"
#include "http/access.hpp"
#include "run_page/figures_json.hpp"
#include "run_page/run_page.hpp"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>
#include <vector>

namespace convmixer::tool {
namespace {

using http::Request;
using http::Response;

constexpr std::size_t kMostTicked = 10;                 // without being asked
constexpr double kSecondsBetweenQuestions = 2;          // of a page that is looked at
constexpr std::uintmax_t kMostWeightsRead = 256 << 20;  // bytes, for a run's figures

Response json_response(const Json& json) {
  constexpr auto kMend = Json::error_handler_t::replace;
  return {.type = "application/json", .body = std::make_shared<const std::string>(json.dump(-1, ' ', true, kMend))};
}

/// The runs to tick: the only one; those of the address; otherwise those that are being trained, or the last one.
std::vector<std::string> ticked(const Request& request, const RunWatch& runs, const std::vector<std::string>& ids) {
  std::vector<std::string> chosen;
  const auto [begin, end] = request.query.equal_range("run");
  for (auto one = begin; one != end; ++one)
    if (runs.has(one->second)) chosen.push_back(one->second);
  if (ids.size() == 1) return ids;  // there is no list, then
  if (begin != end || ids.empty()) return chosen;
  for (const std::string& id : ids)
    if (chosen.size() < kMostTicked && runs.is_running(id)) chosen.push_back(id);
  if (chosen.empty()) chosen.push_back(ids.front());
  return chosen;
}

std::uint64_t whole_number(const std::string& text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? number : 0;
}

}  // namespace

WatchPages::WatchPages(const std::filesystem::path& folder, RunWatchOptions options)
    : runs_(folder, options), server_(http::random_token()) {}

bool WatchPages::is_looked_at() const {
  constexpr std::chrono::seconds kLately(8);
  return asked_ && std::chrono::steady_clock::now() - *asked_ < kLately;
}

Response WatchPages::answer(const Request& request) {
  asked_ = std::chrono::steady_clock::now();
  if (request.path == "/") return page(request);
  if (request.path == "/run") return run(request);
  if (request.path == "/changes") return changes(request);
  if (request.path == "/figures") return figures(request);
  return http::text_response(404, "There is no such page here: / lists the runs.");
}

Response WatchPages::page(const Request& request) {
  runs_.refresh();
  const std::vector<std::string> ids = runs_.ids();
  std::vector<Json> summaries;
  for (const std::string& id : ids) summaries.push_back(runs_.summary(id));
  Json document = document_json(std::move(summaries));
  document["live"] = {{"server", server_},
                      {"changes", runs_.changes()},
                      {"seconds", kSecondsBetweenQuestions},
                      {"ticked", ticked(request, runs_, ids)},
                      {"folder", printable(runs_.folder().native())}};
  return {.type = "text/html; charset=utf-8",
          .body = std::make_shared<const std::string>(run_page(document, PageUse::served)),
          // The page has a stricter one of its own, which names its scripts; both hold.
          .policy =
              "default-src 'self' 'unsafe-inline'; img-src data:; frame-ancestors 'none'; base-uri 'none'; "
              "form-action 'none'"};
}

Response WatchPages::run(const Request& request) {
  runs_.refresh();
  const std::optional<Json> json = runs_.whole(request.value("id"));
  return json ? json_response(*json) : http::text_response(404, "There is no such run, or it can't be read.");
}

Response WatchPages::figures(const Request& request) {
  runs_.refresh();
  const std::optional<RunFolder> folder = runs_.folder_of(request.value("id"));
  if (!folder) return http::text_response(404, "There is no such run.");
  // Neither evaluations nor the training's data: what takes no longer than an answer may.
  const RunFiguresOptions quick{.evaluation = EvaluationUse::stored, .samples = 0, .most_bytes = kMostWeightsRead};
  return json_response(figures_json(draw_run_figures(*folder, quick)));
}

Response WatchPages::changes(const Request& request) {
  runs_.refresh();
  const std::uint64_t since = whole_number(request.value("since"));
  Json answer{{"server", server_}, {"changes", runs_.changes()}};
  std::vector<std::string> changed = runs_.changed_since(since);
  std::set<std::string> told_of;
  const auto [begin, end] = request.query.equal_range("told");
  for (auto one = begin; one != end; ++one) {
    const std::optional<Told> told = Told::parse(one->second);
    if (!told || !told_of.insert(told->id).second) continue;
    if (std::ranges::find(changed, told->id) == changed.end()) continue;
    RunWatch::News news = runs_.news(*told);
    if (news.increment)
      answer["increments"].push_back(*std::move(news.increment));
    else
      answer["runs"].push_back(news.whole ? *std::move(news.whole) : runs_.summary(told->id));
  }
  for (const std::string& id : changed)
    if (!told_of.contains(id)) answer["runs"].push_back(runs_.summary(id));
  if (runs_.has_other_runs_since(since)) answer["ids"] = runs_.ids();
  return json_response(answer);
}

}  // namespace convmixer::tool
