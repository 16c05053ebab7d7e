#!/usr/bin/env python3
"""Trains a ConvMixer on CIFAR-10 by PyTorch, as `convmixer train` does by the same configuration.

    torch_train.py --data FOLDER [--config configs/cifar10-256x8.ini] [--precision bf16] [--seed 1] [--json FILE]

FOLDER has CIFAR-10's binary files. Of a configuration it knows the ConvMixer's sizes, pad-crop, horizontal-flip,
epochs, batch-size, AdamW's lr and weight-decay and the piecewise linear schedule, and refuses anything else. It draws
other crops, flips and orders than convmixer does; f32 is PyTorch's own, bf16 its autocast. Prints the test accuracy
after each epoch. Needs PyTorch and NumPy.
"""

import itertools
import pathlib
import sys
import time

from programs import Failure, Parser, check_writable, positive, write_json

try:
    import numpy as np
    import torch
    from torch import nn
    from torch_step import make_model
except ImportError as error:
    sys.exit(f"torch_train: error: {error}: expected a Python with PyTorch and NumPy")

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2471, 0.2435, 0.2616)  # as convmixer's, of CIFAR-10's training images
FILE_IMAGES, PIXELS, CLASSES, SIZE = 10_000, 3 * 32 * 32, 10, 32

# The keys that are known, with their defaults; None: a configuration has to say it.
NUMBERS = {"dim": None, "depth": None, "kernel-size": None, "patch-size": None, "epochs": None, "batch-size": None,
           "lr": None, "weight-decay": 0.05, "pad-crop": 4}  # fmt: skip
SWITCHES = {"horizontal-flip": True}
YES, NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
WORDS = {"dataset": "cifar10", "optimizer": "adamw", "schedule": "piecewise-linear"}  # what is done is this
LEFT_TO_OPTIONS = ("precision",)


def read_configuration(path):
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from error
    settings = {**NUMBERS, **SWITCHES}
    for number, line in enumerate(lines, 1):
        text = line.split("#")[0].strip()
        if not text or text.startswith("["):
            continue
        key, _, value = (part.strip() for part in text.partition("="))
        where = f"{path}:{number}: {key} = {value}"
        if key in WORDS and value != WORDS[key]:
            raise Failure(f"{where}: expected {WORDS[key]}, which is all that torch_train.py has")
        if key in SWITCHES:
            if value not in YES + NO:
                raise Failure(f"{where}: expected yes or no")
            settings[key] = value in YES
        elif key in NUMBERS:
            settings[key] = number_of(value, where)
        elif key not in WORDS and key not in LEFT_TO_OPTIONS:
            raise Failure(f"{where}: torch_train.py hasn't this setting")
    missing = [key for key, value in settings.items() if value is None]
    if missing:
        raise Failure(f"{path}: lacks {', '.join(missing)}")
    return settings


def number_of(text, where):
    try:
        return int(text) if text.isdecimal() else float(text)
    except ValueError as error:
        raise Failure(f"{where}: expected a number") from error


def read_images(folder, names):
    """Images (N, 3, 32, 32) of bytes, and labels (N)."""
    parts = []
    for name in names:
        found = [path for path in (folder / name, folder / "cifar-10-batches-bin" / name) if path.exists()]
        if not found:
            raise Failure(f"{folder / name}: not there: expected CIFAR-10's binary files")
        part = np.fromfile(found[0], np.uint8)
        if part.size == 0 or part.size % (1 + PIXELS) != 0:
            raise Failure(f"{found[0]}: {part.size} bytes, expected a multiple of {1 + PIXELS}")
        parts.append(part.reshape(-1, 1 + PIXELS))
    records = np.concatenate(parts)
    images = torch.from_numpy(records[:, 1:].reshape(-1, 3, SIZE, SIZE).copy())
    return images, torch.from_numpy(records[:, 0].astype(np.int64))


def augment(images, settings, generator):
    """Crops of padded images, each image's its own, as torchvision's RandomCrop(32, padding=N); and flips."""
    padding, count = settings["pad-crop"], len(images)
    if padding:
        padded = nn.functional.pad(images, (padding,) * 4)
        offsets = torch.randint(0, 2 * padding + 1, (2, count, 1), generator=generator)
        rows, columns = offsets + torch.arange(SIZE)
        picture = torch.arange(count)[:, None, None]
        images = padded[picture, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    if settings["horizontal-flip"]:
        flipped = torch.rand(count, generator=generator) < 0.5
        images = torch.where(flipped[:, None, None, None], images.flip(3), images)
    return images


def normalise(images):
    mean, std = (torch.tensor(values).reshape(1, 3, 1, 1) for values in (MEAN, STD))
    return (images.float() / 255 - mean) / std


def learning_rate(settings, epoch):
    """Up to lr at 2/5 of the run, down to lr / 20 at 4/5, down to 0: locuslab/convmixer-cifar10, train.py."""
    way = epoch / settings["epochs"]
    for (begin, low), (end, high) in itertools.pairwise([(0, 0), (0.4, 1), (0.8, 1 / 20), (1, 0)]):
        if way <= end:
            return settings["lr"] * (low + (high - low) * (way - begin) / (end - begin))
    return 0.0


def train_epoch(model, optimizer, autocast, data, settings, epoch, generator):
    """Returns the mean loss."""
    images, labels = data
    batch = settings["batch-size"]
    order = torch.randperm(len(images), generator=generator)
    steps = -(-len(images) // batch)
    model.train()
    loss_sum = 0.0
    for step, chosen in enumerate(order.split(batch)):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(settings, epoch + (step + 1) / steps)
        inputs = normalise(augment(images[chosen], settings, generator))
        optimizer.zero_grad(set_to_none=True)
        with autocast:
            loss = nn.functional.cross_entropy(model(inputs).float(), labels[chosen])
        loss.backward()
        optimizer.step()
        loss_sum += loss.item() * len(chosen)
    return loss_sum / len(images)


def accuracy(model, autocast, data):
    images, labels = data
    model.eval()
    with torch.inference_mode(), autocast:
        right = sum(
            (model(normalise(images[part])).argmax(1) == labels[part]).sum().item()
            for part in torch.arange(len(images)).split(500)
        )
    return right / len(images)


def train(arguments):
    settings = read_configuration(arguments.config)
    training = read_images(arguments.data, [f"data_batch_{i}.bin" for i in range(1, 6)])
    test = read_images(arguments.data, ["test_batch.bin"])
    torch.manual_seed(arguments.seed)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    torch.set_flush_denormal(True)
    sizes = {key: settings[key.replace("_", "-")] for key in ("dim", "depth", "kernel_size", "patch_size")}
    model = make_model("convmixer", {**sizes, "channels": 3, "classes": CLASSES})
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings["lr"], weight_decay=settings["weight-decay"])
    autocast = torch.autocast("cpu", dtype=torch.bfloat16, enabled=arguments.precision == "bf16")
    generator = torch.Generator().manual_seed(arguments.seed)
    print(f"PyTorch {torch.__version__}, {arguments.config.name}, {arguments.precision}, seed {arguments.seed}", flush=True)
    epochs = []
    for epoch in range(settings["epochs"]):
        begin = time.perf_counter()
        loss = train_epoch(model, optimizer, autocast, training, settings, epoch, generator)
        seconds = time.perf_counter() - begin
        epochs.append({"loss": loss, "test_accuracy": accuracy(model, autocast, test), "train_s": seconds})
        print(
            f"epoch {epoch + 1}/{settings['epochs']}  train loss {loss:.4f}  test acc "
            f"{100 * epochs[-1]['test_accuracy']:.2f}%  {len(training[0]) / seconds:.0f} images/s",
            flush=True,
        )
    return {"torch": torch.__version__, "seed": arguments.seed, "precision": arguments.precision, "epochs": epochs}


def main(words):
    parser = Parser(prog="torch_train", description=__doc__)
    default = pathlib.Path(__file__).resolve().parent.parent / "configs/cifar10-256x8.ini"
    parser.add_argument("--data", type=pathlib.Path, required=True, metavar="FOLDER", help="CIFAR-10's binary files")
    parser.add_argument("--config", type=pathlib.Path, default=default, metavar="FILE", help="(=cifar10-256x8.ini)")
    parser.add_argument("--precision", choices=("f32", "bf16"), default="bf16", help="(=bf16)")
    parser.add_argument("--seed", type=positive, default=1, metavar="N", help="(=1)")
    parser.add_argument("--threads", type=positive, metavar="N", help="(=PyTorch's choice)")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the figures there as well")
    arguments = parser.parse_args(words)
    try:
        if arguments.json:
            check_writable(arguments.json)
        figures = train(arguments)
        if arguments.json:
            write_json(arguments.json, figures)
    except Failure as failure:
        print(f"torch_train: error: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
