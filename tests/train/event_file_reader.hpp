/// The event files of a run, read back.
#pragma once

#include "convmixer/core/file.hpp"
#include "io/record_file.hpp"
#include "support/protobuf_reader.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace convmixer {

/// In the order in which TensorBoard reads them.
inline std::vector<std::filesystem::path> event_files_of(const std::filesystem::path& run) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(run))
    if (entry.path().filename().native().find("tfevents") != std::string::npos) files.push_back(entry.path());
  std::ranges::sort(files);
  return files;
}

inline std::vector<testing_support::ProtobufReader> events_in(const std::filesystem::path& file) {
  const std::string bytes = read_text_file(file);
  RecordReader records(bytes);
  std::vector<testing_support::ProtobufReader> events;
  while (const auto record = records.next()) events.emplace_back(*record);
  if (records.end() != bytes.size()) throw std::runtime_error(file.string() + " ends with a torn record");
  return events;
}

/// One value of a summary.
struct LoggedValue {
  std::int64_t step = 0;
  testing_support::ProtobufReader value;
};

/// By tag, in the order of the files.
using LoggedRun = std::map<std::string, std::vector<LoggedValue>>;

inline LoggedRun logged_run(const std::filesystem::path& run) {
  LoggedRun tags;
  for (const auto& file : event_files_of(run)) {
    for (const auto& event : events_in(file)) {
      for (const auto& summary : event.messages(5)) {
        for (const auto& value : summary.messages(1)) tags[value.text(1)].push_back({event.number(2), value});
      }
    }
  }
  return tags;
}

}  // namespace convmixer
