#!/usr/bin/env python3
"""Times torchvision's augmentation of PIL images on one core: what op_bench's */images/* do.

    torch_images.py [--size 32] [--images 512] [--repeat 5] [--json FILE]

Prints images/s of the best repetition, with the images in memory as PIL images. Needs PyTorch, torchvision (0.21 is what
the image operations of convmixer reproduce byte for byte), PIL and NumPy.
"""

import argparse
import json
import time

import numpy as np
import torch
from PIL import Image
from torchvision import transforms as T

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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=32, help="height and width")
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    noise = np.random.default_rng(1).integers(0, 256, (arguments.images, arguments.size, arguments.size, 3), np.uint8)
    images = [Image.fromarray(image) for image in noise]
    figures = {}
    for name, steps in pipelines(arguments.size).items():
        figures[name] = images_per_second(T.Compose(steps), images, arguments.repeat)
        print(f"{name:44} {figures[name]:10,.0f} images/s", flush=True)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"size": arguments.size, "images_per_s": figures}, file, indent=1)


if __name__ == "__main__":
    main()
