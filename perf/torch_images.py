#!/usr/bin/env python3
"""Times torchvision's augmentation of PIL images on one core: what op_bench's */images/* do.

    torch_images.py [--size 32] [--images 512] [--repeat 5] [--json FILE]

Prints images/s of the best repetition, with the images in memory as PIL images. Needs PyTorch, torchvision (0.21 is what
the image operations of convmixer reproduce byte for byte), PIL and NumPy.
"""

import pathlib
import sys
import time

from programs import Failure, Parser, check_writable, positive, write_json

try:
    import numpy as np
    import torch
    from PIL import Image
    from torchvision import transforms as T
except ImportError as error:
    sys.exit(f"torch_images: error: {error}: expected a Python with PyTorch, torchvision, PIL and NumPy")

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2471, 0.2435, 0.2616)


def pipelines(size):
    finish = [T.ToTensor(), T.Normalize(MEAN, STD)]
    crop = [T.RandomResizedCrop(size, scale=(0.75, 1), ratio=(1, 1)), T.RandomHorizontalFlip(), T.RandAugment(2, 12)]
    return {
        "pad-crop": [T.RandomCrop(size, padding=4), T.RandomHorizontalFlip(), *finish],
        "resized-crop,-RandAugment": [*crop, *finish],
        "resized-crop,-RandAugment,-jitter,-erasing": [
            *crop, T.ColorJitter(0.2, 0.2, 0.2), *finish, T.RandomErasing(0.2),
        ],
    }  # fmt: skip


def images_per_second(transform, images, repeat):
    best = float("inf")
    for _ in range(repeat):
        begin = time.perf_counter()
        for image in images:
            transform(image)
        best = min(best, time.perf_counter() - begin)
    return len(images) / best


def main(words):
    parser = Parser(prog="torch_images", description=__doc__)
    parser.add_argument("--size", type=positive, default=32, metavar="N", help="height and width (=32)")
    parser.add_argument("--images", type=positive, default=512, metavar="N", help="(=512)")
    parser.add_argument("--repeat", type=positive, default=5, metavar="N", help="(=5)")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the figures there as well")
    arguments = parser.parse_args(words)
    try:
        if arguments.json:
            check_writable(arguments.json)
        figures = measure(arguments)
        if arguments.json:
            write_json(arguments.json, {"size": arguments.size, "images_per_s": figures})
    except Failure as failure:
        print(f"torch_images: error: {failure}", file=sys.stderr)
        return 1
    return 0


def measure(arguments):
    """Images/s by pipeline, printed as they come."""
    torch.set_num_threads(1)
    noise = np.random.default_rng(1).integers(0, 256, (arguments.images, arguments.size, arguments.size, 3), np.uint8)
    images = [Image.fromarray(image) for image in noise]
    figures = {}
    for name, steps in pipelines(arguments.size).items():
        figures[name] = images_per_second(T.Compose(steps), images, arguments.repeat)
        print(f"{name:44} {figures[name]:10,.0f} images/s", flush=True)
    return figures


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
