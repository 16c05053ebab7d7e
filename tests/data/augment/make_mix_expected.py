#!/usr/bin/env python3
"""Writes mix_expected.hpp beside this script: what torchvision's MixUp and CutMix and timm's batch mode make of a tiny batch.

The batch is that of mix_test.cpp (value, byte, kLabels). Run with torchvision 0.21. Its transforms run as they are, with
their random draws replaced by given ones; timm's FastCollateMixup (mode "batch") is written down here in numpy, step by
step as its arithmetic goes.
"""
import pathlib
from unittest import mock

import numpy
import torch
from torchvision.transforms import v2

IMAGES, CHANNELS, SIZE, CLASSES = 4, 2, 5, 3
LABELS = [2, 0, 0, 1]
SHARES = [0.3, 0.7294921875, 0.999]
CUTS = [(0.36, 1, 4), (0.91, 2, 2), (0.04, 0, 3)]  # share, row, column of the centre
SMOOTHING = 0.1


def value_batch():
    count = IMAGES * CHANNELS * SIZE * SIZE
    values = [numpy.float32((i * 37) % 61 - 30) / numpy.float32(7) for i in range(count)]
    return torch.tensor(values).reshape(IMAGES, CHANNELS, SIZE, SIZE)


def byte_batch():
    count = IMAGES * CHANNELS * SIZE * SIZE
    return numpy.array([(i * 101 + i * i) % 256 for i in range(count)], numpy.uint8).reshape(IMAGES, CHANNELS, SIZE, SIZE)


def with_draws(transform, share, row=0, column=0):
    """torchvision draws the share, then the centre's column, then its row."""
    centre = iter([column, row])
    transform._dist = mock.Mock(sample=lambda shape: torch.tensor([share], dtype=torch.float64))
    with mock.patch("torch.randint", lambda high, size: torch.tensor([next(centre)])):
        images, targets = transform(value_batch(), torch.tensor(LABELS))
        return images, targets


def torchvision_box(share, size, row, column):
    transform = v2.CutMix(num_classes=CLASSES)
    centre = iter([column, row])
    transform._dist = mock.Mock(sample=lambda shape: torch.tensor([share], dtype=torch.float64))
    with mock.patch("torch.randint", lambda high, size: torch.tensor([next(centre)])):
        parameters = transform.make_params([torch.zeros(1, 1, size, size)])
    left, top, right, bottom = parameters["box"]
    return top, left, bottom, right, parameters["lam_adjusted"]


def timm_box(share, size, row, column):
    cut = int(size * numpy.sqrt(1 - share))
    top, bottom = numpy.clip([row - cut // 2, row + cut // 2], 0, size)
    left, right = numpy.clip([column - cut // 2, column + cut // 2], 0, size)
    return int(top), int(left), int(bottom), int(right), float(1. - (bottom - top) * (right - left) / float(size * size))


def timm_targets(share):
    off = SMOOTHING / CLASSES
    on = 1. - SMOOTHING + off
    own = torch.full((IMAGES, CLASSES), off).scatter_(1, torch.tensor(LABELS).view(-1, 1), on)
    return own * share + own.flip(0) * (1. - share)


def timm_mixup(share):
    batch = byte_batch()
    mixed = batch.astype(numpy.float32) * share + batch[::-1].astype(numpy.float32) * (1 - share)
    assert mixed.dtype == numpy.float32
    return numpy.rint(mixed).astype(numpy.uint8), timm_targets(share)


def timm_cutmix(share, row, column):
    top, left, bottom, right, corrected = timm_box(share, SIZE, row, column)
    batch = byte_batch()
    mixed = batch.copy()
    mixed[:, :, top:bottom, left:right] = batch[::-1][:, :, top:bottom, left:right]
    return mixed, timm_targets(corrected)


def numbers(values, suffix=""):
    flat = numpy.asarray(values).reshape(-1)
    texts = [f"{v}" if flat.dtype == numpy.uint8 else f"{v:.9g}" for v in flat]
    texts = [t + ("" if flat.dtype == numpy.uint8 or "." in t or "e" in t else ".0") + suffix for t in texts]
    lines, line = [], "     "
    for text in texts:
        if len(line) + len(text) > 115:
            lines.append(line)
            line = "     "
        line += f" {text},"
    return "\n".join(lines + [line])


def case(share, row, column, pixels, targets, suffix):
    return (f"    {{{share!r}, {row}, {column},\n     {{\n{numbers(pixels, suffix)}\n     }},\n"
            f"     {{\n{numbers(targets, 'F')}\n     }}}},\n")


def boxes():
    lines = []
    for number in range(40):
        share = (number * 37 % 41) / 41 if number else 1.0
        size, row, column = (32, number * 13 % 32, number * 29 % 32) if number % 2 else (7, number % 7, number * 3 % 7)
        box = torchvision_box(share, size, row, column)
        assert box == timm_box(share, size, row, column), (box, timm_box(share, size, row, column))
        lines.append("    {" + ", ".join(repr(v) for v in (share, size, row, column, *box)) + "},\n")
    return "".join(lines)


def main():
    torchvision = "".join(case(s, -1, -1, *with_draws(v2.MixUp(num_classes=CLASSES), s), "F") for s in SHARES)
    torchvision += "".join(case(s, r, c, *with_draws(v2.CutMix(num_classes=CLASSES), s, r, c), "F") for s, r, c in CUTS)
    timm = "".join(case(s, -1, -1, *timm_mixup(s), "") for s in SHARES)
    timm += "".join(case(s, r, c, *timm_cutmix(s, r, c), "") for s, r, c in CUTS)
    text = f"""/// Written by make_mix_expected.py with torchvision {__import__('torchvision').__version__.split('+')[0]}.
#pragma once

#include <cstdint>
#include <vector>

namespace convmixer {{

// clang-format off

/// A mixed batch; mixup where row is -1.
template <typename Pixel>
struct MixedBatch {{
  double share;
  int row;
  int column;
  std::vector<Pixel> pixels;
  std::vector<float> targets;  ///< timm: smoothed by 0.1
}};

inline const std::vector<MixedBatch<float>> kTorchvisionMixed = {{
{torchvision}}};

inline const std::vector<MixedBatch<std::uint8_t>> kTimmMixed = {{
{timm}}};

/// The boxes of torchvision and timm, which are the same.
struct CutBox {{
  double share;
  int size;
  int row;
  int column;
  int top;
  int left;
  int bottom;
  int right;
  double corrected_share;
}};

inline const std::vector<CutBox> kCutBoxes = {{
{boxes()}}};

// clang-format on

}}  // namespace convmixer
"""
    pathlib.Path(__file__).with_name("mix_expected.hpp").write_text(text)


if __name__ == "__main__":
    main()
