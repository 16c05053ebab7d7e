// An MPI plug-in as another release would have it: only its version is there to be looked at.
#include "dist/mpi/plugin.h"

namespace {

const ConvmixerMpi kPlugin = [] {
  ConvmixerMpi plugin{};
  plugin.version = CONVMIXER_MPI_PLUGIN_VERSION + 1;
  return plugin;
}();

}  // namespace

extern "C" __attribute__((visibility("default"))) const ConvmixerMpi* convmixer_mpi() { return &kPlugin; }
