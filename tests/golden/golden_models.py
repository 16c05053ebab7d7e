"""The networks of the golden files as PyTorch modules, with the parameter names of timm's or torchvision's.

MODELS has, for each value of the option `model`, the settings that a file's metadata holds, with their defaults (None:
needed), and what makes the module of them. They are the names that a weights file's metadata has; ConvMixer's files were
there before other models, and have `kernel` and `patch` for `kernel_size` and `patch_size`, and no `model`.
"""

import torch
from torch import nn


class LayerNorm2d(nn.LayerNorm):
    """Over the channels of each pixel, as timm's."""

    def __init__(self, channels):
        super().__init__(channels, eps=1e-6)

    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


NORMS = {"batch": nn.BatchNorm2d, "layer": LayerNorm2d, "group": lambda channels: nn.GroupNorm(32, channels)}
ACTIVATIONS = {"gelu": nn.GELU, "relu": nn.ReLU}


class Residual(nn.Module):
    """x + fn(x), with timm's member name; without the sum for `residual = none`."""

    def __init__(self, fn, adds=True):
        super().__init__()
        self.fn = fn
        self.adds = adds

    def forward(self, x):
        return self.fn(x) + x if self.adds else self.fn(x)


class Block(nn.Sequential):
    """timm's block is a plain Sequential; here its pointwise half may have a residual of its own."""

    def __init__(self, *layers, both):
        super().__init__(*layers)
        self.both = both

    def forward(self, x):
        y = self[0](x)
        z = self[3](self[2](self[1](y)))
        return z + y if self.both else z


class ConvMixer(nn.Module):
    """The ConvMixer of arXiv 2201.09792 with the parameter names of timm's."""

    def __init__(self, dim, depth, kernel, patch, classes, norm="batch", activation="gelu", residual="depthwise"):
        super().__init__()
        norm, activation = NORMS[norm], ACTIVATIONS[activation]
        self.stem = nn.Sequential(nn.Conv2d(3, dim, patch, stride=patch), activation(), norm(dim))
        self.blocks = nn.Sequential(
            *[
                Block(
                    Residual(
                        nn.Sequential(nn.Conv2d(dim, dim, kernel, groups=dim, padding="same"), activation(), norm(dim)),
                        adds=residual != "none",
                    ),
                    nn.Conv2d(dim, dim, 1),
                    activation(),
                    norm(dim),
                    both=residual == "both",
                )
                for _ in range(depth)
            ]
        )
        self.head = nn.Linear(dim, classes)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


class BasicBlock(nn.Module):
    """torchvision's."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        return (y + shortcut).relu()


class ResNet(nn.Module):
    """CIFAR's of arXiv 1512.03385, section 4.2, with torchvision's names and initialisation."""

    def __init__(self, layers, width, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        inputs = width
        for stage in range(3):
            blocks = []
            for i in range((layers - 2) // 6):
                blocks.append(BasicBlock(inputs, width << stage, 2 if stage > 0 and i == 0 else 1))
                inputs = width << stage
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(4 * width, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x):
        x = self.bn1(self.conv1(x)).relu()
        return self.fc(self.layer3(self.layer2(self.layer1(x))).mean((2, 3)))


MODELS = {
    "convmixer": (
        {
            "dim": None,
            "depth": None,
            "kernel": None,
            "patch": None,
            "norm": "batch",
            "activation": "gelu",
            "residual": "depthwise",
        },
        ConvMixer,
    ),
    "resnet": ({"layers": None, "width": None}, ResNet),
}


def make_model(metadata):
    """The module that a file's metadata describes."""
    settings, module = MODELS[metadata.get("model", "convmixer")]
    values = {key: metadata.get(key, default) for key, default in settings.items()}
    numbers = {key: int(value) if value.isdigit() else value for key, value in values.items()}
    return module(**numbers, classes=int(metadata["classes"]))


def spread_norms(model):
    """Norms away from 1 and 0, so that their gradients are tested."""
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, (nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm)):
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.3, 0.3)
