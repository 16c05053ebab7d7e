"""Stands in for a Python that has PyTorch: its first argument (JSON) says what to do, the last is compare_torch.py's.

A step takes 250 ms in NCHW and 200 in channels_last, but for "NCHW"; "error", "print" and "parameters" are what it
answers instead, "compile" the error of torch.compile."""

import json
import sys

todo, settings = json.loads(sys.argv[1]), json.loads(sys.argv[-1])
assert "import torch" in sys.stdin.read()
if "print" in todo:
    print(todo["print"])
elif "error" in todo:
    print(json.dumps({"error": todo["error"]}))
elif settings["compile"] and "compile" in todo:
    print(json.dumps({"error": todo["compile"]}))
else:
    ms = 200.0 if settings["channels_last"] else todo.get("NCHW", 250.0)
    parameters = todo.get("parameters", 594186)
    print("a library's greeting")
    print(
        json.dumps(
            {"step_ms": [ms] * settings["steps"], "peak_rss_mib": 300.0, "parameters": parameters, "torch": "2.6.0"}
        )
    )
