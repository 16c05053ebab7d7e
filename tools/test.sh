#!/usr/bin/env bash
# Installs what is missing, builds, and runs the whole test suite.
set -euo pipefail

usage() {
  cat <<'EOF'
usage: tools/test.sh [--preset release|debug|asan|tsan] [--quick] [ctest options]

Installs the missing packages, builds the preset (release) in build/PRESET, and runs every test. With --quick,
builds and runs only those that are quick with sanitizers, too (tests/CMakeLists.txt names them), and builds nothing
else (CONVMIXER_QUICK_TESTS_ALONE); the kernels that take minutes to compile with sanitizers are built without, or
with the address one alone, and all of them for AVX2 and the baseline alone (CONVMIXER_SANITIZE_KERNELS).
Further arguments go to ctest:  tools/test.sh -R Golden    tools/test.sh --preset asan -R Safetensors
EOF
}

die() {
  echo "test: $*" >&2
  exit 1
}

# As die, of wrong arguments.
refuse() {
  echo "test: $*" >&2
  exit 2
}

preset=release
configure_options=(-D CONVMIXER_PRECOMPILED_HEADERS=ON -D CONVMIXER_SANITIZE_KERNELS=ON -D CONVMIXER_QUICK_TESTS_ALONE=OFF)
build_options=()
ctest_options=()
while (($# > 0)); do
  case "$1" in
    -h | --help)
      usage
      exit 0
      ;;
    --preset)
      (($# > 1)) || refuse "--preset needs a value: release, debug, asan or tsan"
      preset=$2
      shift
      ;;
    --quick)
      configure_options+=(-D CONVMIXER_SANITIZE_KERNELS=OFF -D CONVMIXER_QUICK_TESTS_ALONE=ON)
      build_options=(--target quick-tests)
      ctest_options+=(--label-regex quick)
      ;;
    --preset=*) preset=${1#*=} ;;
    *) ctest_options+=("$1") ;;
  esac
  shift
done
case "$preset" in
  release | debug | asan | tsan) ;;
  *) refuse "unknown preset '$preset', expected release, debug, asan or tsan" ;;
esac

cd "$(dirname "${BASH_SOURCE[0]}")/.."
tools/install-deps.sh
cmake --preset "$preset" "${configure_options[@]}" || die "configuring failed: see the lines above"
cmake --build --preset "$preset" "${build_options[@]}" || die "the build failed: see the lines above"
exec ctest --preset "$preset" --parallel "$(nproc)" "${ctest_options[@]}"
