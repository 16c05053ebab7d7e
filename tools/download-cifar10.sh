#!/usr/bin/env bash
# Downloads CIFAR-10, checks it, and leaves either the whole archive or nothing under its name.
set -euo pipefail

url=${CONVMIXER_CIFAR10_URL:-https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz}
md5=${CONVMIXER_CIFAR10_MD5:-c32a1d4ab5d03f1284b67883e8d87530}
name=cifar-10-binary.tar.gz

usage() {
  cat <<'EOF'
usage: tools/download-cifar10.sh [FOLDER]

Downloads cifar-10-binary.tar.gz (162 MB) into FOLDER (default: the present one) and verifies its MD5 sum. After an
interruption the same command goes on where it was. 'convmixer train --data FOLDER' takes the archive as it is.

CONVMIXER_CIFAR10_URL names a mirror to load it from, CONVMIXER_CIFAR10_MD5 the sum of another archive.
EOF
}

die() {
  echo "download-cifar10: $*" >&2
  exit 1
}

# As die, of wrong arguments.
refuse() {
  echo "download-cifar10: $*" >&2
  exit 2
}

sum_of() { md5sum <"$1" | cut -d ' ' -f 1; }

case "${1:-}" in
  -h | --help)
    usage
    exit 0
    ;;
  -*) refuse "unknown option '$1'" ;;
esac
(($# <= 1)) || refuse "takes one folder, found '$2' as well"
folder=${1:-.}
archive=$folder/$name
part=$archive.part

if [[ -e $archive ]]; then
  found=$(sum_of "$archive")
  [[ $found == "$md5" ]] || die "$archive is there, but its MD5 sum is $found, expected $md5: remove it to load it again"
  echo "download-cifar10: $archive is there already, whole"
  exit 0
fi
command -v curl >/dev/null ||
  die "curl not found: apt-get install curl, or load $url in another way and put it into $folder"
mkdir -p "$folder" || die "$folder can't be made"

# load OPTION...: what curl did, as its exit status; in http, what the server said (000 where it isn't one of HTTP).
load() {
  local status=0
  http=$(curl --fail --location --show-error --retry 3 --connect-timeout 30 --output "$part" \
    --write-out '%{http_code}' "$@" "$url") || status=$?
  return $status
}

finish() {
  mv -T "$part" "$archive"
  echo "download-cifar10: $archive is whole (MD5 sum $md5)"
}

# A part that is whole already: the last run was stopped between loading and renaming.
if [[ -e $part && $(sum_of "$part") == "$md5" ]]; then
  finish
  exit 0
fi

status=0
load --continue-at - || status=$?
# 416: no such range, for which some releases of curl return 0. Any other refusal says nothing of the part, which stays.
if ((status == 33 || status == 36)) || [[ $http == 416 ]]; then
  echo "download-cifar10: the server can't go on from the middle: beginning anew" >&2
  rm -f "$part"
  status=0
  load || status=$?
fi
case $status in
  0) ;;
  5 | 6 | 7 | 28 | 35) die "$url can't be reached (curl's status $status): is there a network? Run it again to go on" ;;
  23) die "$part can't be written: is the disk full?" ;;
  22) die "$url can't be loaded: the server said $http. Run it again to go on" ;;
  *) die "$url can't be loaded (curl's status $status). Run it again to go on" ;;
esac

found=$(sum_of "$part")
if [[ $found != "$md5" ]]; then
  rm -f "$part"
  die "what $url gave has the MD5 sum $found, expected $md5: removed it; run it again, or use another mirror"
fi
finish
