"""The short fixed set that perf/regress runs, and what a turn of it yields."""

import dataclasses
import pathlib

from programs import Failure, measure_operations, measure_step, run


@dataclasses.dataclass(frozen=True)
class Measurement:
    """A program of a build folder's bin/ with its options. Recordings can be compared as long as both stay the same."""

    name: str
    program: str
    options: str

    @property
    def needs_bf16(self):
        return "--precision bf16" in self.options

    def command(self, folder):
        """The words that run it in a build folder."""
        return [str(pathlib.Path(folder) / "bin" / self.program), *self.options.split()]


LITTLE = "--dim 16 --depth 1 --batch-size 1 --steps 1 --warmup 0 --peak-seconds 0"
STEPS = "--steps 4 --warmup 2 --peak-seconds 0"
OPERATIONS = "--peak-seconds 0 --benchmark_min_time=0.01 --benchmark_repetitions=5"
SET = (
    Measurement("training f32", "step_bench", f"--precision f32 --batch-size 64 {STEPS}"),
    Measurement("training bf16", "step_bench", f"--precision bf16 --batch-size 64 {STEPS}"),
    Measurement("training bf16, kernel 9", "step_bench", f"--precision bf16 --batch-size 64 --kernel-size 9 {STEPS}"),
    Measurement("training bf16, small", "step_bench", f"--precision bf16 --dim 64 --depth 4 --batch-size 64 {STEPS}"),
    Measurement("inference f32", "step_bench", f"--precision f32 --batch-size 64 --inference {STEPS}"),
    Measurement("inference bf16", "step_bench", f"--precision bf16 --batch-size 64 --inference {STEPS}"),
    Measurement(
        "hand-written kernels",
        "op_bench",
        f"--network 256x8 --precision bf16 --benchmark_filter=/(own|hand-written) {OPERATIONS}",
    ),
)


@dataclasses.dataclass(frozen=True)
class Figure:
    """Something measured of which less is better."""

    name: str
    unit: str


@dataclasses.dataclass(frozen=True)
class Turn:
    """What one run yields."""

    figures: dict  # number by Figure
    split: dict  # milliseconds by operation and direction: what the time consisted of
    conditions: dict  # "commit", "threads", "onednn", "precision": as the program reported them


def name_today(operation):
    """Of an operation: older builds call hand-written kernels their own."""
    return operation.replace("/own", "/hand-written")


def figures_of(folder, measurement):
    """The figures that the measurement yields in a build folder."""
    if measurement.program == "step_bench":
        return [Figure(measurement.name, "ms"), Figure(measurement.name, "MiB")]
    names = run([*measurement.command(folder), "--benchmark_list_tests"]).split()
    return [Figure(name_today(name.removesuffix("/real_time")), "ms") for name in names]


def take_turn(folder, measurement):
    """Runs the measurement in a build folder. Of a turn's steps, or runs of an operation, the fastest counts: what else
    goes on in a machine only ever adds to a time, and the statistics are over turns."""
    if measurement.program == "op_bench":
        times = measure_operations(measurement.command(folder))
        return Turn({Figure(name_today(name), "ms"): ms for name, ms in times.items()}, {}, {})
    result = measure_step(measurement.command(folder))
    split = {f"{row['operation']} {row['direction']}".strip(): row["ms"] for row in result.get("split", [])}
    time, memory = figures_of(folder, measurement)
    figures = {time: min(result["step_ms"]), memory: result["peak_rss_mib"]}
    return Turn(figures, split, {key: result.get(key) for key in ("commit", "threads", "onednn", "precision")})


def probe(folder):
    """The conditions of a turn, at next to no cost; the precision is bf16 if oneDNN has bf16."""
    return take_turn(folder, Measurement("probe", "step_bench", f"--precision auto {LITTLE}")).conditions


def has_bf16_steps(folder):
    """Whether the build folder's step_bench computes in bf16: where oneDNN can't, in fused plans, by f32's instructions."""
    try:
        take_turn(folder, Measurement("probe", "step_bench", f"--precision bf16 {LITTLE}"))
    except Failure:
        return False
    return True


def measure(builds, measurements, rounds, tell):
    """For each build, samples by figure and splits by measurement. Builds take turns at each measurement, and at who is
    first, so that what warms up or slows down meets all alike. `tell(round)` hears of each round that begins."""
    samples, splits = [{} for _ in builds], [{} for _ in builds]
    for round_ in range(rounds):
        tell(round_)
        for measurement in measurements:
            order = range(len(builds)) if round_ % 2 == 0 else reversed(range(len(builds)))
            for i in order:
                turn = take_turn(builds[i].folder, measurement)
                for figure, value in turn.figures.items():
                    samples[i].setdefault(figure, []).append(value)
                for operation, ms in turn.split.items():
                    splits[i].setdefault(measurement.name, {}).setdefault(operation, []).append(ms)
    return samples, splits
