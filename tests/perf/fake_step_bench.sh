#!/bin/sh
# Stands in for step_bench where tests want to know beforehand what was measured: `figures` beside bin/ sets the variables
# below, `samples` has the milliseconds of each call's steps, one line after the other. A line is added to calls.log in the
# folder of the build's folder. In sh because hundreds of calls of Python take a while.
here=$(cd "${0%/*}/.." && pwd)
threads=2 onednn=2.6.3 best_precision=bf16 other_bf16= plan=fused commit=0123456789ab memory=100.0 memory_key=peak_rss_mib fails=
. "$here/figures"
if [ -n "$fails" ]; then
  echo "step_bench: error: $fails" >&2
  exit 1
fi

echo "$*" >>"$here/../words.log"
dim=256 batch_size=64 steps=20 mode=training
while [ $# -gt 0 ]; do
  case $1 in
    --dim) dim=$2 ;;
    --batch-size) batch_size=$2 ;;
    --steps) steps=$2 ;;
    --precision) precision=$2 ;;
    --plan) plan=$2 ;;
    --json) json=$2 ;;
    --inference) mode=inference ;;
  esac
  shift
done

if [ "$precision$best_precision$other_bf16" = bf16f32 ]; then
  echo "step_bench: error: precision = bf16: expected f32" >&2
  exit 2
fi

calls=0
while read -r _; do calls=$((calls + 1)); done <"$here/samples.used"
echo >>"$here/samples.used"
while read -r ms && [ $calls -gt 0 ]; do calls=$((calls - 1)); done <"$here/samples"
echo "${here##*/} $dim $precision" >>"$here/../calls.log"
[ "$precision" = auto ] && precision=$best_precision

# The first step takes far longer: measurements must not mind.
step_ms=$ms
[ "$steps" -gt 1 ] && step_ms="9$ms"
while [ $((steps = steps - 1)) -gt 0 ]; do step_ms="$step_ms, $ms"; done
cat >"$json" <<JSON
{
  "program": "step_bench", "commit": "$commit", "cpu": "A CPU",
  "onednn": {"version": "$onednn", "runtime": "OpenMP", "isa": "avx512_core_bf16"},
  "threads": $threads, "mode": "$mode", "plan": "$plan", "batch_size": $batch_size, "precision": "$precision", "parameters": 594186,
  "model_name": "convmixer", "description": "ConvMixer-$dim/8, kernel 5, patch 2", "model": {
    "dim": $dim, "depth": 8, "kernel_size": 5, "patch_size": 2, "image_size": 32, "channels": 3, "classes": 10
  },
  "step_ms": [$step_ms], "limit_images_per_s": 1280.0, "$memory_key": $memory,
  "split": [
    {"operation": "GELU", "direction": "backward", "calls": 17, "ms": $ms, "implementations": ["jit"]},
    {"operation": "rest", "direction": "", "calls": 0, "ms": 7.0, "implementations": []}
  ]
}
JSON
echo "text that nobody reads"
