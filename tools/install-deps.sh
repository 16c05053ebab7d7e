#!/usr/bin/env bash
# Installs what building, running, testing and format-checking convmixer needs, on Debian 12 and 13 (or their kin).
# Run it again at any time: nothing is fetched when nothing is missing.
set -euo pipefail

die() {
  echo "install-deps: $*" >&2
  exit 1
}

# As die, of wrong arguments.
refuse() {
  echo "install-deps: $*" >&2
  exit 2
}

case "${1:-}" in
  -h | --help)
    echo "usage: tools/install-deps.sh    installs the Debian packages convmixer needs (as root, or through sudo)"
    exit 0
    ;;
  "") ;;
  *) refuse "takes no arguments, found '$1'" ;;
esac

packages=(
  g++                           # the compiler: 12 on Debian 12, 14 on Debian 13
  cmake                         # configures the build; 3.25 or newer
  ninja-build                   # runs it: the generator of the CMake presets
  libdnnl-dev                   # oneDNN: convolutions and the other primitives
  ocl-icd-opencl-dev            # Debian 12's libdnnl-dev looks for OpenCL in its CMake files (no GPU is used)
  libtbb-dev                    # oneTBB: the thread pool
  libhwy-dev                    # Highway: hand-written kernels for every instruction set
  libfmt-dev                    # messages
  libboost-program-options-dev  # command line and INI configuration
  libboost-dev                  # Boost.Beast: the web pages of convmixer watch
  nlohmann-json3-dev            # metrics.jsonl and the headers of safetensors
  libarchive-dev                # archives of data sets
  zlib1g-dev                    # checksums of gzip archives
  libpng-dev                    # folders of images
  libjpeg62-turbo-dev           # folders of images
  libopenmpi-dev                # MPI: several processes that train together
  openmpi-bin                   # ... and mpirun, which starts them
  libxxhash-dev                 # checksums of decoded images
  libjs-dygraphs                # charts of the pages that show runs
  libgtest-dev                  # tests
  libgmock-dev                  # tests
  libbenchmark-dev              # perf/op_bench
  pkgconf                       # tests of the library's pkg-config file
  dpkg-dev                      # Debian packages (cpack -G DEB): what they depend on
  file                          # ... and which of their files are programs
  clang-format                  # checks the format of the sources
  curl                          # tools/download-cifar10.sh
  ca-certificates               # ... which loads from a server that identifies itself
  python3                       # perf/compare_torch.py, perf/regress
  git                           # perf/regress builds earlier commits
)

for tool in dpkg-query apt-get; do
  command -v "$tool" >/dev/null || die "$tool not found: expected Debian 12 or 13, or a system with its packages"
done

missing=()
for package in "${packages[@]}"; do
  # A virtual or unknown package makes dpkg-query fail; it is missing all the same.
  status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null) || status=unknown
  [[ $status == installed ]] || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
  echo "install-deps: all ${#packages[@]} packages are installed"
  exit 0
fi

as_root=()
if ((EUID != 0)); then
  command -v sudo >/dev/null || die "needs root: run as root, or have an administrator run: apt-get install ${missing[*]}"
  as_root=(sudo)
fi

echo "install-deps: installing ${missing[*]}"
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes apt-get -qq -o DPkg::Lock::Timeout=300)
"${apt[@]}" update || die "apt-get update failed: see the lines above"
"${apt[@]}" install --yes --no-install-recommends "${missing[@]}" >/dev/null ||
  die "apt-get install failed: see the lines above"
echo "install-deps: done"
