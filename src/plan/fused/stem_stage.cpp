#include "plan/fused/stem_stage.hpp"

#include "plan/fused/gelu_backward.hpp"
#include "plan/fused/tile_gelu.hpp"

#include <algorithm>

namespace convmixer::fused {

using kernels::kChannelBlock;

namespace {

kernels::PatchGeometry patch_geometry(const StageChain& chain) {
  const Convolution& convolution = chain.stem.convolution;
  return {.channels = static_cast<std::size_t>(chain.image[0]),
          .height = static_cast<std::size_t>(chain.image[1]),
          .width = static_cast<std::size_t>(chain.image[2]),
          .kernel = static_cast<std::size_t>(convolution.kernel),
          .stride = static_cast<std::size_t>(convolution.stride),
          .padding_begin = static_cast<std::size_t>(convolution.padding_begin),
          .out_height = chain.height,
          .out_width = chain.width};
}

}  // namespace

template <class Storage>
StemStage<Storage>::StemStage(const StageContext& context, const StageChain& chain, Activation<Storage>& output)
    : context_(context),
      convolution_(chain.stem.convolution),
      activation_(chain.stem.activation),
      output_(output),
      patches_(patch_geometry(chain)),
      weights_(context, chain.stem, patches_.columns(), patches_.columns(), {.pixels = 0, .added = false}) {
  if (!context.training) return;
  gradient_.emplace(context, chain.stem, patches_.columns(), patches_.columns(), context.geometry.pixels);
}

template <class Storage>
void StemStage<Storage>::add_memory(PlacedMemory& memory) {
  if (context_.training) memory.add(gelu_derivative_, context_.geometry.tensor_size(), context_.by_chunk());
  weights_.add_memory(memory);
}

template <class Storage>
WorkerSizes StemStage<Storage>::worker_sizes() const {
  WorkerSizes sizes{.patches = weights_.src_elements(), .scratchpad_bytes = weights_.scratchpad_bytes()};
  if (!context_.training) return sizes;
  sizes.diff_dst = context_.geometry.image_size();
  sizes.diff_dst_words = gradient_->pair_words() * context_.geometry.padded_channels;
  sizes.patch_words = gradient_->pair_words() * kernels::padded_channels(patches_.columns());
  sizes.scratchpad_bytes = std::max(sizes.scratchpad_bytes, gradient_->scratchpad_bytes());
  return sizes;
}

template <class Storage>
void StemStage<Storage>::prepare(std::deque<Worker<Storage>>& workers, RefreshTasks& refresh) {
  weights_.prepare(workers, refresh);
  if (gradient_) gradient_->prepare(workers);
}

template <class Storage>
void StemStage<Storage>::infer_patches(std::size_t part, const InferenceImage<Storage>& image) const {
  kernels::extract_row_of_patches(patches_, image.pixels, part, weights_.src_layout(), image.patches);
}

template <class Storage>
void StemStage<Storage>::infer(std::size_t part, const InferenceImage<Storage>& image, Worker<Storage>& worker) {
  weights_.forward(image.patches, {part, part + 1}, worker,
                   TileGelu<Storage>{image.value, nullptr, {}, context_.geometry.pixels, activation_});
}

template <class Storage>
void StemStage<Storage>::forward(const float* images, const Chunk& chunk, Worker<Storage>& worker) {
  const StageGeometry& geometry = context_.geometry;
  chunk.clear_moments(geometry.padded_channels);
  for (std::size_t image = chunk.begin; image < chunk.end; ++image) {
    kernels::extract_patches(patches_, image_at(images, image), weights_.src_layout(), worker.patches);
    const std::size_t offset = geometry.offset(image, 0);
    weights_.forward(worker.patches, worker,
                     TileGelu<StemStorage>{output_.value + offset, gelu_derivative_ + offset, chunk.moments(image, 0),
                                           geometry.pixels, activation_});
  }
}

template <class Storage>
void StemStage<Storage>::backward(const float* images, const Operand* gradient, const Chunk& chunk,
                                  Worker<Storage>& worker) {
  const StageGeometry& geometry = context_.geometry;
  std::fill_n(chunk.bias, geometry.padded_channels, 0.0);
  const GeluBackward<StemStorage> gelu{.geometry = geometry,
                                       .value = output_.value,
                                       .gelu_derivative = gelu_derivative_,
                                       .norm = output_.norm,
                                       .rows = gradient_->reads_words()
                                                   ? kernels::RowLayout{kChannelBlock, geometry.pixels * kChannelBlock}
                                                   : kernels::RowLayout{geometry.padded_channels, kChannelBlock},
                                       .dst = worker.diff_dst,
                                       .words_of_block = gradient_->pair_words(),
                                       .words = worker.diff_dst_words,
                                       .bias_sums = chunk.bias};
  for (std::size_t image = chunk.begin; image < chunk.end; ++image) {
    gelu.from_tensor(gradient, geometry.whole(image));
    kernels::extract_patches(patches_, image_at(images, image), weights_.src_layout(), worker.patches);
    const void* diff_dst = worker.diff_dst;
    const void* src = worker.patches;
    if (gradient_->pair_words() > 0) {
      pair_patches(worker);
      diff_dst = worker.diff_dst_words;
      src = worker.patch_words;
    }
    gradient_->run(worker.number, diff_dst, src, geometry.pixels, chunk.dense, image == chunk.begin);
  }
}

template <class Storage>
void StemStage<Storage>::pair_patches(Worker<Storage>& worker) const {
  if constexpr (Storage::kValuesPerWord == 2) {
    for (std::size_t column = 0; column < patches_.columns(); column += kChannelBlock) {
      kernels::pair_rows(worker.patches + column / kChannelBlock * weights_.src_layout().block,
                         context_.geometry.pixels, worker.patch_words + column * gradient_->pair_words());
    }
  }
}

template <class Storage>
void StemStage<Storage>::reduce_forward(std::size_t channel_block, const ChunkSums& sums, bool update_statistics) {
  sums.finish_forward(output_.norm, channel_block, update_statistics);
}

template <class Storage>
std::size_t StemStage<Storage>::reduce_tasks() const {
  return gradient_->reduce_tasks();
}

template <class Storage>
void StemStage<Storage>::reduce_backward(std::size_t task, const ChunkSums& sums) {
  gradient_->reduce(task, sums);
}

template <class Storage>
std::vector<ParameterId> StemStage<Storage>::gradients() const {
  return {convolution_.weight, convolution_.bias};
}

template class StemStage<kernels::F32Storage>;
template class StemStage<kernels::Bf16Storage>;

}  // namespace convmixer::fused
