#!/usr/bin/env bash
# From a fresh checkout to a training network in one command.
set -euo pipefail

usage() {
  cat <<'EOF'
usage: tools/quickstart.sh [--data PATH] [--out DIR] [further options of 'convmixer train']

Installs the missing packages, builds convmixer and trains a ConvMixer on this computer's CPU:
  without --data   the embedded ten-class set of drawn shapes, less than a minute (configs/quickstart.ini)
  --data PATH      CIFAR-10, its archive as downloaded or the folder of its files (configs/cifar10-256x8.ini)
  --out DIR        the run's folder (default: runs/quickstart or runs/cifar10-256x8 of this checkout)

Run again after an interruption, it goes on where it was.
EOF
}

die() {
  echo "quickstart: $*" >&2
  exit 1
}

# As die, of wrong arguments.
refuse() {
  echo "quickstart: $*" >&2
  exit 2
}

data=
out=
train_options=()
while (($# > 0)); do
  case "$1" in
    -h | --help)
      usage
      exit 0
      ;;
    --data | --out)
      [[ -n ${2:-} ]] || refuse "$1 needs a value"
      if [[ $1 == --data ]]; then data=$2; else out=$2; fi
      shift
      ;;
    --data= | --out=) refuse "${1%=} needs a value" ;;
    --data=*) data=${1#*=} ;;
    --out=*) out=${1#*=} ;;
    *) train_options+=("$1") ;;
  esac
  shift
done

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
name=quickstart
if [[ -n $data ]]; then
  [[ -e $data ]] || die "--data: there is no file or folder '$data'"
  name=cifar10-256x8
  train_options=(--data "$data" "${train_options[@]}")
fi
runs=$root/runs
[[ $PWD != "$root" ]] || runs=runs  # shorter in all that is printed
out=${out:-$runs/$name}

echo "quickstart: 1/3 packages"
"$root/tools/install-deps.sh"
echo "quickstart: 2/3 build (a few minutes the first time)"
log=$root/build/quickstart.log
mkdir -p "$root/build"
if ! (cd "$root" && cmake --preset release && cmake --build --preset release --target convmixer) >"$log" 2>&1; then
  tail -n 30 "$log" >&2
  die "the build failed: the lines above end $log"
fi
echo "quickstart: 3/3 training with configs/$name.ini in $out"
exec "$root/build/release/bin/convmixer" train --config "$root/configs/$name.ini" --out "$out" "${train_options[@]}"
