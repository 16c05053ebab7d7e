"""Recordings of perf/regress: samples of every figure, with the machine they come from."""

import json
import math

from programs import Failure
from regress_set import Figure


def machine(conditions, cpuinfo):
    """What must be the same for figures to be compared: `conditions` as step_bench reported them, and the processor in
    the text of /proc/cpuinfo. Its model name alone does not do: virtual machines call many generations the same."""
    first = cpuinfo.split("\n\n")[0]
    entries = dict(line.split(":", 1) for line in first.splitlines() if ":" in line)
    entries = {key.strip(): value.strip() for key, value in entries.items()}
    words = [entries.get("model name", "unknown")]
    words += [f"{key.split()[-1]} {entries[key]}" for key in ("cpu family", "model", "stepping") if key in entries]
    onednn = conditions["onednn"]
    return {
        "cpu": ", ".join(words),
        "threads": conditions["threads"],
        "onednn": f"{onednn['version']}, runtime {onednn['runtime']}, instructions {onednn['isa']}",
    }


def check_same_machine(then, now, what):
    """Throws Failure naming what differs: figures of two machines say nothing of the code."""
    differing = [key for key in now if then.get(key) != now[key]]
    if differing:
        pairs = "; ".join(f"{key} '{then.get(key)}' then, '{now[key]}' now" for key in differing)
        raise Failure(f"{what} is from another machine or set-up, which can't be compared: {pairs}")


def make(commit, machine_, measurements, samples, splits):
    """The recording of one build. `samples`: lists by Figure; `splits`: lists of milliseconds by operation, by
    measurement's name."""
    return {
        "program": "regress",
        "commit": commit,
        "machine": machine_,
        "set": [{"name": m.name, "program": m.program, "options": m.options} for m in measurements],
        "figures": [{"name": f.name, "unit": f.unit, "samples": list_} for f, list_ in samples.items()],
        "splits": splits,
    }


def read(file):
    """A recording. Throws Failure naming what is wrong with the file."""
    try:
        recording = json.loads(file.read_text())
    except OSError as error:
        raise Failure(f"{file}: can't be read: {error.strerror}") from None
    except ValueError as error:
        raise Failure(f"{file}: expected JSON: {error}") from None
    if not isinstance(recording, dict) or recording.get("program") != "regress":
        raise Failure(f"{file}: expected a recording made by perf/regress --json")
    try:
        ok = isinstance(recording["commit"], str) and isinstance(recording["machine"], dict)
        ok = ok and all({"name", "program", "options"} <= set(m) for m in recording["set"])
        ok = ok and all(all(0 < x < math.inf for x in list_) and list_ for list_ in samples(recording).values())
        ok = ok and isinstance(recording["splits"], dict)
    except (KeyError, TypeError):
        ok = False
    if not ok:
        raise Failure(f"{file}: expected a recording made by perf/regress --json, found parts of it missing")
    return recording


def samples(recording):
    """Lists by Figure."""
    return {Figure(figure["name"], figure["unit"]): figure["samples"] for figure in recording["figures"]}


def comparable(recording, measurements):
    """Those of `measurements` that the recording has with the same program and options."""
    known = {(m["name"], m["program"], m["options"]) for m in recording["set"]}
    return [m for m in measurements if (m.name, m.program, m.options) in known]
