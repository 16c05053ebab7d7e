"""perf/compare_torch.py: its arithmetic on turns that are made up, and the whole of it on stand-ins for step_bench and
PyTorch (fake_build.py, fake_torch_python.py)."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import compare_torch
from compare_torch import Way
from fake_build import make_build

TESTS = pathlib.Path(__file__).resolve().parent
PERF = TESTS.parent.parent / "perf"


def turn(step_ms, memory=100.0, limit=1000.0):
    return {"step_ms": step_ms, "peak_rss_mib": memory, "limit_images_per_s": limit}


OURS = Way("convmixer", "bf16", 64)
OURS_128 = Way("convmixer", "bf16", 128)
NCHW = Way("PyTorch", "bf16", 64)
CHANNELS_LAST = Way("PyTorch", "bf16", 64, channels_last=True)
CHANNELS_LAST_128 = Way("PyTorch", "bf16", 128, channels_last=True)


class Ways(unittest.TestCase):
    def names(self, *words):
        return [way.name for way in compare_torch.ways(compare_torch.parse_arguments(words))]

    def test_are_both_layouts_of_each_precision_and_batch_size(self):
        self.assertEqual(
            self.names("--batch-size", "64", "128", "--precision", "f32"),
            [
                "convmixer f32 batch 64",
                "PyTorch f32 batch 64 NCHW",
                "PyTorch f32 batch 64 channels_last",
                "convmixer f32 batch 128",
                "PyTorch f32 batch 128 NCHW",
                "PyTorch f32 batch 128 channels_last",
            ],
        )

    def test_with_compile_and_an_allocator_are_those_as_well(self):
        self.assertEqual(
            self.names("--precision", "f32", "--compile", "--preload", "/usr/lib/libx.so.2")[1::2],
            [
                "PyTorch f32 batch 64 NCHW",
                "PyTorch f32 batch 64 NCHW libx.so.2",
                "PyTorch f32 batch 64 NCHW compiled",
                "PyTorch f32 batch 64 NCHW compiled libx.so.2",
            ],
        )

    def test_of_bf16_inference_have_bf16_weights_as_well(self):
        self.assertIn("PyTorch bf16 batch 64 NCHW bf16 weights", self.names("--inference"))
        self.assertNotIn("PyTorch f32 batch 64 NCHW bf16 weights", self.names("--inference"))
        self.assertNotIn("PyTorch bf16 batch 64 NCHW bf16 weights", self.names())


    def test_are_ours_in_each_plan(self):
        self.assertEqual(
            self.names("--precision", "f32", "--plan", "fused", "onednn")[:3],
            ["convmixer f32 batch 64 fused plan", "convmixer f32 batch 64 onednn plan", "PyTorch f32 batch 64 NCHW"],
        )


class Summary(unittest.TestCase):
    def test_is_of_all_steps_of_all_turns(self):
        summary = compare_torch.summarise(
            OURS, [turn([100, 110, 500], 90.0, 900.0), turn([90, 120, 130], 95.0, 1000.0)]
        )
        self.assertEqual(summary["step_ms_median"], 115)
        self.assertEqual(summary["step_ms_mad"], 15)  # distances 15 5 385 25 5 15
        self.assertAlmostEqual(summary["images_per_s"], 64e3 / 115)
        self.assertEqual(summary["turn_medians_ms"], [110, 120])
        self.assertEqual(summary["peak_rss_mib"], 95.0)
        self.assertEqual(summary["limit_images_per_s"], 1000.0)
        self.assertAlmostEqual(summary["fraction_of_limit"], 0.064e3 / 115)

    def test_of_pytorch_has_no_limit(self):
        self.assertNotIn("limit_images_per_s", compare_torch.summarise(NCHW, [turn([100])]))


class Ratios(unittest.TestCase):
    def ratios(self, turns):
        return compare_torch.ratios({way: compare_torch.summarise(way, list_) for way, list_ in turns.items()})

    def test_are_to_the_fastest_way(self):
        turns = {OURS: [turn([100], 50.0)], NCHW: [turn([400])], CHANNELS_LAST: [turn([250], 200.0)]}
        (ratio,) = self.ratios(turns)
        self.assertEqual((ratio["of"], ratio["to"]), (OURS.name, CHANNELS_LAST.name))
        self.assertAlmostEqual(ratio["ratio"], 2.5)
        self.assertAlmostEqual(ratio["memory_ratio"], 0.25)

    def test_have_the_range_of_the_rounds_in_which_both_ran(self):
        turns = {OURS: [turn([100]), turn([110]), turn([90])], NCHW: [turn([200]), turn([330])]}
        (ratio,) = self.ratios(turns)
        self.assertAlmostEqual(ratio["lowest"], 2.0)
        self.assertAlmostEqual(ratio["highest"], 3.0)

    def test_over_batch_sizes_compare_what_suits_each_side_best(self):
        turns = {
            OURS: [turn([100])],
            CHANNELS_LAST: [turn([250])],
            OURS_128: [turn([160])],
            CHANNELS_LAST_128: [turn([600])],
        }
        at_64, at_128, best = self.ratios(turns)
        self.assertAlmostEqual(at_64["ratio"], 2.5)
        self.assertAlmostEqual(at_128["ratio"], 3.75)
        self.assertEqual((best["of"], best["to"], best["batch_size"]), (OURS_128.name, CHANNELS_LAST.name, None))
        self.assertAlmostEqual(best["ratio"], (128 / 160) / (64 / 250))

    def test_are_those_of_each_plan(self):
        fused, onednn = (Way("convmixer", "bf16", 64, plan=plan) for plan in ("fused", "onednn"))
        of_fused, of_onednn = self.ratios({fused: [turn([100])], NCHW: [turn([300])], onednn: [turn([200])]})
        self.assertEqual((of_fused["of"], of_onednn["of"]), (fused.name, onednn.name))
        self.assertAlmostEqual(of_fused["ratio"], 3.0)
        self.assertAlmostEqual(of_onednn["ratio"], 1.5)

    def test_over_precisions_compare_the_best_of_either(self):
        f32, torch_f32 = Way("convmixer", "f32", 64), Way("PyTorch", "f32", 64)
        turns = {OURS: [turn([100])], NCHW: [turn([300])], f32: [turn([150])], torch_f32: [turn([250])]}
        bf16, in_f32, best = self.ratios(turns)
        self.assertAlmostEqual(bf16["ratio"], 3.0)
        self.assertAlmostEqual(in_f32["ratio"], 250 / 150)
        self.assertEqual((best["of"], best["to"], best["precision"]), (OURS.name, torch_f32.name, None))


class Hopeless(unittest.TestCase):
    def test_ways_are_those_half_as_slow_again_as_the_fastest_for_an_image(self):
        turns = {
            OURS: [turn([9000])],  # ours always runs
            NCHW: [turn([301, 320])],
            CHANNELS_LAST: [turn([200, 900])],
            CHANNELS_LAST_128: [turn([5000, 599])],
        }
        self.assertEqual(compare_torch.drop_hopeless(turns, list(turns)), [OURS, CHANNELS_LAST, CHANNELS_LAST_128])

    def test_ways_of_one_precision_are_not_judged_by_another(self):
        slow = Way("PyTorch", "f32", 64)
        turns = {slow: [turn([1000])], NCHW: [turn([100])]}
        self.assertEqual(compare_torch.drop_hopeless(turns, list(turns)), [slow, NCHW])


class Program(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        make_build(self.folder / "build")

    def compare(self, *words, torch="{}"):
        """`torch`: what fake_torch_python.py is to do."""
        command = [
            sys.executable,
            str(PERF / "compare_torch.py"),
            "--step-bench",
            str(self.folder / "build/bin/step_bench"),
        ]
        command += ["--python", f"{sys.executable} {TESTS / 'fake_torch_python.py'} '{torch}'"]
        command += ["--rounds", "2", "--steps", "3", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.folder)

    def assert_fails(self, result, message, status=1):
        self.assertEqual(result.stderr, f"compare_torch: error: {message}\n")
        self.assertEqual(result.returncode, status)

    def test_writes_everything_as_json(self):
        result = self.compare("--json", "ratios.json")
        self.assertEqual(result.returncode, 0, result.stderr)
        found = json.loads((self.folder / "ratios.json").read_text())
        self.assertEqual(found["program"], "compare_torch")
        self.assertEqual((found["torch"], found["threads"], found["mode"]), ("2.6.0", 2, "training"))
        self.assertEqual((found["model"]["dim"], found["plan"]), (256, "fused"))
        self.assertEqual((found["rounds"], found["steps"], found["failed"]), (2, 3, {}))
        self.assertEqual(len(found["results"]), 6)
        nchw = found["results"]["PyTorch bf16 batch 64 NCHW"]
        self.assertEqual(
            (nchw["turn_medians_ms"], nchw["channels_last"], nchw["batch_size"]), ([250.0, 250.0], False, 64)
        )
        self.assertAlmostEqual(found["results"]["convmixer f32 batch 64"]["fraction_of_limit"], 0.5)
        f32, bf16, best = found["ratios"]
        self.assertEqual((f32["precision"], bf16["precision"], best["precision"]), ("f32", "bf16", None))
        self.assertAlmostEqual(bf16["ratio"], 2.0)  # channels_last's 200 ms against 100
        self.assertEqual(list(self.folder.glob("*.part")), [])

    def test_refuses_commands_that_are_none(self):
        for words, message in (
            (("--python", "'"), "argument --python: ': expected a command, found no closing quotation"),
            (("--mpirun", ""), "argument --mpirun: expected a command, found nothing"),
        ):
            result = self.compare(*words)
            self.assertEqual((result.returncode, result.stderr), (2, f"compare_torch: error: {message}\n"))

    def test_json_goes_where_a_link_leads_and_replaces_no_pipe(self):
        (self.folder / "kept.json").write_text("old")
        (self.folder / "link.json").symlink_to("kept.json")
        self.assertEqual(self.compare("--json", "link.json").returncode, 0)
        self.assertTrue((self.folder / "link.json").is_symlink())
        self.assertEqual(json.loads((self.folder / "kept.json").read_text())["program"], "compare_torch")
        os.mkfifo(self.folder / "pipe")
        result = self.compare("--json", "pipe")
        self.assertEqual(result.returncode, 1)
        self.assertIn("pipe: expected a file, which can be replaced as a whole, found a device or a pipe", result.stderr)
        self.assertTrue((self.folder / "pipe").is_fifo())

    def test_hands_the_plans_on(self):
        result = self.compare("--precision", "f32", "--plan", "plain", "onednn", "--json", "ratios.json")
        self.assertEqual(result.returncode, 0, result.stderr)
        found = json.loads((self.folder / "ratios.json").read_text())
        self.assertEqual(found["plan"], "plain, onednn")
        self.assertEqual(found["results"]["convmixer f32 batch 64 onednn plan"]["plan"], "onednn")
        self.assertEqual(len(found["ratios"]), 2)

    def test_hands_the_model_on(self):
        words = ("--precision", "f32", "--rounds", "1", "--config", "a.ini", "--model", "vit", "--dim", "96")
        result = self.compare(*words, "--", "--heads", "3")
        self.assertEqual(result.returncode, 0, result.stderr)
        handed = (self.folder / "words.log").read_text()
        self.assertIn("--config a.ini --model vit --dim 96 --steps 3", handed)
        self.assertIn(" --optimizer adamw ", handed)  # as torch_step.py has
        self.assertIn(" --heads 3", handed)
        self.assertNotIn("--kernel-size", handed)
        for option in ("--batch-size", "--optimizer"):
            refused = self.compare("--", option, "3")
            self.assert_fails(refused, f"{option} after '--': this program sets it", status=2)

    def test_prints_rates_memory_limit_and_ratios(self):
        text = self.compare("--precision", "bf16").stdout
        self.assertIn("training of ConvMixer-256/8, kernel 5, patch 2, images 32 x 32, 2 threads of A CPU\n", text)
        self.assertRegex(
            text, r"convmixer bf16 batch 64 +640\.0 images/s \+- +0\.0% +100\.0 MiB  0\.500 of the limit, 1280"
        )
        self.assertRegex(text, r"PyTorch bf16 batch 64 channels_last +320\.0 images/s \+- +0\.0% +300\.0 MiB\n")
        self.assertIn(
            "2.00 times as fast (2.00 to 2.00 by rounds) with 0.33 times the memory: "
            "convmixer bf16 batch 64 against PyTorch bf16 batch 64 channels_last\n",
            text,
        )

    def test_runs_what_is_too_slow_once(self):
        result = self.compare("--precision", "f32", torch='{"NCHW": 301}')
        self.assertRegex(result.stdout, r"NCHW .* \(1 of 2 turns: too slow to be the best\)\n")

    def test_goes_on_without_ways_that_may_fail(self):
        result = self.compare("--precision", "f32", "--compile", "--json", "x.json", torch='{"compile": "no compiler"}')
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r"PyTorch f32 batch 64 NCHW compiled +failed: no compiler\n")
        self.assertEqual(len(json.loads((self.folder / "x.json").read_text())["failed"]), 2)

    def test_ends_with_the_message_of_pytorch_if_it_can_not_run(self):
        self.assert_fails(self.compare(torch='{"error": "no PyTorch here"}'), "no PyTorch here")

    def test_ends_with_the_message_of_step_bench_if_it_can_not_run(self):
        make_build(self.folder / "build", fails="out of luck")
        program = self.folder / "build/bin/step_bench"
        self.assert_fails(self.compare(), f"{program}: step_bench: error: out of luck")

    def test_refuses_a_python_that_says_something_else(self):
        result = self.compare(torch='{"print": "Hello"}')
        self.assertRegex(result.stderr, r"^compare_torch: error: .*: expected a line of JSON, found 'Hello'\n$")

    def test_refuses_steps_that_took_no_time(self):
        result = self.compare(torch='{"NCHW": 0}')
        self.assertRegex(result.stderr, r": step_ms: expected the milliseconds of each step, found '\[0, 0, 0\]'\n$")

    def test_refuses_another_network(self):
        result = self.compare(torch='{"parameters": 5}')
        self.assert_fails(result, "PyTorch f32 batch 64 NCHW: expected step_bench's 594186 parameters, found 5")

    def test_refuses_programs_that_are_not_there(self):
        self.assert_fails(self.compare("--step-bench", "no/such"), "no/such can't be run: No such file or directory")
        self.assert_fails(self.compare("--python", "no/such"), "no/such can't be run: No such file or directory")

    def test_refuses_a_file_that_can_not_be_written_before_measuring(self):
        result = self.compare("--json", "no/such/ratios.json")
        self.assertIn("compare_torch: error: no/such/ratios.json: can't be written", result.stderr)
        self.assertFalse((self.folder / "calls.log").exists())

    def test_refuses_wrong_options_with_status_2(self):
        for words, message in (
            (("--rounds", "0"), "argument --rounds: 0: expected a whole number from 1"),
            (("--batch-size", "x"), "argument --batch-size: x: expected a whole number from 1"),
            (("--precision", "f16"), "argument --precision: invalid choice: 'f16' (choose from 'f32', 'bf16')"),
            (("--python", ""), "argument --python: expected a command, found nothing"),
            (("--round", "1"), "unrecognized arguments: --round 1"),
        ):
            result = self.compare(*words)
            self.assertEqual(result.returncode, 2)
            self.assertEqual(
                result.stderr.replace("choose from f32, bf16", "choose from 'f32', 'bf16'"),
                f"compare_torch: error: {message}\n",
            )


if __name__ == "__main__":
    unittest.main()
