/// A communicator that can sum in the background while its caller computes.
///
/// Its messages have two tags, those of one never meeting those of the other: what the caller's own calls send has the
/// first, at once and on its thread; what the sums send that it starts has the second, one sum after the other, on a
/// thread of theirs that sleeps while there is nothing to do. All ranks start the same sums in the same order.
#pragma once

#include "convmixer/dist/communicator.hpp"
#include "dist/transport.hpp"

#include <memory>

namespace convmixer {

[[nodiscard]] std::unique_ptr<Communicator> make_overlapped_communicator(std::unique_ptr<Communicator> first_tag,
                                                                         std::unique_ptr<Transport> second_tag);

}  // namespace convmixer
