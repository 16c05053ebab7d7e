"""Stands in for step_bench: its steps take 100 ms for itself and for each busy process beside it (the other children of
the program that runs it), a tenth of that for one at nice 10. `fails` beside bin/ makes it fail."""

import json
import os
import pathlib
import sys
import time


def niceness(process):
    return int(pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[16])


folder = pathlib.Path(sys.argv[0]).resolve().parent.parent
if (folder / "fails").exists():
    sys.exit("step_bench: error: out of memory")
time.sleep(0.05)  # nice becomes the busy process
parent = os.getppid()
children = pathlib.Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
beside = [niceness(child) - niceness(parent) for child in children if int(child) != os.getpid()]
(folder / "beside").open("a").write(f"{beside}\n")
ms = 100.0 + sum(100.0 if nice == 0 else 10.0 for nice in beside)
arguments = dict(zip(sys.argv[1:], sys.argv[2:]))
batch = int(arguments.get("--batch-size", 128))
steps = [ms] * int(arguments["--steps"])
result = {"threads": 2, "model": {}, "mode": "training", "batch_size": batch, "peak_rss_mib": 1.0, "step_ms": steps}
pathlib.Path(arguments["--json"]).write_text(json.dumps(result))
