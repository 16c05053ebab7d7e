"""perf/scaling from its command line to its exit status, on a stand-in for step_bench and mpirun."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

TESTS = pathlib.Path(__file__).resolve().parent
PERF = TESTS.parent.parent / "perf"


class Scaling(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.program = self.folder / "build/bin/step_bench"
        self.program.parent.mkdir(parents=True)
        self.program.write_text(f"#!{sys.executable}\n" + (TESTS / "fake_ranked_step_bench.py").read_text())
        self.program.chmod(0o755)

    def run_it(self, *words):
        command = [sys.executable, str(PERF / "scaling"), "--rounds", "2", "--build", str(self.folder / "build"),
                   "--mpirun", str(self.program), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.folder)

    def rows(self):
        return json.loads((self.folder / "out.json").read_text())["results"]

    def test_strong_scaling_shares_one_batch(self):
        result = self.run_it("--settings", "1x1", "1x2", "2x1", "--batch-size", "100", "--json", "out.json", "--svg", "out.svg")
        self.assertEqual(result.returncode, 0, result.stderr)
        found = [(row["ranks"], row["threads"], row["batch_size"], row["step_ms"]) for row in self.rows()]
        self.assertEqual(found, [(1, 1, 100, 100.0), (1, 2, 100, 50.0), (2, 1, 100, 52.0)])
        self.assertAlmostEqual(self.rows()[2]["speedup"], 100 / 52)
        self.assertAlmostEqual(self.rows()[2]["efficiency"], 50 / 52)
        self.assertIn("2 x 1              100    1923.1  1.92 (1.92 to 1.92)              0.96     52.0         2.00        50   2.00",
                      result.stdout)
        xml.etree.ElementTree.parse(self.folder / "out.svg")

    def test_weak_scaling_gives_each_rank_a_batch(self):
        result = self.run_it("--settings", "1x1", "4x1", "--weak", "--batch-size", "100", "--json", "out.json")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.rows()[1]["batch_size"], 400)
        self.assertAlmostEqual(self.rows()[1]["efficiency"], 100 / 106)

    def test_what_a_rank_says_is_told_not_mpiruns_page(self):
        (self.folder / "build/broken").touch()
        result = self.run_it("--settings", "2x1")
        self.assertEqual((result.returncode, result.stderr.count("\n")), (1, 1))
        self.assertIn("step_bench: error: no such option", result.stderr)

    def test_a_picture_is_written_whole_or_not_at_all(self):
        result = self.run_it("--settings", "1x1", "--svg", "/dev/full")
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn("scaling: error: /dev/full: expected a file", result.stderr)

    def test_ranks_beyond_the_cores_are_told_to_mpirun(self):
        self.assertEqual(self.run_it("--settings", "1x1", "4096x1", "--batch-size", "4096").returncode, 0)
        self.assertIn("--oversubscribe", (self.folder / "build/lines").read_text())

    def test_a_build_without_mpi_is_refused(self):
        (self.folder / "build/alone").touch()
        result = self.run_it("--settings", "1x1", "2x1")
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, "scaling: error: .*step_bench: 1 ranks, expected 2: was it built with MPI")

    def test_wrong_settings_are_refused(self):
        for words in (["--settings", "2"], ["--settings", "0x1"], ["--rounds", "0"], ["--nothing"]):
            self.assertEqual(self.run_it(*words).returncode, 2, words)


if __name__ == "__main__":
    unittest.main()
