/// Which folders of a data set hold its training images, and which those of the test.
#pragma once

#include "convmixer/data/dataset_options.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace convmixer {

/// Folders of class folders, below the data set's.
struct SplitFolders {
  std::string train;                 ///< empty: the data set's folder itself
  std::string test;                  ///< empty: there is none
  std::vector<std::string> notes{};  ///< what a user should know of the choice, a line each
  /// Those with the usual names of a test's folders that aren't taken: left alone, so no classes should they lie beside
  /// the classes.
  std::vector<std::string> others{};
};

/// Looks at options.path. options.train_folder and test_folder name the two; those that they don't are the first there
/// is, in any case, of train, training, trn, and of val, valid, validation, eval, test, testing. The latter need a
/// class of the former: a test/ of images without labels is left alone. The folder for training isn't the test's,
/// whatever its name. Where both val/ and test/ are there, val/ is taken: it tells which epoch is best, and test/ has
/// had no say in that when `eval` measures on it at last (TestChoice::path: test/ is taken). Without a folder for the
/// test, "train" is a class like others unless it stands alone. Throws Error (usage) for an option that names no
/// folder.
[[nodiscard]] SplitFolders split_folders(const DatasetOptions& options);

}  // namespace convmixer
