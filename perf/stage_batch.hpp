/// A batch as fused stages see it: images in blocks of 32 channels, cut into the chunks of core/batch_chunks.hpp,
/// each of which one thread takes through an operation image by image.
///
/// What a plan's stages hand on within one core's cache is the same memory for every image here: tiles of products and
/// row-major operands. It is neither read nor written from beyond, and no traffic.
#pragma once

#include "convmixer/core/aligned_buffer.hpp"
#include "convmixer/core/error.hpp"
#include "core/batch_chunks.hpp"
#include "kernels/fused/norm_stage.hpp"
#include "kernels/onednn/matrix_product.hpp"
#include "stage_values.hpp"
#include "trial.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace convmixer::perf {

/// Noise in a range, a function of (seed, place).
[[nodiscard]] float stage_noise(std::uint64_t seed, std::uint64_t place, Range range);

/// Elements of a stage's storage; a pattern that is no result until they are written.
template <typename T>
class StageArray {
 public:
  explicit StageArray(std::size_t count) : buffer_(count * sizeof(T)) {
    std::ranges::fill(std::span(buffer_.data(), buffer_.size()), kPattern);
  }
  StageArray(ThreadPool& pool, std::size_t count, std::uint64_t seed, Range range) : buffer_(count * sizeof(T)) {
    fill(pool, seed, range);
  }

  void fill(ThreadPool& pool, std::uint64_t seed, Range range) {
    constexpr std::size_t kPart = 1 << 16;
    pool.parallel_for(static_cast<std::int64_t>((size() + kPart - 1) / kPart), [&](std::int64_t part) {
      const std::size_t begin = static_cast<std::size_t>(part) * kPart;
      for (std::size_t i = begin; i < std::min(begin + kPart, size()); ++i) {
        assign(stage_noise(seed, i, range), data()[i]);
      }
    });
  }

  [[nodiscard]] T* data() noexcept { return reinterpret_cast<T*>(buffer_.data()); }
  [[nodiscard]] const T* data() const noexcept { return reinterpret_cast<const T*>(buffer_.data()); }
  [[nodiscard]] std::size_t size() const noexcept { return buffer_.size() / sizeof(T); }
  [[nodiscard]] const T& operator[](std::size_t i) const noexcept { return data()[i]; }
  [[nodiscard]] T& operator[](std::size_t i) noexcept { return data()[i]; }
  [[nodiscard]] std::span<T> all() noexcept { return {data(), size()}; }

  /// Elements that still hold the pattern.
  [[nodiscard]] std::size_t unwritten() const {
    std::size_t count = 0;
    for (std::size_t i = 0; i < size(); ++i) {
      const std::span bytes(buffer_.data() + i * sizeof(T), sizeof(T));
      if (std::ranges::all_of(bytes, [](std::byte byte) { return byte == kPattern; })) ++count;
    }
    return count;
  }

 private:
  static constexpr std::byte kPattern{0xff};  // NaN in floats and halves, more than any derivative's code
  AlignedBuffer buffer_;
};

class StageBatch {
 public:
  explicit StageBatch(const Trial& trial);

  kernels::Runtime& runtime;
  ThreadPool& pool;
  std::size_t images;
  std::size_t height;
  std::size_t width;
  std::size_t pixels;
  std::size_t channels;
  std::size_t padded;  ///< channels in whole blocks
  std::size_t blocks;
  BatchChunks chunks;

  /// Elements of a tensor of all images.
  [[nodiscard]] std::size_t size() const { return images * pixels * padded; }
  /// Where a block of an image begins, and an element.
  [[nodiscard]] std::size_t at(std::size_t image, std::size_t block) const {
    return (image * blocks + block) * pixels * kernels::kChannelBlock;
  }
  [[nodiscard]] std::size_t at(std::size_t image, std::size_t channel, std::size_t pixel) const {
    return at(image, channel / kernels::kChannelBlock) + pixel * kernels::kChannelBlock +
           channel % kernels::kChannelBlock;
  }
  /// Elements without padding channels, which is what costs are counted by.
  [[nodiscard]] double elements() const { return static_cast<double>(images * pixels * channels); }
  [[nodiscard]] std::size_t workers() const { return static_cast<std::size_t>(pool.threads()); }

  /// Calls body(chunk, worker) for every chunk, on the pool's threads, as a plan does.
  template <typename Body>
  void for_each_chunk(const Body& body) const {
    pool.for_each_task(static_cast<std::int64_t>(chunks.count()), [&](std::int64_t chunk, int worker) {
      const kernels::OneThread one_thread(runtime);
      body(static_cast<std::size_t>(chunk), static_cast<std::size_t>(worker));
    });
  }
  template <typename Body>
  void for_each_image(std::size_t chunk, const Body& body) const {
    for (std::size_t image = chunks.begin(chunk); image < chunks.end(chunk); ++image) body(image);
  }
};

/// Sums of every chunk, (chunk, channel): moments of what a GELU gives, or of gradients before a norm.
struct StageSums {
  explicit StageSums(const StageBatch& batch)
      : stride(batch.padded),
        origin(batch.chunks.count() * stride),
        first(batch.chunks.count() * stride),
        second(batch.chunks.count() * stride) {}

  std::size_t stride;
  StageArray<float> origin;
  StageArray<double> first;
  StageArray<double> second;

  void clear(std::size_t chunk);
  [[nodiscard]] kernels::MomentSums moments(std::size_t chunk, std::size_t channel, bool begins) {
    const std::size_t offset = chunk * stride + channel;
    return {origin.data() + offset, first.data() + offset, second.data() + offset, begins};
  }
};

/// Results beside what plain loops say.
class Comparison {
 public:
  /// `what` names the result in the complaint.
  Comparison(std::string what, kernels::ElementType type) : what_(std::move(what)), type_(type) {}
  void add(double found, double expected, const std::string& place);
  /// Throws Error if a result is further from what is expected than the largest expected one times what rounding
  /// allows.
  void finish() const;

 private:
  struct Pair {
    double found;
    double expected;
    std::string place;
  };
  std::string what_;
  kernels::ElementType type_;
  std::vector<Pair> pairs_;
};

/// Some elements of a batch: calls visit(image, channel, pixel, "image 3, channel 5, pixel 7").
void visit_samples(const StageBatch& batch,
                   const std::function<void(std::size_t image, std::size_t channel, std::size_t pixel,
                                            const std::string& place)>& visit);
/// Some sums: calls visit(chunk, channel, "chunk 3, channel 5").
void visit_sum_samples(
    const StageBatch& batch,
    const std::function<void(std::size_t chunk, std::size_t channel, const std::string& place)>& visit);
/// Throws Error naming `what` if elements were not written.
template <typename T>
void expect_written(const StageArray<T>& array, const std::string& what) {
  if (const std::size_t count = array.unwritten(); count > 0) {
    fail("{}: {} of {} values were not written", what, count, array.size());
  }
}

[[nodiscard]] double exact_gelu(double x);
[[nodiscard]] double exact_gelu_derivative(double x);

}  // namespace convmixer::perf
