"""Runs step_bench and other programs for the measurements written in Python, and writes what came of them."""

import argparse
import json
import math
import os
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent


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
        lines = result.stderr.strip().splitlines() or [f"exit status {result.returncode}"]
        raise Failure(f"{command[0]}: {lines[-1]}")
    return result.stdout


def measure_step(program, options):
    """What step_bench (the file `program`) writes with --json, run with these options (a list of words).

    Throws Failure if it fails or writes anything but a measurement."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "step.json"
        run([str(program), *options, "--json", str(file)])
        try:
            result = json.loads(file.read_text())
        except (OSError, ValueError) as error:
            raise Failure(f"{program}: expected a JSON file from --json, found none to read: {error}") from None
    return check_measurement(result, str(program), ("threads", "model", "mode", "peak_rss_mib"))


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
    folder = file.absolute().parent
    if file.is_dir():
        raise Failure(f"{file}: expected a file's name, found a folder")
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise Failure(f"{file}: can't be written: '{folder}' is not a folder that can be written to")


def write_json(file, value):
    """Writes `file` whole or not at all."""
    part = file.with_name(file.name + ".part")
    try:
        part.write_text(json.dumps(value, indent=2) + "\n")
        part.replace(file)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise Failure(f"{file}: can't be written: {error.strerror}") from None
