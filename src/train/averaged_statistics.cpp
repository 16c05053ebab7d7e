#include "train/averaged_statistics.hpp"

#include "convmixer/core/trace.hpp"
#include "convmixer/model/norm_statistics.hpp"

namespace convmixer {

bool recompute_statistics(Network& network, Loader& loader, std::int64_t epoch, std::int64_t images,
                          const std::function<bool(std::int64_t images_done)>& go_on) {
  static const TraceName kStatistics("averaged weights' statistics");
  const TraceScope scope(kStatistics);
  NormStatistics statistics(network);
  loader.start(epoch);
  for (std::int64_t done = 0; done < images;) {
    const Batch* const batch = loader.next();
    if (batch == nullptr) break;
    statistics.add(batch->images, batch->size_of_all_ranks);
    done += batch->size_of_all_ranks;
    if (!go_on(done)) return false;
  }
  statistics.finish();
  return true;
}

}  // namespace convmixer
