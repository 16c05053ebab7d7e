#!/usr/bin/env bash
# man_pages_test.sh CONVMIXER: the manual pages tell of every command and every option that help lists.
set -euo pipefail

tool=$1
pages=$(mktemp -d)
trap 'rm -rf "$pages"' EXIT

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

"$tool" help --man "$pages"
commands=$("$tool" help | sed -n 's/^  \([a-z]\+\)   *.*/\1/p' | grep -vx help)
(($(wc -w <<<"$commands") >= 4)) || fail "found the commands $commands, expected at least four"
(($(ls "$pages" | wc -l) == $(wc -w <<<"$commands") + 1)) || fail "$(ls "$pages"), expected a page for each command, and one"
for command in $commands; do
  page=$pages/convmixer-$command.1
  [[ -f $page ]] || fail "$command has no page"
  grep -qF "fBconvmixer\\-$command\\fR(1)" "$pages/convmixer.1" || fail "convmixer.1 doesn't name $command"
  options=$("$tool" help "$command" | grep -o '^  --[a-z0-9-]\+')
  [[ -n $options ]] || fail "help $command lists no options"
  for option in $options; do
    grep -qF "fB${option//-/\\-}\\fR" "$page" || fail "the page of $command lacks $option"
  done
done

# What help says stands in the page as it is: here a line that begins with a point or a quote would be a request.
grep -q '^\.TH CONVMIXER\\-TRAIN 1 "" "convmixer [0-9.]*" "User Commands"$' "$pages/convmixer-train.1" || fail "header"
grep -qF "&'key = value', '#' begins a comment." "$pages/convmixer-train.1" || fail "a line that begins with a quote"
if command -v groff >/dev/null; then
  for page in "$pages"/*; do
    warnings=$(groff -man -ww -Tutf8 -z "$page" 2>&1) || fail "$page: groff"
    [[ -z $warnings ]] || fail "$page: $warnings"
  done
fi

status=0
refusal=$("$tool" help --man "$pages/none" 2>&1) || status=$?
((status == 1)) && [[ $refusal == *"$pages/none"* ]] || fail "status $status, $refusal: expected a folder that isn't there"
status=0
"$tool" help --man 2>/dev/null || status=$?
((status == 2)) || fail "status $status: expected 2 without a folder"
