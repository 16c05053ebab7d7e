"""Watches runs in headless Chromium: new points, new runs and states appear by themselves, ticked runs are compared, the
console stays empty and no request leaves the machine; skipped where Chromium isn't installed.

LIVE_PAGE_SCREENSHOTS=FOLDER keeps pictures.
"""

import base64
import contextlib
import fcntl
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import unittest

from run_page_browser import Browser, epoch_record, json, step_record, write_run

TOOL = sys.argv.pop(1)
SECONDS = 60  # that a change may take to be seen, on a machine that does much else


class LivePage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.close)

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.browser.driver.get("about:blank")
        self.browser.complaints()
        self.browser.requests()

    def add(self, name, epochs=2, **options):
        """A run of 40 steps an epoch, every fourth of them recorded, that is to have eight epochs."""
        write_run(self.folder / name, epochs=epochs, dim=8 * epochs, **options)
        config = self.folder / name / "config.ini"
        config.write_text(config.read_text().replace(f"epochs = {epochs}\n", "epochs = 8\n"))

    def append(self, name, text):
        with open(self.folder / name / "metrics.jsonl", "a", encoding="utf-8") as file:
            file.write(text)

    @contextlib.contextmanager
    def locked(self, name):
        """As a process that trains into it locks a run."""
        with open(self.folder / name / ".lock", "w", encoding="utf-8") as file:
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
            yield

    def serve(self, port=0):
        process = subprocess.Popen([TOOL, "watch", self.folder, "--port", str(port)], stdout=subprocess.PIPE, text=True)
        for action in (process.stdout.close, process.wait, process.kill):
            self.addCleanup(action)
        for line in process.stdout:
            if match := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                self.origin, self.port = match[0], int(match[1])
                return process
        raise AssertionError("no address")

    def until(self, script):
        """What a script gives, as soon as that is true."""
        end = time.monotonic() + SECONDS
        while not (result := self.browser.run(f"return {script}")):
            self.assertLess(time.monotonic(), end, script)
            time.sleep(0.05)
        return result

    def until_it_says(self, selector, text):
        """Until an element is there, which it isn't while a page is loaded anew, and has the text."""
        self.until(f"document.querySelector('{selector}')?.innerText.includes('{text}')")

    def text(self, selector):
        return self.browser.find(selector).text

    @staticmethod
    def points(name):
        """How many points of a run's steps the page has."""
        return f"runPage.document.runs.find((run) => run.id === '{name}')?.steps?.loss.step.length"

    def check_quiet(self):
        self.assertEqual(self.browser.complaints(), [])
        addresses = self.browser.requests()
        self.assertTrue(addresses)
        self.assertEqual([one for one in addresses if not one.startswith((self.origin + "/", "data:"))], [])
        self.assertFalse(self.browser.run("return document.documentElement.scrollWidth > innerWidth"))

    def screenshot(self, name):
        if folder := os.environ.get("LIVE_PAGE_SCREENSHOTS"):
            width, height = self.browser.run("const e = document.documentElement; return [e.clientWidth, e.scrollHeight]")
            clip = {"x": 0, "y": 0, "scale": 1, "width": width, "height": min(height, 6000)}
            picture = self.browser.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
            (pathlib.Path(folder) / f"{name}.png").write_bytes(base64.b64decode(picture["data"]))

    def test_new_points_and_states_appear_by_themselves(self):
        self.add("a")
        step = lambda number: json.dumps(step_record(3, number, 0.3)) + "\n"
        with self.locked("a"):
            self.serve()
            self.browser.open(self.origin)
            before = self.until(self.points("a"))
            self.assertIn("running", self.text("h1"))
            self.append("a", step(84) + step(88) + json.dumps(epoch_record(3, 120, 0.4, "test", 0.8765, 0.8765)) + "\n")
            self.until(f"{self.points('a')} === {before + 2}")
            self.until_it_says(".key-figures", "87.65%")
            self.append("a", step(124)[:20])  # torn: it waits for its rest
            self.append("a", step(124)[20:] + step(128))
            self.until(f"{self.points('a')} === {before + 4}")
        self.until_it_says("h1", "died")
        lines = self.browser.run("return runPage.document.runs[0].log.length")
        self.append("a", json.dumps({"type": "end", "epoch": 3, "step": 128, "unix_s": 1764403300.0, "end": "signal"}) + "\n")
        self.until_it_says("h1", "stopped")
        self.assertIn("ended: signal", self.text("#log"))
        self.assertEqual(self.browser.run("return runPage.document.runs[0].log.length"), lines + 1)
        self.check_quiet()

    def test_new_runs_appear_and_ticked_runs_are_compared(self):
        self.add("a")
        self.add("b", epochs=3, config="note = <img src=x onerror=alert(1)>\n")
        self.serve()
        self.browser.open(self.origin + "/?run=a")
        self.until(self.points("a"))
        drawn = "new Set(runPage.charts[0].series.map((one) => one.run.id)).size"
        self.until(f"{drawn} === 1")
        names = "return [...document.querySelectorAll('table.runs bdi.name')].map((one) => one.textContent)"
        self.browser.click("table.runs th:nth-child(6) .sort")  # epochs, of which b has more, though not its curves
        self.assertEqual(self.browser.run(names), ["b", "a"])
        self.browser.click("table.runs th:first-child .sort")
        self.browser.run("document.querySelector('table.runs th:first-child .sort').focus()")
        self.browser.click("[data-run=b]")
        self.until(f"{drawn} === 2")
        self.assertIn("dim", self.text("#differences"))
        self.assertIn("run=b", self.browser.driver.current_url)
        self.assertIn("<img src=x onerror=alert(1)>", self.text("#runs"))
        self.add("c")
        self.until("document.querySelector('[data-run=c]')")
        self.assertFalse(self.browser.find("[data-run=c]").is_selected())
        self.assertEqual(self.browser.run(names), ["c", "b", "a"])
        self.assertEqual(self.browser.run("return document.activeElement.textContent"), "Run")
        shutil.rmtree(self.folder / "a")
        self.until("!document.querySelector('[data-run=a]')")
        self.check_quiet()

    def test_figures_are_those_of_the_weights_as_they_are_now(self):
        run = self.folder / "trained"
        arguments = "--dataset shapes --train-images 64 --test-images 32 --dim 16 --depth 1 --patch-size 4 --batch-size 16 --quiet"
        train = lambda out, epochs: subprocess.run([TOOL, "train", "--out", out, "--epochs", epochs, *arguments.split()], check=True)
        train(run, "1")
        self.serve()
        self.browser.open(self.origin)
        self.until_it_says("#results", "Of the best weights after epoch 1")
        image = self.browser.run("return document.querySelector('#results .sheet img').src")
        self.assertIn("weren't evaluated yet", self.text("#results"))
        with tempfile.TemporaryDirectory() as elsewhere:
            train(pathlib.Path(elsewhere) / "longer", "3")
            shutil.copy(pathlib.Path(elsewhere) / "longer/last.safetensors", run / "best.safetensors")
        self.until_it_says("#results", "Of the best weights after epoch 3")
        self.assertNotEqual(self.browser.run("return document.querySelector('#results .sheet img').src"), image)
        self.check_quiet()

    def test_says_that_nobody_answers_and_goes_on(self):
        process = self.serve()
        self.browser.open(self.origin)
        self.assertIn("No runs below", self.text("#live"))
        self.add("a")
        self.until(self.points("a"))  # the only run is shown without being ticked
        process.kill()
        process.wait()
        self.until_it_says("#live", "No answer since")
        self.add("b")
        self.serve(self.port)
        self.until("document.querySelector('[data-run=b]')")

    def test_fits_every_screen_and_theme(self):
        for name in ("a", "b"):
            self.add(name, epochs=5 if name == "a" else 4, best=0.9 if name == "a" else 0.8)
        self.add("sweep/lr 0.01/seed-1", epochs=3, config="note = with a note that is long enough to be wider than a phone is\n")
        both = f"{self.points('a')} && {self.points('b')} && document.querySelector('#chart-loss canvas')"
        with self.locked("a"), self.locked("b"):
            self.serve()
            for width in (390, 1440):
                for dark in (False, True):
                    self.browser.open(self.origin, width, dark)
                    self.until(both)
                    self.assertIn("running", self.text("#runs"))
                    self.screenshot(f"live-{width}-{'dark' if dark else 'light'}")
                    self.check_quiet()


if __name__ == "__main__":
    unittest.main()
