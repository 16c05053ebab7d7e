#!/usr/bin/env python3
"""live_display_test.py TOOL: what a person sees of the tool's live lines in a terminal, and what is left of them."""

import os
import re
import sys
import tempfile
import unittest

from screen import Screen, TerminalProgram

TOOL = sys.argv.pop()
NETWORK = "--dim 16 --depth 2 --kernel-size 3 --patch-size 4 --precision f32 --threads 1".split()
DATA = "--train-images 512 --test-images 100 --batch-size 16 --eval-batch-size 50 --log-interval 4".split()
BLOCKS = "[▁-█]"
LIVE = re.compile(r"epoch \d+/\d+  (step|testing|holdout) \d+/\d+")
CURVES = re.compile(rf"^loss \d\.\d{{4}} {BLOCKS}{{2,40}} \d\.\d{{4}}")
FOREVER = "1000000"


def shows(pattern):
    return lambda screen: any(re.search(pattern, line) for line in screen.lines(rows=5))


class LiveDisplayTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def start(self, words, columns=200, rows=50, reflows=True, under_shell=False, **environment):
        settings = {"PATH": os.environ["PATH"], "TERM": "xterm", "LANG": "C.UTF-8", "OMP_WAIT_POLICY": "passive"}
        return TerminalProgram([TOOL, *words], Screen(columns, rows, reflows), settings | environment, under_shell)

    def training(self, epochs, *words, **terminal):
        return self.start(
            ["train", "--out", f"{self.folder}/run", *NETWORK, *DATA, "--epochs", str(epochs), *words], **terminal
        )

    def assert_nothing_left(self, screen):
        for line in screen.lines():
            self.assertNotRegex(line, LIVE)
            self.assertNotRegex(line, BLOCKS)
            self.assertNotRegex(line, "^loss ")
            self.assertNotIn("^C", line)

    def stop(self, program):
        program.type(b"\x03")
        self.assertEqual(program.finish(), 130)
        self.assert_nothing_left(program.screen)
        lines = program.screen.lines()
        self.assertIn("convmixer: stopping after this step and saving; once more to stop at once", lines[-4:])
        self.assertRegex(lines[-2], "^stopped and saved in epoch ")

    def test_only_lines_that_stay_are_left_at_the_end(self):
        program = self.training(3, "--profile", f"{self.folder}/trace.json", "--profile-skip", "2")
        program.read_until(shows(LIVE))
        self.assertEqual(program.finish(), 0)
        self.assert_nothing_left(program.screen)
        lines = program.screen.lines()
        for epoch in range(1, 4):
            self.assertEqual(sum(line.startswith(f"epoch {epoch}/3  train loss") for line in lines), 1, lines)
        self.assertTrue(any(line.startswith("profile of steps ") for line in lines), lines)
        self.assertTrue(lines[-1].startswith("finished 3 epochs"))

    def test_curves_are_below_the_line_and_gone_after_ctrl_c(self):
        both_curves = CURVES.pattern + rf"  test acc \d+\.\d\d% {BLOCKS}{{2,40}} \d+\.\d\d%$"
        program = self.training(FOREVER)
        program.read_until(shows(both_curves))
        lines = program.screen.lines()
        self.assertRegex(lines[-2], LIVE)
        self.assertRegex(lines[-1], CURVES)
        self.assertIn(b"\x1b[36m", program.bytes)
        self.stop(program)
        goes_on = self.training(FOREVER)
        goes_on.read_until(shows(LIVE))
        self.assertTrue(shows(both_curves)(goes_on.screen), "those of the run so far, in the first drawing")
        self.stop(goes_on)

    def test_a_terminal_that_is_narrowed_shows_what_fits(self):
        for reflows in [True, False]:
            with self.subTest(reflows=reflows):
                program = self.training(FOREVER, "--fresh", reflows=reflows)
                program.read_until(shows(CURVES))
                program.resize(50, 50)
                seen = len(program.bytes)
                program.read_until(lambda screen: len(program.bytes) > seen + 500 and shows(CURVES)(screen))
                self.assertLess(max(map(len, program.screen.lines()[-2:])), 50)
                program.type(b"\x03")
                self.assertEqual(program.finish(), 130)
                self.assert_nothing_left(program.screen)

    def test_a_low_terminal_has_the_line_alone(self):
        program = self.training(FOREVER, rows=3)
        program.read_until(shows(LIVE))
        program.read_until(shows(r"epoch ([2-9]|\d\d+)/\d+  (step|testing)"))
        self.assertNotRegex(program.bytes.decode(), BLOCKS)
        self.stop(program)

    def test_ctrl_z_leaves_the_terminal_to_the_shell(self):
        program = self.training(FOREVER, under_shell=True)
        program.read_until(shows(CURVES))
        program.type(b"\x1a")
        program.read_until(shows(r"^\[stopped\]"))
        self.assert_nothing_left(program.screen)
        seen = len(program.bytes)
        program.read_until(lambda screen: program.bytes[seen:].count(b"train loss") >= 3)  # in the background
        self.assertNotIn(b"\x1b[J", program.bytes[seen:])
        program.type(b"fg\n")
        program.read_until(shows(LIVE))
        self.stop(program)

    def test_neither_colours_nor_blocks_where_they_are_not_wanted(self):
        program = self.training(FOREVER, NO_COLOR="1", LANG="C")
        program.read_until(shows(r"^loss \d\.\d{4} [.:=+*#@-]{2,40} \d\.\d{4}"))
        self.stop(program)
        self.assertNotIn(b"m", re.findall(rb"\x1b\[[0-9;?]*(\w)", program.bytes))
        self.assertTrue(program.bytes.isascii())

    def test_plain_lines_hold_no_control_codes(self):
        for words, environment in [(["--progress", "plain"], {}), ([], {"TERM": "dumb"})]:
            program = self.training(1, "--fresh", *words, **environment)
            self.assertEqual(program.finish(), 0)
            self.assertNotIn(b"\x1b", program.bytes)
            self.assertEqual(program.bytes.count(b"\r"), program.bytes.count(b"\r\n"))
            self.assertIn(b"epoch 1/1  train loss", program.bytes)

    def test_no_progress_is_the_heading_and_the_end(self):
        program = self.training(1, "--progress", "none")
        self.assertEqual(program.finish(), 0)
        lines = program.screen.lines()
        self.assertTrue(lines[0].startswith("convmixer "), lines)
        self.assertTrue(lines[-1].startswith("finished 1 epoch in"), lines)
        self.assertFalse([line for line in lines if line.startswith("epoch ")])

    def test_an_evaluation_leaves_its_report_alone(self):
        self.assertEqual(self.training(1).finish(), 0)
        words = ["eval", f"{self.folder}/run", "--eval-batch-size", "1"]
        program = self.start(words)
        program.read_until(shows("^1 of 100 images"))
        self.assertEqual(program.finish(), 0)
        self.assertFalse(shows("of 100 images  ")(program.screen), program.screen.lines())
        program = self.start([*words, "--progress", "none"])
        self.assertEqual(program.finish(), 0)
        self.assertNotIn(b"\x1b[J", program.bytes)


if __name__ == "__main__":
    unittest.main()
