#!/usr/bin/env python3
"""Runs step_bench and PyTorch on the same model, batch and precision, in turns, and prints who is how much faster.

PyTorch takes part in every way of running it that may be its best: NCHW and channels_last, with --compile also
through torch.compile. The ratio is to the fastest of them. Needs only Python's own library; PyTorch may belong to
another Python, see --python."""

import argparse
import json
import os
import pathlib
import shlex
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORKER = pathlib.Path(__file__).with_name("torch_step.py")


class Failure(Exception):
    """Ends the comparison with one line on standard error."""


def parse_arguments(words):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    model = parser.add_argument_group("model, as step_bench's options")
    for name, default in (
        ("dim", 256), ("depth", 8), ("kernel-size", 5), ("patch-size", 2), ("image-size", 32), ("batch-size", 64),
    ):
        model.add_argument(f"--{name}", type=positive, default=default, metavar="N", help=f"(={default})")
    parser.add_argument("--precision", nargs="+", choices=("f32", "bf16"), default=["f32", "bf16"], help="(=f32 bf16)")
    parser.add_argument("--inference", action="store_true", help="the logits of a batch instead of a training step")
    parser.add_argument("--threads", type=positive, metavar="N", help="of both; (=what step_bench chooses)")
    parser.add_argument("--rounds", type=positive, default=5, metavar="N", help="turns of each (=5)")
    parser.add_argument("--steps", type=positive, default=10, metavar="N", help="measured in a turn (=10)")
    parser.add_argument("--warmup", type=positive, default=3, metavar="N", help="before them (=3)")
    parser.add_argument("--compile", action="store_true", help="PyTorch through torch.compile as well")
    parser.add_argument("--preload", metavar="LIBRARY", default="", help="PyTorch with this allocator (LD_PRELOAD)")
    parser.add_argument("--python", default=sys.executable, metavar="COMMAND", help="runs a Python that has PyTorch")
    parser.add_argument("--step-bench", default=str(ROOT / "build/release/bin/step_bench"), metavar="FILE")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write everything measured there as well")
    return parser.parse_args(words)


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text}: expected a whole number from 1")
    return value


def run(command, **options):
    """Standard output of a command that succeeds."""
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    except OSError as error:
        raise Failure(f"{command[0]} can't be run: {error.strerror}") from None
    if result.returncode != 0:
        lines = result.stderr.strip().splitlines() or [f"exit status {result.returncode}"]
        raise Failure(f"{command[0]}: {lines[-1]}")
    return result.stdout


def run_step_bench(arguments, precision, threads):
    """One turn of ours: step_bench's JSON."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "step.json"
        command = [arguments.step_bench, "--precision", precision, "--json", str(file), "--peak-seconds", "0.1"]
        for name in ("dim", "depth", "kernel_size", "patch_size", "image_size", "batch_size", "steps", "warmup"):
            command += ["--" + name.replace("_", "-"), str(getattr(arguments, name))]
        if threads:
            command += ["--threads", str(threads)]
        run(command + (["--inference"] if arguments.inference else []))
        return json.loads(file.read_text())


def run_torch(arguments, variant, ours):
    """One turn of PyTorch: what torch_step.py prints, for the model that ours reported."""
    settings = {
        "model": {name: ours["model"][name] for name in sorted(ours["model"])},
        "batch_size": ours["batch_size"],
        "threads": ours["threads"],
        "mode": ours["mode"],
        "steps": arguments.steps,
        "warmup": arguments.warmup,
        "preload": arguments.preload,
        **variant,
    }
    environment = dict(os.environ)
    if arguments.preload:
        environment["LD_PRELOAD"] = arguments.preload
    command = shlex.split(arguments.python) + ["-", json.dumps(settings)]
    output = run(command, input=WORKER.read_text(), env=environment)
    try:
        result = json.loads(output.strip().splitlines()[-1])
    except (IndexError, ValueError):
        raise Failure(f"{arguments.python}: expected a line of JSON, found '{output.strip()[:80]}'") from None
    if "error" in result:
        raise Failure(result["error"])
    return result


def variants(arguments, precision):
    """The ways of running PyTorch, by name."""
    result = {}
    for layout in ("NCHW", "channels_last"):
        for compiled in (False, True) if arguments.compile else (False,):
            name = f"PyTorch {precision} {layout}" + (", compiled" if compiled else "")
            result[name] = {"precision": precision, "channels_last": layout == "channels_last", "compile": compiled}
    return result


def summarise(turns, batch_size):
    """Rates over all steps of all turns."""
    steps = [ms for turn in turns for ms in turn["step_ms"]]
    median = statistics.median(steps)
    return {
        "images_per_s": 1e3 * batch_size / median,
        "step_ms_median": median,
        "step_ms_mad": statistics.median(abs(ms - median) for ms in steps),
        "turn_medians_ms": [statistics.median(turn["step_ms"]) for turn in turns],
        "peak_rss_mib": max(turn["peak_rss_mib"] for turn in turns),
    }


def fastest(summaries):
    return max(summaries, key=lambda name: summaries[name]["images_per_s"])


def measure(arguments):
    """All turns: by name, those of ours and of PyTorch; names of variants that failed, and why; a JSON of ours."""
    turns, failed, ours = {}, {}, None
    for _ in range(arguments.rounds):
        for precision in arguments.precision:
            ours = run_step_bench(arguments, precision, arguments.threads)
            turns.setdefault(f"convmixer {precision}", []).append(ours)
            for name, variant in variants(arguments, precision).items():
                if name in failed:
                    continue
                try:
                    turn = run_torch(arguments, variant, ours)
                except Failure as failure:
                    if not variant["compile"]:  # torch.compile needs a compiler and more; the rest must work
                        raise
                    failed[name] = str(failure)
                    continue
                turns.setdefault(name, []).append(turn)
    return turns, failed, ours


def compare(arguments):
    turns, failed, ours = measure(arguments)
    torch_version = next(turn["torch"] for turn_list in turns.values() for turn in turn_list if "torch" in turn)
    summaries = {name: summarise(list_, ours["batch_size"]) for name, list_ in turns.items()}
    ratios = {}
    for precision in arguments.precision:
        rivals = {name: summaries[name] for name in variants(arguments, precision) if name in summaries}
        best = fastest(rivals)
        mine = summaries[f"convmixer {precision}"]
        ratios[precision] = {"to": best, "ratio": mine["images_per_s"] / rivals[best]["images_per_s"]}
    mine = fastest({name: s for name, s in summaries.items() if name.startswith("convmixer ")})
    best = fastest({name: s for name, s in summaries.items() if name.startswith("PyTorch ")})
    ratios["best"] = {"of": mine, "to": best,
                      "ratio": summaries[mine]["images_per_s"] / summaries[best]["images_per_s"]}
    return {
        "program": "compare_torch",
        **{key: ours[key] for key in ("commit", "cpu", "onednn", "threads", "mode", "model", "batch_size")},
        "torch": torch_version,
        "preload": arguments.preload,
        "rounds": arguments.rounds,
        "steps": arguments.steps,
        "results": summaries,
        "failed": failed,
        "ratios": ratios,
    }


def to_text(result):
    model = result["model"]
    lines = [
        f"{result['mode']}, ConvMixer-{model['dim']}/{model['depth']}, kernel {model['kernel_size']}, "
        f"patch {model['patch_size']}, batch {result['batch_size']}, {result['threads']} threads, "
        f"PyTorch {result['torch']}, {result['rounds']} rounds of {result['steps']} steps",
    ]
    width = max(len(name) for name in result["results"])
    for name, summary in result["results"].items():
        spread = 100 * summary["step_ms_mad"] / summary["step_ms_median"]
        lines.append(
            f"  {name:<{width}}  {summary['images_per_s']:8.1f} images/s +- {spread:4.1f}%  "
            f"{summary['peak_rss_mib']:8.1f} MiB"
        )
    for name, reason in result["failed"].items():
        lines.append(f"  {name:<{width}}  failed: {reason}")
    for precision, ratio in result["ratios"].items():
        of = ratio.get("of", f"convmixer {precision}")
        lines.append(f"  {of} runs at {ratio['ratio']:.2f} times the rate of {ratio['to']}")
    return "\n".join(lines)


def main():
    arguments = parse_arguments(sys.argv[1:])
    try:
        result = compare(arguments)
        print(to_text(result))
        if arguments.json:
            arguments.json.write_text(json.dumps(result, indent=2) + "\n")
    except Failure as failure:
        sys.exit(f"compare_torch: error: {failure}")
    except OSError as error:
        sys.exit(f"compare_torch: error: {error}")


if __name__ == "__main__":
    main()
