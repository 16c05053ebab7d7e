"""Trains by several processes that mpirun starts, two and four on this machine; skipped where the plug-in wasn't built or
there is no mpirun. With --mpich and the folder of the sources it does the same by MPICH (Debian: mpich, libmpich-dev), for
which it builds a plug-in of its own; skipped where there is none.
"""

import fcntl
import io
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest

TOOL = os.path.abspath(sys.argv.pop(1))
PLUGIN = sys.argv.pop(1)  # empty: the build has no MPI
OTHER_PLUGIN = sys.argv.pop(1)  # of another release
STEP_BENCH, OP_BENCH = sys.argv.pop(1), sys.argv.pop(1)  # empty: the build has no perf/
SOURCES = sys.argv[2] if sys.argv[1:2] == ["--mpich"] else None
del sys.argv[1 : 3 if SOURCES else 1]
IS_MPICH = SOURCES is not None or bool(PLUGIN) and b"libmpich" in pathlib.Path(PLUGIN).read_bytes()
LAUNCHER = "MPICH or Intel MPI" if IS_MPICH else "Open MPI"  # as its environment tells
LAUNCH = ["--mpirun", "mpiexec.mpich"] if IS_MPICH else []
MODEL = ["--dim", "32", "--depth", "2", "--kernel-size", "3", "--patch-size", "4", "--train-images", "400",
         "--test-images", "100", "--batch-size", "64", "--precision", "f32", "--log-interval", "1", "--seed", "3"]
TIMES = {"images_per_s", "data_wait_s", "data_wait_share", "data_supply_images_per_s", "data_cpu_share", "train_s", "test_s",
         "total_s", "left_s"}
COMMUNICATION = {"communication_s", "communication_bytes"}


def mpirun(mpich=IS_MPICH):
    if mpich:
        return ["mpiexec.mpich", "-bind-to", "none"]
    return ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none"]


def build_for_mpich(folder):
    """The plug-in; it is found by the variable."""
    file = pathlib.Path(folder) / "convmixer-mpi.so"
    subprocess.run(["mpicxx.mpich", "-std=c++20", "-O1", "-fPIC", "-shared", "-I", SOURCES, f"{SOURCES}/dist/mpi/plugin.cpp",
                    "-o", str(file)], check=True)
    os.environ["CONVMIXER_MPI_PLUGIN"] = str(file)


def catches(process, number):
    """Whether a process does something about a signal."""
    try:
        caught = re.search(r"SigCgt:\s*(\w+)", pathlib.Path(f"/proc/{process}/status").read_text())
    except OSError:
        return False
    return caught is not None and bool(int(caught[1], 16) >> (number - 1) & 1)


def write_cifar(path, seed=1):
    """An archive of CIFAR-10 with a few drawn images."""
    pixels = random.Random(seed)
    with tarfile.open(path, "w") as archive:
        for name, images in [*((f"data_batch_{number}.bin", 80) for number in range(1, 6)), ("test_batch.bin", 100)]:
            content = b"".join(bytes([image % 10]) + pixels.randbytes(3072) for image in range(images))
            entry = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def records(run):
    """Of metrics.jsonl, without what the clock and the number of ranks say and without sessions."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in TIMES | COMMUNICATION} for line in lines
            if line["type"] not in ("session", "end")]


def epochs(run):
    """The records of its epochs, all that they say."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["type"] == "epoch"]


class Ranks(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.environment = dict(os.environ, OMP_WAIT_POLICY="passive", TMPDIR=str(self.folder))

    def command(self, ranks, *words):
        return ([*mpirun(), "-np", str(ranks)] if ranks > 1 else []) + [TOOL, *words]

    def execute(self, command, **environment):
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              env=dict(self.environment, **environment), timeout=250)

    def run_tool(self, ranks, *words, **environment):
        return self.execute(self.command(ranks, *words), **environment)

    def train(self, ranks, name, *words):
        """To the end; what it printed."""
        run = self.run_tool(ranks, "train", *MODEL, "--threads", "1", "--out", str(self.folder / name), *words)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        return run.stdout

    def start(self, ranks, name, *words):
        """In the background; once it has made its first step."""
        out = str(self.folder / name)
        return self.started(name, self.command(ranks, "train", *MODEL, "--threads", "1", "--out", out, *words))

    def start_with_statuses(self, ranks, name, *words):
        """Likewise; each rank's exit status will be in a file, name.status.rank."""
        keep = f'"$@"; echo $? > {self.folder}/{name}.status.${{PMI_RANK:-$OMPI_COMM_WORLD_RANK}}'
        return self.started(name, [*mpirun(), "-np", str(ranks), "sh", "-c", keep, "sh", TOOL, "train", *MODEL, "--threads", "1",
                                   "--out", str(self.folder / name), *words])

    def started(self, name, command):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment)
        self.addCleanup(lambda: (process.poll() is None and process.kill(), process.communicate()))
        metrics = self.folder / name / "metrics.jsonl"
        end = time.monotonic() + 100
        while not (metrics.exists() and '"type":"step"' in metrics.read_text()):
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

    def start_with_waiting_ranks(self, name, ready, waiting, *words):
        """As many ranks as have their data, and after them some that wait for theirs: this test has leased it."""
        commands = []
        folders = [self.folder / f"{name}-{place}" for place in ("ready", "waiting")]
        for number, folder in zip((ready, waiting), folders):
            folder.mkdir()
            commands.append(["-np", str(number), "env", "-C", str(folder), TOOL, "train", *MODEL, "--threads", "1", "--dataset",
                             "cifar10", "--data", "cifar.tar", "--allow-partial", "--out", str(self.folder / name), *words])
        write_cifar(folders[0] / "cifar.tar")
        self.lease = self.lease_of(folders[1] / "cifar.tar")
        process = subprocess.Popen([*mpirun(), *commands[0], ":", *commands[1]], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, env=self.environment)
        self.addCleanup(lambda: (process.poll() is None and process.kill(), process.communicate()))
        return process

    def lease_of(self, path):
        """Who opens such an empty file waits until the descriptor is closed; SIGIO says that somebody does."""
        self.somebody_waits = False
        before = signal.signal(signal.SIGIO, lambda *_: setattr(self, "somebody_waits", True))
        self.addCleanup(lambda: signal.signal(signal.SIGIO, before))
        lease = open(path, "w+b")
        self.addCleanup(lease.close)
        fcntl.fcntl(lease, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        return lease

    def end_the_waiting(self):
        """Once somebody waits."""
        end = time.monotonic() + 100
        while not self.somebody_waits:
            self.assertLess(time.monotonic(), end, "nobody waits")
            time.sleep(0.02)
        self.lease.close()

    def assert_gone(self, name):
        """MPICH's mpirun may end before the ranks that it kills."""
        end = time.monotonic() + (10 if IS_MPICH else 0)
        while (left := self.ranks_of(name)) and time.monotonic() < end:
            time.sleep(0.02)
        self.assertEqual(left, [])

    def assert_said_once(self, text):
        lines = [line for line in text.splitlines() if line.strip()]
        self.assertEqual(len(lines), len(set(lines)), text)

    def said_by_the_program(self, text, program="convmixer"):
        """The rest is mpirun's."""
        return [line for line in text.splitlines() if line.startswith(f"{program}: ")]

    def assert_same(self, name, other):
        for file in ("best.safetensors", "last.safetensors"):
            self.assertEqual((self.folder / name / file).read_bytes(), (self.folder / other / file).read_bytes(), file)
        self.assertEqual(records(self.folder / name), records(self.folder / other))

    def error_of(self, run, status, program="convmixer"):
        """The one line that the program said; mpirun adds its own, and by which signal it has ended the other ranks."""
        self.assertEqual(run.returncode, status, run.stdout + run.stderr)
        start = f"{program}: error: "
        lines = [line for line in self.said_by_the_program(run.stderr, program) if line.startswith(start)]
        self.assertEqual(len(lines), 1, run.stderr)
        return lines[0].removeprefix(start)

    def ended(self, process):
        output, errors = process.communicate(timeout=100)
        return subprocess.CompletedProcess([], process.returncode, output, errors)

    def test_two_and_four_processes_write_what_one_writes(self):
        self.train(1, "alone", "--epochs", "2")
        for ranks in (2, 4):
            text = self.train(ranks, f"ranks{ranks}", "--epochs", "2")
            self.assert_same(f"ranks{ranks}", "alone")
            self.assertRegex(text, rf"ranks +{ranks}, by .*; batch norms see all ranks' images")
            self.assertEqual(text.count("finished 2 epochs"), 1, text)
            self.assertRegex(text, r"epoch 1/2 .*  wait [0-9.]+%  exchange [0-9.]+%  ")
            for epoch in epochs(self.folder / f"ranks{ranks}"):
                self.assertGreater(epoch["communication_bytes"], 0)
                self.assertTrue(0 < epoch["communication_s"] <= epoch["train_s"], epoch)
        for epoch in epochs(self.folder / "alone"):
            self.assertFalse(COMMUNICATION & epoch.keys(), epoch)
        self.assertEqual([entry.name for entry in self.folder.glob("convmixer-rank-*")], [])

    def test_a_signal_to_one_rank_stops_all_after_the_step_and_one_process_goes_on(self):
        self.train(1, "alone", "--epochs", "40")
        process = self.start_with_statuses(4, "stopped", "--epochs", "40")
        os.kill(self.ranks_of("stopped")[-1], signal.SIGTERM)
        process.communicate(timeout=100)
        self.assertEqual(self.ranks_of("stopped"), [])
        for rank in range(4):
            status = (self.folder / f"stopped.status.{rank}").read_text()
            self.assertEqual(int(status), 128 + signal.SIGTERM, f"rank {rank}")
        self.assertLess(len(records(self.folder / "stopped")), len(records(self.folder / "alone")))
        self.train(1, "stopped", "--epochs", "40")
        self.assert_same("stopped", "alone")

    def test_a_killed_rank_ends_all_within_ten_seconds_and_the_run_goes_on(self):
        self.train(1, "alone", "--epochs", "40")
        process = self.start(2, "killed", "--epochs", "40")
        victim = random.choice(self.ranks_of("killed"))
        os.kill(victim, signal.SIGKILL)
        begin = time.monotonic()
        output, errors = process.communicate(timeout=60)
        self.assertLess(time.monotonic() - begin, 10)
        self.assertNotEqual(process.returncode, 0)
        self.assertRegex(output + errors, r"Killed \(signal 9\)" if IS_MPICH else r"rank \d")  # mpirun says which
        self.assert_gone("killed")
        self.assertEqual(list(self.folder.glob("convmixer-rank-*")), [])
        self.train(2, "killed", "--epochs", "40")
        self.assert_same("killed", "alone")

    def test_what_is_wrong_is_said_once(self):
        out = str(self.folder / "wrong")
        self.assertIn("--lrr", self.error_of(self.run_tool(2, "train", "--lrr", "1", "--out", out), 2))
        self.assertIn("batch of 1 image: expected at least one for each of the 4 ranks", self.error_of(
            self.run_tool(4, "train", *[{"64": "57"}.get(word, word) for word in MODEL], "--out", out), 2))
        self.assertIn("not there", self.error_of(self.run_tool(2, "train", "--data", "/not there", "--out", out), 1))
        self.assertIn(f"eval: started as 2 processes by {LAUNCHER}: expected one",
                      self.error_of(self.run_tool(2, "eval", out), 2))
        self.assertIn("expected --batch-norm local", self.error_of(
            self.run_tool(2, "train", *MODEL, "--plan", "plain", "--out", out), 2))

    @unittest.skipUnless(STEP_BENCH and OP_BENCH, "built without perf/")
    def test_ranks_measure_their_steps_together_and_say_once_what_is_wrong(self):
        tiny = ["--dim", "32", "--depth", "1", "--kernel-size", "3", "--patch-size", "4", "--image-size", "16", "--batch-size",
                "8", "--precision", "f32", "--threads", "1", "--steps", "2", "--warmup", "1", "--peak-seconds", "0"]
        file = self.folder / "step.json"
        run = self.execute([*mpirun(), "-np", "2", STEP_BENCH, *tiny, "--json", str(file)])
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(run.stdout.count("2 ranks of 1 thread"), 1, run.stdout)
        self.assertEqual(json.loads(file.read_text())["ranks"], 2)
        wrong = ((["--step", "3"], "unknown option '--step'", 2), (["--micro-batch", "4"], "without micro-batches", 2),
                 (["--json", str(self.folder / "none" / "step.json")], "none", 1))
        for words, said, status in wrong:
            run = self.execute([*mpirun(), "-np", "2", STEP_BENCH, *tiny, *words])
            self.assertIn(said, self.error_of(run, status, "step_bench"))
            self.assertEqual(run.stdout, "")
        for words in (["--help"], ["--benchmark_list_tests", "--network", "256x8"]):
            run = self.execute([*mpirun(), "-np", "2", OP_BENCH, *words])
            if words == ["--help"]:
                self.assertEqual((run.returncode, run.stdout.count("usage: op_bench")), (0, 1), run.stderr)
            else:
                self.assertIn(f"started as 2 processes by {LAUNCHER}: expected one", self.error_of(run, 2, "op_bench"))

    def test_what_a_run_says_it_says_once(self):
        out = str(self.folder / "said")
        process = self.start(2, "said", "--epochs", "1000")
        process.send_signal(signal.SIGTERM)  # mpirun's: it sends it to all ranks
        stopped = self.ended(process)
        self.assertEqual(self.said_by_the_program(stopped.stderr),
                         ["convmixer: stopping after this step and saving; once more to stop at once"])
        self.assertIn("stopped and saved in epoch", stopped.stdout)
        self.assert_said_once(stopped.stdout)
        for words in (["--until-accuracy", "0.05"], ["--until-accuracy", "0.05"], ["--fresh", "--until-accuracy", "0.05"]):
            run = self.run_tool(2, "train", *MODEL, "--threads", "1", "--out", out, "--epochs", "1000", *words)
            self.assertEqual((run.returncode, run.stderr), (0, ""))
            self.assert_said_once(run.stdout)
        self.assertEqual(run.stdout.count(f"the run that was in {out} is now in {out}.1"), 1, run.stdout)
        self.assertTrue((self.folder / "said.1" / "last.state.safetensors").exists())
        self.assertTrue((self.folder / "said" / "last.state.safetensors").exists())
        self.assertFalse((self.folder / "said.2").exists())
        for words in (["--version"], ["--help"], ["help", "train"], ["train", "--help"]):
            alone, run = self.run_tool(1, *words), self.run_tool(2, *words)
            self.assertEqual((run.returncode, run.stdout, run.stderr), (0, alone.stdout, ""))
        self.assertEqual(self.run_tool(2).stdout, self.run_tool(1).stdout)
        self.assertIn("unknown command 'trian'", self.error_of(self.run_tool(2, "trian"), 2))

    def test_ended_before_its_first_step_it_says_so_once(self):
        said = []
        for name in ("ended1", "ended2", "ended3", "ended4"):
            process = self.start_with_waiting_ranks(name, 1, 1)
            end = time.monotonic() + 100
            while [catches(rank, signal.SIGTERM) for rank in self.ranks_of(name)] != [True, True]:
                self.assertLess(time.monotonic(), end, "the ranks don't begin")
                time.sleep(0.02)
            process.send_signal(signal.SIGTERM)
            said = self.said_by_the_program(self.ended(process).stderr)
            self.assertNotEqual(process.returncode, 0)
            if said:  # mpirun may end with the first rank, before it has read what the others say: MPICH's most of the time
                break
        if said or not IS_MPICH:
            self.assertEqual(said, ["convmixer: ended by SIGTERM"])

    def test_a_rank_that_is_not_ready_in_time_is_named_and_ends_all(self):
        for waiting, named in ((1, "rank 2 not ready"), (2, "ranks 1, 2 not ready")):
            with self.subTest(waiting):
                begin = time.monotonic()
                process = self.start_with_waiting_ranks(f"late{waiting}", 3 - waiting, waiting, "--start-timeout", "2")
                message = self.error_of(self.ended(process), 1)
                self.assertIn(f"{named} after 2 seconds: ", message)
                self.assertIn("--start-timeout waits longer", message)
                self.assertLess(time.monotonic() - begin, 20)
                self.assert_gone(f"late{waiting}")

    def test_a_rank_that_is_late_but_in_time_says_itself_what_is_wrong(self):
        process = self.start_with_waiting_ranks("found", 1, 1)
        self.end_the_waiting()
        self.assertEqual(self.error_of(self.ended(process), 1),
                         "rank 1 of 2: cifar.tar: can't be read as an archive: Unrecognized archive format")
        self.assert_gone("found")

    def test_a_plug_in_that_is_missing_is_said_once(self):
        out = str(self.folder / "none")
        run = self.run_tool(3, "train", *MODEL, "--out", out, CONVMIXER_MPI_PLUGIN="/nowhere.so")
        self.assertEqual(self.error_of(run, 1), f"started as one of 3 processes by {LAUNCHER}, but MPI can't be loaded: "
                         "/nowhere.so: cannot open shared object file: No such file or directory")

    def test_a_loss_that_is_not_finite_ends_all(self):
        message = self.error_of(self.run_tool(2, "train", *MODEL, "--threads", "1", "--lr", "1e30", "--out",
                                              str(self.folder / "diverged")), 1)
        self.assertRegex(message, "became (nan|-?inf) at step")

    def test_a_run_folder_that_rank_zero_can_not_write_into_ends_all(self):
        process = self.start(2, "lost", "--epochs", "1000")
        os.rename(self.folder / "lost", self.folder / "elsewhere")
        message = self.error_of(self.ended(process), 1)  # of whichever comes next after the folder has gone
        self.assertRegex(message, r"^\S*/lost/(best|last|last\.state)\.safetensors: can't be (created|replaced): No such file or "
                         "directory$")
        self.assert_gone("lost")

    def test_a_profile_has_the_threads_of_each_rank_on_one_axis(self):
        self.train(1, "alone", "--epochs", "2")
        command = mpirun()
        for place in ("first", "second"):  # a folder for each, to see who writes and who moves a run aside
            (self.folder / place / "run").mkdir(parents=True)
            (self.folder / place / "run" / "metrics.jsonl").touch()
            command += ["-np", "1", "env", "-C", str(self.folder / place), TOOL, "train", *MODEL, "--threads", "1", "--epochs", "2",
                        "--out", "run", "--fresh", "--profile", "trace.json", "--profile-skip", "5", "--profile-steps", "3", ":"]
        run = subprocess.run(command[:-1], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment,
                             timeout=250)
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assert_same("first/run", "alone")
        self.assertEqual(run.stdout.count("profile of steps 6 to 8 on rank 0; trace of all 2 ranks for "), 1, run.stdout)
        self.assertTrue((self.folder / "first" / "run.1" / "metrics.jsonl").exists())
        second = self.folder / "second"
        self.assertEqual(sorted(second.rglob("*")), [second / "run", second / "run" / "metrics.jsonl"])
        trace = json.loads((self.folder / "first" / "trace.json").read_text())
        self.assertEqual(trace["otherData"]["ranks"], "2")
        events = trace["traceEvents"]
        names = {event["pid"]: event["args"]["name"] for event in events if event["name"] == "process_name"}
        self.assertEqual(names, {1: "rank 0", 2: "rank 1"})
        steps = {}
        for process in names:
            training = [event["tid"] for event in events if event["pid"] == process and event["name"] == "thread_name" and
                        event["args"]["name"] == "training"]
            self.assertEqual(len(training), 1)
            own = [event for event in events if event["pid"] == process and event["tid"] == training[0] and event["ph"] == "X"]
            steps[process] = [event for event in own if event["name"] == "training step"]
            self.assertEqual([event["args"]["number"] for event in steps[process]], [6, 7, 8])
            for part in ("forward", "backward", "exchange with a rank", "evaluation"):
                self.assertTrue(any(event["name"] == part for event in own), part)
        # In a step they wait for each other. Microseconds; ranks that share CPUs with others may begin that much apart.
        slack = 50_000
        for one, other in zip(*steps.values()):
            self.assertLess(one["ts"], other["ts"] + other["dur"] + slack)
            self.assertLess(other["ts"], one["ts"] + one["dur"] + slack)

    def test_a_profile_that_can_not_be_written_ends_all_and_is_said_once(self):
        words = ["train", *MODEL, "--threads", "1", "--out", str(self.folder / "refused"), "--profile"]
        self.assertIn("/nowhere/trace.json", self.error_of(self.run_tool(2, *words, "/nowhere/trace.json"), 1))
        self.assertIn("expected a --profile-skip and --profile-steps of at most 7 together", self.error_of(
            self.run_tool(2, *words, str(self.folder / "trace.json"), "--epochs", "1"), 2))

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

    def test_a_plug_in_of_another_release_is_refused(self):
        environment = dict(self.environment, CONVMIXER_MPI_PLUGIN=OTHER_PLUGIN, PMI_SIZE="2", PMI_RANK="0")
        run = subprocess.run([TOOL, "train", *MODEL, "--out", str(self.folder / "other")], stderr=subprocess.PIPE, text=True,
                             env=environment, timeout=100)
        self.assertEqual(run.returncode, 1)
        self.assertRegex(run.stderr, rf"{re.escape(OTHER_PLUGIN)}: of another release than this program, expected version \d+")

    def test_a_launcher_of_another_mpi_is_told(self):
        variables = {"OMPI_COMM_WORLD_SIZE": "3", "OMPI_COMM_WORLD_RANK": "0"} if IS_MPICH else {"PMI_SIZE": "3", "PMI_RANK": "0"}
        run = subprocess.run([TOOL, "train", *MODEL, "--out", str(self.folder / "other")], stderr=subprocess.PIPE,
                             text=True, env=dict(self.environment, **variables), timeout=100)
        self.assertEqual(run.returncode, 1)
        self.assertRegex(run.stderr, r"Open MPI has started 3 processes, but MPI \(MPICH [0-9.]+\) finds 1 process: " if IS_MPICH
                         else r"MPICH or Intel MPI has started 3 processes, but MPI \(Open MPI v[0-9.]+\) finds 1 process: ")

    def test_ranks_that_another_mpi_starts_refuse_once_and_train_nothing(self):
        if shutil.which(mpirun(not IS_MPICH)[0]) is None:
            self.skipTest("one MPI alone is installed")
        out = self.folder / "alone"
        run = subprocess.run([*mpirun(not IS_MPICH), "-np", "3", TOOL, "train", *MODEL, "--out", str(out)], text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment, timeout=100)
        self.assertIn("has started 3 processes, but MPI (MPICH" if IS_MPICH else "has started 3 processes, but MPI (Open MPI",
                      self.error_of(run, 1))
        self.assertFalse(out.exists())

    def test_ranks_share_the_cores_of_the_machine(self):
        cpus = os.sched_getaffinity(0)
        run = self.run_tool(2, "train", *MODEL, "--epochs", "1", "--out", str(self.folder / "shared"), OMP_NUM_THREADS="")
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        session = json.loads((self.folder / "shared" / "metrics.jsonl").read_text().splitlines()[0])
        self.assertEqual(session["ranks"], 2)
        self.assertLessEqual(session["threads"], max(1, len(cpus) // 2))
        process = self.start(2, "bound", "--epochs", "1000")
        allowed = [os.sched_getaffinity(rank) for rank in self.ranks_of("bound")]
        self.assertEqual(len(allowed), 2)
        if len(cpus) > 1:
            self.assertFalse(allowed[0] & allowed[1])
        self.assertLessEqual(allowed[0] | allowed[1], cpus)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=100)

    def test_all_ranks_go_on_with_other_data_if_rank_zero_is_told_to(self):
        data = self.folder / "cifar.tar"
        words = ["train", *MODEL, "--threads", "1", "--epochs", "2", "--dataset", "cifar10", "--data", str(data),
                 "--allow-partial", "--out", str(self.folder / "changed")]
        write_cifar(data)
        self.assertEqual(self.run_tool(2, *words, "--until-accuracy", "0.01").returncode, 0)
        write_cifar(data, seed=2)
        self.assertIn("--allow-changed-data", self.error_of(self.run_tool(2, *words), 2))
        run = self.run_tool(2, *words, "--allow-changed-data")
        self.assertEqual((run.returncode, run.stderr), (0, ""), run.stdout)
        self.assertEqual(run.stdout.count("the data has changed"), 1, run.stdout)

    def test_ranks_begin_anew_with_the_weights_of_the_run_that_was_there(self):
        out = str(self.folder / "again")
        self.train(2, "again", "--epochs", "1")
        run = self.run_tool(2, "train", *MODEL, "--threads", "1", "--epochs", "1", "--out", out, "--fresh", "--init", out)
        self.assertEqual((run.returncode, run.stderr), (0, ""), run.stdout)
        self.assertIn("finished 1 epoch", run.stdout)

    def test_the_plug_in_is_found_beside_the_program_and_beside_its_folder(self):
        def plug_in(program):
            text = subprocess.run([str(program), "--version"], stdout=subprocess.PIPE, text=True, timeout=100,
                                  env={key: value for key, value in self.environment.items()
                                       if key != "CONVMIXER_MPI_PLUGIN"}).stdout
            return re.search(r"MPI +(.*)", text)[1]

        program = self.folder / "prefix" / "bin" / "tool"
        program.parent.mkdir(parents=True)
        shutil.copy(TOOL, program)
        if (found := plug_in(program)) != "none: one process trains":
            self.assertTrue(pathlib.Path(found.removeprefix("plug-in ")).exists(), found)
            self.skipTest("the library is elsewhere, and has a plug-in beside it")
        for place in (self.folder / "prefix" / "lib" / "convmixer", program.parent / "convmixer"):
            place.mkdir(parents=True)
            shutil.copy(PLUGIN, place)
            self.assertEqual(pathlib.Path(plug_in(program).removeprefix("plug-in ")).resolve(),
                             (place / pathlib.Path(PLUGIN).name).resolve())

    def test_launch_prints_the_command_and_runs_it(self):
        out = str(self.folder / "launched")
        words = ["launch", *LAUNCH, "--ranks", "2", "--", "train", *MODEL, "--epochs", "1", "--threads", "1", "--out", out]
        run = self.run_tool(1, *words)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        self.assertRegex(run.stdout, rf"^{mpirun()[0]} -np 2 .*-bind-to none \S*convmixer train --dim 32")
        self.assertIn("finished 1 epoch", run.stdout)

    def test_launch_lets_ranks_pause_and_finish_a_step_longer_than_mpirun_would_wait(self):
        slow = ["--dim", "256", "--depth", "4", "--kernel-size", "5", "--patch-size", "2", "--train-images", "2000",
                "--test-images", "10", "--batch-size", "256", "--precision", "f32", "--log-interval", "1", "--threads", "1"]
        folder = self.folder / "slow"
        words = ["launch", *LAUNCH, "--ranks", "2", "--", "train", *slow, "--epochs", "100", "--out", str(folder)]
        process = subprocess.Popen([TOOL, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env=self.environment)
        self.addCleanup(lambda: (process.poll() is None and process.kill(), process.communicate()))

        def wait_until(condition):
            end = time.monotonic() + 100
            while not condition():
                self.assertIsNone(process.poll())
                self.assertLess(time.monotonic(), end)
                time.sleep(0.02)

        def paused():
            ranks = [rank for rank in self.ranks_of("slow") if rank != process.pid]
            return [pathlib.Path(f"/proc/{rank}/stat").read_text().rsplit(") ", 1)[1][0] == "T" for rank in ranks]

        metrics = folder / "metrics.jsonl"
        wait_until(lambda: metrics.exists() and '"type":"step"' in metrics.read_text())
        if not IS_MPICH:  # whose mpirun stops alone
            process.send_signal(signal.SIGTSTP)
            wait_until(lambda: paused() == [True, True])
            process.send_signal(signal.SIGCONT)
            wait_until(lambda: paused() == [False, False])
        process.send_signal(signal.SIGINT)
        run = self.ended(process)
        self.assertEqual(run.returncode, 128 + signal.SIGINT, run.stdout + run.stderr)
        self.assertRegex(run.stdout, r"stopped and saved in epoch \d+/100 after step")
        self.assertEqual(self.said_by_the_program(run.stderr),
                         ["convmixer: stopping after this step and saving; once more to stop at once"])
        self.assert_gone("slow")

    def test_launch_saves_at_sigusr1_as_a_batch_system_may_send_it(self):
        words = ["launch", *LAUNCH, "--ranks", "2", "--", "train", *MODEL, "--epochs", "100000", "--threads", "1", "--out"]
        process = self.started("ended", [TOOL, *words, str(self.folder / "ended")])
        process.send_signal(signal.SIGUSR1)
        output, errors = process.communicate(timeout=100)
        self.assertEqual(process.returncode, 128 + signal.SIGUSR1, output + errors)
        self.assertIn("stopped and saved in epoch", output)
        self.assert_gone("ended")

    def test_launch_ends_at_once_at_the_second_signal(self):
        words = ["launch", *LAUNCH, "--ranks", "2", "--", "train", *MODEL, "--epochs", "100000", "--progress", "none", "--out"]
        process = subprocess.Popen([TOOL, *words, str(self.folder / "twice")], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True, env=self.environment)
        self.addCleanup(lambda: (process.poll() is None and process.kill(), process.communicate()))
        end = time.monotonic() + 100
        while not (self.folder / "twice" / "metrics.jsonl").exists():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)
        for rank in self.ranks_of("twice"):  # they don't get to the end of their step
            if rank != process.pid:
                os.kill(rank, signal.SIGSTOP)
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
        self.assertNotEqual(process.returncode, 0)
        self.assert_gone("twice")

    def test_launch_says_that_mpirun_can_not_be_run(self):
        run = self.run_tool(1, "launch", "--ranks", "2", "--mpirun", "/nowhere/mpirun", "--", "train")
        self.assertEqual(run.returncode, 1)
        self.assertIn("/nowhere/mpirun: can't be run: expected the mpirun of", run.stderr)

    def test_launch_refuses_what_is_no_training(self):
        for words in (["launch"], ["launch", "--", "eval"], ["launch", "--ranks", "2", "--per-numa", "--", "train"]):
            self.assertEqual(self.run_tool(1, *words).returncode, 2, words)
        run = self.run_tool(1, "launch", "--dry-run", "--ranks", "2", *LAUNCH, "--", "train", "--epochz", "3")
        self.assertEqual((run.returncode, run.stdout), (2, ""))
        self.assertIn("unknown option '--epochz'; did you mean 'epochs'?", run.stderr)


if __name__ == "__main__":
    if SOURCES and (shutil.which("mpicxx.mpich") is None or shutil.which("mpiexec.mpich") is None):
        print("skipped: no MPICH (Debian: mpich, libmpich-dev)")
        sys.exit(77)
    if not SOURCES and (not PLUGIN or shutil.which(mpirun()[0]) is None):
        print(f"skipped: no MPI in this build, or no {mpirun()[0]}")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as plugin_folder:
        if SOURCES:
            build_for_mpich(plugin_folder)
        unittest.main()
