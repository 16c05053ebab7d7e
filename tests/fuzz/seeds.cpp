#include "fuzz/seeds.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "convmixer/data/sources/packed.hpp"
#include "convmixer/io/pytorch_file.hpp"
#include "convmixer/train/config.hpp"
#include "data/sources/cifar_pickles.hpp"
#include "io/archive.hpp"
#include "io/event_messages.hpp"
#include "io/record_file.hpp"
#include "support/archive_bytes.hpp"
#include "support/image_bytes.hpp"
#include "support/safetensors_bytes.hpp"
#include "support/temporary_folder.hpp"

#include <array>
#include <filesystem>
#include <utility>

namespace convmixer::fuzz {

namespace {

using namespace testing_support;

std::vector<std::string> archives() {
  const NamedBytes binary{{"cifar-10-batches-bin/", ""}, {"cifar-10-batches-bin/test_batch.bin", cifar_record({4})}};
  const NamedBytes python{{"cifar-10-batches-py/test_batch", python2_cifar10({7})}};
  const NamedBytes hundred{{"cifar-100-binary/train.bin", cifar_record({13, 99})},
                           {"cifar-100-binary/test.bin", cifar_record({11, 20})}};
  std::vector<std::string> all{archive_bytes(python, "tar"), archive_bytes(hundred, "tar"),
                               archive_bytes({{"cifar-100-python/test", python2_cifar100({{1, 2}})}}, "tar")};
  for (const char* kind : {"tar", "tar.gz", "tar.bz2", "tar.xz", "tar.zst", "zip"})
    all.push_back(archive_bytes(binary, kind));
  return all;
}

PngSource png_of(int colour_type, int bit_depth, std::size_t row_bytes) {
  PngSource source;
  source.width = 9;
  source.height = 7;
  source.colour_type = colour_type;
  source.bit_depth = bit_depth;
  for (std::size_t i = 0; i < row_bytes * 7; ++i) source.rows.push_back(static_cast<std::uint8_t>(i * 37));
  return source;
}

std::vector<std::string> pngs() {
  std::vector<PngSource> sources{png_of(0, 1, 2),   png_of(0, 8, 9),  png_of(0, 16, 18), png_of(2, 8, 27),
                                 png_of(2, 16, 54), png_of(4, 8, 18), png_of(6, 8, 36)};
  PngSource palette = png_of(3, 2, 3);
  palette.palette = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  palette.transparency = {0, 128};
  sources.push_back(palette);
  std::vector<std::string> all;
  for (PngSource& source : sources) {
    source.exif = exif_with_orientation(static_cast<int>(all.size()) % 8 + 1);
    all.push_back(png_bytes(source));
    source.interlaced = true;
    source.gamma = 0.45455;
    all.push_back(png_bytes(source));
  }
  return all;
}

std::vector<std::string> jpegs() {
  std::vector<std::string> all;
  for (const int channels : {1, 3, 4}) {
    for (const bool progressive : {false, true}) {
      JpegSource source;
      source.width = 19;
      source.height = 11;
      source.channels = channels;
      source.progressive = progressive;
      source.ycck = channels == 4 && progressive;
      source.quality = 60;
      source.exif = exif_with_orientation(static_cast<int>(all.size()) + 1, progressive);
      for (int i = 0; i < 19 * 11 * channels; ++i) source.pixels.push_back(static_cast<std::uint8_t>(i * 5));
      all.push_back(jpeg_bytes(source));
    }
  }
  return all;
}

std::vector<std::string> pnms() { return {"P6 1 2 255\n123456", "P5\n# grey\n2 3\n15\n123456"}; }

std::vector<std::string> images() {
  std::vector<std::string> all = pnms();
  for (const std::vector<std::string>& more : {pngs(), jpegs()}) all.insert(all.end(), more.begin(), more.end());
  return all;
}

std::vector<std::string> packed_files() {
  const TemporaryFolder folder;
  std::vector<std::uint8_t> pixels(36);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(i);
  PackedImages images;
  images.image_size = 2;
  images.class_names = {"a", "b"};
  images.splits = {PackedSplit{{1, 0}, std::span(pixels).first(24)}, PackedSplit{{1}, std::span(pixels).last(12)}};
  images.left_out = {"c.png: broken"};
  write_packed(folder.path() / "packed", images);
  return {read_text_file(folder.path() / "packed")};
}

std::vector<std::string> safetensors_files() {
  std::vector<std::string> all{
      safetensors_bytes(
          R"({"__metadata__":{"dataset":"shapes"},"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},)"
          R"("b":{"dtype":"U8","shape":[],"data_offsets":[8,9]}})",
          "012345678"),
      safetensors_bytes("{}", "")};
  for (const std::string& file : packed_files()) all.push_back(file);
  return all;
}

std::filesystem::path pytorch_file(const std::string& name) {
  return std::filesystem::path(CONVMIXER_SOURCE_DIR "/tests/golden/pytorch") / (name + ".pth");
}

std::vector<std::string> pytorch_files() {
  std::vector<std::string> all;
  for (const char* name : {"timm", "locuslab_checkpoint", "labml_bf16", "averaged", "views", "parameters", "zip64"})
    all.push_back(read_text_file(pytorch_file(name)));
  const TemporaryFolder folder;
  const std::array<float, 2> values{1.0F, 2.0F};
  const std::vector<TensorView> tensors{{"head.weight", DType::f32, {1, 2}, std::as_bytes(std::span(values))}};
  write_pytorch_file(folder.path() / "ours.pth", tensors, {{"generator", "convmixer 1"}, {"names", "labml"}});
  all.push_back(read_text_file(folder.path() / "ours.pth"));
  return all;
}

std::vector<std::string> pytorch_pickles() {
  std::vector<std::string> all;
  for (const char* name : {"timm", "locuslab_checkpoint", "labml_bf16", "views", "parameters", "whole", "script"}) {
    const MappedFile file(pytorch_file(name));
    const auto is_pickle = [](const std::string& entry) {
      return entry.ends_with("/data.pkl") ? ArchiveChoice::take : ArchiveChoice::skip;
    };
    for (ArchiveFile& entry : read_archive(file.bytes(), name, std::size_t{1} << 20, is_pickle))
      all.push_back(std::move(entry.bytes));
  }
  return all;
}

std::vector<std::string> event_files() {
  const std::array<float, 3> values{-1.0F, 0.0F, 2.0F};
  const std::array summary{scalar_value("epoch", 3.0), histogram_value("weights/a", histogram_of(values)),
                           image_value("filters/a", 1, 1, "png"), session_start_value(1.0, {{"lr", 0.1}})};
  const std::string event = summary_event({.wall_seconds = 1.0, .step = 7}, summary);
  return {to_record(version_event(1.0, "convmixer")) + to_record(event), event};
}

std::vector<std::string> configurations() {
  return {to_ini(TrainConfig{}), "[Model]\ndim = 16 # few\nlr = 1e-3\nmean = 0.5,0.5,0.5\nmax-time = 1h30m\n",
          "--dim\n16\n--horizontal-flip\n--lr=0.1\nword\n"};
}

}  // namespace

std::vector<std::string> seeds(const std::string& reader) {
  if (reader == "cifar_records") return {cifar_record({3}) + cifar_record({9}), cifar_record({19, 99})};
  if (reader == "cifar_pickle") return {python2_cifar10({3, 9}), python3_cifar10({1}), python2_cifar100({{1, 2}})};
  if (reader == "archive") return archives();
  if (reader == "png") return pngs();
  if (reader == "jpeg") return jpegs();
  if (reader == "pnm") return pnms();
  if (reader == "predict_image") return images();
  if (reader == "packed") return packed_files();
  if (reader == "safetensors") return safetensors_files();
  if (reader == "pytorch") return pytorch_files();
  if (reader == "pytorch_pickle") return pytorch_pickles();
  if (reader == "events") return event_files();
  if (reader == "options") return configurations();
  fail("no seeds for the reader '{}'", reader);
}

}  // namespace convmixer::fuzz
