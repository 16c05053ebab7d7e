/// Batches of image files, read by tasks of the pool ahead of the network that looks at them.
#pragma once

#include "convmixer/core/thread_pool.hpp"
#include "convmixer/data/image_reader.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace convmixer {

/// Some files, in their order, borrowed from the loader until the next call.
struct ImageFileBatch {
  std::span<const std::string> paths;   ///< N of them
  std::span<const float> images;        ///< (N, C, H, W) f32, normalised; all 0 for a broken file
  std::span<const std::string> broken;  ///< N: why the file can't be read, with its path; empty if it can be
};

/// A bounded queue of batches in the order of the paths. Its memory, for prefetch + 1 batches, is allocated once;
/// beside it, each thread holds the one image that it decodes. Used from one thread, outside the pool's tasks.
class ImageFileLoader {
 public:
  /// All three must outlive the loader. Batches have batch_size files, the last one what is left. Throws Error (usage)
  /// for a batch size or a number of batches prepared ahead below 1.
  ImageFileLoader(const ImageReader& reader, std::span<const std::string> paths, ThreadPool& pool,
                  std::int64_t batch_size, int prefetch = 4);
  ~ImageFileLoader();
  ImageFileLoader(const ImageFileLoader&) = delete;
  ImageFileLoader& operator=(const ImageFileLoader&) = delete;

  /// The next batch, waiting for it if need be; nullptr after the last. Rethrows what a task threw that isn't about its
  /// file: lack of memory.
  const ImageFileBatch* next();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace convmixer
