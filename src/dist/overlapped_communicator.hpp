/// A communicator that can sum in the background while its caller computes.
///
/// It has two lanes, messages of one never meeting those of the other: the caller's own calls go on the first, at once
/// and on its thread; the sums that it starts go on the second, one after the other, on a thread of theirs that sleeps
/// while there is nothing to do. All ranks start the same sums in the same order.
#pragma once

#include "convmixer/dist/communicator.hpp"
#include "dist/transport.hpp"

#include <memory>

namespace convmixer {

[[nodiscard]] std::unique_ptr<Communicator> make_overlapped_communicator(std::unique_ptr<Communicator> first_lane,
                                                                         std::unique_ptr<Transport> second_lane);

}  // namespace convmixer
