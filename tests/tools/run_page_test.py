"""The page that `convmixer report` writes, driven in headless Chromium; skipped where that isn't installed."""

import math
import pathlib
import sys
import tempfile
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
