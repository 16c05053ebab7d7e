/// Files that broke, said aloud.
#pragma once

#include "convmixer/data/dataset.hpp"
#include "convmixer/data/dataset_options.hpp"

namespace convmixer {

/// Tells options.note, if there is one, how many files of options.path were left out, and the first of them.
void note_left_out(const DatasetOptions& options, const Dataset& dataset);

}  // namespace convmixer
