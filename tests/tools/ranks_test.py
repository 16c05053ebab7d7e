"""Trains by several processes that mpirun starts, two and four on this machine; skipped where the plug-in wasn't built or
there is no mpirun.
"""

import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

TOOL = sys.argv.pop(1)
PLUGIN = sys.argv.pop(1)  # empty: the build has no MPI
MODEL = ["--dim", "32", "--depth", "2", "--kernel-size", "3", "--patch-size", "4", "--train-images", "400",
         "--test-images", "100", "--batch-size", "64", "--precision", "f32", "--log-interval", "1", "--seed", "3"]
TIMES = {"images_per_s", "data_wait_s", "data_wait_share", "data_supply_images_per_s", "data_cpu_share", "train_s", "test_s",
         "total_s"}


def mpirun(ranks):
    return ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-np", str(ranks)]


def records(run):
    """Of metrics.jsonl, without what the clock says and without sessions."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in TIMES} for line in lines
            if line["type"] not in ("session", "end")]


class Ranks(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.environment = dict(os.environ, OMP_WAIT_POLICY="passive", TMPDIR=str(self.folder))

    def command(self, ranks, *words):
        return (mpirun(ranks) if ranks > 1 else []) + [TOOL, *words]

    def run_tool(self, ranks, *words, **environment):
        return subprocess.run(self.command(ranks, *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              env=dict(self.environment, **environment), timeout=250)

    def train(self, ranks, name, *words):
        """To the end; what it printed."""
        run = self.run_tool(ranks, "train", *MODEL, "--threads", "1", "--out", str(self.folder / name), *words)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        return run.stdout

    def start(self, ranks, name, *words):
        """In the background, in a session of its own; once it has written its first record."""
        process = subprocess.Popen(
            self.command(ranks, "train", *MODEL, "--threads", "1", "--out", str(self.folder / name), *words),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment)
        self.addCleanup(lambda: (process.poll() is None and process.kill(), process.communicate()))
        metrics = self.folder / name / "metrics.jsonl"
        end = time.monotonic() + 100
        while not (metrics.exists() and '"step"' in metrics.read_text()):
            self.assertIsNone(process.poll(), "ended before its first step")
            self.assertLess(time.monotonic(), end, "no step")
            time.sleep(0.02)
        return process

    def ranks_of(self, name):
        """The processes that train into a folder."""
        found = []
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[0] == TOOL.encode() and str(self.folder / name).encode() in words:
                found.append(int(entry.name))
        return found

    def assert_same(self, name, other):
        for file in ("best.safetensors", "last.safetensors"):
            self.assertEqual((self.folder / name / file).read_bytes(), (self.folder / other / file).read_bytes(), file)
        self.assertEqual(records(self.folder / name), records(self.folder / other))

    def error_of(self, run, status):
        """The one line that the program said; mpirun adds its own."""
        self.assertEqual(run.returncode, status, run.stdout + run.stderr)
        lines = [line for line in run.stderr.splitlines() if line.startswith("convmixer: error: ")]
        self.assertEqual(len(lines), 1, run.stderr)
        return lines[0].removeprefix("convmixer: error: ")

    def test_two_and_four_processes_write_what_one_writes(self):
        self.train(1, "alone", "--epochs", "2")
        for ranks in (2, 4):
            text = self.train(ranks, f"ranks{ranks}", "--epochs", "2")
            self.assert_same(f"ranks{ranks}", "alone")
            self.assertRegex(text, rf"ranks +{ranks}, by .*; batch norms see all ranks' images")
            self.assertEqual(text.count("finished 2 epochs"), 1, text)
        self.assertEqual([entry.name for entry in self.folder.glob("convmixer-rank-*")], [])

    def test_a_signal_to_one_rank_stops_all_after_the_step_and_one_process_goes_on(self):
        self.train(1, "alone", "--epochs", "4")
        process = self.start(4, "stopped", "--epochs", "4")
        os.kill(self.ranks_of("stopped")[-1], signal.SIGTERM)
        process.communicate(timeout=100)
        self.assertEqual(self.ranks_of("stopped"), [])
        self.assertLess(len(records(self.folder / "stopped")), len(records(self.folder / "alone")))
        self.train(1, "stopped", "--epochs", "4")
        self.assert_same("stopped", "alone")

    def test_a_killed_rank_ends_all_within_ten_seconds_and_the_run_goes_on(self):
        self.train(1, "alone", "--epochs", "3")
        process = self.start(2, "killed", "--epochs", "3")
        victim = random.choice(self.ranks_of("killed"))
        os.kill(victim, signal.SIGKILL)
        begin = time.monotonic()
        _, errors = process.communicate(timeout=60)
        self.assertLess(time.monotonic() - begin, 10)
        self.assertNotEqual(process.returncode, 0)
        self.assertRegex(errors, r"rank \d")  # mpirun says which
        self.assertEqual(self.ranks_of("killed"), [])
        self.train(2, "killed", "--epochs", "3")
        self.assert_same("killed", "alone")

    def test_what_is_wrong_is_said_once(self):
        out = str(self.folder / "wrong")
        self.assertIn("--lrr", self.error_of(self.run_tool(2, "train", "--lrr", "1", "--out", out), 2))
        self.assertIn("batch of 1 image: expected at least one for each of the 4 ranks", self.error_of(
            self.run_tool(4, "train", *[{"64": "57"}.get(word, word) for word in MODEL], "--out", out), 2))
        self.assertIn("not there", self.error_of(self.run_tool(2, "train", "--data", "/not there", "--out", out), 1))
        self.assertIn("eval: started as 2 processes by Open MPI: expected one",
                      self.error_of(self.run_tool(2, "eval", out), 2))
        self.assertIn("expected --batch-norm local", self.error_of(
            self.run_tool(2, "train", *MODEL, "--plan", "plain", "--out", out), 2))

    def test_a_loss_that_is_not_finite_ends_all(self):
        message = self.error_of(self.run_tool(2, "train", *MODEL, "--threads", "1", "--lr", "1e30", "--out",
                                              str(self.folder / "diverged")), 1)
        self.assertRegex(message, "became (-?nan|-?inf) at step")

    def test_a_state_that_rank_zero_can_not_write_ends_all(self):
        process = self.start(2, "lost", "--epochs", "1000")
        os.rename(self.folder / "lost", self.folder / "elsewhere")
        output, errors = process.communicate(timeout=100)
        run = subprocess.CompletedProcess([], process.returncode, output, errors)
        self.assertIn("last.state.safetensors", self.error_of(run, 1))
        self.assertEqual(self.ranks_of("lost"), [])

    def test_without_the_plug_in_only_one_process_trains(self):
        out = str(self.folder / "none")
        run = subprocess.run([TOOL, "train", *MODEL, "--epochs", "1", "--out", out], stdout=subprocess.PIPE, text=True,
                             env=dict(self.environment, CONVMIXER_MPI_PLUGIN="/nowhere.so"), timeout=100)
        self.assertEqual(run.returncode, 0)
        run = subprocess.run([TOOL, "train", *MODEL, "--out", out], stderr=subprocess.PIPE, text=True, timeout=100,
                             env=dict(self.environment, CONVMIXER_MPI_PLUGIN="/nowhere.so", PMI_SIZE="2", PMI_RANK="0"))
        self.assertEqual(run.returncode, 1)
        self.assertRegex(run.stderr, "convmixer: error: started as one of 2 processes by MPICH or Intel MPI, but MPI "
                                     "can't be loaded: /nowhere.so")

    def test_a_launcher_of_another_mpi_is_told(self):
        run = subprocess.run([TOOL, "train", *MODEL, "--out", str(self.folder / "other")], stderr=subprocess.PIPE,
                             text=True, env=dict(self.environment, PMI_SIZE="3", PMI_RANK="0"), timeout=100)
        self.assertEqual(run.returncode, 1)
        self.assertIn("MPICH or Intel MPI has started 3 processes, but MPI (Open MPI", run.stderr)

    def test_launch_prints_the_command_and_runs_it(self):
        out = str(self.folder / "launched")
        words = ["launch", "--ranks", "2", "--", "train", *MODEL, "--epochs", "1", "--threads", "1", "--out", out]
        run = self.run_tool(1, *words)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        self.assertRegex(run.stdout, r"^mpirun -np 2 .*--bind-to none \S*convmixer train --dim 32")
        self.assertIn("finished 1 epoch", run.stdout)

    def test_launch_refuses_what_is_no_training(self):
        for words in (["launch"], ["launch", "--", "eval"], ["launch", "--ranks", "2", "--per-numa", "--", "train"]):
            self.assertEqual(self.run_tool(1, *words).returncode, 2, words)


if __name__ == "__main__":
    if not PLUGIN or shutil.which("mpirun") is None:
        print("skipped: no MPI in this build, or no mpirun")
        sys.exit(77)
    unittest.main()
