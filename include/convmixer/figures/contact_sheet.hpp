/// What the network will see of a data set, drawn: samples as the training's loader prepares them, with their labels.
#pragma once

#include "convmixer/core/thread_pool.hpp"
#include "convmixer/data/dataset.hpp"
#include "convmixer/data/loader_options.hpp"
#include "convmixer/figures/png.hpp"

#include <string>

namespace convmixer {

struct ContactSheet {
  int rows = 8;
  int columns = 12;
  int epoch = 1;           ///< from 1
  bool originals = false;  ///< to the left of each sample, the image that it was made of
};

/// Draws the first samples of an epoch, in the order in which a training with these options gets them, `title` above
/// them. Each has its label below it, or, where images were mixed, the classes with their shares. Small images are
/// enlarged, those of an epoch of smaller images to the size of the others. Normalised values are turned back into
/// colours; what lies beyond black and white is drawn as these. Throws Error (usage) for an epoch with fewer samples.
[[nodiscard]] PngImage draw_contact_sheet(const ContactSheet& sheet, const std::string& title,
                                          const LoaderOptions& options, const Dataset& train, ThreadPool& pool);

}  // namespace convmixer
