"""perf/agreement from its command line to its exit status, on a stand-in for convmixer."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

PERF = pathlib.Path(__file__).resolve().parent.parent.parent / "perf"

# Writes down its words, and the accuracies that the test has put beside it for this way.
FAKE = """
import json, pathlib, sys
words = sys.argv[1:]
given = lambda name: words[words.index("--" + name) + 1]
here = pathlib.Path(__file__).parent
with open(here / "calls", "a") as calls:
    calls.write(json.dumps(words) + "\\n")
if (here / "fails").exists():
    sys.exit(143)
out = pathlib.Path(given("out"))
out.mkdir(parents=True, exist_ok=True)
found = json.loads((here / "accuracies").read_text())[out.name][: int(given("count"))]
runs = [{"seed": i + 1, "ended": True, "best_accuracy": 0.9, "last_accuracy": x} for i, x in enumerate(found)]
(out / "seeds.json").write_text(json.dumps({"runs": runs}))
"""


class Agreement(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.bin = self.folder / "build/bin"
        self.bin.mkdir(parents=True)
        program = self.bin / "convmixer"
        program.write_text(f"#!{sys.executable}\n{FAKE}")
        program.chmod(0o755)

    def run_it(self, *words, **accuracies):
        found = {name.replace("_", "-"): values for name, values in accuracies.items()}
        (self.bin / "accuracies").write_text(json.dumps(found))
        command = [sys.executable, str(PERF / "agreement"), "--build", str(self.folder / "build"), "--out", "runs", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.folder)

    def calls(self):
        return [json.loads(line) for line in (self.bin / "calls").read_text().splitlines()]

    def test_compares_each_two_by_the_standard_error_of_their_difference(self):
        # Deviations of 0.01 and standard errors of 0.01 / sqrt(3); of differences 0.01 sqrt(2/3), 0.82%.
        ways = {"f32_fused": [0.69, 0.70, 0.71], "bf16_fused": [0.70, 0.71, 0.72], "bf16_plain": [0.71, 0.72, 0.73]}
        result = self.run_it("--seeds", "3", "--json", "out.json", **ways)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertEqual(
            result.stdout.splitlines()[3:],
            [
                "last test accuracy",
                "way             mean  deviation   error  of 3 seeds",
                "f32-fused     70.00%      1.00%   0.58%  69.00 70.00 71.00",
                "bf16-fused    71.00%      1.00%   0.58%  70.00 71.00 72.00",
                "bf16-plain    72.00%      1.00%   0.58%  71.00 72.00 73.00",
                "bf16-fused against f32-fused: +1.00%, standard error 0.82%: agree",
                "bf16-plain against f32-fused: +2.00%, standard error 0.82%: DIFFER",
                "bf16-plain against bf16-fused: +1.00%, standard error 0.82%: agree",
                "1 of 3 pairs differ",
            ],
        )
        written = json.loads((self.folder / "out.json").read_text())
        self.assertEqual([pair["agree"] for pair in written["pairs"]], [True, False, True])

    def test_succeeds_where_all_agree(self):
        result = self.run_it("--seeds", "2", "--ways", "f32-plain", "f32-fused", f32_plain=[0.5, 0.6], f32_fused=[0.6, 0.5])
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout.splitlines()[-1], "all agree")

    def test_trains_each_way_with_the_same_settings(self):
        ways = {"f32_fused": [0.5, 0.6], "bf16_fused": [0.5, 0.6], "bf16_plain": [0.5, 0.6]}
        self.run_it("--seeds", "2", "--", "--data", "cifar", "--epochs=1", "--dim", "8", **ways)
        common = ["--depth", "4", "--data", "cifar", "--epochs=1", "--dim", "8"]
        for call, (precision, plan) in zip(self.calls(), (("f32", "fused"), ("bf16", "fused"), ("bf16", "plain")), strict=True):
            self.assertEqual(call[:2], ["seeds", "--config"])
            own = ["--precision", precision, "--plan", plan, "--count", "2", "--out", f"runs/{precision}-{plan}"]
            self.assertEqual(call[3:], common + own)

    def test_ends_with_the_training_that_was_stopped(self):
        (self.bin / "fails").touch()
        result = self.run_it()
        self.assertEqual(result.returncode, 1)
        self.assertEqual(
            result.stderr,
            "agreement: error: f32-fused: convmixer seeds ended with status 143; the same command goes on where it was\n",
        )
        self.assertEqual(len(self.calls()), 1)

    def test_names_results_that_arent_there(self):
        result = self.run_it("--seeds", "3", f32_fused=[0.5, 0.6], bf16_fused=[0.5], bf16_plain=[0.5])
        self.assertEqual(result.returncode, 1)
        self.assertIn("agreement: error: runs/f32-fused/seeds.json: expected the results of 3 runs", result.stderr)

    def test_refuses_options_that_make_no_sense(self):
        for words, message in (
            (("--seeds", "1"), "--seeds: 1: expected at least 2"),
            (("--ways", "f32-fused"), "--ways: f32-fused: expected at least 2"),
            (("--", "--precision", "f32"), "--precision after '--': this program sets it"),
            (("--", "--seed=3"), "--seed after '--': this program sets it"),
        ):
            result = self.run_it(*words)
            self.assertEqual(result.returncode, 2)
            self.assertIn(message, result.stderr)


if __name__ == "__main__":
    unittest.main()
