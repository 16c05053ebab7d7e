#!/usr/bin/env python3
"""Stands in for step_bench where tests want to know beforehand what was measured. Its figures follow from figures.json
beside bin/: "ms", "noise" (standard deviation, relative), "memory", and what the machine is said to be. Each call is
added to calls.log in the folder of the build's folder."""

import json
import os
import pathlib
import random
import sys

here = pathlib.Path(sys.argv[0]).resolve().parent.parent
figures = json.loads((here / "figures.json").read_text())
words = sys.argv[1:]
options = {word: words[i + 1] for i, word in enumerate(words[:-1]) if word.startswith("--")}
if figures.get("fails"):
    sys.exit(f"step_bench: error: {figures['fails']}")

calls_file = here.parent / "calls.log"
calls = calls_file.read_text().splitlines() if calls_file.exists() else []
calls_file.write_text("\n".join(calls + [f"{here.name} {options.get('--dim', '256')} {options['--precision']}"]) + "\n")

rng = random.Random(f"{figures.get('seed', 0)} {here.name} {len(calls)}")
inference = "--inference" in words
ms = figures["ms"] * (1.0 + rng.gauss(0.0, figures.get("noise", 0.0)))
limit_ms = 50.0
precision = options["--precision"]
batch_size = int(options.get("--batch-size", 64))
result = {
    "program": "step_bench",
    "commit": figures.get("commit", "0123456789ab"),
    "cpu": "A CPU",
    "onednn": {"version": figures.get("onednn", "2.6.3"), "runtime": "OpenMP", "isa": "avx512_core_bf16"},
    "threads": figures.get("threads", 2),
    "mode": "inference" if inference else "training",
    "model": {"dim": 256, "depth": 8, "kernel_size": 5, "patch_size": 2, "image_size": 32, "channels": 3, "classes": 10},
    "parameters": 594186,
    "batch_size": batch_size,
    "precision": figures.get("best_precision", "bf16") if precision == "auto" else precision,
    "step_ms": [ms] * int(options.get("--steps", 20)),
    "limit_images_per_s": 1e3 * batch_size / limit_ms,
    "peak_rss_mib": figures.get("memory", 100.0),
    "split": [
        {"operation": "GELU", "direction": "backward", "calls": 17, "ms": ms - 60.0, "implementations": ["jit"]},
        {"operation": "rest", "direction": "", "calls": 0, "ms": 60.0, "implementations": []},
    ],
}
if figures.get("without"):
    del result[figures["without"]]
pathlib.Path(options["--json"]).write_text(json.dumps(result))
print("text that nobody reads")
