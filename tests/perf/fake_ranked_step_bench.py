"""Stands in for step_bench and, called with -np, for mpirun: a step takes 1 ms an image by one thread, split among all, and
2 ms more for each rank beyond the first. `alone` beside bin/ makes it ignore ranks, as a build without MPI does; `broken`
makes it fail in a rank, and mpirun end with a page of its own."""

import json
import os
import pathlib
import sys

folder = pathlib.Path(sys.argv[0]).resolve().parent.parent
if "--version" in sys.argv:
    print("mpirun (Open MPI) 4.1.4")
    sys.exit()
if (folder / "broken").exists():
    sys.exit(f"step_bench: error: no such option\n{'-' * 74}\nmpirun detected that a process failed.\n{'-' * 74}")
if "-np" in sys.argv:
    at = sys.argv.index("-np")
    (folder / "lines").open("a").write(" ".join(sys.argv[1:at]) + "\n")
    os.execve(sys.argv[at + 2], sys.argv[at + 2 :], dict(os.environ, RANKS=sys.argv[at + 1]))
ranks = 1 if (folder / "alone").exists() else int(os.environ.get("RANKS", 1))
options = dict(zip(sys.argv[1:], sys.argv[2:]))
batch, threads = int(options["--batch-size"]), int(options["--threads"])
ms = batch / (ranks * threads) + 2.0 * (ranks - 1)
result = {"threads": threads, "model": {}, "mode": "training", "batch_size": batch, "peak_rss_mib": 1.0, "ranks": ranks,
          "step_ms": [ms] * int(options["--steps"]), "step_ms_median": ms, "exchange_ms": 2.0 * (ranks - 1),
          "exchange_messages": 50.0 * (ranks - 1), "exchange_bytes": 2.0**21 * (ranks - 1)}
pathlib.Path(options["--json"]).write_text(json.dumps(result))
