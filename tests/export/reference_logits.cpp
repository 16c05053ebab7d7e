/// reference_logits WEIGHTS OUT COUNT...: logits that other programs' are compared with. For each count N it draws
/// images and writes their pixels, scaled to 0..1, what the network sees of them, and its logits in f32, as tensors
/// "pixels.N", "images.N" and "logits.N", into a safetensors file.
#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/core/rng.hpp"
#include "convmixer/core/thread_pool.hpp"
#include "convmixer/io/safetensors.hpp"
#include "convmixer/model/network.hpp"
#include "convmixer/model/registry.hpp"

#include <cstdio>
#include <deque>
#include <span>
#include <string>
#include <vector>

namespace {

using namespace convmixer;

/// Borrows the values.
TensorView view(const std::string& name, const Shape& shape, std::span<const float> values) {
  return {name, DType::f32, shape, std::as_bytes(values)};
}

void write_logits(const std::string& weights, const std::string& out, std::span<char* const> counts) {
  const CheckpointInfo info = read_checkpoint_info(weights);
  const ClassificationTask task = task_of(info.model);
  ThreadPool pool(1);
  Engine engine(pool);
  Network network(make_graph(info.model), Precision::f32, engine);
  load_weights(weights, network.parameters());

  Rng rng(/*seed=*/7, RandomStream::synthetic_data);
  const auto plane = static_cast<std::size_t>(task.image_size) * static_cast<std::size_t>(task.image_size);
  const auto channels = static_cast<std::size_t>(task.channels);
  std::deque<std::vector<float>> values;
  std::vector<TensorView> tensors;
  for (const std::string count : counts) {
    const std::int64_t images = std::stoll(count);
    std::vector<float>& pixels = values.emplace_back(static_cast<std::size_t>(images) * channels * plane);
    for (float& pixel : pixels) pixel = rng.uniform(0.0F, 1.0F);
    std::vector<float>& normalised = values.emplace_back(pixels);
    for (std::size_t i = 0; i < normalised.size(); ++i) {
      const std::size_t channel = i / plane % channels;
      normalised[i] = (normalised[i] - info.mean.at(channel)) / info.std.at(channel);
    }
    const auto logits = network.infer(normalised);
    const Shape shape{images, task.channels, task.image_size, task.image_size};
    tensors.push_back(view("pixels." + count, shape, pixels));
    tensors.push_back(view("images." + count, shape, normalised));
    tensors.push_back(
        view("logits." + count, {images, task.classes}, values.emplace_back(logits.begin(), logits.end())));
  }
  write_safetensors(out, tensors, {});
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fputs("usage: reference_logits WEIGHTS OUT COUNT...\n", stderr);
    return 2;
  }
  try {
    write_logits(argv[1], argv[2], std::span(argv, static_cast<std::size_t>(argc)).subspan(3));
    return 0;
  } catch (const std::exception& error) {
    std::fputs(fmt::format("reference_logits: {}\n", error.what()).c_str(), stderr);
    return 1;
  }
}
