#!/usr/bin/env python3
"""Makes decoded.safetensors: JPEG files and the pixels that PIL makes of them.

    make_decoded.py FILE

Needs PIL and NumPy: PIL 9.4 with libjpeg-turbo 2.1.5 made the committed file. It holds, for each NAME,
    file.NAME    (bytes) u8
    pixels.NAME  (3, H, W) u8, of Image.open(...).convert("RGB")
The image is of hard edges between strong colours, where ways to interpolate colours and to compute the DCT differ.
"""

import io
import sys

import numpy as np
from PIL import Image
from safetensors_file import write_safetensors

HEIGHT, WIDTH = 21, 35  # no multiples of a block

CASES = {
    "444": {"subsampling": "4:4:4"},
    "422": {"subsampling": "4:2:2"},
    "420": {"subsampling": "4:2:0"},
    "420_progressive": {"subsampling": "4:2:0", "progressive": True},
    "grey": {},
}


def image():
    rng = np.random.default_rng(7)
    patches = rng.integers(0, 2, (HEIGHT // 3, WIDTH // 5, 3)) * 255
    return patches.repeat(3, axis=0).repeat(5, axis=1).astype(np.uint8)


def main():
    if len(sys.argv) != 2:
        raise SystemExit("usage: make_decoded.py FILE")
    tensors = {}
    for name, settings in CASES.items():
        picture = Image.fromarray(image())
        if name == "grey":
            picture = picture.convert("L")
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=80, optimize=True, **settings)
        tensors[f"file.{name}"] = np.frombuffer(file.getvalue(), np.uint8)
        pixels = np.asarray(Image.open(file).convert("RGB"))
        tensors[f"pixels.{name}"] = pixels.transpose(2, 0, 1)
    write_safetensors(sys.argv[1], {"source": f"PIL {Image.__version__}"}, tensors)


if __name__ == "__main__":
    main()
