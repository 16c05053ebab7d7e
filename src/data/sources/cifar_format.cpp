#include "data/sources/cifar_format.hpp"

#include "convmixer/data/dataset_names.hpp"

namespace convmixer {

const CifarFormat& cifar10_format() {
  static const CifarFormat format{
      "CIFAR-10",
      kCifar10Dataset,
      {CifarVersion::binary,
       "cifar-10-binary.tar.gz",
       "cifar-10-batches-bin",
       {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"},
       {"test_batch.bin"}},
      {CifarVersion::python,
       "cifar-10-python.tar.gz",
       "cifar-10-batches-py",
       {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"},
       {"test_batch"}},
      10'000,
      10'000,
      {10},
      {"labels"},
      {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}};
  return format;
}

const CifarFormat& cifar100_format() {
  static const CifarFormat format{
      "CIFAR-100",
      kCifar100Dataset,
      {CifarVersion::binary, "cifar-100-binary.tar.gz", "cifar-100-binary", {"train.bin"}, {"test.bin"}},
      {CifarVersion::python, "cifar-100-python.tar.gz", "cifar-100-python", {"train"}, {"test"}},
      50'000,
      10'000,
      {20, 100},
      {"coarse_labels", "fine_labels"},
      {"apple",      "aquarium_fish", "baby",         "bear",       "beaver",      "bed",         "bee",
       "beetle",     "bicycle",       "bottle",       "bowl",       "boy",         "bridge",      "bus",
       "butterfly",  "camel",         "can",          "castle",     "caterpillar", "cattle",      "chair",
       "chimpanzee", "clock",         "cloud",        "cockroach",  "couch",       "crab",        "crocodile",
       "cup",        "dinosaur",      "dolphin",      "elephant",   "flatfish",    "forest",      "fox",
       "girl",       "hamster",       "house",        "kangaroo",   "keyboard",    "lamp",        "lawn_mower",
       "leopard",    "lion",          "lizard",       "lobster",    "man",         "maple_tree",  "motorcycle",
       "mountain",   "mouse",         "mushroom",     "oak_tree",   "orange",      "orchid",      "otter",
       "palm_tree",  "pear",          "pickup_truck", "pine_tree",  "plain",       "plate",       "poppy",
       "porcupine",  "possum",        "rabbit",       "raccoon",    "ray",         "road",        "rocket",
       "rose",       "sea",           "seal",         "shark",      "shrew",       "skunk",       "skyscraper",
       "snail",      "snake",         "spider",       "squirrel",   "streetcar",   "sunflower",   "sweet_pepper",
       "table",      "tank",          "telephone",    "television", "tiger",       "tractor",     "train",
       "trout",      "tulip",         "turtle",       "wardrobe",   "whale",       "willow_tree", "wolf",
       "woman",      "worm"}};
  return format;
}

const CifarFormat& cifar100_coarse_format() {
  static const CifarFormat format = [] {
    CifarFormat coarse = cifar100_format();
    coarse.dataset = kCifar100CoarseDataset;
    coarse.first_label = true;
    // In the order of coarse_label_names.txt.
    coarse.class_names = {"aquatic_mammals",
                          "fish",
                          "flowers",
                          "food_containers",
                          "fruit_and_vegetables",
                          "household_electrical_devices",
                          "household_furniture",
                          "insects",
                          "large_carnivores",
                          "large_man-made_outdoor_things",
                          "large_natural_outdoor_scenes",
                          "large_omnivores_and_herbivores",
                          "medium_mammals",
                          "non-insect_invertebrates",
                          "people",
                          "reptiles",
                          "small_mammals",
                          "trees",
                          "vehicles_1",
                          "vehicles_2"};
    return coarse;
  }();
  return format;
}

}  // namespace convmixer
