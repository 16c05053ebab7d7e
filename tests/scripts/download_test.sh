#!/usr/bin/env bash
# download_test.sh SCRIPT: tools/download-cifar10.sh without a network, on archives of the test's own.
set -euo pipefail

script=$1
work=$(mktemp -d)
server=
trap '[[ -z $server ]] || kill "$server" 2>/dev/null; rm -rf "$work"' EXIT
cd "$work"

seq 1 200000 >source.bin
export CONVMIXER_CIFAR10_URL=file://$work/source.bin
CONVMIXER_CIFAR10_MD5=$(md5sum <source.bin | cut -d ' ' -f 1)
export CONVMIXER_CIFAR10_MD5
name=cifar-10-binary.tar.gz

fail() {
  echo "FAILED: $*" >&2
  cat "$work/output" >&2
  exit 1
}

# expect STATUS TEXT WORD...: the script's status, and a text in what it prints.
expect() {
  local expected=$1 text=$2 status=0
  shift 2
  "$script" "$@" >"$work/output" 2>&1 || status=$?
  ((status == expected)) || fail "status $status, expected $expected: $text"
  grep -qF -- "$text" "$work/output" || fail "expected: $text"
}
expect_whole() { cmp -s source.bin "$1/$name" || fail "$1/$name is not the source"; }
expect_nothing_left() { [[ -z $(ls -A "$1" 2>/dev/null) ]] || fail "left in $1: $(ls -A "$1")"; }

# It loads into a folder that it makes, and does nothing the second time, not even with the source gone.
expect 0 "new/folder/$name is whole" new/folder
expect_whole new/folder
CONVMIXER_CIFAR10_URL=file:///none expect 0 "is there already, whole" new/folder

# It goes on with what is there: were it loaded anew, a wrong first half would not matter.
mkdir half
head -c 500000 source.bin >half/$name.part
expect 0 "is whole" half
expect_whole half
mkdir wrong
head -c 500000 /dev/zero >wrong/$name.part
expect 1 "expected $CONVMIXER_CIFAR10_MD5: removed it" wrong
expect_nothing_left wrong

# Stopped between loading and renaming.
mkdir loaded
cp source.bin loaded/$name.part
CONVMIXER_CIFAR10_URL=file:///none expect 0 "is whole" loaded
expect_whole loaded

# Something else under the name is left alone.
mkdir other
echo other >other/$name
expect 1 "remove it to load it again" other
[[ $(cat other/$name) == other ]] || fail "the other file changed"

# What the source lacks, or nobody serves.
CONVMIXER_CIFAR10_URL=file:///none/x expect 1 "can't be loaded" a
CONVMIXER_CIFAR10_URL=http://127.0.0.1:1/x expect 1 "can't be reached" b
expect 2 "unknown option '--fast'" --fast
expect 2 "takes one folder" a b

# Without curl: a PATH that has everything else the script uses.
mkdir bin
for tool in bash cat cut env ls md5sum mkdir mv rm; do ln -s "$(command -v "$tool")" bin/; done
printf '#!/bin/bash\nPATH=%s exec %s "$@"\n' "$work/bin" "$script" >without-curl
chmod +x without-curl
with_curl=$script
script=$work/without-curl
expect 1 "curl not found" c
script=$with_curl

# Python's server knows no ranges: a half is loaded anew. So it is where the server refuses the range, and kept where it
# refuses all.
if command -v python3 >/dev/null; then
  python3 -u -c 'import http.server
class Handler(http.server.SimpleHTTPRequestHandler):
  def do_GET(self):
    if "refused" in self.path:
      return self.send_error(403)
    if "short" in self.path and "Range" in self.headers:
      return self.send_error(416)
    super().do_GET()
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()' >port 2>/dev/null &
  server=$!
  for _ in $(seq 100); do [[ -s port ]] && break || sleep 0.1; done
  export CONVMIXER_CIFAR10_URL=http://127.0.0.1:$(cat port)/source.bin
  mkdir ranges
  head -c 500000 source.bin >ranges/$name.part
  expect 0 "beginning anew" ranges
  expect_whole ranges
  mkdir short refused
  head -c 500000 source.bin | tee short/$name.part >refused/$name.part
  CONVMIXER_CIFAR10_URL=$CONVMIXER_CIFAR10_URL?short expect 0 "beginning anew" short
  expect_whole short
  CONVMIXER_CIFAR10_URL=$CONVMIXER_CIFAR10_URL?refused expect 1 "can't be loaded: the server said 403" refused
  head -c 500000 source.bin | cmp -s - refused/$name.part || fail "the part is gone"
  CONVMIXER_CIFAR10_URL=$CONVMIXER_CIFAR10_URL.none expect 1 "can't be loaded: the server said 404" d
  [[ ! -e d/$name ]] || fail "an error page became the archive"
fi
echo "download_test: all passed"
