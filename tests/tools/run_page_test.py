"""The page that `convmixer report` writes, driven in headless Chromium; skipped where that isn't installed."""

import math
import pathlib
import sys
import tempfile
import time
import unittest

from colour_vision import contrast, least_distance
from run_page_browser import Browser, report, write_run

TOOL = sys.argv.pop(1)
METRICS = ("accuracy", "loss", "learning_rate", "gradient_norm", "images_per_second")

# A pixel of every chart's canvases that isn't transparent, counted.
INK = """
  return [...document.querySelectorAll('.chart')].map((chart) => {
    let ink = 0;
    for (const canvas of chart.querySelectorAll('canvas')) {
      const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
      for (let i = 3; i < pixels.length; i += 4) ink += pixels[i] > 0;
    }
    return ink;
  });
"""
RANGES = "return runPage.charts.filter((chart) => chart.graph).map((chart) => chart.graph.xAxisRange());"
# Texts that are harder to read than WCAG 2 allows (AA: 4.5) on what is behind them, with their contrast.
UNREADABLE = """
  const context = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const parts = (colour) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const linear = (part) => (part <= 10.31 ? part / 3294.6 : ((part / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([red, green, blue]) => 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  const behind = (one) => {
    const colour = parts(getComputedStyle(one).backgroundColor);
    return colour[3] === 255 || !one.parentElement ? colour : behind(one.parentElement);
  };
  const seen = [...document.querySelectorAll('body *')].filter((one) => one.checkVisibility() && !one.closest('.visually-hidden, .skip, script, svg')
    && [...one.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim()));
  return seen.map((one) => {
    const [text, back] = [light(parts(getComputedStyle(one).color)), light(behind(one))];
    return [one.textContent.trim().slice(0, 30), (Math.max(text, back) + 0.05) / (Math.min(text, back) + 0.05)];
  }).filter(([, contrast]) => contrast < 4.5);
"""
PNG = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


class RunPage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.close)
        notes = "note = run {}\nname = {}\n"
        runs = [write_run(cls.folder / name, dim=dim, epochs=epochs, config=notes.format(name, name)) for name, dim, epochs in (("a", 32, 6), ("b", 64, 6), ("c", 64, 9))]
        cls.several = report(TOOL, runs, cls.folder / "several.html")
        cls.single = report(TOOL, runs[:1], cls.folder / "single.html")

    def setUp(self):
        self.browser.requests()  # those of tests before
        self.browser.complaints()

    def tearDown(self):
        self.assertEqual(self.browser.complaints(), [])
        outside = [url for url in self.browser.requests() if not url.startswith(("file:", "data:"))]
        self.assertEqual(outside, [])

    def open(self, page, **how):
        self.browser.open(page, **how)
        self.run_script = self.browser.run

    def append(self, run, **news):
        self.run_script("runPage.append(arguments[0]);", {"id": run, **news})
        self.browser.settle()

    def focus(self, selector):
        self.run_script("arguments[0].focus({ preventScroll: true });", self.browser.find(selector))

    def focused(self):
        return self.run_script("const one = document.activeElement; return [one.id, one.dataset.run, one.textContent];")

    def choose(self, run):
        """Of the runs shown, the one whose details are."""
        self.run_script(
            "const one = document.getElementById('chosen-run'); one.value = arguments[0]; one.dispatchEvent(new Event('change'));", run
        )

    def sorted_by(self, table):
        """The columns by which a table is sorted, with the direction."""
        heads = [(one.text, one.get_attribute("aria-sort")) for one in self.browser.find_all(f"{table} thead th")]
        return [(title, direction) for title, direction in heads if direction != "none"]

    def assert_charts_are_drawn(self):
        ink = self.run_script(INK)
        self.assertEqual(len(ink), len(METRICS))
        for metric, pixels in zip(METRICS, ink):
            self.assertGreater(pixels, 500, metric)

    def test_draws_every_chart_at_every_width_in_both_themes_without_overflow(self):
        for page in (self.single, self.several):
            for width in (390, 1440):
                for dark in (False, True):
                    with self.subTest(page=page.name, width=width, dark=dark):
                        self.open(page, width=width, dark=dark)
                        self.assert_charts_are_drawn()
                        self.assertLessEqual(self.run_script("return document.documentElement.scrollWidth"), width)
                        self.assertEqual(self.run_script("return document.documentElement.dataset.theme"), "dark" if dark else "light")

    def test_zooms_all_charts_by_dragging_over_one_and_shows_everything_again(self):
        self.open(self.several)
        before = self.run_script(RANGES)
        self.browser.drag("#chart-loss .plot", 0.4, 0.7)
        zoomed = self.run_script(RANGES)
        self.assertEqual(len(zoomed), len(METRICS))
        self.assertTrue(all(one == zoomed[0] for one in zoomed), zoomed)
        self.assertLess(zoomed[0][1] - zoomed[0][0], 0.5 * (before[0][1] - before[0][0]))
        self.assertTrue(self.browser.find("#unzoom").is_displayed())
        self.browser.click("#unzoom")
        self.assertEqual(self.run_script(RANGES), before)
        self.assertFalse(self.browser.find("#unzoom").is_displayed())

    def test_zooms_one_chart_by_dragging_up_or_down(self):
        heights = "return runPage.charts.map((chart) => chart.graph.yAxisRange())"
        self.open(self.single)
        before = self.run_script(heights)
        ranges = self.run_script(RANGES)
        self.browser.drag("#chart-loss .plot", 0.3, 0.7, across=False)
        after = self.run_script(heights)
        self.assertLess(after[1][1] - after[1][0], 0.6 * (before[1][1] - before[1][0]))
        self.assertEqual(after[:1] + after[2:], before[:1] + before[2:])
        self.assertEqual(self.run_script(RANGES), ranges)
        self.assertTrue(self.browser.find("#unzoom").is_displayed())
        self.browser.click("#unzoom")
        self.assertEqual(self.run_script(heights), before)
        self.assertFalse(self.browser.find("#unzoom").is_displayed())

    def test_zooms_and_moves_the_cursor_by_keys(self):
        from selenium.webdriver.common.keys import Keys

        self.open(self.single)
        before = self.run_script(RANGES)
        plot = self.browser.find("#chart-accuracy .plot")
        plot.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
        self.assertIn("Accuracy at epoch", self.run_script("return document.getElementById('announcer').textContent"))
        cursor = lambda: self.run_script("return runPage.view.cursor")
        points = self.run_script("return runPage.charts[0].series.find((one) => !one.faint).x")
        self.assertEqual(cursor(), points[1])
        plot.send_keys(Keys.ARROW_LEFT)
        self.assertEqual(cursor(), points[0])
        plot.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
        plot.send_keys("+")
        once = self.run_script(RANGES)
        self.assertLess(once[1][1], before[1][1])
        plot.send_keys("+")
        twice = self.run_script(RANGES)
        width = lambda one: one[1] - one[0]
        self.assertAlmostEqual(width(twice[0]), 0.5 * width(once[0]), delta=0.05)
        plot.send_keys("-")
        for now, then in zip(self.run_script(RANGES)[0], once[0]):
            self.assertAlmostEqual(now, then, delta=0.05)
        plot.send_keys(Keys.CONTROL, "-")  # the browser's own
        self.assertEqual(self.run_script(RANGES)[0], self.run_script("return runPage.view.range"))
        self.assertAlmostEqual(width(self.run_script(RANGES)[0]), width(once[0]), delta=0.05)
        plot.send_keys(Keys.ESCAPE)
        self.assertEqual(self.run_script(RANGES), before)

    def test_has_one_cursor_in_all_charts_and_its_values_in_their_legends(self):
        self.open(self.several)
        last = self.browser.find("#chart-loss .legend").text
        self.browser.point_at("#chart-accuracy .plot", 0.5)
        places = self.run_script(
            "return runPage.charts.map((chart) => [chart.cursor.hidden, chart.graph.toDataXCoord(parseFloat(chart.cursor.style.left))])"
        )
        self.assertFalse(any(hidden for hidden, _ in places))
        for _, x in places:
            self.assertAlmostEqual(x, places[0][1], delta=0.05)
        self.assertNotEqual(self.browser.find("#chart-loss .legend").text, last)
        self.assertIn("epoch", self.browser.find("#cursor-place").text)

    def test_shows_the_runs_that_are_ticked(self):
        self.open(self.several)
        names = "return [...new Set(runPage.charts[0].series.map((one) => one.run.name))]"
        self.assertEqual(self.run_script(names), ["a", "b", "c"])
        self.browser.click('input[data-run="run-2"]')
        self.assertEqual(self.run_script(names), ["a", "c"])
        self.assertNotIn("\nb", self.browser.find("#differences").text)
        for run in ("run-1", "run-3"):
            self.browser.click(f'input[data-run="{run}"]')
        self.assertFalse(self.browser.find("#charts").is_displayed())
        self.browser.click('input[data-run="run-2"]')
        self.assertEqual(self.run_script(names), ["b"])
        self.assert_charts_are_drawn()

    def test_draws_over_steps_epochs_or_time(self):
        self.open(self.single)
        end = lambda: self.run_script(RANGES)[0][1]
        self.assertAlmostEqual(end(), 6, delta=0.2)
        self.browser.click('#axis input[value="step"]')
        self.assertAlmostEqual(end(), 240, delta=8)
        self.browser.click('#axis input[value="time"]')
        self.assertAlmostEqual(end(), 36, delta=1)
        ticks = [one.text for one in self.browser.find_all("#chart-loss .dygraph-axis-label-x")]
        self.assertIn("10 s", ticks)
        self.assertIn("after 10 s", self.run_script("runPage.setCursor(10); return document.getElementById('cursor-place').textContent"))
        self.assert_charts_are_drawn()

    def test_smooths_steps_and_has_logarithmic_axes(self):
        self.open(self.single)
        swing = """
          const line = runPage.charts[3].series.filter((one) => !one.faint)[0].y.slice(10);
          return Math.max(...line) - Math.min(...line);
        """
        set_smoothing = "const s = document.getElementById('smoothing'); s.value = arguments[0]; s.dispatchEvent(new Event('input'));"
        self.run_script(set_smoothing, 0)
        rough = self.run_script(swing)
        self.run_script(set_smoothing, 99)
        self.assertLess(self.run_script(swing), 0.7 * rough)
        middle = "const g = runPage.charts[1].graph; return g.toDomYCoord(1);"
        plain = self.run_script(middle)
        self.browser.click("#chart-loss figcaption input")
        self.assertNotAlmostEqual(self.run_script(middle), plain, delta=5)
        self.assert_charts_are_drawn()

    def test_smooths_by_steps_and_by_means_where_points_were_left_out(self):
        smoothed = """
          const [curve, span] = arguments;
          runPage.document.runs[0].steps.gradient_norm = curve;
          runPage.view.smoothing = span;
          runPage.drawCharts();
          return runPage.charts[3].series.find((one) => !one.faint).y;
        """
        self.open(self.single)
        # Half the weight goes in ten steps; the second point stands for ten, the third for twenty, the fourth for one.
        span = 10 / math.log(2)
        curve = {"step": [10, 20, 40, 41], "value": [1.0, 3.0, 5.0, 5.0]}
        kept = [0.5, 0.5, 0.25, 2 ** -0.1]
        expected, total, weight = [], 0.0, 0.0
        for value, share in zip(curve["value"], kept):
            total, weight = share * total + (1 - share) * value, share * weight + 1 - share
            expected.append(total / weight)
        for now, then in zip(self.run_script(smoothed, curve, span), expected, strict=True):
            self.assertAlmostEqual(now, then, places=6)
        thinned = {"step": [10, 20, 40, 41], "value": [1.0, 90.0, -90.0, 1.0], "mean": [1.0, 1.0, 1.0, 1.0]}
        for now in self.run_script(smoothed, thinned, span):
            self.assertAlmostEqual(now, 1.0, places=6)
        self.assertEqual(self.run_script(smoothed, thinned, 0), thinned["value"])

    def test_shows_kinds_of_line_by_choice(self):
        self.open(self.single)
        kinds = "return [...new Set(runPage.charts[0].series.map((one) => one.kind))]"
        self.assertEqual(self.run_script(kinds), ["train", "eval", "averaged"])
        self.browser.click('#kinds input[value="averaged"]')
        self.assertEqual(self.run_script(kinds), ["train", "eval"])

    def test_goes_by_the_theme_that_is_chosen(self):
        background = "return getComputedStyle(document.body).backgroundColor"
        self.open(self.single, dark=False)
        light = self.run_script(background)
        self.browser.click('#theme input[value="dark"]')
        self.assertNotEqual(self.run_script(background), light)
        self.browser.click('#theme input[value="light"]')
        self.browser.prefer(dark=True)
        self.browser.settle()
        self.assertEqual(self.run_script(background), light)
        self.browser.click('#theme input[value="auto"]')
        self.assertNotEqual(self.run_script(background), light)

    def test_has_lines_of_ten_runs_told_apart_with_any_colour_vision(self):
        runs = [write_run(self.folder / f"line-{i}", epochs=2) for i in range(10)]
        page = report(TOOL, runs, self.folder / "lines.html")
        for dark in (False, True):
            self.open(page, dark=dark)
            colours = self.run_script("return runPage.document.runs.map((run) => runPage.colourOf(run, 'eval'))")
            surface = self.run_script("return getComputedStyle(document.documentElement).getPropertyValue('--surface')").strip()
            self.assertEqual(len(set(colours)), 10)
            self.assertGreater(min(contrast(colour, surface) for colour in colours), 3.0)
            self.assertGreater(least_distance(colours), 11.0)

    def test_has_text_that_can_be_read_on_what_is_behind_it(self):
        for page in (self.single, self.several):
            for dark in (False, True):
                with self.subTest(page=page.name, dark=dark):
                    self.open(page, dark=dark)
                    # A cell of each heat, of what is right and of mistakes.
                    self.run_script(
                        """
                        const names = [...new Array(20).keys()].map((i) => `class ${i}`);
                        const counts = names.map((_, row) => names.map((_, column) => (row === column ? 5 * row + 3 : (7 * (row + column)) % 90)));
                        const scores = names.map(() => ({ images: 100, predicted: 100, correct: 50 }));
                        runPage.put({ ...runPage.document.runs[0], state: 'died', figures: { of: 'best weights', confusion: { classes: names, counts, scores } } });
                        document.querySelectorAll('details').forEach((one) => (one.open = true));
                        """
                    )
                    self.browser.settle()
                    self.assertGreater(len(self.browser.find_all("[data-cell]")), 300)
                    self.assertEqual(self.run_script(UNREADABLE), [])

    def test_has_the_figures_of_charts_as_tables(self):
        self.open(self.single)
        self.browser.click("#chart-accuracy .figures summary")
        rows = self.browser.find_all("#chart-accuracy .figures tbody tr")
        self.assertEqual(len(rows), 6)
        self.assertIn("90.00%", rows[-1].text)

    def test_tells_what_differs_and_when_accuracies_were_reached(self):
        self.open(self.several)
        differs = self.browser.find("#differences").text
        self.assertIn("dim\n32\n64\n64".replace("\n", " "), differs)
        self.assertNotIn("depth", differs)
        for own in ("note", "name"):  # which name a run rather than make it what it is
            self.assertNotIn(own, self.run_script("return [...document.querySelectorAll('#differences tbody th')].map((one) => one.textContent)"))
        self.assertIn("80%", self.browser.find("#reached").text)
        self.assertIn("A Processor", self.browser.find("#machine").text)
        self.assertIn("epoch 6/6", self.browser.find("#log").text)
        self.browser.click("table.runs thead th:nth-child(7) .sort")
        order = lambda: [one.text for one in self.browser.find_all("table.runs tbody bdi.name")]
        self.assertEqual(order()[0], "c")
        self.browser.click("table.runs thead th:first-child .sort")
        self.assertEqual(order(), ["c", "b", "a"])
        self.browser.click("table.runs thead th:first-child .sort")
        self.assertEqual(order(), ["a", "b", "c"])

    def test_shows_html_in_names_and_values_as_text(self):
        evil = "<img src=x onerror=alert(1)><b>"
        folder = write_run(self.folder / evil.replace("/", ""), config=f"unheard-of = {evil}\nnote = {evil}\ntag = {evil}\n")
        other = write_run(self.folder / "evil" / "&lt;i&gt;")
        for page in (report(TOOL, [folder], self.folder / "evil.html"), report(TOOL, [folder, other], self.folder / "evils.html")):
            self.open(page)
            self.browser.run("document.querySelectorAll('details').forEach((one) => (one.open = true));")
            self.browser.settle()
            self.browser.point_at("#chart-accuracy .plot", 0.5)
            self.assertEqual(self.run_script("return document.querySelectorAll('img, b, i').length"), 0)
            self.assertIn(evil, self.browser.find("body").text)

    def test_shows_confusion_mistakes_filters_and_the_contact_sheet(self):
        self.open(self.single)
        for classes in (10, 100):
            self.run_script(
                """
                const names = [...new Array(arguments[0]).keys()].map((i) => `class ${i} <b>`);
                const counts = names.map((_, row) => names.map((_, column) => (row === column ? 90 : column === row + 1 ? 10 : 0)));
                const image = { src: arguments[1], width: 32, height: 32 };
                runPage.put({ ...runPage.document.runs[0], figures: {
                  of: 'best weights', confusion: { classes: names, counts },
                  mistakes: [{ image, label: 'cat', predicted: 'dog', confidence: 0.998, index: 7 }],
                  filters: [{ title: 'Patch embedding', note: '256 filters', image }], contact_sheet: { note: 'the first of epoch 1', image },
                } });
                """,
                classes,
                PNG,
            )
            self.browser.settle()
            text = self.run_script("return document.getElementById('results').innerText")
            for part in ("Best weights.", "Most frequent confusions", "class 3 <b>", "dog", "99.8%", "Patch embedding", "The first of epoch 1."):
                self.assertIn(part, text)
            self.assertEqual(self.run_script("return document.querySelectorAll('[data-cell]').length"), classes * classes)
            self.assertEqual(self.run_script("return [...document.images].filter((one) => one.naturalWidth === 0).length"), 0)
            for width in (390, 1440):
                self.browser.resize(width)
                self.browser.settle()
                self.assertLessEqual(self.run_script("return document.documentElement.scrollWidth"), width)
        self.run_script("runPage.put({ ...runPage.document.runs[0], figures: { contact_sheet: { image: { src: 'https://example.org/x.png' } } } });")
        self.browser.settle()
        self.assertEqual(self.browser.find_all("#results"), [])

    def test_takes_increments_and_keeps_zoom_and_ticks(self):
        self.open(self.several)
        self.browser.click('input[data-run="run-2"]')
        self.browser.drag("#chart-loss .plot", 0.2, 0.8)
        zoomed = self.run_script(RANGES)
        self.run_script(
            """
            runPage.append({ id: 'run-1', epochs: { epoch: [7], step: [280], seconds: [42], eval_accuracy: [0.95], best_accuracy: [0.95] },
              steps: { loss: { step: [250, 260], value: [0.2, 0.1] } }, log: ['epoch 7/9 <b>'], state: 'running',
              clock: { step: [0, 280, 280], epoch: [0, 7, 7], seconds: [0, 40, 42] }, best: { epoch: 7, accuracy: 0.95 } });
            """
        )
        self.browser.settle()
        self.assertEqual(self.run_script(RANGES), zoomed)
        self.assertFalse(self.browser.find('input[data-run="run-2"]').is_selected())
        self.assertIn("95.00%", self.browser.find("#runs").text)
        self.assertIn("running", self.browser.find("#runs").text)
        self.assertIn("epoch 7/9 <b>", self.browser.find("#log").text)
        self.browser.click("#unzoom")
        self.assertEqual(self.run_script("return runPage.charts[0].series.filter((one) => one.run.id === 'run-1' && one.kind === 'eval')[0].y.at(-1)"), 0.95)
        self.run_script("runPage.remove('run-1')")
        self.browser.settle()
        self.assertNotIn("run-1", self.run_script("return [...document.querySelectorAll('[data-run]')].map((one) => one.dataset.run)"))

    def test_stays_sorted_when_it_is_drawn_anew(self):
        self.open(self.several)
        order = lambda: [one.text for one in self.browser.find_all("table.runs tbody bdi.name")]
        self.browser.click("table.runs thead th:first-child .sort")
        self.assertEqual(order(), ["c", "b", "a"])
        self.append("run-1", state="running", log=["a line"])
        self.assertEqual(order(), ["c", "b", "a"])
        self.assertEqual(self.sorted_by("table.runs"), [("Run", "descending")])
        self.browser.click("table.runs thead th:first-child .sort")
        self.assertEqual(order(), ["a", "b", "c"])
        self.append("run-1", state="stopped")
        self.assertEqual(self.sorted_by("table.runs"), [("Run", "ascending")])
        self.browser.click("table.runs thead th:nth-child(3) .sort")
        self.append("run-2", best={"epoch": 6, "accuracy": 0.95})
        self.assertEqual(order()[0], "b")
        # By a column that has another place now.
        self.browser.click("table.runs thead th:nth-child(6) .sort")
        self.assertEqual(self.sorted_by("table.runs"), [("Epochs", "descending")])
        self.append("run-1", evaluated_on="holdout", test={"epoch": 6, "loss": 0.5, "accuracy": 0.9, "top5": 0.99})
        self.assertEqual(self.browser.find("table.runs thead th:nth-child(6)").text, "Test")
        self.assertEqual(self.sorted_by("table.runs"), [("Epochs", "descending")])
        self.assertEqual(order()[0], "c")
        self.browser.click("#reached th:nth-child(2) .sort")
        self.assertEqual(self.sorted_by("#reached"), [("50%", "descending")])
        all_reached = self.run_script("return runPage.document.thresholds.map(() => ({ epoch: 7, seconds: 42 }))")
        self.append("run-1", reached=all_reached)
        self.assertIn("99%", self.browser.find("#reached").text)
        self.assertEqual(self.sorted_by("#reached"), [("50%", "descending")])

    def test_keeps_the_focus_and_what_is_open_when_it_is_drawn_anew(self):
        self.open(self.several)
        news = {"state": "running", "best": {"epoch": 9, "accuracy": 0.97}}
        self.append("run-3", **news)
        for selector in ("table.runs thead th:nth-child(2) .sort", 'input[data-run="run-2"]', "#chosen-run", "#reached th:nth-child(2) .sort", "#log .log"):
            self.focus(selector)
            before = self.focused()
            where = self.run_script("window.scrollTo({ top: 1e6, behavior: 'instant' }); return scrollY")
            self.assertGreater(where, 300)
            self.append("run-3", **news)
            self.assertEqual(self.focused(), before, selector)
            self.assertEqual(self.run_script("return scrollY"), where, selector)
        before = self.browser.find("#chosen-run")
        self.choose("run-2")
        self.append("run-2", log=["a line of b"])
        self.assertEqual(self.browser.find("#chosen-run"), before)  # which may be open
        self.assertIn("a line of b", self.browser.find("#log").text)
        self.focus("#chosen-run")
        self.browser.click('input[data-run="run-3"]')  # by a script: the focus isn't there
        self.assertNotEqual(self.browser.find("#chosen-run"), before)
        self.assertEqual(self.focused()[0], "chosen-run")
        self.assertEqual(self.run_script("return document.getElementById('chosen-run').value"), "run-2")
        self.browser.click("#all-settings summary")
        self.choose("run-1")
        self.assertIn("depth", self.browser.find("#all-settings").text)
        self.append("run-1", state="stopped")
        self.assertIn("depth", self.browser.find("#all-settings").text)

    def test_stays_where_it_is_scrolled_to_when_it_is_drawn_anew(self):
        self.open(self.several, width=390)
        self.append("run-1", log=[f"line {i}" for i in range(100)])
        place = lambda selector: self.run_script("return [arguments[0].scrollLeft, arguments[0].scrollTop]", self.browser.find(selector))
        scroll = lambda selector, left, top: self.run_script("arguments[0].scrollTo(arguments[1], arguments[2]);", self.browser.find(selector), left, top)
        rest = "const box = document.querySelector('.log'); return box.scrollHeight - box.clientHeight - box.scrollTop"
        scroll(".log", 0, 300)
        scroll("#runs .scroller", 40, 0)
        self.run_script("const text = document.querySelector('.log').firstChild; getSelection().setBaseAndExtent(text, 0, text, 7);")
        selected = self.run_script("return getSelection().toString()")
        self.assertEqual(len(selected), 7)
        self.append("run-1", log=["line 100"], state="running")
        self.assertEqual(place(".log"), [0, 300])
        self.assertEqual(place("#runs .scroller"), [40, 0])
        self.assertEqual(self.run_script("return getSelection().toString()"), selected)
        scroll(".log", 0, 1e6)
        self.assertLess(self.run_script(rest), 2)
        self.append("run-1", log=[f"line {i}" for i in range(101, 120)])
        self.assertLess(self.run_script(rest), 2)
        self.append("run-1", whole_log=[f"other {i}" for i in range(200)])
        self.assertLess(self.run_script(rest), 2)
        self.assertIn("other 199", self.browser.find(".log").text)
        epochs = range(7, 40)
        self.append("run-1", epochs={"epoch": list(epochs), "step": [40 * one for one in epochs], "seconds": [6 * one for one in epochs]})
        self.browser.click("#chart-accuracy .figures summary")
        scroll("#chart-accuracy .figures .scroller", 0, 200)
        self.append("run-1", state="stopped")
        self.assertEqual(place("#chart-accuracy .figures .scroller")[1], 200)

    def test_is_not_drawn_anew_under_a_pressed_button(self):
        self.open(self.several)
        selector = 'input[data-run="run-2"]'
        self.run_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'});", self.browser.find(selector))
        middle = "const b = arguments[0].getBoundingClientRect(); return {x: b.x + b.width / 2, y: b.y + b.height / 2};"
        place = self.run_script(middle, self.browser.find(selector))
        mouse = lambda kind, buttons: self.browser.driver.execute_cdp_cmd(
            "Input.dispatchMouseEvent", {"type": kind, **place, "button": "left", "buttons": buttons, "clickCount": 1}
        )
        mouse("mouseMoved", 0)
        mouse("mousePressed", 1)
        self.append("run-1", best={"epoch": 6, "accuracy": 0.95})
        self.assertNotIn("95.00%", self.browser.find("#runs").text)
        mouse("mouseReleased", 0)
        self.browser.settle()
        self.assertIn("95.00%", self.browser.find("#runs").text)
        self.assertFalse(self.browser.find(selector).is_selected())

    def test_is_drawn_anew_where_no_browser_says_that_nothing_is_pressed_any_more(self):
        self.open(self.several)
        send = lambda kind: self.run_script(f"window.dispatchEvent(new PointerEvent('{kind}', {{ buttons: 1 }}));")
        shown = lambda: self.browser.find("#runs").text
        send("pointerdown")
        self.append("run-1", best={"epoch": 6, "accuracy": 0.95})
        self.assertNotIn("95.00%", shown())
        send("pointercancel")  # Firefox: with the button that was down
        self.browser.settle()
        self.assertIn("95.00%", shown())
        send("pointerdown")  # in a menu or on a scrollbar, which say nothing more
        self.append("run-1", best={"epoch": 6, "accuracy": 0.96})
        self.assertNotIn("96.00%", shown())
        end = time.monotonic() + 30
        while "96.00%" not in shown():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.1)

    def test_names_the_epochs_that_its_key_figures_are_of(self):
        self.open(self.single)
        shown = lambda: self.browser.find(".key-figures").text
        self.assertIn("Last accuracy\n90.00%\ntest images, epoch 6", shown())
        times = {"epoch": [7], "step": [280], "seconds": [42]}
        self.append("run-1", epochs={**times, "loss": [None], "eval_accuracy": [None], "averaged_accuracy": [None]})
        self.assertIn("Last accuracy\n90.00%\ntest images, epoch 6", shown())
        self.assertRegex(shown(), r"Training loss\n[0-9.]+\nepoch 6")
        self.assertIn("7 epochs", shown())
        times = {"epoch": [8], "step": [320], "seconds": [48]}
        self.append("run-1", epochs={**times, "loss": [0.25], "eval_accuracy": [0.8], "averaged_accuracy": [None]})
        self.assertIn("Last accuracy\n80.00%\ntest images, epoch 8", shown())
        self.assertIn("Training loss\n0.2500\nepoch 8", shown())
        # Before an epoch is through: 10 steps at 100 images/s take as long as 20 at 200.
        self.run_script(
            """
            const run = runPage.document.runs[0];
            const steps = { images_per_second: { step: [10, 30], value: [100, 200] } };
            runPage.put({ ...run, steps, epochs: { epoch: [], step: [], seconds: [] }, best: null, last: { epoch: 2, accuracy: 0.7 } });
            """
        )
        self.browser.settle()
        self.assertIn("Images per second\n150\nmean over training", shown())
        self.assertIn("Last accuracy\n70.00%\ntest images, epoch 2", shown())

    def test_writes_numbers_at_the_borders_of_their_units(self):
        self.open(self.single)
        self.browser.click('#axis input[value="time"]')
        after = "return arguments[0].map((one) => runPage.describeX(one))"
        seconds = [9.94, 9.97, 59.4, 59.7, 245, 3599.4, 3599.6, 86369, 86371, 172740, 183600]
        texts = ["9.9 s", "10 s", "59 s", "1 min 00 s", "4 min 05 s", "59 min 59 s", "1 h 00 min", "23 h 59 min", "1 d 0 h", "2 d 0 h", "2 d 3 h"]
        self.assertEqual(self.run_script(after, seconds), [f"after {text}" for text in texts])
        ticks = "return arguments[0].map((one) => runPage.charts[1].look().axes.x.axisLabelFormatter(...one))"
        pairs = [[0.3, 0.1], [59.9999, 0.1], [60.1, 0.1], [119.9999, 0.1], [45, 15], [90, 30], [1800, 600], [3599.9999, 60], [3660, 60]]
        self.assertEqual(self.run_script(ticks, pairs), ["0.3 s", "1:00", "1:00.1", "2:00", "45 s", "1:30", "30 min", "1 h", "1 h 01"])
        axis = "return arguments[0].map((one) => runPage.charts[4].look().axes.y.axisLabelFormatter(one))"
        numbers = [0.0001, 0.00015, 0.5, 999.6, 1234, 9999.7, 12345, 999999]
        self.assertEqual(self.run_script(axis, numbers), ["1e\u22124", "1.5e\u22124", "0.5", "1000", "1234", "10k", "12.3k", "1M"])
        # Four digits, in groups of three from ten thousand on.
        self.assertEqual(self.run_script("return [9999.4, 9999.6].map(runPage.charts[2].metric.format)"), ["9999", "10\u202f000"])

    def test_shows_kinds_of_line_in_the_colours_of_the_theme(self):
        self.open(self.single, dark=False)
        colours = "return [...document.querySelectorAll('#kinds .swatch')].map((one) => getComputedStyle(one).color)"
        light = self.run_script(colours)
        self.assertEqual(len(light), 3)
        self.browser.click('#theme input[value="dark"]')
        self.assertTrue(all(one != other for one, other in zip(light, self.run_script(colours), strict=True)))
        self.browser.click('#theme input[value="auto"]')

    def test_of_ten_runs_of_25_epochs_is_small_and_complete(self):
        runs = [write_run(self.folder / f"long-{i}", epochs=25, steps=391, every=5) for i in range(10)]
        page = report(TOOL, runs, self.folder / "long.html")
        self.assertLess(page.stat().st_size, 2_000_000)
        self.open(page)
        self.assert_charts_are_drawn()
        self.assertEqual(self.run_script("return new Set(runPage.charts[1].series.map((one) => one.run.id)).size"), 10)

    def test_charts_fill_the_row_however_many_there_are(self):
        self.open(self.single)
        unfilled = "return runPage.charts.filter((one) => !one.box.hidden && one.plot.clientWidth !== one.plot.querySelector('canvas').clientWidth).length"
        shown = "return runPage.charts.filter((one) => !one.box.hidden).length"
        self.assertEqual(self.run_script(shown), 5)
        self.assertEqual(self.run_script(unfilled), 0)
        self.run_script("delete runPage.document.runs[0].steps.gradient_norm; runPage.draw();")
        self.assertEqual(self.run_script(shown), 4)
        self.assertEqual(self.run_script(unfilled), 0)

    def test_prints_in_light_colours_and_charts_as_wide_as_paper(self):
        self.open(self.single, dark=True)
        theme = "return document.documentElement.dataset.theme"
        widths = "return runPage.charts.filter((one) => !one.box.hidden).map((one) => one.plot.getBoundingClientRect().width)"
        on_screen = self.run_script(widths)
        self.run_script("window.dispatchEvent(new Event('beforeprint'));")
        self.assertEqual(self.run_script(theme), "light")
        on_paper = self.run_script(widths)
        for width, screen, (least, most) in zip(on_paper, on_screen, [(580, 660)] * 2 + [(260, 320)] * 3, strict=True):
            self.assertTrue(least < width < most, f"{on_screen} {on_paper}")  # A4 has 718 between the usual margins
            self.assertNotEqual(width, screen)
        self.run_script("window.dispatchEvent(new Event('afterprint'));")
        self.assertEqual(self.run_script(theme), "dark")
        self.assertEqual(self.run_script(widths), on_screen)


if __name__ == "__main__":
    unittest.main()
