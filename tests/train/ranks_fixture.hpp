/// The small training, shared by several ranks, which are threads here.
#pragma once

#include "support/thread_ranks.hpp"
#include "train/trainer_fixture.hpp"

#include <functional>
#include <mutex>
#include <vector>

namespace convmixer {

class RanksFixture : public TrainerFixture {
 protected:
  using Controls = std::function<TrainControls(int rank)>;

  TrainEnd train_on(
      int ranks, const TrainConfig& config, const Controls& controls = [](int) { return undisturbed(); }) {
    std::mutex mutex;
    std::vector<TrainEnd> ends;
    testing_support::run_ranks(ranks, [&](Communicator& communicator) {
      ThreadPool pool(1);
      Engine engine(pool, &communicator);
      Progress progress(nullptr, {}, undisturbed().clock);
      Trainer trainer(config, *train_, *test_, engine, progress, controls(communicator.rank()));
      const TrainEnd end = trainer.run();
      const std::lock_guard lock(mutex);
      ends.push_back(end);
    });
    for (const TrainEnd end : ends) EXPECT_EQ(end, ends.front());
    return ends.front();
  }
};

/// The records of a run's epochs, all that they say.
inline std::vector<nlohmann::json> epoch_records(const std::filesystem::path& run) {
  std::vector<nlohmann::json> records;
  std::istringstream text(read_text_file(RunFolder{run}.metrics()));
  for (std::string line; std::getline(text, line);) {
    nlohmann::json record = nlohmann::json::parse(line);
    if (record["type"] == "epoch") records.push_back(std::move(record));
  }
  return records;
}

}  // namespace convmixer
