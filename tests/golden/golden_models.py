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


class PatchEmbed(nn.Module):
    """timm's: patches as tokens."""

    def __init__(self, dim, patch):
        super().__init__()
        self.proj = nn.Conv2d(3, dim, patch, stride=patch)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


class Mlp(nn.Module):
    """timm's."""

    def __init__(self, features, hidden):
        super().__init__()
        self.fc1 = nn.Linear(features, hidden)
        self.fc2 = nn.Linear(hidden, features)

    def forward(self, x):
        return self.fc2(nn.functional.gelu(self.fc1(x)))


class MixerBlock(nn.Module):
    def __init__(self, dim, tokens, token_dim, channel_dim):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp_tokens = Mlp(tokens, token_dim)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp_channels = Mlp(dim, channel_dim)

    def forward(self, x):
        x = x + self.mlp_tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.mlp_channels(self.norm2(x))


class MlpMixer(nn.Module):
    """The MLP-Mixer of arXiv 2105.01601 with the parameter names of timm's. Its head begins at 0 there; not here, where
    gradients are to reach what comes before it in the first step."""

    def __init__(self, dim, depth, patch, token_dim, channel_dim, image, classes):
        super().__init__()
        self.stem = PatchEmbed(dim, patch)
        tokens = (image // patch) ** 2
        self.blocks = nn.Sequential(*[MixerBlock(dim, tokens, token_dim, channel_dim) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.head = nn.Linear(dim, classes)

    def forward(self, x):
        return self.head(self.norm(self.blocks(self.stem(x))).mean(1))


class Attention(nn.Module):
    """timm's, without its fused path."""

    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x):
        images, tokens, dim = x.shape
        qkv = self.qkv(x).reshape(images, tokens, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        shares = (q * (dim // self.heads) ** -0.5 @ k.transpose(-2, -1)).softmax(dim=-1)
        return self.proj((shares @ v).transpose(1, 2).reshape(images, tokens, dim))


class VitBlock(nn.Module):
    def __init__(self, dim, heads, mlp_dim):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = Mlp(dim, mlp_dim)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Vit(nn.Module):
    """The ViT of arXiv 2010.11929 with the parameter names of timm's VisionTransformer."""

    def __init__(self, dim, depth, heads, mlp_dim, patch, image, classes, pooling="token", class_token="yes"):
        super().__init__()
        self.patch_embed = PatchEmbed(dim, patch)
        self.prefix = 1 if class_token == "yes" else 0
        self.cls_token = nn.Parameter(0.1 * torch.randn(1, 1, dim)) if self.prefix else None
        self.pos_embed = nn.Parameter(0.1 * torch.randn(1, self.prefix + (image // patch) ** 2, dim))
        self.blocks = nn.Sequential(*[VitBlock(dim, heads, mlp_dim) for _ in range(depth)])
        self.pools = pooling == "mean"
        self.norm = nn.Identity() if self.pools else nn.LayerNorm(dim, eps=1e-6)
        self.fc_norm = nn.LayerNorm(dim, eps=1e-6) if self.pools else nn.Identity()
        self.head = nn.Linear(dim, classes)

    def forward(self, x):
        x = self.patch_embed(x)
        if self.prefix:
            x = torch.cat((self.cls_token.expand(len(x), -1, -1), x), dim=1)
        x = self.norm(self.blocks(x + self.pos_embed))
        x = x[:, self.prefix :].mean(1) if self.pools else x[:, 0]
        return self.head(self.fc_norm(x))


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
    "mlp-mixer": (
        {"dim": None, "depth": None, "patch": None, "token_dim": None, "channel_dim": None, "image": None},
        MlpMixer,
    ),
    "vit": (
        {
            "dim": None,
            "depth": None,
            "heads": None,
            "mlp_dim": None,
            "patch": None,
            "image": None,
            "pooling": "token",
            "class_token": "yes",
        },
        Vit,
    ),
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
