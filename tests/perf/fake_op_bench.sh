#!/bin/sh
# Stands in for op_bench: `operations` beside bin/ has a name and the milliseconds of each operation. In the JSON they are
# in microseconds, each with an aggregate that nobody should take for a measurement.
here=$(cd "${0%/*}/.." && pwd)
for word in "$@"; do
  case $word in
    --benchmark_out=*) json=${word#*=} ;;
    --benchmark_list_tests) list=yes ;;
  esac
done

if [ -n "$list" ]; then
  while read -r name _; do echo "$name/real_time"; done <"$here/operations"
  exit
fi
comma=
{
  echo '{"context": {}, "benchmarks": ['
  while read -r name ms; do
    if [ "$ms" = wrong ]; then
      outcome='"error_occurred": true, "error_message": "wrong at 3"'
    else
      # A repetition that takes a hundred times as long: measurements must not mind.
      echo "$comma{\"name\": \"$name/real_time\", \"run_type\": \"iteration\", \"real_time\": ${ms}e5, \"time_unit\": \"us\"}"
      comma=,
      outcome="\"real_time\": ${ms}e3, \"time_unit\": \"us\""
    fi
    echo "$comma{\"name\": \"$name/real_time\", \"run_type\": \"iteration\", $outcome},"
    echo "{\"name\": \"$name/real_time_mean\", \"run_type\": \"aggregate\", \"real_time\": 1.0, \"time_unit\": \"us\"}"
    comma=,
  done <"$here/operations"
  echo ']}'
} >"$json"
