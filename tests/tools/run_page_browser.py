"""Pages of runs in headless Chromium, and made-up run folders to show in them."""

import json
import math
import os
import pathlib
import subprocess
import sys

SKIPPED = 77


def import_selenium():
    """Debian's selenium is for Debian's Python, which may not be the one that runs this: then that one goes on."""
    try:
        from selenium import webdriver

        return webdriver
    except ImportError:
        debian = "/usr/bin/python3"
        if os.path.exists(debian) and "CONVMIXER_PYTHON_TRIED" not in os.environ:
            os.environ["CONVMIXER_PYTHON_TRIED"] = "1"
            os.execv(debian, [debian, "-B", *sys.argv])
        return None


def skip(why):
    print(f"skipped: {why}: apt-get install chromium chromium-driver python3-selenium")
    sys.exit(SKIPPED)


webdriver = import_selenium()
if webdriver is None:
    skip("no selenium for Python")
CHROMEDRIVER = pathlib.Path("/usr/bin/chromedriver")
if not CHROMEDRIVER.exists() or not pathlib.Path("/usr/bin/chromium").exists():
    skip("no Chromium")


class Browser:
    """Chromium without a window. What it logged and what it asked for is kept."""

    def __init__(self):
        from selenium.webdriver.chrome.options import Options
        from selenium.webdriver.chrome.service import Service

        options = Options()
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(service=Service(str(CHROMEDRIVER)), options=options)

    def close(self):
        self.driver.quit()

    def open(self, page, width=1440, dark=False):
        self.resize(width)
        self.prefer(dark)
        self.driver.get(page if "://" in str(page) else pathlib.Path(page).as_uri())
        self.settle()

    def resize(self, width):
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def prefer(self, dark):
        feature = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def settle(self):
        """Until what was asked of the page is drawn: at the next frame, or soon after it was scrolled. Not until something is
        let go that is pressed."""
        self.driver.execute_async_script(
            """
            const done = arguments[0];
            const look = () => {
              const page = window.runPage;
              if (page?.isDue && page.heldUntil < performance.now() + 1000) setTimeout(look, 20);
              else requestAnimationFrame(() => requestAnimationFrame(done));
            };
            requestAnimationFrame(look);
            """
        )

    def find(self, selector):
        return self.driver.find_element("css selector", selector)

    def find_all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def click(self, selector):
        self.run("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'}); arguments[0].click();", self.find(selector))
        self.settle()

    def drag(self, selector, start, end, across=True):
        """With the mouse, from one share of an element's width, or of its height, to another."""
        element = self.find(selector)
        self.run("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'});", element)
        box = self.run("const b = arguments[0].getBoundingClientRect(); return [b.x, b.y, b.width, b.height];", element)
        shares = lambda share: (share, 0.5) if across else (0.5, share)
        place = lambda share: {"x": box[0] + shares(share)[0] * box[2], "y": box[1] + shares(share)[1] * box[3]}
        mouse = lambda kind, at, buttons: self.driver.execute_cdp_cmd(
            "Input.dispatchMouseEvent", {"type": kind, **place(at), "button": "left", "buttons": buttons, "clickCount": 1}
        )
        mouse("mouseMoved", start, 0)
        mouse("mousePressed", start, 1)
        for step in range(1, 5):
            mouse("mouseMoved", start + (end - start) * step / 4, 1)
        mouse("mouseReleased", end, 0)
        self.settle()

    def point_at(self, selector, share):
        element = self.find(selector)
        self.run("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'});", element)
        box = self.run("const b = arguments[0].getBoundingClientRect(); return [b.x, b.y, b.width, b.height];", element)
        at = {"x": box[0] + share * box[2], "y": box[1] + box[3] / 2}
        self.driver.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": "mouseMoved", **at})
        self.settle()

    def complaints(self):
        """What the console has: errors, violations of the page's policy."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self):
        """The addresses that were asked for."""
        messages = (json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance"))
        return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]


def write_run(folder, epochs=6, steps=40, every=4, dim=32, holdout=False, best=0.9, config=""):
    """A run folder as a training leaves it: `epochs` epochs of `steps` steps, every so many of them recorded."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    of = "holdout" if holdout else "test"
    settings = f"model = convmixer\ndim = {dim}\ndepth = 4\npatch-size = 4\nimage-size = 32\nbatch-size = 64\nepochs = {epochs}\n"
    (folder / "config.ini").write_text(settings + config)
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    (folder / "data.json").write_text(json.dumps({"classes": [{"name": name, "train_images": 256, "test_images": 100} for name in names]}))
    session = {"type": "session", "schema": 1, "epoch": 0, "step": 0, "unix_s": 1764403200.0, "version": "0.1.0", "cpu": "A Processor"}
    records = [{**session, "instruction_set": "AVX-512", "onednn": "2.6.3", "threads": 2, "precision": "bf16", "plan": "fused"}]
    top = 0.0
    for epoch in range(1, epochs + 1):
        for step in range((epoch - 1) * steps + 1, epoch * steps + 1):
            if step % every == 0:
                records.append(step_record(epoch, step, step / (epochs * steps)))
        share = epoch / epochs
        accuracy = best * (1 - math.exp(-4 * share)) / (1 - math.exp(-4))
        top = max(top, accuracy)
        records.append(epoch_record(epoch, epoch * steps, share, of, accuracy, top))
    (folder / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder


def step_record(epoch, step, share):
    noise = 0.2 * math.sin(step * 12.9898) * math.cos(step * 78.233)
    return {
        "type": "step", "epoch": epoch, "step": step, "loss": 2.3 * math.exp(-2 * share) + noise, "accuracy": 0.1 + 0.7 * share + noise / 3,
        "learning_rate": 0.01 * (1 - share), "gradient_norm": 1.5 + noise, "images_per_s": 900 + 100 * noise, "data_wait_s": 0.0,
        "total_s": 0.1 * step + 2.0 * (epoch - 1),
    }


def epoch_record(epoch, step, share, of, accuracy, top):
    return {
        "type": "epoch", "epoch": epoch, "step": step, "loss": 2.3 * math.exp(-2 * share), "accuracy": 0.1 + 0.7 * share,
        f"{of}_loss": 2.4 * math.exp(-2 * share), f"{of}_accuracy": accuracy, f"{of}_top5": 0.99,
        f"ema_{of}_loss": 2.35 * math.exp(-2 * share), f"ema_{of}_accuracy": accuracy, f"best_{of}_accuracy": top,
        "learning_rate": 0.01 * (1 - share), "images_per_s": 900.0, "train_s": 0.1 * step / epoch, f"{of}_s": 2.0, "total_s": 0.1 * step + 2.0 * epoch,
    }


def report(tool, folders, page):
    """The page that the tool makes of these runs."""
    subprocess.run([tool, "report", *map(str, folders), "--figures", "none", "--out", str(page)], check=True, stdout=subprocess.DEVNULL)
    return page
