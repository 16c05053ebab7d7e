#!/usr/bin/env python3
"""Makes tests/golden/pytorch: what torch.save, torch.jit and the like write of a very small ConvMixer.

    make_pytorch_files.py FOLDER

Needs PyTorch (2.6 made the committed files). Of each tensor, the j-th value is that of `values` for its name in timm's
ConvMixer, whatever the name in the file.
"""

import argparse
import collections
import pathlib
import sys
import zipfile

import torch
from torch import nn

DIM, KERNEL, PATCH, CLASSES = 2, 3, 2, 3  # and one block

LAYERS = {  # timm's names to those of locuslab/convmixer and of labml.ai
    "stem.0": ("0", "patch_emb.conv"),
    "stem.2": ("2", "patch_emb.norm"),
    "blocks.0.0.fn.0": ("3.0.fn.0", "conv_mixer_layers.0.depth_wise_conv"),
    "blocks.0.0.fn.2": ("3.0.fn.2", "conv_mixer_layers.0.norm1"),
    "blocks.0.1": ("3.1", "conv_mixer_layers.0.point_wise_conv"),
    "blocks.0.3": ("3.3", "conv_mixer_layers.0.norm2"),
    "head": ("6", "classification.linear"),
}
LOCUSLAB, LABML = 0, 1


class Residual(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x):
        return self.fn(x) + x


class ConvMixer(nn.Module):
    """With timm's members."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, DIM, PATCH, PATCH), nn.GELU(), nn.BatchNorm2d(DIM))
        depthwise = nn.Sequential(
            nn.Conv2d(DIM, DIM, KERNEL, groups=DIM, padding="same"), nn.GELU(), nn.BatchNorm2d(DIM)
        )
        self.blocks = nn.Sequential(
            nn.Sequential(Residual(depthwise), nn.Conv2d(DIM, DIM, 1), nn.GELU(), nn.BatchNorm2d(DIM))
        )
        self.head = nn.Linear(DIM, CLASSES)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


def values(name, shape):
    """Eighths below 8, which every type holds."""
    count = torch.Size(shape).numel()
    return ((sum(name.encode()) + torch.arange(count)) % 64 / 8).reshape(shape)


def filled(net):
    for name, tensor in net.state_dict().items():
        tensor.copy_(7 if name.endswith("num_batches_tracked") else values(name, tensor.shape))
    return net.eval()


def renamed(state, beginning, program):
    named = {}
    for name, tensor in state.items():
        layer, _, rest = name.rpartition(".")
        named[f"{beginning}{LAYERS[layer][program]}.{rest}"] = tensor
    return named


def views_of_one_storage(state):
    """A transposed matrix, a tensor that two names share, and all in one storage."""
    floats = {name: tensor for name, tensor in state.items() if tensor.is_floating_point()}
    storage = torch.cat([tensor.t().flatten() if tensor.dim() == 2 else tensor.flatten() for tensor in floats.values()])
    views, at = collections.OrderedDict(state), 0
    for name, tensor in floats.items():
        part = storage[at : at + tensor.numel()]
        views[name] = part.view(tensor.t().shape).t() if tensor.dim() == 2 else part.view(tensor.shape)
        at += tensor.numel()
    views["blocks.0.3.num_batches_tracked"] = views["stem.2.num_batches_tracked"]
    return views


def repack(path, packed):
    """The same archive, compressed, with the sizes of files beyond 4 GiB."""
    with zipfile.ZipFile(path) as given, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as made:
        for name in given.namelist():
            with made.open(name, "w", force_zip64=True) as file:
                file.write(given.read(name))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    folder = parser.parse_args().folder
    net = filled(ConvMixer())
    state = net.state_dict()
    optimizer = torch.optim.AdamW(net.parameters(), 0.01)
    net(torch.ones(2, 3, 8, 8)).sum().backward()
    optimizer.step()
    filled(net)

    torch.save(state, folder / "timm.pth")
    checkpoint = {
        "epoch": 3,
        "arch": "convmixer",
        "args": argparse.Namespace(lr=0.01, tags=["a", None], nested={"x": (1, 2.5, True)}),
        "state_dict": renamed(state, "module.", LOCUSLAB),
        "optimizer": optimizer.state_dict(),
        "loss": torch.tensor(0.25),
    }
    torch.save(checkpoint, folder / "locuslab_checkpoint.pth")
    half = {name: tensor.bfloat16() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    torch.save({"model": renamed(half, "_orig_mod.", LABML)}, folder / "labml_bf16.pth")
    half = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    torch.save({f"model.{name}": tensor for name, tensor in half.items()}, folder / "timm_f16.pth")
    torch.save(torch.optim.swa_utils.AveragedModel(net).state_dict(), folder / "averaged.pth")
    torch.save(views_of_one_storage(state), folder / "views.pth")
    torch.save(dict(net.named_parameters()) | dict(net.named_buffers()), folder / "parameters.pth")

    torch.save(net, folder / "whole.pth")
    torch.save({"epoch": 3, "model": net}, folder / "whole_checkpoint.pth")
    torch.save(state, folder / "old.pth", _use_new_zipfile_serialization=False)
    torch.jit.script(nn.Linear(1, 1)).save(folder / "script.pth")
    repack(folder / "timm.pth", folder / "zip64.pth")
    return 0


if __name__ == "__main__":
    sys.exit(main())
