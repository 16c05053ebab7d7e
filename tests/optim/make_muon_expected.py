#!/usr/bin/env python3
"""Writes muon_expected.hpp beside this script: what Muon, and AdamW for the rest, make of a small network.

The parameters, gradients and cases are those of muon_test.cpp. Run with PyTorch 2.6, which has no Muon: here it is as
github.com/KellerJordan/Muon (muon.py), github.com/KellerJordan/cifar10-airbench (airbench94_muon.py) and
torch.optim.Muon of PyTorch 2.9 define it, in double precision instead of bfloat16.
"""
import math
import pathlib

import torch

from make_expected import STEPS, f32, learning_rate, list_of

SHAPES = [  # the parameters of small_graph(), in order, with whether they are Muon's
    ((5, 3, 1, 1), False), ((5,), False),     # stem
    ((5, 1, 3, 3), False), ((5,), False),     # depthwise
    ((7, 5, 1, 1), True), ((7,), False),      # tall
    ((4, 7, 1, 1), True), ((4,), False),      # wide
    ((4, 4, 1, 1), True), ((4,), False),      # square
    ((6, 4), True), ((6,), False),            # hidden
    ((2, 6), False), ((2,), False),           # head
]


def start_value(i):
    return ((i * i * 7 + i * 37) % 64 - 32) / 64


def gradient_value(i, step):
    return ((i * i * 29 + i * 11 + step * 17) % 64 - 32) / 32


def newton_schulz(g, steps):
    a, b, c = f32(3.4445), f32(-4.7750), f32(2.0315)
    x = g / (g.norm() + 1e-7)
    if g.size(0) > g.size(1):
        x = x.T
    for _ in range(steps):
        m = x @ x.T
        x = a * x + (b * m + c * m @ m) @ x
    return x.T if g.size(0) > g.size(1) else x


class Muon:
    """One matrix at a time."""

    def __init__(self, parameters, scaling, momentum, steps, decay, nesterov=True):
        self.parameters, self.scaling, self.steps, self.decay = parameters, scaling, steps, decay
        self.momentum, self.nesterov = momentum, nesterov
        self.buffers = [torch.zeros_like(p) for p in parameters]

    @torch.no_grad()
    def step(self, rate):
        for p, buffer in zip(self.parameters, self.buffers):
            g = p.grad
            rows, columns = len(p), p.numel() // len(p)
            if self.scaling == "renewed_norms":  # airbench94_muon.py
                buffer.mul_(self.momentum).add_(g)
                u = g.add(buffer, alpha=self.momentum) if self.nesterov else buffer
                p.mul_(math.sqrt(rows) / p.norm())
                p.add_(newton_schulz(u.reshape(rows, -1), self.steps).view(p.shape), alpha=-rate)
                continue
            buffer.lerp_(g, 1 - self.momentum)  # muon.py, torch/optim/_muon.py
            u = g.lerp(buffer, self.momentum) if self.nesterov else buffer
            o = newton_schulz(u.reshape(rows, -1), self.steps).view(p.shape)
            scale = {"original": math.sqrt(max(1, rows / columns)),
                     "match_rms_adamw": 0.2 * math.sqrt(max(rows, columns))}[self.scaling]
            p.mul_(1 - rate * self.decay)
            p.add_(o, alpha=-rate * scale)

    def state(self):
        """Momentum buffers as means of gradients: airbench's are sums."""
        factor = 1 - self.momentum if self.scaling == "renewed_norms" else 1.0
        return torch.cat([factor * b.flatten() for b in self.buffers])


CASES = [  # name, Muon's options, its rate in AdamW's rates, decay, clip norm, decay of norms and biases
    ("match_rms_adamw", dict(scaling="match_rms_adamw", momentum=f32(0.95), steps=5), 1.0, f32(0.05), 0.0, True),
    ("original", dict(scaling="original", momentum=f32(0.9), steps=3), 0.5, 0.5, 0.0, True),
    ("renewed_norms", dict(scaling="renewed_norms", momentum=f32(0.6), steps=3), 2.0, 0.25, 0.0, False),
    ("no_nesterov_clipped", dict(scaling="match_rms_adamw", momentum=0.75, steps=4, nesterov=False), 1.0, 0.25, 0.5, True),
]


def run(options, factor, decay, clip, decay_all):
    parameters, i = [], 0
    for shape, _ in SHAPES:
        count = math.prod(shape)
        parameters.append(torch.nn.Parameter(
            torch.tensor([start_value(i + k) for k in range(count)], dtype=torch.float64).reshape(shape)))
        i += count
    muon = Muon([p for p, (_, is_muons) in zip(parameters, SHAPES) if is_muons], decay=decay, **options)
    groups = [dict(params=[p], weight_decay=decay if decay_all or len(shape) > 1 else 0.0)
              for p, (shape, is_muons) in zip(parameters, SHAPES) if not is_muons]
    adamw = torch.optim.AdamW(groups, lr=1.0, betas=(f32(0.9), f32(0.999)), eps=f32(1e-8))
    norms = []
    for step in range(STEPS):
        i = 0
        for parameter in parameters:
            count = parameter.numel()
            parameter.grad = torch.tensor([gradient_value(i + k, step) for k in range(count)],
                                          dtype=torch.float64).reshape(parameter.shape)
            i += count
        norms.append(torch.nn.utils.clip_grad_norm_(parameters, clip if clip > 0 else float("inf")).item())
        for group in adamw.param_groups:
            group["lr"] = learning_rate(step)
        adamw.step()
        muon.step(learning_rate(step) * factor)
    return norms, torch.cat([p.detach().flatten() for p in parameters]).tolist(), muon.state().tolist()


def main():
    out = ["/// Written by make_muon_expected.py with PyTorch " + torch.__version__.split("+")[0] + ".",
           "#pragma once", "", '#include "optim/pytorch_expected.hpp"', "", "namespace convmixer {", "",
           "// clang-format off", "",
           "/// What Muon and AdamW have made of the small network after five updates; Muon's state alone.",
           "inline const std::vector<Expected> kMuon = {"]
    for name, *case in CASES:
        norms, values, state = run(*case)
        out.append(f'    {{"{name}",\n     {list_of(norms)},\n     {list_of(values)},\n     {list_of(state)}}},')
    out += ["};", "", "// clang-format on", "", "}  // namespace convmixer", ""]
    pathlib.Path(__file__).with_name("muon_expected.hpp").write_text("\n".join(out))


if __name__ == "__main__":
    main()
