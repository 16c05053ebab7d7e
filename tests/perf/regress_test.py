"""perf/regress from its command line to its exit status, on builds of fake_build.py."""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from fake_build import add_op_bench, make_build

TESTS = pathlib.Path(__file__).resolve().parent
PERF = TESTS.parent.parent / "perf"


class Regress(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def build(self, name, **figures):
        """A build folder whose steps take 100 ms but for `figures`."""
        make_build(self.folder / name, **{"noise": 0.005, **figures})
        return str(self.folder / name)

    def regress(self, *words, program=PERF / "regress"):
        return subprocess.run(
            [sys.executable, str(program), *words], capture_output=True, text=True, check=False, cwd=self.folder
        )

    def compare(self, then, now, *words):
        return self.regress("--against", then, "--build", now, "--only", "training f32", "--rounds", "8", *words)

    def record(self, build, *words):
        file = self.folder / "then.json"
        result = self.regress("--build", build, "--only", "training f32", "--rounds", "8", "--json", str(file), *words)
        self.assertEqual(result.returncode, 0, result.stderr)
        return file

    def calls(self):
        return [line.split()[0] for line in (self.folder / "calls.log").read_text().splitlines()]

    def assert_fails(self, result, message, status=1):
        self.assertEqual(result.stderr, f"regress: error: {message}\n")
        self.assertEqual(result.returncode, status)


class Builds(Regress):
    def test_that_is_slower_is_found_with_the_operation_that_is(self):
        result = self.compare(self.build("then"), self.build("now", ms=106.0))
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertRegex(
            result.stdout, r"(?m)^worse: training f32: time \+[56]\.\d%, (99|100)\.\d+ ms to 10[56]\.\d ms, p 0\.0"
        )
        self.assertRegex(result.stdout, r"(?m)^    GELU backward: \+[56]\.\d\d ms \(")
        self.assertRegex(result.stdout, r"training f32 .* MiB .*\+0\.0% .* same\n")
        self.assertTrue(result.stdout.endswith("\n1 of 2 figures got worse\n"))

    def test_that_is_only_noisy_is_not(self):
        result = self.compare(self.build("then", noise=0.01), self.build("now", noise=0.01))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertTrue(result.stdout.endswith("\nnothing got worse\n"), result.stdout)
        self.assertNotIn("worse:", result.stdout)

    def test_that_is_faster_is_told_without_complaint(self):
        result = self.compare(self.build("then"), self.build("now", ms=90.0))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("\nbetter: training f32: time -10", result.stdout)

    def test_that_takes_more_memory_is_found(self):
        result = self.compare(self.build("then"), self.build("now", memory=104.0))
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertIn("\nworse: training f32: memory +4.0%, 100.0 MiB to 104.0 MiB", result.stdout)

    def test_that_changed_less_than_asked_for_passes(self):
        then, now = self.build("then"), self.build("now", ms=106.0)
        self.assertEqual(self.compare(then, now, "--effect", "10").returncode, 0)
        self.assertEqual(self.compare(then, now, "--effect", "4").returncode, 3)

    def test_take_turns_and_turns_at_who_is_first(self):
        self.compare(self.build("then"), self.build("now"))
        self.assertEqual(self.calls(), ["now", "then"] + ["then", "now", "now", "then"] * 4)  # two looks first

    def test_with_other_threads_or_onednn_are_refused(self):
        result = self.compare(self.build("then", threads=4), self.build("now"))
        name = self.folder / "then"
        self.assert_fails(
            result,
            f"{name} is from another machine or set-up, which can't be compared: threads '4' then, '2' now",
        )
        result = self.compare(self.build("then", onednn="3.7.2"), self.build("now"))
        self.assertIn(
            "onednn '3.7.2, runtime OpenMP, instructions avx512_core_bf16' then, '2.6.3, runtime", result.stderr
        )

    def test_without_bf16_are_measured_in_f32(self):
        result = self.regress("--build", self.build("now", best_precision="f32"), "--rounds", "1")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("left out: training bf16: the processor has no bf16 that oneDNN may use\n", result.stdout)
        log = (self.folder / "calls.log").read_text().splitlines()
        self.assertEqual([line.split()[2] for line in log], ["auto", "f32", "f32"])

    def test_in_bf16_by_other_instructions_are_taken_if_all_builds_have_them(self):
        def now(**figures):
            return self.build("now", best_precision="f32", **figures)

        result = self.regress("--build", now(other_bf16="yes"), "--rounds", "1")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r"training bf16, kernel 9 +\d")
        then = self.build("then", best_precision="f32")
        both = ("--rounds", "8", "--only", "training f32", "training bf16")
        result = self.regress("--against", then, "--build", now(other_bf16="yes"), *both)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("left out: training bf16: the processor has no bf16 that oneDNN may use\n", result.stdout)

    def test_that_fail_end_the_comparison_with_their_message(self):
        then = self.build("then", fails="out of luck")
        result = self.compare(then, self.build("now"))
        self.assert_fails(result, f"{then}/bin/step_bench: step_bench: error: out of luck")

    def test_whose_json_lacks_something_are_refused(self):
        build = self.build("now", memory_key="other")
        self.assert_fails(self.regress("--build", build), f"{build}/bin/step_bench: its JSON has no 'peak_rss_mib'")


class Operations(Regress):
    def compare(self, then, now, rounds="8"):
        """`then` and `now`: milliseconds by operation."""
        for name, times in (("then", then), ("now", now)):
            self.build(name)
            add_op_bench(self.folder / name, **times)
        return self.regress("--against", "then", "--build", "now", "--only", "hand-written kernels", "--rounds", rounds)

    def test_that_are_slower_are_found(self):
        for implementation in ["hand-written", "own"]:  # as older builds call it
            then = {f"norm/{implementation}": 2.0, f"sum/{implementation}": 3.0}
            result = self.compare(then, {"norm/hand-written": 2.1, "sum/hand-written": 3.0})
            self.assertEqual(result.returncode, 3, result.stderr)
            self.assertIn("\nworse: norm/hand-written: time +5.0%, 2.00 ms to 2.10 ms, p 0.008\n", result.stdout)
            self.assertIn("\n1 of 2 figures got worse\n", result.stdout)

    def test_that_are_new_have_nothing_to_be_compared_with(self):
        result = self.compare({"norm/hand-written": 2.0}, {"norm/hand-written": 2.0, "sum/hand-written": 3.0})
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("\n  sum/hand-written: there was none then\n", result.stdout)
        self.assert_fails(
            self.compare({"old/hand-written": 2.0}, {"norm/hand-written": 2.0}),
            "then: none of its figures is among those measured now",
        )

    def test_are_counted_where_rounds_are_too_few(self):
        times = {f"op{i}/hand-written": 1.0 for i in range(7)}
        self.assert_fails(self.compare(times, times), "--rounds 8: too few for 7 figures, expected at least 9")

    def test_whose_results_are_wrong_end_it(self):
        result = self.compare({"norm/hand-written": 2.0}, {"norm/hand-written": "wrong"})
        self.assert_fails(result, "now/bin/op_bench: norm/hand-written/real_time: wrong at 3")

    def test_are_left_out_where_a_build_has_no_op_bench(self):
        add_op_bench(pathlib.Path(self.build("now")), **{"norm/hand-written": 2.0})
        result = self.regress("--against", self.build("then"), "--build", "now", "--rounds", "10")
        self.assertIn(f"left out: hand-written kernels: no op_bench in {self.folder / 'then'}\n", result.stdout)
        self.assertEqual(result.returncode, 0, result.stderr)


class Recordings(Regress):
    def test_hold_samples_machine_set_and_commit(self):
        recording = json.loads(self.record(self.build("now", commit="abc")).read_text())
        self.assertEqual((recording["program"], recording["commit"]), ("regress", "abc"))
        self.assertEqual(recording["machine"]["threads"], 2)
        self.assertRegex(recording["machine"]["cpu"], r".+, family \d+, model \d+")
        self.assertEqual([m["name"] for m in recording["set"]], ["training f32"])
        self.assertEqual(
            [(f["name"], f["unit"]) for f in recording["figures"]], [("training f32", "ms"), ("training f32", "MiB")]
        )
        self.assertEqual([len(f["samples"]) for f in recording["figures"]], [8, 8])
        self.assertEqual(len(recording["splits"]["training f32"]["GELU backward"]), 8)

    def test_are_compared_with_as_they_are_on_request(self):
        file = self.record(self.build("old"))
        result = self.compare(
            str(file), self.build("now", ms=106.0), "--recorded", "--json", str(self.folder / "now.json")
        )
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertIn("\nworse: training f32: time +", result.stdout)
        against = json.loads((self.folder / "now.json").read_text())["against"]
        self.assertFalse(against["in_turns"])
        self.assertEqual([change["verdict"] for change in against["changes"]], ["worse", "same"])
        self.assertNotIn("old", self.calls()[9:])
        self.assertEqual(self.compare(str(file), self.build("new"), "--recorded").returncode, 0)

    def test_of_few_rounds_are_refused_before_anything_is_measured(self):
        file = self.record(self.build("old"))
        recording = json.loads(file.read_text())
        for figure in recording["figures"]:
            figure["samples"] = figure["samples"][:3]
        file.write_text(json.dumps(recording))
        calls = len(self.calls())
        result = self.compare(str(file), self.build("now"), "--recorded")
        self.assert_fails(result, f"{file}: 3 rounds, too few to compare with: expected at least 4")
        self.assertLessEqual(len(self.calls()), calls + 1)  # a look at the machine

    def test_take_fewer_rounds_than_turns_do(self):
        file, now = str(self.record(self.build("old"))), self.build("now")
        self.assertEqual(self.compare(file, now, "--recorded", "--rounds", "6").returncode, 0)
        self.assert_fails(
            self.compare(file, now, "--recorded", "--rounds", "5"),
            "--rounds 5: too few for 2 figures, expected at least 6",
        )

    def test_of_another_processor_are_refused(self):
        file = self.record(self.build("now"))
        recording = json.loads(file.read_text())
        cpu = recording["machine"]["cpu"]
        recording["machine"]["cpu"] = "Abacus, family 1"
        file.write_text(json.dumps(recording))
        result = self.compare(str(file), self.build("now"), "--recorded")
        self.assert_fails(
            result,
            f"{file} is from another machine or set-up, which can't be compared: "
            f"cpu 'Abacus, family 1' then, '{cpu}' now",
        )

    def test_of_changed_files_cannot_be_built_again(self):
        file = self.record(self.build("now", commit="abc-dirty"))
        result = self.compare(str(file), self.build("now"))
        self.assert_fails(
            result,
            f"{file}: its commit is 'abc-dirty', which can't be built again; --recorded compares with its samples",
        )

    def test_with_another_set_leave_nothing_to_compare(self):
        file = self.record(self.build("now"))
        file.write_text(file.read_text().replace("--steps 4", "--steps 5"))
        self.assert_fails(self.compare(str(file), self.build("now"), "--recorded"), "nothing is left to measure")

    def test_that_are_none_are_refused(self):
        file = self.folder / "then.json"
        now = self.build("now")
        self.assert_fails(self.compare(str(file), now), f"{file}: can't be read: No such file or directory")
        file.write_text("{")
        self.assertIn(f"regress: error: {file}: expected JSON: ", self.compare(str(file), now).stderr)
        file.write_text('{"program": "step_bench"}')
        self.assert_fails(self.compare(str(file), now), f"{file}: expected a recording made by perf/regress --json")
        file.write_text(
            '{"program": "regress", "commit": "abc", "machine": {}, "set": [], "figures": [{}], "splits": {}}'
        )
        self.assert_fails(
            self.compare(str(file), now),
            f"{file}: expected a recording made by perf/regress --json, found parts of it missing",
        )


class Commits(Regress):
    """In a checkout of its own, in which to build is to copy a folder."""

    def setUp(self):
        super().setUp()
        self.checkout = self.folder / "checkout"
        shutil.copytree(PERF, self.checkout / "perf", ignore=shutil.ignore_patterns("__pycache__"))
        (self.checkout / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.25)\nproject(x NONE)\n"
            "add_custom_target(step_bench COMMAND ${CMAKE_COMMAND} -E copy_directory ${CMAKE_SOURCE_DIR}/made .)\n"
        )
        (self.checkout / ".gitignore").write_text("build/\n")
        self.git("init", "--quiet", "--initial-branch=main")
        self.commits = [self.commit(ms) for ms in (100.0, 110.0)]

    def git(self, *words):
        identity = ["-c", "user.name=A Test", "-c", "user.email=a@test.example", "-c", "commit.gpgsign=false"]
        command = ["git", "-C", str(self.checkout), *identity, *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def commit(self, ms):
        make_build(self.checkout / "made", ms=ms, noise=0.005)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", f"{ms} ms")
        return self.git("rev-parse", "HEAD")

    def compare_commits(self, then, now):
        words = ("--against", then, "--build", now, "--only", "training f32", "--rounds", "8")
        return self.regress(*words, program=self.checkout / "perf/regress")

    def test_are_built_and_measured_in_turns(self):
        result = self.compare_commits("HEAD~1", "main")
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertRegex(result.stdout, r"worse: training f32: time \+(9\.[5-9]|10\.[0-5])%")
        self.assertIn(
            f"main ({self.commits[1][:12]}) (0123456789ab) in turns with HEAD~1 ({self.commits[0][:12]})", result.stdout
        )
        # The other way round, from what is built already.
        result = self.compare_commits(self.commits[1][:10], self.commits[0])
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("\nbetter: training f32: time", result.stdout)

    def test_of_recordings_are_built_and_the_machines_own_change_is_told(self):
        file = self.record(self.build("now", ms=80.0, commit=self.commits[0][:12]))
        words = ("--against", str(file), "--build", self.build("now"), "--rounds", "8")
        result = self.regress(*words, program=self.checkout / "perf/regress")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(
            result.stdout, r"(?m)^the machine itself since the recording: training f32 \+2[45]\.\d% \(ms\)$"
        )

    def test_are_built_again_when_their_sources_were_deleted(self):
        self.compare_commits("HEAD~1", "HEAD")
        for source in self.checkout.glob("build/regress/*/source"):
            shutil.rmtree(source)
        self.assertEqual(self.compare_commits("HEAD~1", "HEAD").returncode, 3)

    def test_that_do_not_build_are_told_with_where_to_look(self):
        (self.checkout / "CMakeLists.txt").write_text("message(FATAL_ERROR nonsense)\n")
        broken = self.commit(100.0)
        result = self.compare_commits(broken, self.build("now"))
        self.assertEqual(result.returncode, 1)
        log = re.search(r"regress: error: cmake -S .*: failed with exit status 1; see (.*)$", result.stderr).group(1)
        self.assertIn("nonsense", (self.folder / log).read_text())

    def test_that_are_none_are_refused(self):
        result = self.compare_commits("no-such", self.build("now"))
        self.assert_fails(
            result,
            "no-such: expected a build folder, a recording (.json) or a commit of "
            f"{self.checkout}, found none of them",
        )


class Options(Regress):
    def test_that_are_wrong_end_it_with_status_2(self):
        for words, message in (
            (("--recorded",), "argument --recorded: expected --against with a recording (.json)"),
            (("--rounds", "0"), "argument --rounds: 0: expected a whole number from 1"),
            (("--effect", "x"), "argument --effect: x: expected a percentage between 0 and 100"),
            (("--agains", "x"), "unrecognized arguments: --agains x"),
        ):
            self.assert_fails(self.regress(*words), message, status=2)

    def test_want_rounds_enough_to_be_significant(self):
        result = self.compare(self.build("then"), self.build("now"), "--rounds", "6")
        self.assert_fails(result, "--rounds 6: too few for 2 figures, expected at least 7")

    def test_want_a_file_that_can_be_written_before_anything_is_measured(self):
        result = self.compare(self.build("then"), self.build("now"), "--json", "no/such/now.json")
        self.assertEqual(result.returncode, 1)
        self.assertIn("no/such/now.json: can't be written", result.stderr)
        self.assertFalse((self.folder / "calls.log").exists())

    def test_want_a_build_folder_with_step_bench(self):
        (self.folder / "empty").mkdir()
        self.assert_fails(
            self.regress("--build", "empty"), "empty: expected a build folder, found no bin/step_bench in it"
        )

    def test_list_the_set(self):
        result = self.regress("--list")
        self.assertEqual(result.returncode, 0)
        self.assertRegex(result.stdout, r"(?m)^inference bf16: step_bench .*--inference")


if __name__ == "__main__":
    unittest.main()
