#include "train/run_data.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "convmixer/data/relabel.hpp"
#include "convmixer/train/run_images.hpp"

#include <nlohmann/json.hpp>

#include <map>
#include <vector>

namespace convmixer {
namespace {

using Names = std::vector<std::string>;

/// The data set under the run's labels; nothing if those are its own.
std::unique_ptr<Dataset> under_labels(const Dataset& dataset, const Names& names, const RunFolder& folder,
                                      Split split) {
  if (storable_names(dataset.class_names()) == names) return nullptr;
  try {
    return relabel(dataset, names);
  } catch (const Error& error) {
    if (split == Split::test)
      fail_usage("the test images have other classes than the training images: {}", error.what());
    fail_usage("{}: {}; give them the names that the run knows them by, or {}", folder.path.string(), error.what(),
               kWaysOut);
  }
}

/// Those that the run was saved with, or else the data's.
Names names_of_run(const RunFolder& folder, const std::optional<DataIdentity>& before, const Dataset& train) {
  Names present = storable_names(train.class_names());
  if (!before) return present;
  if (present.size() < before->class_names.size()) {
    fail_usage("{}: the data's classes are {}, this run's are {}; {}", folder.path.string(), list_class_names(present),
               list_class_names(before->class_names), kWaysOut);
  }
  return before->class_names;
}

/// For accuracies so far, and those to come. Which images are held out goes by their places.
std::string describe_consequence(const DataIdentity& before, const DataIdentity& now, bool is_holdout) {
  if (is_holdout && before.train != now.train) {
    return "what is held out may now hold images that it has trained on, and its best accuracy so far is of those "
           "before";
  }
  return !is_holdout && before.test != now.test ? "its best accuracy so far is of the test images before" : "";
}

nlohmann::ordered_json to_json(const SplitIdentity& split) {
  return {{"images", split.images()}, {"fingerprint", split.fingerprint}};
}

}  // namespace

RunData::RunData(const TrainConfig& config, const RunFolder& folder, const std::optional<SavedRun>& saved,
                 const Dataset& train, const Dataset& test, bool may_change)
    : train_(&train), test_(&test) {
  const std::optional<DataIdentity> before = saved ? saved->data() : std::nullopt;
  const Names names = names_of_run(folder, before, train);
  relabelled_train_ = under_labels(train, names, folder, Split::train);
  relabelled_test_ = under_labels(test, names, folder, Split::test);
  if (relabelled_train_) train_ = relabelled_train_.get();
  if (relabelled_test_) test_ = relabelled_test_.get();
  identity_ = identify(*train_, *test_);
  if (config.holdout.is_on()) split_ = split_holdout(config, *train_);
  if (!before || *before == identity_) return;
  change_ = describe_change(*before, identity_);
  consequence_ = describe_consequence(*before, identity_, holdout() != nullptr);
  if (may_change) return;
  fail_usage(
      "{}: the data has changed since this run was saved: {}; put it back as it was, or give --allow-changed-data "
      "to go on with what is there now, or {}",
      folder.path.string(), change_, kWaysOut);
}

void require_same_data(Communicator& ranks, const DataIdentity& identity) {
  using Text = std::map<std::string, std::string>;
  const std::string text = nlohmann::json(to_text(identity)).dump();
  const std::string first = broadcast_text(ranks, text, 0);
  if (first == text) return;
  const std::optional<DataIdentity> of_first = identity_from(nlohmann::json::parse(first).get<Text>());
  fail_usage("this rank has other data than rank 0: {}; expected the same images on all",
             of_first ? describe_change(*of_first, identity) : "");
}

void write_run_data(const RunFolder& folder, const RunData& data) {
  const DataIdentity& identity = data.identity();
  nlohmann::ordered_json classes = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < identity.class_names.size(); ++i) {
    classes.push_back({{"name", identity.class_names[i]},
                       {"train_images", identity.train.class_images[i]},
                       {"test_images", identity.test.class_images[i]}});
  }
  nlohmann::ordered_json text{
      {"classes", classes}, {"train", to_json(identity.train)}, {"test", to_json(identity.test)}};
  if (data.holdout() != nullptr) {  // they are counted among the training images as well
    const SplitIdentity holdout = identify(*data.holdout());
    for (std::size_t i = 0; i < identity.class_names.size(); ++i)
      text["classes"][i]["holdout_images"] = holdout.class_images[i];
    text["holdout"] = to_json(holdout);
  }
  write_file_atomically(folder.data(), text.dump(2) + "\n");
}

}  // namespace convmixer
