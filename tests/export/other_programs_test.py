"""What `convmixer export` writes, read and run by the programs that it is written for:

    other_programs_test.py --tool convmixer --logits reference_logits [CASE]

PythonReadsPytorchFiles needs nothing but Python. LoadsInPyTorch needs PyTorch, RunsInOnnxRuntime and PassesOnnxChecker
their modules (Debian 13: python3-torch, python3-onnxruntime, python3-onnx); a case without its module says so and
exits with status 77.
"""

import argparse
import collections
import importlib.util
import io
import json
import pathlib
import pickle
import struct
import subprocess
import sys
import tempfile
import unittest
import zipfile

SKIPPED = 77
TOLERANCE = 1e-4
COUNTS = (1, 3, 200)
KERNELS = (3, 4)  # even ones have the odd pad at the end
NAMINGS = ("timm", "locuslab")
MODULES = {
    "PythonReadsPytorchFiles": (),
    "LoadsInPyTorch": ("torch",),
    "RunsInOnnxRuntime": ("onnxruntime", "numpy"),
    "PassesOnnxChecker": ("onnx",),
}

Tensor = collections.namedtuple("Tensor", "dtype shape data")
Files = collections.namedtuple("Files", "folder kernel best logits")

tool = None  # paths, set by main
logits_program = None
folder = None
files = []


def convmixer(*words):
    """Runs the tool, which must succeed and complain of nothing."""
    result = subprocess.run([tool, *map(str, words)], capture_output=True, text=True)
    if result.returncode != 0 or result.stderr:
        raise AssertionError(f"convmixer {' '.join(map(str, words))}: {result.returncode}\n{result.stderr}")


def setUpModule():
    """Trains a little with an odd and an even kernel: norms and statistics are no longer as they began."""
    for kernel in KERNELS:
        run = folder / f"kernel-{kernel}"
        convmixer(*("train --train-images 128 --test-images 20 --dim 16 --depth 2 --patch-size 4 --batch-size 16 "
                    "--eval-batch-size 20 --epochs 1 --precision f32 --threads 1").split(),
                  "--kernel-size", kernel, "--out", run)
        best = run / "best.safetensors"
        logits = run / "logits.safetensors"
        subprocess.run([logits_program, best, logits, *map(str, COUNTS)], check=True)
        files.append(Files(run, kernel, best, logits))


def exported(case, name, *options):
    """The path of a file that the tool has just written."""
    path = case.folder / name
    convmixer("export", case.best, "--out", path, *options)
    return path


def read_safetensors(path):
    """{name: Tensor}; https://github.com/huggingface/safetensors."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        tensors[name] = Tensor(entry["dtype"], tuple(entry["shape"]), data[begin:end])
    return tensors


class StateDictReader(pickle.Unpickler):
    """Makes Tensors of what PyTorch makes tensors of, and refuses whatever else a pickle asks for."""

    DTYPES = {"FloatStorage": "F32", "LongStorage": "I64"}

    def __init__(self, archive, root):
        super().__init__(io.BytesIO(archive.read(f"{root}/data.pkl")))
        self.archive, self.root = archive, root

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return self.rebuild
        if module == "torch" and name in self.DTYPES:
            return self.DTYPES[name]
        raise AssertionError(f"the pickle asks for {module}.{name}")

    def persistent_load(self, identity):
        kind, dtype, key, location, elements = identity
        assert (kind, location) == ("storage", "cpu"), identity
        data = self.archive.read(f"{self.root}/data/{key}")
        assert len(data) == elements * {"F32": 4, "I64": 8}[dtype], identity
        return dtype, data

    @staticmethod
    def rebuild(storage, offset, size, stride, requires_grad, hooks):
        assert (offset, requires_grad, hooks) == (0, False, collections.OrderedDict())
        expected = []
        for extent in reversed(size):
            expected.insert(0, expected[0] * size[len(size) - len(expected)] if expected else 1)
        assert stride == tuple(expected), (size, stride)
        return Tensor(storage[0], size, storage[1])


class PythonReadsPytorchFiles(unittest.TestCase):
    def test_as_zip_archives_of_stored_and_aligned_files(self):
        for case in files:
            path = exported(case, "timm.pth")
            data = path.read_bytes()
            with zipfile.ZipFile(path) as archive:
                self.assertIsNone(archive.testzip())
                for entry in archive.infolist():
                    self.assertEqual(entry.compress_type, zipfile.ZIP_STORED)
                    header = data[entry.header_offset : entry.header_offset + 30]
                    begin = entry.header_offset + len(header) + sum(struct.unpack("<HH", header[26:]))
                    self.assertEqual(begin % 64, 0, entry.filename)
                self.assertEqual(archive.read("archive/version"), b"3\n")
                self.assertEqual(archive.read("archive/byteorder"), b"little")

    def test_as_pickles_of_the_trained_tensors(self):
        for case in files:
            with zipfile.ZipFile(exported(case, "timm.pth")) as archive:
                found = StateDictReader(archive, "archive").load()
            self.assertIsInstance(found, collections.OrderedDict)
            self.assertEqual(dict(found), read_safetensors(case.best))


class LoadsInPyTorch(unittest.TestCase):
    @staticmethod
    def network(naming, case):
        """The ConvMixer of arXiv 2201.09792, its modules named as timm's or as locuslab's."""
        from torch import nn

        class Residual(nn.Module):
            def __init__(self, fn):
                super().__init__()
                self.fn = fn

            def forward(self, x):
                return self.fn(x) + x

        class Timm(nn.Module):
            def __init__(self, stem, blocks, head):
                super().__init__()
                self.stem, self.blocks, self.head = nn.Sequential(*stem), nn.Sequential(*blocks), head

            def forward(self, x):
                return self.head(self.blocks(self.stem(x)).mean((2, 3)))

        dim, kernel = 16, case.kernel
        stem = [nn.Conv2d(3, dim, 4, stride=4), nn.GELU(), nn.BatchNorm2d(dim)]
        blocks = []
        for _ in range(2):
            depthwise = nn.Conv2d(dim, dim, kernel, groups=dim, padding="same")
            mixed = Residual(nn.Sequential(depthwise, nn.GELU(), nn.BatchNorm2d(dim)))
            blocks.append(nn.Sequential(mixed, nn.Conv2d(dim, dim, 1), nn.GELU(), nn.BatchNorm2d(dim)))
        head = nn.Linear(dim, 10)
        if naming == "timm":
            return Timm(stem, blocks, head).eval()
        return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), head).eval()

    @staticmethod
    def tensor(tensor):
        import torch

        types = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64}
        return torch.frombuffer(bytearray(tensor.data), dtype=types[tensor.dtype]).reshape(tensor.shape)

    def largest_difference(self, network, case):
        import torch

        expected = {name: self.tensor(tensor) for name, tensor in read_safetensors(case.logits).items()}
        with torch.no_grad():
            return max(float((network(expected[f"images.{n}"]) - expected[f"logits.{n}"]).abs().max()) for n in COUNTS)

    def test_with_strict_and_gives_the_same_logits(self):
        import torch

        for case in files:
            for naming in NAMINGS:
                path = exported(case, f"{naming}.pth", "--names", naming)
                for mmap in (False, True):
                    with self.subTest(kernel=case.kernel, naming=naming, mmap=mmap):
                        network = self.network(naming, case)
                        network.load_state_dict(torch.load(path, weights_only=True, mmap=mmap), strict=True)
                        self.assertLess(self.largest_difference(network, case), TOLERANCE)

    def test_from_safetensors_of_every_type(self):
        for case in files:
            for kind, tolerance in (("", TOLERANCE), ("-f16", 0.02), ("-bf16", 0.1)):
                path = exported(case, f"weights{kind}.safetensors", "--format", f"safetensors{kind}")
                with self.subTest(kernel=case.kernel, kind=kind):
                    network = self.network("timm", case)
                    state = {name: self.tensor(tensor) for name, tensor in read_safetensors(path).items()}
                    network.load_state_dict(state, strict=True)
                    self.assertLess(self.largest_difference(network, case), tolerance)

    def test_in_16_bits_as_pytorch_rounds(self):
        import torch

        for case in files:
            whole = read_safetensors(case.best)
            for kind, dtype in (("f16", torch.float16), ("bf16", torch.bfloat16)):
                path = exported(case, f"{kind}.safetensors", "--format", f"safetensors-{kind}")
                for name, tensor in read_safetensors(path).items():
                    expected = self.tensor(whole[name])
                    if expected.is_floating_point():
                        expected = expected.to(dtype)
                    self.assertTrue(torch.equal(self.tensor(tensor), expected), name)

    def test_and_comes_back_from_torch_save_bit_for_bit(self):
        import torch

        for case in files:
            for naming in NAMINGS:
                network = self.network(naming, case)
                path = exported(case, f"{naming}.pth", "--names", naming)
                network.load_state_dict(torch.load(path, weights_only=True), strict=True)
                theirs, back = case.folder / f"{naming}-theirs.pth", case.folder / "back.safetensors"
                torch.save(network.state_dict(), theirs)
                convmixer("export", theirs, "--out", back)
                self.assertEqual(read_safetensors(back), read_safetensors(case.best), naming)


class RunsInOnnxRuntime(unittest.TestCase):
    def run_all(self, path, case, kind):
        """For each number of images, what the file gives and the expected logits."""
        import numpy as np
        import onnxruntime

        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        expected = {
            name: np.frombuffer(tensor.data, "<f4").reshape(tensor.shape)
            for name, tensor in read_safetensors(case.logits).items()
        }
        for n in COUNTS:
            (found,) = session.run(None, {"input": expected[f"{kind}.{n}"]})
            yield found, expected[f"logits.{n}"]

    def test_to_the_same_logits_whatever_the_batch(self):
        for case in files:
            for kind, options in (("images", ()), ("pixels", ("--normalise",))):
                path = exported(case, f"{kind}.onnx", *options)
                for found, expected in self.run_all(path, case, kind):
                    with self.subTest(kernel=case.kernel, kind=kind, images=len(expected)):
                        self.assertEqual(found.shape, expected.shape)
                        self.assertLess(abs(found - expected).max(), TOLERANCE)

    def test_to_probabilities_on_request(self):
        import numpy as np

        for case in files:
            path = exported(case, "probabilities.onnx", "--probabilities")
            for found, expected in self.run_all(path, case, "images"):
                powers = np.exp(expected - expected.max(axis=1, keepdims=True))
                self.assertLess(abs(found - powers / powers.sum(axis=1, keepdims=True)).max(), TOLERANCE)


class PassesOnnxChecker(unittest.TestCase):
    def test_in_full(self):
        import onnx

        for case in files:
            for options in ((), ("--normalise", "--probabilities")):
                path = exported(case, "network.onnx", *options)
                onnx.checker.check_model(str(path), full_check=True)
                model = onnx.load(str(path))
                self.assertEqual(model.opset_import[0].version, 17)
                metadata = {entry.key: entry.value for entry in model.metadata_props}
                self.assertEqual(len(json.loads(metadata["class_names"])), 10)


def main():
    global tool, logits_program, folder
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", required=True, type=pathlib.Path)
    parser.add_argument("--logits", required=True, type=pathlib.Path)
    parser.add_argument("case", nargs="?", choices=MODULES)
    arguments = parser.parse_args()
    tool, logits_program = arguments.tool, arguments.logits
    cases = [arguments.case] if arguments.case else list(MODULES)
    missing = sorted({name for case in cases for name in MODULES[case] if importlib.util.find_spec(name) is None})
    if missing:
        print(f"skipped: this machine's Python has no {', '.join(missing)}")
        sys.exit(SKIPPED)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        unittest.main(argv=[sys.argv[0], *cases], verbosity=2)


if __name__ == "__main__":
    main()
