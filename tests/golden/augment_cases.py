"""What torchvision and PIL make of images: the cases of the golden files augment*.safetensors.

A file holds `images` (N, H, W, C) u8 and for each case, under its name, the images that come out; the case's settings
are in the header's __metadata__. Names:
    ShearX.bin9.neg        an operation of torchvision.transforms.RandAugment at a magnitude, with its sign
    adjust_contrast.0.8    torchvision.transforms.functional
    resized_crop.N, pad_crop.N, hflip
    timm.ShearX.N          an operation of timm's RandAugment, written out with PIL as timm.data.auto_augment has it
"""

import random

import numpy as np
from PIL import Image, ImageEnhance, ImageOps
from torchvision.transforms import InterpolationMode, RandAugment
from torchvision.transforms import functional as F
from torchvision.transforms.autoaugment import _apply_op

BINS = 31
FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
TIMM = [
    "AutoContrast", "Equalize", "Invert", "Rotate", "Posterize", "Solarize", "SolarizeAdd", "Color", "Contrast",
    "Brightness", "Sharpness", "ShearX", "ShearY", "TranslateXRel", "TranslateYRel",
]  # fmt: skip


def settings_of(text):
    return dict(word.split("=", 1) for word in text.split() if "=" in word)


def rand_augment(name, image):
    operation, magnitude_bin, sign = name.split(".")
    space = RandAugment()._augmentation_space(BINS, (image.height, image.width))
    magnitudes, is_signed = space[operation]
    magnitude = float(magnitudes[int(magnitude_bin[3:])].item()) if magnitudes.ndim > 0 else 0.0
    if is_signed and sign == "neg":
        magnitude = -magnitude
    return _apply_op(image, operation, magnitude, InterpolationMode.NEAREST, None)


def timm_arguments(operation, level, sign, increasing):
    """timm.data.auto_augment's level functions; level is magnitude / 10."""
    enhance = max(0.1, 1.0 + sign * (level * 0.9)) if increasing else level * 1.8 + 0.1
    bits, threshold = int(level * 4), int(level * 256)
    return {
        "Rotate": sign * (level * 30.0),
        "Posterize": 4 - bits if increasing else bits,
        "Solarize": 256 - threshold if increasing else threshold,
        "SolarizeAdd": int(level * 110),
        "ShearX": sign * (level * 0.3),
        "ShearY": sign * (level * 0.3),
        "TranslateXRel": sign * (level * 0.45),
        "TranslateYRel": sign * (level * 0.45),
    }.get(operation, enhance)


def solarize_add(image, addition, threshold=128):
    table = [min(255, value + addition) if value < threshold else value for value in range(256)]
    return image.point(table * len(image.getbands()))


def timm_augment(name, settings, image):
    operation = name.split(".")[1]
    sign = -1.0 if settings["negative"] == "1" else 1.0
    value = timm_arguments(operation, float(settings["magnitude"]) / 10, sign, settings["increasing"] == "1")
    fill = tuple(int(part) for part in settings["fill"].split(","))
    how = {"resample": FILTERS[settings["interpolation"]], "fillcolor": fill if len(fill) > 1 else fill[0]}

    def affine(*matrix):
        return image.transform(image.size, Image.Transform.AFFINE, matrix, **how)

    return {
        "AutoContrast": lambda: ImageOps.autocontrast(image),
        "Equalize": lambda: ImageOps.equalize(image),
        "Invert": lambda: ImageOps.invert(image),
        "Rotate": lambda: image.rotate(value, **how),
        "Posterize": lambda: ImageOps.posterize(image, value) if value < 8 else image,
        "Solarize": lambda: ImageOps.solarize(image, value),
        "SolarizeAdd": lambda: solarize_add(image, value),
        "Color": lambda: ImageEnhance.Color(image).enhance(value),
        "Contrast": lambda: ImageEnhance.Contrast(image).enhance(value),
        "Brightness": lambda: ImageEnhance.Brightness(image).enhance(value),
        "Sharpness": lambda: ImageEnhance.Sharpness(image).enhance(value),
        "ShearX": lambda: affine(1, value, 0, 0, 1, 0),
        "ShearY": lambda: affine(1, 0, 0, value, 1, 0),
        "TranslateXRel": lambda: affine(1, 0, value * image.size[0], 0, 1, 0),
        "TranslateYRel": lambda: affine(1, 0, 0, 0, 1, value * image.size[1]),
    }[operation]()


def compute(name, text, image):
    """The PIL image that a case makes of a PIL image."""
    settings = settings_of(text)
    if ".bin" in name:
        return rand_augment(name, image)
    if name.startswith("adjust_"):
        operation, factor = name.split(".", 1)
        return getattr(F, operation)(image, float(factor))
    if name.startswith("resized_crop."):
        box = [int(settings[key]) for key in ("top", "left", "height", "width")]
        width, height = (int(part) for part in text.split("->")[1].split()[0].split("x"))
        interpolation = InterpolationMode.BICUBIC if "bicubic" in text else InterpolationMode.BILINEAR
        return F.resized_crop(image, *box, [height, width], interpolation, antialias=True)
    if name.startswith("pad_crop."):
        padded = F.pad(image, int(settings["padding"]), 0, settings["mode"])
        return F.crop(padded, int(settings["top"]), int(settings["left"]), image.height, image.width)
    if name == "hflip":
        return F.hflip(image)
    if name.startswith("timm."):
        return timm_augment(name, settings, image)
    raise SystemExit(f"make_golden.py: no operation of the name {name}")


def compute_all(name, text, images):
    """`images` (N, H, W, C) -> (N, H', W', C)."""
    mode = "L" if images.shape[3] == 1 else "RGB"
    pil = [Image.fromarray(image[:, :, 0] if mode == "L" else image, mode) for image in images]
    results = np.stack([np.asarray(compute(name, text, image)) for image in pil])
    return results if results.ndim == 4 else results[..., None]


def rand_augment_cases(bins):
    space = RandAugment()._augmentation_space(BINS, (32, 32))
    for operation, (magnitudes, is_signed) in space.items():
        for magnitude_bin in bins if magnitudes.ndim > 0 else bins[:1]:
            for sign in ("pos", "neg") if is_signed else ("pos",):
                yield f"{operation}.bin{magnitude_bin}.{sign}", ""


def crop_cases(generator, height, width, count):
    for i in range(count):
        box_height, box_width = generator.randint(1, height), generator.randint(1, width)
        top, left = generator.randint(0, height - box_height), generator.randint(0, width - box_width)
        out = (width, height) if i % 4 else (generator.randint(1, 2 * width), generator.randint(1, 2 * height))
        yield (
            f"resized_crop.{i}",
            f"top={top} left={left} height={box_height} width={box_width} -> {out[0]}x{out[1]} "
            f"{('bilinear', 'bicubic')[i % 2]}",
        )
        padding = generator.randint(0, min(height, width) - 1)
        offsets = generator.randint(0, 2 * padding), generator.randint(0, 2 * padding)
        mode = ("constant", "reflect")[i % 2]
        yield f"pad_crop.{i}", f"padding={padding} mode={mode} top={offsets[0]} left={offsets[1]}"
    yield "hflip", ""


def timm_cases(generator, channels, count):
    for operation in TIMM:
        for i in range(count):
            magnitude = (9.0, 10.0, 0.0)[i] if i < 3 else generator.uniform(0, 10)
            yield (
                f"timm.{operation}.{i}",
                f"magnitude={magnitude!r} negative={i // 2 % 2} interpolation={('bilinear', 'bicubic')[i % 2]} "
                f"increasing={int(i % 5 < 4)} fill={','.join(('125', '123', '114')[:channels])}",
            )


def make_images(generator, count, height, width, channels):
    """Smooth ones, noisy ones, flat ones, and one of few values: what equalisation and contrast treat differently."""
    random_bytes = np.random.default_rng(generator.randint(0, 2**31))
    images = []
    for i in range(count):
        noise = random_bytes.integers(0, 256, (height, width, channels), np.uint8)
        small = noise[: max(2, height // 6), : max(2, width // 6)]
        mode = "L" if channels == 1 else "RGB"
        smooth = Image.fromarray(small[:, :, 0] if channels == 1 else small, mode).resize((width, height))
        smooth = np.asarray(smooth).reshape(height, width, channels)
        flat = np.full_like(noise, generator.randint(0, 255))
        images.append((smooth, noise, (smooth // 2 + 40).astype(np.uint8), (noise // 86) * 86, flat)[i % 5])
    return np.stack(images)


def make(seed, count, height, width, channels, bins):
    """Returns (metadata, tensors) of a new file."""
    generator = random.Random(seed)
    images = make_images(generator, count, height, width, channels)
    metadata, tensors = {}, {"images": images}
    cases = list(rand_augment_cases(bins))
    cases += [
        (f"adjust_{what}.{factor}", "")
        for what in ("brightness", "contrast", "saturation", "sharpness")
        for factor in (0.0, 0.25, 0.8, 0.9347, 1.0, 1.2, 1.7, 3.0)
    ]
    cases += crop_cases(generator, height, width, 16)
    cases += timm_cases(generator, channels, 6)
    for name, text in cases:
        metadata[name] = text
        tensors[name] = compute_all(name, text, images)
    return metadata, tensors


def differing(metadata, tensors):
    """Names of the cases whose images come out differently now, with the number of differing bytes."""
    result = {}
    for name, stored in tensors.items():
        if name != "images":
            found = compute_all(name, metadata.get(name, ""), tensors["images"])
            count = int((found != stored).sum()) if found.shape == stored.shape else stored.size
            if count:
                result[name] = count
    return result
