"""One measurement in PyTorch, for compare_torch.py: reads nothing but its argument (JSON), prints one line of JSON."""

import contextlib
import datetime
import json
import os
import shutil
import sys
import tempfile
import time


def fail(message):
    print(json.dumps({"error": message}))
    sys.exit(0)


try:
    import torch
    from torch import nn
except ImportError as error:
    fail(f"PyTorch can't be imported by {sys.executable}: {error}")


class LayerNorm2d(nn.LayerNorm):
    """Over the channels of each pixel, as timm's."""

    def __init__(self, channels):
        super().__init__(channels, eps=1e-6)

    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


NORMS = {"batch": nn.BatchNorm2d, "layer": LayerNorm2d, "group": lambda channels: nn.GroupNorm(32, channels)}
ACTIVATIONS = {"gelu": nn.GELU, "relu": nn.ReLU}


class Residual(nn.Module):
    def __init__(self, body):
        super().__init__()
        self.fn = body

    def forward(self, x):
        return self.fn(x) + x


def convmixer(
    dim, depth, kernel_size, patch_size, channels, classes, norm="batch", activation="gelu", residual="depthwise"
):
    """As https://github.com/locuslab/convmixer defines it, and its variants."""

    def mixer(convolution, adds):
        layers = nn.Sequential(convolution, ACTIVATIONS[activation](), NORMS[norm](dim))
        return Residual(layers) if adds else layers

    def block():
        depthwise = nn.Conv2d(dim, dim, kernel_size, groups=dim, padding="same")
        return nn.Sequential(
            mixer(depthwise, residual != "none"), mixer(nn.Conv2d(dim, dim, 1), residual == "both")
        )

    return nn.Sequential(
        mixer(nn.Conv2d(channels, dim, patch_size, stride=patch_size), False),
        *[block() for _ in range(depth)],
        nn.AdaptiveAvgPool2d((1, 1)),
        nn.Flatten(),
        nn.Linear(dim, classes),
    )


class Mlp(nn.Module):
    def __init__(self, features, hidden):
        super().__init__()
        self.fc1, self.act, self.fc2 = nn.Linear(features, hidden), nn.GELU(), nn.Linear(hidden, features)

    def forward(self, x):
        return self.fc2(self.act(self.fc1(x)))


class PatchEmbedding(nn.Module):
    """An image's patches as tokens (N, T, D)."""

    def __init__(self, channels, dim, patch_size):
        super().__init__()
        self.proj = nn.Conv2d(channels, dim, patch_size, stride=patch_size)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


def token_norm(dim):
    return nn.LayerNorm(dim, eps=1e-6)


class MixerBlock(nn.Module):
    def __init__(self, tokens, dim, token_dim, channel_dim):
        super().__init__()
        self.norm1, self.mlp_tokens = token_norm(dim), Mlp(tokens, token_dim)
        self.norm2, self.mlp_channels = token_norm(dim), Mlp(dim, channel_dim)

    def forward(self, x):
        x = x + self.mlp_tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.mlp_channels(self.norm2(x))


class MlpMixer(nn.Module):
    """timm's mlp_mixer.py, MlpMixer: Tolstikhin et al., arXiv 2105.01601."""

    def __init__(self, dim, depth, patch_size, token_dim, channel_dim, image_size, channels, classes):
        super().__init__()
        tokens = (image_size // patch_size) ** 2
        self.stem = PatchEmbedding(channels, dim, patch_size)
        self.blocks = nn.Sequential(*[MixerBlock(tokens, dim, token_dim, channel_dim) for _ in range(depth)])
        self.norm, self.head = token_norm(dim), nn.Linear(dim, classes)

    def forward(self, x):
        return self.head(self.norm(self.blocks(self.stem(x))).mean(1))


class Attention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x):
        images, tokens, dim = x.shape
        q, k, v = self.qkv(x).reshape(images, tokens, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        x = nn.functional.scaled_dot_product_attention(q, k, v)  # PyTorch's fastest
        return self.proj(x.transpose(1, 2).reshape(images, tokens, dim))


class TransformerBlock(nn.Module):
    def __init__(self, dim, heads, mlp_dim):
        super().__init__()
        self.norm1, self.attn = token_norm(dim), Attention(dim, heads)
        self.norm2, self.mlp = token_norm(dim), Mlp(dim, mlp_dim)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Module):
    """timm's vision_transformer.py, VisionTransformer: Dosovitskiy et al., arXiv 2010.11929."""

    def __init__(
        self, dim, depth, heads, mlp_dim, patch_size, image_size, channels, classes, pooling="token", class_token="yes"
    ):
        super().__init__()
        self.prefix, self.takes_mean = int(class_token == "yes"), pooling == "mean"
        tokens = self.prefix + (image_size // patch_size) ** 2
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim)) if self.prefix else None
        self.pos_embed = nn.Parameter(torch.zeros(1, tokens, dim))
        self.patch_embed = PatchEmbedding(channels, dim, patch_size)
        self.blocks = nn.Sequential(*[TransformerBlock(dim, heads, mlp_dim) for _ in range(depth)])
        self.norm, self.head = token_norm(dim), nn.Linear(dim, classes)  # with a mean, timm calls its norm fc_norm

    def forward(self, x):
        x = self.patch_embed(x)
        if self.prefix:
            x = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), x), 1)
        x = self.blocks(x + self.pos_embed)
        return self.head(self.norm(x[:, self.prefix :].mean(1) if self.takes_mean else x[:, 0]))


class BasicBlock(nn.Module):
    """torchvision's and timm's, of two 3x3 convolutions."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1, self.act = nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1:
            projection = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)
            self.downsample = nn.Sequential(projection, nn.BatchNorm2d(outputs))

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.act(self.bn1(self.conv1(x)))
        return self.act(self.bn2(self.conv2(x)) + shortcut)


def resnet(layers, width, channels, classes):
    """CIFAR's: He et al., arXiv 1512.03385, section 4.2, with projections where the shape changes."""
    blocks, inputs = [], width
    for stage in range(3):
        for block in range((layers - 2) // 6):
            blocks.append(BasicBlock(inputs, width << stage, 2 if stage > 0 and block == 0 else 1))
            inputs = width << stage
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        *blocks,
        nn.AdaptiveAvgPool2d((1, 1)),
        nn.Flatten(),
        nn.Linear(inputs, classes),
    )


# By the names that step_bench has for them; each takes the model's settings as step_bench's JSON has them.
MODELS = {"convmixer": convmixer, "mlp-mixer": MlpMixer, "vit": VisionTransformer, "resnet": resnet}
IMAGE_SIZE_MATTERS = ("mlp-mixer", "vit")  # to their weights
RATES = ("dropout", "drop_path")


def make_model(name, config):
    if name not in MODELS:
        fail(f"{name}: expected a model that torch_step.py has: {', '.join(MODELS)}")
    if any(float(config.get(rate, 0)) > 0 for rate in RATES):
        fail(f"{name}: torch_step.py has neither dropout nor stochastic depth: expected rates of 0")
    left_out = RATES if name in IMAGE_SIZE_MATTERS else (*RATES, "image_size")
    config = {key: value for key, value in config.items() if key not in left_out}
    try:
        return MODELS[name](**config)
    except TypeError as error:
        fail(f"{name}: torch_step.py has not its settings: {error}")


def peak_rss_mib():
    """The most memory this process had; not getrusage's, which begins at that of the program that started this one."""
    try:
        with open("/proc/self/status") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 1024
    except OSError:
        pass
    fail("/proc/self/status can't be read: is /proc mounted where PyTorch's Python runs?")


def check_preloaded(library):
    with open("/proc/self/maps") as maps:
        if library.rsplit("/", 1)[-1].split(".so")[0] not in maps.read():
            fail(f"{library} was not loaded: does PyTorch's Python see that file?")


def make_model_and_images(settings):
    config = settings["model"]
    model = make_model(settings["model_name"], config)
    share = settings["batch_size"] // settings["ranks"]
    images = torch.randn(share, config["channels"], config["image_size"], config["image_size"])
    if settings["bf16_weights"]:
        model, images = model.to(torch.bfloat16), images.to(torch.bfloat16)
    if settings["channels_last"]:
        model = model.to(memory_format=torch.channels_last)
        images = images.to(memory_format=torch.channels_last)
    return model, images


@contextlib.contextmanager
def joined_ranks(ranks):
    """Makes so many processes of this one, with as many of its CPUs each, which DistributedDataParallel joins by gloo. The
    others' output goes nowhere. The folder in which they meet goes with rank 0."""
    if ranks == 1:
        yield
        return
    folder = tempfile.mkdtemp()
    rank = 0
    try:
        rank = next((other for other in range(1, ranks) if os.fork() == 0), 0)
        if rank > 0:
            sys.stdout = open(os.devnull, "w")
        cpus = sorted(os.sched_getaffinity(0))
        if len(cpus) >= ranks:
            os.sched_setaffinity(0, cpus[len(cpus) * rank // ranks : len(cpus) * (rank + 1) // ranks])
        meeting = os.path.join(folder, "meeting")
        torch.distributed.init_process_group(
            "gloo", init_method=f"file://{meeting}", rank=rank, world_size=ranks, timeout=datetime.timedelta(seconds=300)
        )
        yield
    finally:
        if rank == 0:
            shutil.rmtree(folder, ignore_errors=True)


def make_step(settings, model, images):
    """A function that computes one step."""
    run = torch.compile(model) if settings["compile"] else model
    if settings["ranks"] > 1:
        run = nn.parallel.DistributedDataParallel(model)
    to_bf16 = settings["precision"] == "bf16" and not settings["bf16_weights"]
    autocast = torch.autocast("cpu", dtype=torch.bfloat16, enabled=to_bf16)
    if settings["mode"] == "inference":
        model.eval()

        def infer():
            with torch.inference_mode(), autocast:
                run(images)

        return infer

    model.train()
    labels = torch.arange(settings["batch_size"] // settings["ranks"]) % settings["model"]["classes"]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)

    def train():
        optimizer.zero_grad(set_to_none=True)
        with autocast:
            loss = nn.functional.cross_entropy(run(images), labels)
        loss.backward()
        optimizer.step()

    return train


def measure(settings):
    torch.set_num_threads(settings["threads"])
    torch.set_flush_denormal(True)  # as step_bench
    torch.manual_seed(1)
    model, images = make_model_and_images(settings)
    step = make_step(settings, model, images)
    milliseconds = []
    for i in range(settings["warmup"] + settings["steps"]):
        begin = time.perf_counter()
        step()
        if i >= settings["warmup"]:
            milliseconds.append(1e3 * (time.perf_counter() - begin))
    result = {
        "step_ms": milliseconds,
        "peak_rss_mib": peak_rss_mib(),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "torch": torch.__version__,
    }
    print(json.dumps(result))


def main(settings):
    if settings["preload"]:
        check_preloaded(settings["preload"])
    with joined_ranks(settings["ranks"]):
        measure(settings)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
