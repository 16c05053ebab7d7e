#!/usr/bin/env bash
# Checks that every C++ file of the project is formatted as .clang-format says. With --fix, formats them instead.
# Exit status: 0 formatted, 1 not, 77 no clang-format of the one version whose output is the project's format.
set -euo pipefail

version=14  # Debian 12's; others break some lines elsewhere

mode=(--dry-run --Werror)
case "${1:-}" in
  -h | --help)
    echo "usage: tools/check-format.sh [--fix]    checks (or fixes) the format of the C++ files"
    exit 0
    ;;
  --fix) mode=(-i) ;;
  "") ;;
  *)
    echo "check-format: unknown argument '$1', expected --fix or none" >&2
    exit 2
    ;;
esac

cd "$(dirname "${BASH_SOURCE[0]}")/.."

for candidate in "clang-format-$version" clang-format; do
  if command -v "$candidate" >/dev/null && [[ $("$candidate" --version) == *"version $version."* ]]; then
    clang_format=$candidate
    break
  fi
done
if [[ -z ${clang_format:-} ]]; then
  echo "check-format: skipped, clang-format $version not found"
  exit 77
fi

mapfile -d '' files < <(find include src tests tools perf \( -name '*.hpp' -o -name '*.cpp' -o -name '*-inl.h' \) -print0 2>/dev/null | sort -z)
((${#files[@]} > 0)) || {
  echo "check-format: no C++ file found in $PWD" >&2
  exit 1
}
if ! "$clang_format" "${mode[@]}" "${files[@]}"; then
  echo "check-format: run tools/check-format.sh --fix" >&2
  exit 1
fi
echo "check-format: ${#files[@]} files are formatted"
