"""perf/torch_step.py with a torch that only notes what it is asked for."""

import contextlib
import io
import json
import os
import pathlib
import runpy
import sys
import tempfile
import types
import unittest
from unittest import mock

PROGRAM = pathlib.Path(__file__).resolve().parent.parent.parent / "perf/torch_step.py"
SETTINGS = {
    "model_name": "convmixer",
    "model": {"dim": 8, "depth": 2, "kernel_size": 5, "patch_size": 2, "image_size": 16, "channels": 3, "classes": 10},
    "batch_size": 4,
    "ranks": 1,
    "threads": 2,
    "mode": "training",
    "steps": 3,
    "warmup": 2,
    "precision": "f32",
    "channels_last": False,
    "compile": False,
    "preload": "",
    "bf16_weights": False,
}


TASK = {"image_size": 16, "channels": 3, "classes": 10}


class Notes(list):
    """What was asked for, in order."""

    def function(self, name, result=None):
        def call(*positional, **named):
            self.append((name, *positional, *sorted(named.items())))
            return result

        return call

    def count(self, name):
        return sum(note[0] == name for note in self)

    @contextlib.contextmanager
    def inside(self, name, *rest):
        self.append((name, *rest))
        yield
        self.append(("end of " + name,))


def make_torch(notes):
    """Modules `torch` and `torch.nn` of which nothing computes."""

    class Tensor:
        def __init__(self, shape=(), dtype="f32"):
            self.shape, self.dtype = shape, dtype

        def to(self, dtype=None, memory_format=None):
            notes.append(("images to", dtype or memory_format))
            return Tensor(self.shape, dtype or self.dtype)

        def numel(self):
            result = 1
            for size in self.shape:
                result *= size
            return result

        def flatten(self, first):
            return Tensor((*self.shape[:first], *self.shape[first:][:1]), self.dtype)

        def unbind(self, dimension):
            return self, self, self

        def same(self, *_):
            return self

        __mod__ = __add__ = __getitem__ = transpose = reshape = permute = expand = mean = same

        def backward(self):
            notes.append(("backward",))

    class Module:
        def __init__(self, *parts):
            self.parts = parts

        def __call__(self, x):
            return self.forward(x)

        def forward(self, x):
            for part in self.parts:
                x = part(x)
            return x

        def parameters(self):
            inner = [*self.parts, *(v for v in vars(self).values() if isinstance(v, Module))]
            own = [v for v in vars(self).values() if isinstance(v, Tensor)]
            own += [Tensor(size) for size in getattr(self, "sizes", ())]
            return [p for part in inner for p in part.parameters()] + own

        def to(self, dtype=None, memory_format=None):
            notes.append(("model to", dtype or memory_format))
            return self

        def train(self, mode=True):
            notes.append(("train" if mode else "eval",))

        def eval(self):
            self.train(False)

    class Layer(Module):
        def __init__(self, *sizes, note=None):
            super().__init__()
            self.sizes, self.note = sizes, note

        def forward(self, x):
            if self.note:
                notes.append(self.note)
            return x

    class LayerNorm(Layer):
        def __init__(self, dim, eps):
            super().__init__((dim,), (dim,), note=("layer norm", dim))

    def conv2d(inputs, outputs, kernel_size, stride=1, groups=1, padding=0, bias=True):
        note = ("convolve", inputs, outputs, kernel_size, stride, groups, padding)
        weight = (outputs, inputs // groups, kernel_size, kernel_size)
        return Layer(weight, *[(outputs,)] * bias, note=note)

    def attend(q, k, v):
        notes.append(("attend",))
        return v

    def adamw(parameters, lr, weight_decay):
        notes.append(("AdamW", len(parameters), lr, weight_decay))
        return types.SimpleNamespace(zero_grad=notes.function("zero_grad"), step=notes.function("update"))

    nn = types.ModuleType("torch.nn")
    nn.Module, nn.Sequential, nn.Conv2d = Module, Module, conv2d
    nn.GELU = nn.Flatten = Layer
    nn.AdaptiveAvgPool2d = lambda size: Layer()
    nn.BatchNorm2d = lambda dim: Layer((dim,), (dim,))
    nn.GroupNorm = lambda groups, dim: Layer((dim,), (dim,), note=("group norm", groups))
    nn.LayerNorm = LayerNorm
    nn.ReLU = lambda inplace=False: Layer(note=("relu",))
    nn.Parameter = lambda tensor: tensor
    nn.Linear = lambda inputs, outputs: Layer((outputs, inputs), (outputs,))
    loss = notes.function("cross_entropy", Tensor())
    nn.functional = types.SimpleNamespace(cross_entropy=loss, scaled_dot_product_attention=attend)
    torch = types.ModuleType("torch")
    torch.nn, torch.__version__ = nn, "2.6.0"
    torch.bfloat16, torch.channels_last = "bf16", "channels_last"
    torch.optim = types.SimpleNamespace(AdamW=adamw)
    torch.randn = lambda *shape: notes.append(("images", *shape)) or Tensor(shape)
    torch.arange = lambda size: Tensor((size,))
    torch.zeros = lambda *shape: Tensor(shape)
    torch.cat = lambda tensors, dimension: tensors[-1]
    torch.autocast = lambda device, dtype, enabled: Autocast(notes, enabled)
    torch.inference_mode = lambda: notes.inside("inference_mode")
    torch.distributed = types.SimpleNamespace(init_process_group=notes.function("init_process_group"))
    nn.parallel = types.SimpleNamespace(DistributedDataParallel=lambda model: model)
    torch.compile = lambda model: notes.append(("compile",)) or model
    for name in ("set_num_threads", "set_flush_denormal", "manual_seed"):
        setattr(torch, name, notes.function(name))
    return {"torch": torch, "torch.nn": nn}


class Autocast:
    """May be entered many times, as PyTorch's."""

    def __init__(self, notes, enabled):
        self.notes, self.enabled = notes, enabled

    def __enter__(self):
        self.notes.append(("autocast", self.enabled))

    def __exit__(self, *exception):
        self.notes.append(("end of autocast",))


def run(**settings):
    """The line of JSON that the program prints, and the notes."""
    notes, output = Notes(), io.StringIO()
    arguments = [str(PROGRAM), json.dumps({**SETTINGS, **settings})]
    with mock.patch.dict(sys.modules, make_torch(notes)), mock.patch.object(sys, "argv", arguments):
        with contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
            runpy.run_path(str(PROGRAM), run_name="__main__")
    return json.loads(output.getvalue()), notes


class TorchStep(unittest.TestCase):
    def test_trains_in_the_usual_order(self):
        result, notes = run()
        steps = [note[0] for note in notes if note[0] != "convolve"]
        step = ["zero_grad", "autocast", "cross_entropy", "end of autocast", "backward", "update"]
        self.assertEqual(steps[-12:], step * 2)
        self.assertEqual(notes.count("update"), 5)
        self.assertIn(("train",), notes)
        self.assertEqual(len(result["step_ms"]), 3)
        self.assertGreater(result["peak_rss_mib"], 1.0)
        self.assertEqual(result["torch"], "2.6.0")

    def test_builds_the_convmixer_that_step_bench_has(self):
        result, notes = run()
        convolutions = [note[1:] for note in notes if note[0] == "convolve"]
        depthwise, pointwise = (8, 8, 5, 1, 8, "same"), (8, 8, 1, 1, 1, 0)
        self.assertEqual(convolutions[:5], [(3, 8, 2, 2, 1, 0)] + [depthwise, pointwise] * 2)
        self.assertIn(("images", 4, 3, 16, 16), notes)
        # stem 3*2*2*8 + 8, its norm 16; a block 25*8 + 8, 16, 8*8 + 8, 16; head 8*10 + 10.
        self.assertEqual(result["parameters"], 104 + 16 + 2 * (208 + 16 + 72 + 16) + 90)

    def test_builds_the_variants_of_a_convmixer(self):
        usual = run()[0]["parameters"]
        variant = {**SETTINGS["model"], "dim": 32, "norm": "group", "activation": "relu", "residual": "both"}
        _, notes = run(model=variant, steps=1, warmup=1)
        self.assertEqual((notes.count("group norm"), notes.count("relu")), (2 * 5, 2 * 5))
        variant = {**SETTINGS["model"], "norm": "layer", "activation": "gelu", "residual": "none"}
        result, notes = run(model=variant, steps=1, warmup=1)
        self.assertEqual((notes.count("layer norm"), notes.count("relu")), (2 * 5, 0))
        self.assertEqual(result["parameters"], usual)

    def test_builds_the_mlp_mixer_that_step_bench_has(self):
        model = {"dim": 8, "depth": 2, "patch_size": 4, "token_dim": 6, "channel_dim": 32, **TASK}
        result, notes = run(model_name="mlp-mixer", model=model)
        self.assertIn(("convolve", 3, 8, 4, 4, 1, 0), notes)
        # Stem 3*4*4*8 + 8; a block, of 16 tokens: its norms 2*16, 16*6 + 6 + 6*16 + 16, 8*32 + 32 + 32*8 + 8; norm; head.
        self.assertEqual(result["parameters"], 392 + 2 * (32 + 214 + 552) + 16 + 90)

    def test_builds_the_vision_transformer_that_step_bench_has(self):
        model = {"dim": 8, "depth": 2, "heads": 2, "patch_size": 4, "mlp_dim": 32, **TASK}
        result, notes = run(model_name="vit", model=model)
        self.assertEqual(notes.count("attend"), 2 * 5)
        # Class token 8, positions 17*8, patches; a block: norms 2*16, qkv 8*24 + 24, 8*8 + 8, 552; norm; head.
        parameters = 8 + 136 + 392 + 2 * (32 + 216 + 72 + 552) + 16 + 90
        self.assertEqual(result["parameters"], parameters)
        result, _ = run(model_name="vit", model={**model, "pooling": "mean", "class_token": "no"})
        self.assertEqual(result["parameters"], parameters - 2 * 8)

    def test_builds_the_resnet_that_step_bench_has(self):
        result, notes = run(model_name="resnet", model={"layers": 8, "width": 4, "dropout": "0", "drop_path": "0", **TASK})
        convolutions = [note[1:] for note in notes if note[0] == "convolve"][:9]
        same = [(4, 4, 3, 1, 1, 1)] * 2
        halved = [[(c, 2 * c, 1, 2, 1, 0), (c, 2 * c, 3, 2, 1, 1), (2 * c, 2 * c, 3, 1, 1, 1)] for c in (4, 8)]
        self.assertEqual(convolutions, [(3, 4, 3, 1, 1, 1), *same, *halved[0], *halved[1]])
        # Stem 3*4*9 + 8; blocks 2*4*4*9 + 2*8; 4*8*9 + 8*8*9 + 2*16 + 4*8 + 16; four times that but for the norms; head.
        self.assertEqual(result["parameters"], 116 + 304 + 944 + (4 * 896 + 96) + 170)

    def test_says_which_models_and_settings_it_has(self):
        self.assertEqual(
            run(model_name="alexnet")[0]["error"],
            "alexnet: expected a model that torch_step.py has: convmixer, mlp-mixer, vit, resnet",
        )
        result, _ = run(model_name="resnet", model={"layers": 8, "cardinality": 4, **TASK})
        self.assertIn("resnet: torch_step.py has not its settings: ", result["error"])
        result, _ = run(model_name="resnet", model={"layers": 8, "width": 4, "drop_path": "0.1", **TASK})
        self.assertIn("expected rates of 0", result["error"])

    def test_ranks_leave_no_folder_behind(self):
        for settings, is_error in (({}, False), ({"model_name": "alexnet"}, True)):
            with tempfile.TemporaryDirectory() as temporary, self.subTest(is_error):
                with (
                    mock.patch.object(tempfile, "tempdir", temporary),
                    mock.patch.object(os, "fork", return_value=1),
                    mock.patch.object(os, "sched_setaffinity"),
                ):
                    result, notes = run(ranks=2, **settings)
                self.assertEqual("error" in result, is_error)
                _, _, *named = next(note for note in notes if note[0] == "init_process_group")
                self.assertTrue(dict(named)["init_method"].startswith(f"file://{temporary}/"))
                self.assertEqual(os.listdir(temporary), [])

    def test_takes_threads_and_flushes_denormals_as_step_bench(self):
        _, notes = run(threads=7)
        self.assertIn(("set_num_threads", 7), notes)
        self.assertIn(("set_flush_denormal", True), notes)

    def test_computes_bf16_by_autocast(self):
        self.assertIn(("autocast", True), run(precision="bf16")[1])
        self.assertNotIn(("autocast", True), run(precision="f32")[1])

    def test_computes_with_bf16_weights_instead(self):
        _, notes = run(precision="bf16", bf16_weights=True, mode="inference")
        self.assertIn(("model to", "bf16"), notes)
        self.assertIn(("images to", "bf16"), notes)
        self.assertNotIn(("autocast", True), notes)

    def test_infers_without_gradients(self):
        result, notes = run(mode="inference")
        self.assertIn(("eval",), notes)
        self.assertEqual(notes.count("inference_mode"), 5)
        self.assertEqual(notes.count("backward") + notes.count("AdamW"), 0)
        self.assertEqual(len(result["step_ms"]), 3)

    def test_puts_model_and_images_in_channels_last(self):
        _, notes = run(channels_last=True)
        self.assertIn(("model to", "channels_last"), notes)
        self.assertIn(("images to", "channels_last"), notes)
        self.assertNotIn(("images to", "channels_last"), run()[1])

    def test_compiles_on_request(self):
        self.assertEqual(run(compile=True)[1].count("compile"), 1)
        self.assertEqual(run()[1].count("compile"), 0)

    def test_says_if_the_allocator_was_not_loaded(self):
        result, _ = run(preload="libnosuchallocator.so.2")
        self.assertEqual(
            result, {"error": "libnosuchallocator.so.2 was not loaded: does PyTorch's Python see that file?"}
        )

    def test_says_if_there_is_no_pytorch(self):
        output = io.StringIO()
        with mock.patch.dict(sys.modules, {"torch": None}), mock.patch.object(sys, "argv", ["", json.dumps(SETTINGS)]):
            with contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
                runpy.run_path(str(PROGRAM), run_name="__main__")
        self.assertIn("PyTorch can't be imported by", json.loads(output.getvalue())["error"])


if __name__ == "__main__":
    unittest.main()
