// write_seeds FOLDER: a folder of seeds for every reader's fuzzer.
#include "convmixer/core/file.hpp"
#include "fuzz/readers.hpp"
#include "fuzz/seeds.hpp"

#include <cstdio>
#include <exception>
#include <filesystem>

int main(int argc, char** argv) {
  try {
    if (argc != 2) {
      std::fputs("usage: write_seeds FOLDER\n", stderr);
      return 2;
    }
    for (const auto& reader : convmixer::fuzz::readers()) {
      const std::filesystem::path folder = std::filesystem::path(argv[1]) / reader.name;
      std::filesystem::create_directories(folder);
      int number = 0;
      for (const std::string& seed : convmixer::fuzz::seeds(reader.name))
        convmixer::write_file_atomically(folder / ("seed-" + std::to_string(number++)), seed);
    }
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "write_seeds: %s\n", error.what());
    return 1;
  }
}
