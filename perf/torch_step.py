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
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return None


def main(settings):
    preload = settings["preload"]
    if preload:
        with open("/proc/self/maps") as maps:
            if preload.rsplit("/", 1)[-1].split(".so")[0] not in maps.read():
                fail(f"{preload} was not loaded: does PyTorch's Python see that file?")
    torch.set_num_threads(settings["threads"])
    torch.manual_seed(1)
    config = dict(settings["model"])
    image_size = config.pop("image_size")
    model = convmixer(**config)
    images = torch.randn(settings["batch_size"], config["channels"], image_size, image_size)
    labels = torch.arange(settings["batch_size"]) % config["classes"]
    if settings["channels_last"]:
        model = model.to(memory_format=torch.channels_last)
        images = images.to(memory_format=torch.channels_last)
    inference = settings["mode"] == "inference"
    model.train(not inference)
    run = torch.compile(model) if settings["compile"] else model
    autocast = torch.autocast("cpu", dtype=torch.bfloat16, enabled=settings["precision"] == "bf16")
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)

    def infer():
        with torch.inference_mode(), autocast:
            run(images)

    def train():
        optimizer.zero_grad(set_to_none=True)
        with autocast:
            loss = nn.functional.cross_entropy(run(images), labels)
        loss.backward()
        optimizer.step()

    step = infer if inference else train
    seconds = []
    for i in range(settings["warmup"] + settings["steps"]):
        begin = time.perf_counter()
        step()
        if i >= settings["warmup"]:
            seconds.append(time.perf_counter() - begin)
    print(json.dumps({"step_ms": [1e3 * s for s in seconds], "peak_rss_mib": peak_rss_mib(), "torch": torch.__version__}))


main(json.loads(sys.argv[1]))
