#!/usr/bin/env bash
# Runs clang-tidy with the project's .clang-tidy over the library, the tools and the measurements, on all cores.
# Exit status: 0 no warnings, 1 warnings, 77 no clang-tidy.
set -euo pipefail

usage() {
  cat <<'EOF'
usage: tools/check-style.sh [--changed [COMMIT]] [FILE...]

Checks every .cpp file of src, tools and perf, with the headers they include. With --changed, only files that differ
from COMMIT (HEAD), or that include a header that does; with FILE, only these. Configures build/check-style, where
each file has a command of its own.
EOF
}

die() {
  echo "check-style: $*" >&2
  exit "${status:-1}"
}

since=
files=()
is_named=0
while (($# > 0)); do
  case "$1" in
    -h | --help)
      usage
      exit 0
      ;;
    --changed)
      since=HEAD
      if (($# > 1)) && [[ $2 != -* ]]; then
        since=$2
        shift
      fi
      ;;
    -*) status=2 die "unknown argument '$1', expected --changed, a file or none" ;;
    *)
      [[ -f $1 ]] || status=2 die "$1: no such file"
      files+=("$(realpath "$1")")
      is_named=1
      ;;
  esac
  shift
done

cd "$(dirname "${BASH_SOURCE[0]}")/.."
for candidate in clang-tidy-14 clang-tidy; do
  if command -v "$candidate" >/dev/null; then
    clang_tidy=$candidate
    break
  fi
done
if [[ -z ${clang_tidy:-} ]]; then
  echo "check-style: skipped, clang-tidy not found (Debian's package clang-tidy)"
  exit 77
fi

# Prints the .cpp files that are changed, or include a changed header by its name within the project.
changed_files() {
  local changed headers=()
  mapfile -t changed < <(git diff --name-only --diff-filter=d "$since"; git ls-files --others --exclude-standard)
  for file in "${changed[@]}"; do
    case "$file" in
      src/*.cpp | tools/*.cpp | perf/*.cpp) echo "$PWD/$file" ;;
      # By its path, or by its name alone beside it.
      *.hpp | *-inl.h) headers+=(-e "/$(basename "$file")\"" -e "\"$(basename "$file")\"") ;;
    esac
  done
  ((${#headers[@]} == 0)) || grep -rlF --include='*.cpp' "${headers[@]}" "$PWD"/{src,tools,perf} || true
}

if [[ -n $since ]] && ((is_named)); then
  status=2 die "--changed and files don't go together"
elif [[ -n $since ]]; then
  git rev-parse --quiet --verify "$since^{commit}" >/dev/null || die "no commit '$since'"
  mapfile -t files < <(changed_files | sort -u)
elif ((${#files[@]} == 0)); then
  mapfile -t files < <(find "$PWD"/{src,tools,perf} -name '*.cpp' | sort)
fi
if ((${#files[@]} == 0)); then
  echo "check-style: no file has changed"
  exit 0
fi

database=build/check-style
cmake --preset release -B "$database" -D CONVMIXER_BATCHES=OFF >/dev/null || die "configuring failed: see the lines above"
cmake --build "$database" --target convmixer-commit >/dev/null # a header that it makes
# Files of parts that aren't built here (trace_itt.cpp) can't be checked.
built=()
for file in "${files[@]}"; do
  if grep -qF "\"$file\"" "$database/compile_commands.json"; then
    built+=("$file")
  elif ((is_named)); then
    status=2 die "${file#"$PWD"/}: is not compiled here: expected a .cpp file that is"
  fi
done
files=("${built[@]}")
if ((${#files[@]} == 0)); then
  echo "check-style: no file has changed that is compiled here"
  exit 0
fi

log=$(mktemp)
trap 'rm -f "$log" "$log.errors"' EXIT
ended=0
printf '%s\0' "${files[@]}" |
  xargs -0 -n 1 -P "$(nproc)" "$clang_tidy" -p "$database" --quiet --extra-arg=-Wno-unknown-warning-option >"$log" 2>"$log.errors" || ended=$?
# A warning in a header comes once for each file that includes it.
if grep -E '(warning|error): ' "$log" | sed "s#$PWD/##" | sort -u; then
  echo "check-style: $(grep -E '(warning|error): ' "$log" | sort -u | wc -l) warnings" >&2
  exit 1
fi
if ((ended != 0)); then
  tail -n 20 "$log.errors" >&2
  die "$clang_tidy failed"
fi
echo "check-style: no warnings in ${#files[@]} files"
