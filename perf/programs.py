"""Runs step_bench and other programs for the measurements written in Python, and writes what came of them."""

import argparse
import json
import math
import os
import pathlib
import secrets
import shlex
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent

PER_MS = {"ns": 1e-6, "us": 1e-3, "ms": 1.0, "s": 1e3}  # Google Benchmark's units


class Failure(Exception):
    """Ends a program with one line on standard error and exit status 1."""


class Parser(argparse.ArgumentParser):
    """Refuses wrong options in one line, with exit status 2; an option has one name."""

    def __init__(self, **settings):
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **settings)

    def error(self, message):
        self.exit(2, f"{self.prog}: error: {message}\n")


def positive(text):
    """An option's whole number from 1, for argparse."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text}: expected a whole number from 1")
    return value


def run(command, **options):
    """Standard output of a command (a list of words) that succeeds."""
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    except OSError as error:
        raise Failure(f"{command[0]} can't be run: {error.strerror}") from None
    if result.returncode != 0:
        raise Failure(f"{command[0]}: {complaint(result.stderr) or f'exit status {result.returncode}'}")
    return result.stdout


def complaint(text):
    """The line of a failed program's standard error that tells why: its first error, where mpirun adds a page of its own;
    otherwise the last one that says something."""
    lines = [line for line in text.splitlines() if any(character.isalnum() for character in line)]
    errors = [line for line in lines if " error: " in line]
    return errors[0] if errors else lines[-1] if lines else ""


def mpirun_command(words, ranks):
    """`words`, which are mpirun and options, with the number of ranks and what Open MPI wants to be told: that root runs
    it, and that there may be more ranks than cores."""
    more = []
    if "Open MPI" in run([words[0], "--version"]):
        more = ["--oversubscribe", *["--allow-run-as-root"] * (os.geteuid() == 0)]
    return [*words, *more, "-np", str(ranks)]


def words_of_command(text):
    """An option that is a command, for argparse: its words."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text}: expected a command, found {str(error).lower()}") from None
    if not words:
        raise argparse.ArgumentTypeError("expected a command, found nothing")
    return words


def measure_step(command):
    """What step_bench writes with --json: `command` is its file and options (a list of words).

    Throws Failure if it fails or writes anything but a measurement."""
    result = json_of(command, "--json", lambda file: ["--json", file])
    return check_measurement(result, command[0], ("threads", "model", "mode", "peak_rss_mib"))


def measure_operations(command):
    """Milliseconds by name of the operations that op_bench measures, run by `command`: of repetitions, the fastest.
    Throws Failure as the above."""
    result = json_of(command, "--benchmark_out", lambda file: [f"--benchmark_out={file}"])
    try:
        rows = [row for row in result["benchmarks"] if row.get("run_type") == "iteration"]
        for row in rows:
            if row.get("error_occurred"):
                raise Failure(f"{command[0]}: {row['name']}: {row.get('error_message', 'failed')}")
        times = {}
        for row in rows:
            name, ms = row["name"].removesuffix("/real_time"), row["real_time"] * PER_MS[row["time_unit"]]
            times[name] = min(ms, times.get(name, math.inf))
    except (KeyError, TypeError, AttributeError):
        raise Failure(f"{command[0]}: expected Google Benchmark's JSON, found parts of it missing") from None
    if not all(0.0 < ms < math.inf for ms in times.values()):
        raise Failure(f"{command[0]}: expected times above 0, found {min(times.values())} ms")
    return times


def json_of(command, option, words):
    """The JSON that a command writes to the file that `words(file)` tells it."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "result.json"
        run([*command, *words(str(file))])
        try:
            return json.loads(file.read_text())
        except (OSError, ValueError) as error:
            raise Failure(f"{command[0]}: expected a JSON file from {option}, found none to read: {error}") from None


def check_measurement(result, program, keys):
    """`result`, which is an object with these keys and the milliseconds of some steps. Throws Failure naming what is
    missing."""
    for key in (*keys, "step_ms"):
        if not isinstance(result, dict) or key not in result:
            raise Failure(f"{program}: its JSON has no '{key}'")
    steps = result["step_ms"]
    if not steps or not all(isinstance(ms, (int, float)) and 0.0 < ms < math.inf for ms in steps):
        raise Failure(f"{program}: step_ms: expected the milliseconds of each step, found '{str(steps)[:60]}'")
    return result


def check_writable(file):
    """Throws Failure if `file` can't be written: before an hour of measuring, not after."""
    folder = pathlib.Path(os.path.realpath(file)).parent
    if file.is_dir():
        raise Failure(f"{file}: expected a file's name, found a folder")
    if file.exists() and not file.is_file():
        raise Failure(f"{file}: expected a file, which can be replaced as a whole, found a device or a pipe")
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise Failure(f"{file}: can't be written: '{folder}' is not a folder that can be written to")


def write_whole(file, text):
    """Writes `file`, or what it is a link to, whole or not at all."""
    target = os.path.realpath(file)
    part = f"{target}.{secrets.token_hex(4)}.part"
    try:
        try:
            with open(part, "x", encoding="utf-8") as to:
                to.write(text)
            os.replace(part, target)
        except BaseException:
            pathlib.Path(part).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise Failure(f"{file}: can't be written: {error.strerror}") from None


def write_json(file, value):
    """Writes `file` whole or not at all."""
    write_whole(file, json.dumps(value, indent=2) + "\n")
