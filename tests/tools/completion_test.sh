#!/usr/bin/env bash
# completion_test.sh CONVMIXER: what bash completes, asked as bash asks, by the words of a line and the place in it.
set -euo pipefail

tool=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"$tool" help --completion >completion.bash
source ./completion.bash

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

[[ $(complete -p convmixer) == "complete -F _convmixer convmixer" ]] || fail "$(complete -p convmixer)"

# completed WORD...: what the last word may be completed to, in one line, or what bash is told to complete it to.
compopt() { COMPREPLY=("$@"); }
completed() {
  COMP_WORDS=(convmixer "$@")
  COMP_CWORD=$#
  _convmixer
  echo "${COMPREPLY[*]}"
}
# expect TEXT WORD...: all that the last word is completed to.
expect() {
  local expected=$1 found
  shift
  found=$(completed "$@")
  [[ $found == "$expected" ]] || fail "$* is completed to '$found', expected '$expected'"
}

commands=$("$tool" help | sed -n 's/^  \([a-z]\+\)   *.*/\1/p' | grep -vx help | tr '\n' ' ')
expect "${commands}help --help --version" ""
expect "train" tr
expect "--version" --v
expect "${commands% }" help ""
for command in $commands; do
  options=$("$tool" help "$command" | grep -o '^  --[a-z0-9-]\+' | tr -d ' ' | awk '!seen[$0]++' | tr '\n' ' ')
  expect "${options}--help" "$command" --
done

expect "--kernel-size" train --ker
expect "" train --dim 64 --di
expect "--patch-size" train --dim 64 --patc
expect "auto f32 bf16" train --precision ""
expect "bf16" train --dim 64 --precision b
expect "bf16" train --precision = b
expect "auto f32 bf16" train --precision =
expect "yes no" train --fresh ""
expect "" train --dim ""
expect "-o default" train --config ""
expect "-o default" info --config =
expect "-o dirnames" train --resume "my"
expect "-o default" eval ""
expect "" info ""
expect "--help" nonsense --
