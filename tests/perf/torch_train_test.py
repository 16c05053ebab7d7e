"""perf/torch_train.py up to where PyTorch is needed: configurations, rates, refusals."""

import importlib
import pathlib
import subprocess
import sys
import tempfile
import types
import unittest
from unittest import mock

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CONFIG = """# a comment
[model]
dataset = cifar10
dim = 16
depth = 2
kernel-size = 5   # of depthwise convolutions
patch-size = 2
horizontal-flip = true
epochs = 10
batch-size = 32
optimizer = adamw
lr = 0.01
schedule = piecewise-linear
precision = auto
"""


def load():
    """The program, without PyTorch and NumPy."""
    stand_ins = {name: mock.MagicMock(spec=types.ModuleType) for name in ("numpy", "torch", "torch_step")}
    stand_ins["torch"].nn = None
    stand_ins["torch_step"].make_model = None
    with mock.patch.dict(sys.modules, stand_ins):
        sys.modules.pop("torch_train", None)
        return importlib.import_module("torch_train")


class TorchTrain(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.program = load()

    def read(self, text):
        (self.folder / "a.ini").write_text(text)
        return self.program.read_configuration(self.folder / "a.ini")

    def refusal(self, text):
        with self.assertRaises(Exception) as caught:
            self.read(text)
        self.assertEqual(type(caught.exception).__name__, "Failure")
        return str(caught.exception).replace(str(self.folder), "")

    def test_reads_a_configuration(self):
        settings = self.read(CONFIG)
        self.assertEqual((settings["dim"], settings["kernel-size"], settings["lr"]), (16, 5, 0.01))
        self.assertEqual((settings["horizontal-flip"], settings["pad-crop"], settings["weight-decay"]), (True, 4, 0.05))
        settings = self.read(CONFIG.replace("flip = true", "flip = no").replace("0.01", "1E-2") + "pad-crop = 0\n")
        self.assertEqual((settings["horizontal-flip"], settings["pad-crop"], settings["lr"]), (False, 0, 0.01))

    def test_reads_the_one_that_it_trains_unless_told_otherwise(self):
        settings = self.program.read_configuration(ROOT / "configs/cifar10-256x8.ini")
        self.assertEqual((settings["dim"], settings["depth"], settings["epochs"], settings["pad-crop"]), (256, 8, 4, 4))

    def test_refuses_what_it_has_not(self):
        self.assertEqual(self.refusal(CONFIG + "ema-decay = 0.9\n"),
                         "/a.ini:15: ema-decay = 0.9: torch_train.py hasn't this setting")
        self.assertEqual(self.refusal(CONFIG.replace("adamw", "muon")), "/a.ini:11: optimizer = muon: expected adamw, "
                         "which is all that torch_train.py has")
        self.assertEqual(self.refusal(CONFIG.replace("= true", "= maybe")),
                         "/a.ini:8: horizontal-flip = maybe: expected yes or no")
        self.assertEqual(self.refusal(CONFIG.replace("= 16", "= x")), "/a.ini:4: dim = x: expected a number")
        self.assertEqual(self.refusal(CONFIG.replace("epochs = 10\n", "")), "/a.ini: lacks epochs")
        with self.assertRaisesRegex(self.program.Failure, "none.ini: No such file or directory"):
            self.program.read_configuration(self.folder / "none.ini")

    def test_has_the_rates_of_the_schedule(self):
        settings = self.read(CONFIG)
        rates = [self.program.learning_rate(settings, epoch) for epoch in (0, 2, 4, 6, 8, 9, 10)]
        for rate, expected in zip(rates, (0, 0.005, 0.01, 0.00525, 0.0005, 0.00025, 0)):
            self.assertAlmostEqual(rate, expected)

    def test_says_in_a_line_what_is_missing(self):
        run = subprocess.run([sys.executable, "-S", str(ROOT / "perf/torch_train.py"), "--data", "x"], capture_output=True,
                             text=True, check=False)
        self.assertEqual(run.returncode, 1)
        self.assertRegex(run.stderr, r"^torch_train: error: No module named '\w+': expected a Python with PyTorch and NumPy\n$")


if __name__ == "__main__":
    unittest.main()
