"""perf/neighbours from its command line to its exit status, on a stand-in for step_bench that sees who runs beside it."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

TESTS = pathlib.Path(__file__).resolve().parent
PERF = TESTS.parent.parent / "perf"


class Neighbours(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.build = self.make_build("build")

    def make_build(self, name):
        program = self.folder / name / "bin/step_bench"
        program.parent.mkdir(parents=True)
        fake = TESTS / "fake_neighboured_step_bench.py"
        program.write_text(f"#!{sys.executable}\n" + fake.read_text())
        program.chmod(0o755)
        return self.folder / name

    def run_it(self, *words):
        command = [sys.executable, str(PERF / "neighbours"), "--rounds", "2", "--build", str(self.build), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.folder)

    def beside(self):
        """Who ran beside each measurement."""
        return [json.loads(line) for line in (self.build / "beside").read_text().splitlines()]

    def test_tells_the_share_that_is_left_beside_each(self):
        result = self.run_it("--beside", "1@0", "2@0", "1@10", "--json", "out.json")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(
            result.stdout.splitlines(),
            [
                "busy processes   images/s  of quiet (by rounds)",
                "none               1280.0  1.00 (1.00 to 1.00)",
                "1 at nice 0         640.0  0.50 (0.50 to 0.50)",
                "2 at nice 0         426.7  0.33 (0.33 to 0.33)",
                "1 at nice 10       1163.6  0.91 (0.91 to 0.91)",
            ],
        )
        rows = json.loads((self.folder / "out.json").read_text())["results"]
        self.assertEqual([row["processes"] for row in rows], [0, 1, 2, 1])
        self.assertEqual(len(rows[1]["images_per_s_by_round"]), 2)

    def test_lets_no_process_of_one_setting_run_in_the_next(self):
        self.run_it("--beside", "2@0", "1@10")
        self.assertEqual(self.beside(), [[], [0, 0], [10], [10], [0, 0], []])

    def test_hands_options_on(self):
        result = self.run_it("--beside", "1@0", "--", "--batch-size", "64")
        self.assertIn("none                640.0", result.stdout)

    def test_names_the_builds_if_there_are_several(self):
        other = self.make_build("other")
        result = self.run_it(str(other), "--beside", "1@0")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual([line.split()[-1] for line in result.stdout.splitlines()[1:3]], [str(self.build), str(other)])

    def test_passes_on_what_step_bench_says(self):
        (self.build / "fails").touch()
        result = self.run_it("--beside", "2@0")
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, "^neighbours: error: .*/bin/step_bench: step_bench: error: out of memory\n$")

    def test_refuses_settings_that_make_no_sense(self):
        for words in ("0@0", "1", "1@20", "x@0"):
            result = self.run_it("--beside", words)
            self.assertEqual(result.returncode, 2, result.stderr)
            self.assertIn(f"{words}: expected processes and niceness (0 to 19), such as 1@10", result.stderr)


if __name__ == "__main__":
    unittest.main()
