#include "train/data_options.hpp"

#include "convmixer/data/open_dataset.hpp"
#include "train/holdout_options.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace convmixer {
OptionGroup data_options(TrainConfig& config) {
  OptionGroup group{
      "Data",
      {choice_option("dataset", config.dataset, {kDatasetNames.begin(), kDatasetNames.end()},
                     "auto: what --data holds, or shapes, without files; cifar100-coarse: its 20 superclasses"),
       changeable(path_option("data", config.data, "PATH",
                              "CIFAR's archive or files; folder of class folders with PNG, JPEG or PPM files; a file "
                              "of 'convmixer data --pack'")),
       integer_option("train-images", config.train_images, 0, kAnyInteger, "train on so many; 0: all"),
       integer_option("test-images", config.test_images, 0, kAnyInteger, "test on so many; 0: all"),
       changeable(switch_option("allow-partial", config.allow_partial,
                                "CIFAR: files may have more or fewer images than the published ones")),
       changeable(path_option("train-folder", config.train_folder, "NAME",
                              "folder: its part that holds the training images; train, training, ... if not given")),
       changeable(path_option("test-folder", config.test_folder, "NAME",
                              "folder: its part that holds the test images; val, test, ... if not given")),
       choice_option("fit", config.fit, {{"crop", Fit::crop}, {"stretch", Fit::stretch}},
                     "folder: how images are made square"),
       choice_option("broken-files", config.broken_files,
                     {{"refuse", BrokenFiles::refuse}, {"skip", BrokenFiles::skip}},
                     "folder: what to do about images that can't be decoded"),
       // The data itself is compared when a run goes on: that two ways of choosing differ is seen there.
       changeable(
           choice_option("test-choice", config.test_choice, {{"name", TestChoice::name}, {"path", TestChoice::path}},
                         "folder without test images: by what of its files a tenth is set aside; path, with the class, "
                         "as earlier releases did")),
       changeable(path_option("data-cache", config.data_cache, "FOLDER",
                              "folder: where decoded images are kept; ~/.cache/convmixer if not given")),
       list_option("mean", config.mean, -kAnyNumber,
                   "of each colour, pixels being 0 to 1; the data set's if not given"),
       list_option("std", config.std, 1e-6F, "standard deviation, likewise"),
       integer_option("batch-size", config.batch_size, std::int64_t{1}, 65536, "images of a training step"),
       integer_option("micro-batch", config.micro_batch, std::int64_t{0}, 65536,
                      "a step's images at a time, in equal parts of at most so many: less memory; gradients are "
                      "added up, batch norms take each part's own mean and variance; 0: all together"),
       changeable(integer_option("eval-batch-size", config.eval_batch_size, std::int64_t{1}, 65536,
                                 "images evaluated together; best a divisor of the number of test images")),
       switch_option("drop-last", config.drop_last, "leave out an epoch's last batch if it isn't full"),
       changeable(integer_option("prefetch", config.prefetch, 1, 1024, "batches prepared ahead of the step"))}};
  const std::vector<Option> holdout = holdout_options(config);
  const auto after = std::ranges::find(group.options, "test-images", &Option::name) + 1;
  group.options.insert(after, holdout.begin(), holdout.end());
  return group;
}

}  // namespace convmixer
