"""How well colours are told apart, from one another and from a background."""

import itertools

# What people see who lack one kind of cone, in linear light: Machado, Oliveira and Fernandes 2009, severity 1.
VISIONS = (
    ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
)


def linear(colour):
    """'#rrggbb' in linear light."""
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]


def contrast(one, other):
    """By WCAG 2: from 1 to 21."""
    light = [0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in (linear(one), linear(other))]
    return (max(light) + 0.05) / (min(light) + 0.05)


def lab(rgb):
    """CIELAB of linear sRGB."""
    r, g, b = (min(1.0, max(0.0, c)) for c in rgb)
    xyz = ((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.95047, 0.2126 * r + 0.7152 * g + 0.0722 * b, (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.08883)
    x, y, z = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in xyz)
    return (116 * y - 16, 500 * (x - y), 200 * (y - z))


def least_distance(colours):
    """The distance (CIE 1976) of the two that are nearest to each other, to those who tell them apart the worst."""
    found = []
    for vision in VISIONS:
        seen = [lab([sum(row[i] * light[i] for i in range(3)) for row in vision]) for light in map(linear, colours)]
        found += [sum((a - b) ** 2 for a, b in zip(*pair)) ** 0.5 for pair in itertools.combinations(seen, 2)]
    return min(found)
