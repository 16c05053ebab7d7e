#!/usr/bin/env bash
# Runs libFuzzer, with the address and undefined-behaviour sanitizers, on every reader of files.
set -euo pipefail

usage() {
  cat <<'EOF'
usage: tools/fuzz.sh [--seconds N] [READER ...]

Builds the fuzzers with clang (packages clang and libclang-rt-14-dev) in build/fuzz and runs each for N seconds (60).
READER: cifar_records cifar_pickle archive png jpeg pnm predict_image packed safetensors pytorch pytorch_pickle events options;
all of them if none is named.
What they found is kept in build/fuzz/corpus/READER, and files that break a reader in build/fuzz/crashes.
EOF
}

die() {
  echo "fuzz: $*" >&2
  exit 1
}

# As die, of wrong arguments.
refuse() {
  echo "fuzz: $*" >&2
  exit 2
}

all=(cifar_records cifar_pickle archive png jpeg pnm predict_image packed safetensors pytorch pytorch_pickle events options)
seconds=60
readers=()
while (($# > 0)); do
  case "$1" in
    -h | --help)
      usage
      exit 0
      ;;
    --seconds)
      [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || refuse "--seconds needs a whole number of at least 1"
      seconds=$2
      shift
      ;;
    *)
      [[ " ${all[*]} " == *" $1 "* ]] || refuse "unknown reader '$1', expected one of ${all[*]}"
      readers+=("$1")
      ;;
  esac
  shift
done
((${#readers[@]} > 0)) || readers=("${all[@]}")
command -v clang++ >/dev/null || die "clang++ not found: install clang and libclang-rt-14-dev"

cd "$(dirname "${BASH_SOURCE[0]}")/.."
cmake --preset fuzz || die "configuring failed: see the lines above"
cmake --build --preset fuzz --target fuzzers || die "the build failed: see the lines above"
build/fuzz/bin/write_seeds build/fuzz/corpus
mkdir -p build/fuzz/crashes
for reader in "${readers[@]}"; do
  echo "fuzz: $reader, $seconds seconds"
  log=build/fuzz/$reader.log
  if ! nice -n 19 "build/fuzz/bin/fuzz_$reader" -max_total_time="$seconds" -max_len=40000 -timeout=20 \
    -artifact_prefix=build/fuzz/crashes/"$reader"- "build/fuzz/corpus/$reader" >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    die "$reader broke: the lines above end $log; the file is in build/fuzz/crashes"
  fi
  tail -n 1 "$log"
done
