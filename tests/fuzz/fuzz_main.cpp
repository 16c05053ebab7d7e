// libFuzzer's entry for one reader: CONVMIXER_FUZZ_READER is its name.
#include "fuzz/readers.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  convmixer::fuzz::CONVMIXER_FUZZ_READER({data, size});
  return 0;
}
