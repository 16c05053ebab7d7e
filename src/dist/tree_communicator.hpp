/// A communicator made of exchanges between two ranks at a time, in the fixed tree.
///
/// For 2^n ranks, those whose numbers differ in one bit exchange with each other, the lowest bit first: after bit k
/// each of the 2^(k+1) ranks of a subtree has its result. Long sums are halved on the way (each keeps the half that it
/// adds up, and gets the other halves back in the end: Rabenseifner's algorithm, with the nearest rank first, so that
/// the tree is the same). For other numbers results go up the tree to rank 0, and down again.
#pragma once

#include "convmixer/dist/communicator.hpp"
#include "dist/transport.hpp"

#include <memory>

namespace convmixer {

[[nodiscard]] std::unique_ptr<Communicator> make_tree_communicator(std::unique_ptr<Transport> transport);

}  // namespace convmixer
