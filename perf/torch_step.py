"""One measurement in PyTorch, for compare_torch.py: reads nothing but its argument (JSON), prints one line of JSON."""

import json
import sys
import time


def fail(message):
    print(json.dumps({"error": message}))
    sys.exit(0)


try:
    import torch
    from torch import nn
except ImportError as error:
    fail(f"PyTorch can't be imported by {sys.executable}: {error}")


class Residual(nn.Module):
    def __init__(self, body):
        super().__init__()
        self.fn = body

    def forward(self, x):
        return self.fn(x) + x


def convmixer(dim, depth, kernel_size, patch_size, channels, classes):
    """As https://github.com/locuslab/convmixer defines it."""

    def depthwise():
        return nn.Sequential(
            nn.Conv2d(dim, dim, kernel_size, groups=dim, padding="same"), nn.GELU(), nn.BatchNorm2d(dim)
        )

    blocks = [
        nn.Sequential(Residual(depthwise()), nn.Conv2d(dim, dim, 1), nn.GELU(), nn.BatchNorm2d(dim))
        for _ in range(depth)
    ]
    return nn.Sequential(
        nn.Conv2d(channels, dim, patch_size, stride=patch_size),
        nn.GELU(),
        nn.BatchNorm2d(dim),
        *blocks,
        nn.AdaptiveAvgPool2d((1, 1)),
        nn.Flatten(),
        nn.Linear(dim, classes),
    )


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
    config = dict(settings["model"])
    image_size = config.pop("image_size")
    model = convmixer(**config)
    images = torch.randn(settings["batch_size"], config["channels"], image_size, image_size)
    if settings["bf16_weights"]:
        model, images = model.to(torch.bfloat16), images.to(torch.bfloat16)
    if settings["channels_last"]:
        model = model.to(memory_format=torch.channels_last)
        images = images.to(memory_format=torch.channels_last)
    return model, images


def make_step(settings, model, images):
    """A function that computes one step."""
    run = torch.compile(model) if settings["compile"] else model
    to_bf16 = settings["precision"] == "bf16" and not settings["bf16_weights"]
    autocast = torch.autocast("cpu", dtype=torch.bfloat16, enabled=to_bf16)
    if settings["mode"] == "inference":
        model.eval()

        def infer():
            with torch.inference_mode(), autocast:
                run(images)

        return infer

    model.train()
    labels = torch.arange(settings["batch_size"]) % settings["model"]["classes"]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)

    def train():
        optimizer.zero_grad(set_to_none=True)
        with autocast:
            loss = nn.functional.cross_entropy(run(images), labels)
        loss.backward()
        optimizer.step()

    return train


def main(settings):
    if settings["preload"]:
        check_preloaded(settings["preload"])
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


main(json.loads(sys.argv[1]))
