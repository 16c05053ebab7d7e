// A user of the installed library: makes the network of the paper's CIFAR-10 table and counts its parameters.
#include <convmixer/core/thread_pool.hpp>
#include <convmixer/model/convmixer.hpp>
#include <convmixer/plan/engine.hpp>
#include <cstdio>

int main() {
  const convmixer::Graph graph = convmixer::make_convmixer({.dim = 256, .depth = 8, .kernel_size = 5, .patch_size = 2});
  convmixer::ThreadPool pool(1);
  const convmixer::Engine engine(pool);
  std::printf("%lld parameters, oneDNN %s\n", static_cast<long long>(convmixer::parameter_count(graph)),
              convmixer::Engine::onednn_info().version.c_str());
  return convmixer::parameter_count(graph) == 594186 ? 0 : 1;
}
