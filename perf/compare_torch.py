#!/usr/bin/env python3
"""Runs step_bench and PyTorch on the same model, batch and precision, in turns, and prints who is how much faster.

The model is step_bench's own, or that of --model, --config and the sizes given; words after "--" are handed to
step_bench as they are. With several kinds of --plan, each takes its turns and is compared.

PyTorch takes part in every way of running it that may be its best: NCHW and channels_last; with --compile also
through torch.compile, with --preload also with that allocator, in bf16 inference also with bf16 weights. The ratio is
to the fastest of them, at the batch size that suits each side best. A way that in its first turn takes half as long
again as the fastest is not run again. Needs only Python's own library; PyTorch may belong to another Python, see
--python.
"""

import dataclasses
import json
import os
import pathlib
import shlex
import statistics
import sys

from programs import (
    ROOT,
    Failure,
    Parser,
    check_measurement,
    check_writable,
    measure_step,
    mpirun_command,
    positive,
    run,
    words_of_command,
    write_json,
)

WORKER = pathlib.Path(__file__).with_name("torch_step.py")
HOPELESS = 1.5  # times the fastest's time for an image
SIZES = ("dim", "depth", "kernel-size", "patch-size", "image-size")
OWN = ("config", "model", *SIZES, "optimizer", "precision", "batch-size", "plan", "threads", "steps", "warmup", "peak-seconds",
       "json")
PLANS = ("automatic", "fused", "plain", "onednn")


@dataclasses.dataclass(frozen=True)
class Way:
    """One way of computing a step."""

    side: str  # "convmixer" or "PyTorch"
    precision: str
    batch_size: int
    channels_last: bool = False  # this and the rest: of PyTorch alone
    compile: bool = False
    preload: str = ""
    bf16_weights: bool = False  # the model itself in bf16 instead of autocast
    plan: str = ""  # of convmixer alone: the kind asked for; empty: step_bench's own choice

    @property
    def name(self):
        words = [f"{self.side} {self.precision} batch {self.batch_size}"]
        words += [f"{self.plan} plan"] * bool(self.plan)
        if self.side == "PyTorch":
            words += ["channels_last" if self.channels_last else "NCHW"]
            words += ["bf16 weights"] * self.bf16_weights + ["compiled"] * self.compile
            words += [pathlib.PurePath(self.preload).name] * bool(self.preload)
        return " ".join(words)


def parse_arguments(words):
    parser = Parser(prog="compare_torch", description=__doc__)
    model = parser.add_argument_group("model, as step_bench's options and with its defaults")
    model.add_argument("--config", metavar="FILE", help="a training's configuration")
    model.add_argument("--model", metavar="NAME", help="one that torch_step.py has as well")
    for name in SIZES:
        model.add_argument(f"--{name}", type=positive, metavar="N")
    add = parser.add_argument
    add("--batch-size", nargs="+", type=positive, default=[64], metavar="N", help="each side's best counts (=64)")
    add("--precision", nargs="+", choices=("f32", "bf16"), default=["f32", "bf16"], help="(=f32 bf16)")
    add("--plan", nargs="+", choices=PLANS, default=[""], help="step_bench's, each for itself (=its own choice)")
    add("--inference", action="store_true", help="the logits of a batch instead of a training step")
    add("--ranks", type=positive, default=1, metavar="N",
        help="processes that share each batch: ours by mpirun, PyTorch's DistributedDataParallel by gloo (=1)")
    add("--mpirun", type=words_of_command, default=["mpirun", "--bind-to", "none"], metavar="COMMAND",
        help="starts ours, '-np N' follows (=mpirun --bind-to none)")
    add("--threads", type=positive, metavar="N", help="of both; (=what step_bench chooses)")
    add("--rounds", type=positive, default=5, metavar="N", help="turns of each (=5)")
    add("--steps", type=positive, default=10, metavar="N", help="measured in a turn (=10)")
    add("--warmup", type=positive, default=3, metavar="N", help="before them (=3)")
    add("--compile", action="store_true", help="PyTorch through torch.compile as well")
    add("--preload", metavar="LIBRARY", default="", help="PyTorch with this allocator (LD_PRELOAD) as well")
    add("--python", type=words_of_command, default=[sys.executable], metavar="COMMAND",
        help="runs a Python that has PyTorch")
    add("--step-bench", default=str(ROOT / "build/release/bin/step_bench"), metavar="FILE")
    add("--peak-seconds", default="0.3", metavar="SECONDS", help="step_bench's, in each turn; for the limit (=0.3)")
    add("--json", type=pathlib.Path, metavar="FILE", help="write everything measured there as well")
    own, rest = words, []
    if "--" in words:
        own, rest = words[: words.index("--")], words[words.index("--") + 1 :]
    arguments = parser.parse_args(own)
    for word in rest:
        if word.startswith("--") and word[2:].split("=")[0] in OWN:
            parser.error(f"{word} after '--': this program sets it")
    arguments.rest = list(rest)
    if arguments.ranks > 1 and (arguments.inference or arguments.compile):
        parser.error("argument --ranks: expected a training step, without --compile")
    if any(size % arguments.ranks for size in arguments.batch_size):
        parser.error(f"argument --batch-size: expected multiples of the {arguments.ranks} ranks")
    for name in ("batch_size", "precision", "plan"):
        setattr(arguments, name, list(dict.fromkeys(getattr(arguments, name))))
    return arguments


def ways(arguments):
    """All that take their turns, ours first."""
    result = []
    for precision in arguments.precision:
        for batch_size in arguments.batch_size:
            result += [Way("convmixer", precision, batch_size, plan=plan) for plan in arguments.plan]
            for bf16_weights in (False, True) if arguments.inference and precision == "bf16" else (False,):
                for compile_ in (False, True) if arguments.compile else (False,):
                    for preload in ("", arguments.preload) if arguments.preload else ("",):
                        for channels_last in (False, True):
                            result.append(
                                Way("PyTorch", precision, batch_size, channels_last, compile_, preload, bf16_weights)
                            )
    return result


def run_step_bench(arguments, way):
    """One turn of ours: step_bench's JSON."""
    options = ["--precision", way.precision, "--batch-size", str(way.batch_size)]
    options += ["--peak-seconds", arguments.peak_seconds]
    options += ["--optimizer", "adamw"] if arguments.config else []  # PyTorch's, whatever the configuration says
    for name in ("config", "model", *SIZES, "steps", "warmup", "threads"):
        value = getattr(arguments, name.replace("-", "_"))
        options += [f"--{name}", str(value)] if value else []
    options += ["--plan", way.plan] if way.plan else []
    command = [arguments.step_bench, *options, *["--inference"] * arguments.inference, *arguments.rest]
    if arguments.ranks > 1:
        command = [*mpirun_command(arguments.mpirun, arguments.ranks), *command]
    result = measure_step(command)
    if arguments.ranks > 1 and result.get("ranks") != arguments.ranks:
        raise Failure(f"{arguments.step_bench}: {result.get('ranks')} ranks, expected {arguments.ranks}")
    return check_measurement(result, arguments.step_bench, ("model_name", "limit_images_per_s", "parameters"))


def run_torch(arguments, way, ours):
    """One turn of PyTorch: what torch_step.py prints, for model and threads of `ours`, a turn of step_bench."""
    settings = {
        **dataclasses.asdict(way),
        "model_name": ours["model_name"],
        "model": ours["model"],
        "threads": ours["threads"],
        "mode": ours["mode"],
        "ranks": arguments.ranks,
        "steps": arguments.steps,
        "warmup": arguments.warmup,
    }
    environment = dict(os.environ)
    if way.preload:
        environment["LD_PRELOAD"] = way.preload
    command = [*arguments.python, "-", json.dumps(settings)]
    output = run(command, input=WORKER.read_text(), env=environment)
    try:
        result = json.loads(output.strip().splitlines()[-1])
    except (IndexError, ValueError):
        raise Failure(f"{shlex.join(arguments.python)}: expected a line of JSON, found '{output.strip()[:80]}'") from None
    if isinstance(result, dict) and "error" in result:
        raise Failure(result["error"])
    return check_measurement(result, shlex.join(arguments.python), ("peak_rss_mib", "torch", "parameters"))


def drop_hopeless(turns, running):
    """Those of `running` that may still be PyTorch's best; `turns` has one of each that ran, by way. Their fastest
    steps count: other work on the machine in a first turn must not cost a way its others."""

    def image_ms(way):
        return min(turns[way][0]["step_ms"]) / way.batch_size

    theirs = [way for way in running if way.side == "PyTorch"]

    def hopeless(way):
        same = [other for other in theirs if other.precision == way.precision]
        return way.side == "PyTorch" and image_ms(way) > HOPELESS * min(map(image_ms, same))

    return [way for way in running if not hopeless(way)]


def measure(arguments):
    """Turns by way; ways that failed, and why. Every other round runs backwards, so that what warms up or slows down
    meets all alike."""
    turns, failed, ours = {}, {}, None
    running = ways(arguments)
    for round_ in range(arguments.rounds):
        for way in running if round_ % 2 == 0 else running[::-1]:
            try:
                if way.side == "convmixer":
                    turn = ours = run_step_bench(arguments, way)
                else:
                    turn = run_torch(arguments, way, ours)
            except Failure as failure:
                # torch.compile needs a compiler and more, bf16 weights an implementation; the rest must work.
                if not way.compile and not way.bf16_weights:
                    raise
                failed[way] = str(failure)
                continue
            if turn["parameters"] != ours["parameters"]:
                expected = ours["parameters"]
                raise Failure(f"{way.name}: expected step_bench's {expected} parameters, found {turn['parameters']}")
            turns.setdefault(way, []).append(turn)
        running = [way for way in running if way not in failed]
        if round_ == 0:
            running = drop_hopeless(turns, running)
    return {way: list_ for way, list_ in turns.items() if way not in failed}, failed


def summarise(way, turns):
    """Rates over all steps of all turns."""
    steps = [ms for turn in turns for ms in turn["step_ms"]]
    median = statistics.median(steps)
    result = {
        **dataclasses.asdict(way),
        "images_per_s": 1e3 * way.batch_size / median,
        "step_ms_median": median,
        "step_ms_mad": statistics.median(abs(ms - median) for ms in steps),
        "turn_medians_ms": [statistics.median(turn["step_ms"]) for turn in turns],
        "peak_rss_mib": max(turn["peak_rss_mib"] for turn in turns),
    }
    if way.side == "convmixer":  # the best of the measured peaks is the nearest to the machine's
        result["limit_images_per_s"] = max(turn["limit_images_per_s"] for turn in turns)
        result["fraction_of_limit"] = result["images_per_s"] / result["limit_images_per_s"]
        result["plan"] = turns[0].get("plan", "")  # what was run
    return result


def compare_best(summaries, side):
    """Ours against PyTorch's best among `summaries` (by way); the range is that of the rounds in which both ran."""

    def best(who):
        return max((way for way in summaries if way.side == who), key=lambda way: summaries[way]["images_per_s"])

    ours, theirs = best("convmixer"), best("PyTorch")
    mine, other = summaries[ours], summaries[theirs]
    rounds = [
        (ours.batch_size / my_ms) / (theirs.batch_size / their_ms)
        for my_ms, their_ms in zip(mine["turn_medians_ms"], other["turn_medians_ms"])
    ]
    return {
        **side,
        "of": ours.name,
        "to": theirs.name,
        "ratio": mine["images_per_s"] / other["images_per_s"],
        "lowest": min(rounds),
        "highest": max(rounds),
        "memory_ratio": mine["peak_rss_mib"] / other["peak_rss_mib"],
    }


def ratios(summaries):
    """Of each kind of plan that was asked for."""
    plans = dict.fromkeys(way.plan for way in summaries if way.side == "convmixer")
    return [
        ratio
        for plan in plans
        for ratio in ratios_of_plan(
            {way: summary for way, summary in summaries.items() if way.side == "PyTorch" or way.plan == plan}
        )
    ]


def ratios_of_plan(summaries):
    """For each precision and batch size, each precision, and all together, where that says more than the one before."""
    precisions = list(dict.fromkeys(way.precision for way in summaries))
    batch_sizes = list(dict.fromkeys(way.batch_size for way in summaries))
    result = []
    for precision in precisions:
        same = {way: summary for way, summary in summaries.items() if way.precision == precision}
        for batch_size in batch_sizes:
            part = {way: summary for way, summary in same.items() if way.batch_size == batch_size}
            if {way.side for way in part} == {"convmixer", "PyTorch"}:
                result.append(compare_best(part, {"precision": precision, "batch_size": batch_size}))
        if len(batch_sizes) > 1:
            result.append(compare_best(same, {"precision": precision, "batch_size": None}))
    if len(precisions) > 1:
        result.append(compare_best(summaries, {"precision": None, "batch_size": None}))
    return result


def compare(arguments):
    turns, failed = measure(arguments)
    summaries = {way: summarise(way, list_) for way, list_ in turns.items()}
    ours = next(list_[0] for way, list_ in turns.items() if way.side == "convmixer")
    theirs = next(list_[0] for way, list_ in turns.items() if way.side == "PyTorch")
    return {
        "program": "compare_torch",
        **{key: ours.get(key) for key in ("commit", "cpu", "onednn", "threads", "mode")},
        "ranks": arguments.ranks,
        **{key: ours.get(key) for key in ("model_name", "description", "model")},
        "plan": ", ".join(dict.fromkeys(s["plan"] for s in summaries.values() if s["side"] == "convmixer")),
        "torch": theirs["torch"],
        "rounds": arguments.rounds,
        "steps": arguments.steps,
        "warmup": arguments.warmup,
        "results": {way.name: summary for way, summary in summaries.items()},
        "failed": {way.name: reason for way, reason in failed.items()},
        "ratios": ratios(summaries),
    }


def to_text(result):
    model = result["model"]
    ranks = f"{result['ranks']} ranks of " if result["ranks"] > 1 else ""
    lines = [
        f"{result['mode']} of {result['description']}, images {model['image_size']} x {model['image_size']}, "
        f"{ranks}{result['threads']} threads of {result['cpu']}",
        f"convmixer {result['commit']} and PyTorch {result['torch']} in turns, {result['rounds']} rounds of "
        f"{result['steps']} steps",
        "",
    ]
    width = max(len(name) for name in (*result["results"], *result["failed"]))
    for name, summary in result["results"].items():
        spread = 100 * summary["step_ms_mad"] / summary["step_ms_median"]
        line = (
            f"  {name:<{width}}  {summary['images_per_s']:8.1f} images/s +- {spread:4.1f}%  "
            f"{summary['peak_rss_mib']:8.1f} MiB"
        )
        if "fraction_of_limit" in summary:
            line += f"  {summary['fraction_of_limit']:.3f} of the limit, {summary['limit_images_per_s']:.0f}"
        turns = len(summary["turn_medians_ms"])
        if turns < result["rounds"]:
            line += f"  ({turns} of {result['rounds']} turns: too slow to be the best)"
        lines.append(line)
    for name, reason in result["failed"].items():
        lines.append(f"  {name:<{width}}  failed: {reason}")
    lines.append("")
    for ratio in result["ratios"]:
        lines.append(
            f"  {ratio['ratio']:.2f} times as fast ({ratio['lowest']:.2f} to {ratio['highest']:.2f} by rounds) with "
            f"{ratio['memory_ratio']:.2f} times the memory: {ratio['of']} against {ratio['to']}"
        )
    return "\n".join(lines)


def main(words):
    arguments = parse_arguments(words)
    try:
        if arguments.json:
            check_writable(arguments.json)
        result = compare(arguments)
        print(to_text(result))
        if arguments.json:
            write_json(arguments.json, result)
    except Failure as failure:
        sys.exit(f"compare_torch: error: {failure}")
    except KeyboardInterrupt:
        sys.exit("compare_torch: stopped")


if __name__ == "__main__":
    main(sys.argv[1:])
