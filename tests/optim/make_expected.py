#!/usr/bin/env python3
"""Writes pytorch_expected.hpp beside this script: what PyTorch's optimisers make of a tiny network.

The parameters, gradients and cases are those of optimizer_test.cpp (start_value, gradient_value, kCases).
Run with PyTorch 2.6. Hyperparameters are rounded to f32 first, as OptimizerOptions holds them.
"""
import pathlib

import numpy
import torch

SHAPES = [  # the parameters of tiny_graph(), in order, with whether a decay that spares norms and biases holds for them
    ((3, 2, 1, 1), True),   # stem.0.weight
    ((3,), False),          # stem.0.bias
    ((3,), False),          # stem.2.weight
    ((3,), False),          # stem.2.bias
    ((2, 3), True),         # head.weight
    ((2,), False),          # head.bias
]
STEPS = 5


def f32(x):
    return float(numpy.float32(x))


def start_value(i):
    return ((i * 37) % 64 - 32) / 64


def gradient_value(i, step):
    return ((i * 29 + step * 17) % 64 - 32) / 32


def learning_rate(step):
    return 0.0625 / (1 + step % 2)


BETAS = (f32(0.9), f32(0.999))
CASES = [  # name, class, options, clip norm, decay norms and biases
    ("adamw", torch.optim.AdamW, dict(betas=BETAS, eps=f32(1e-8), weight_decay=0.0), 0.0, True),
    ("adamw_decay", torch.optim.AdamW, dict(betas=BETAS, eps=f32(1e-3), weight_decay=f32(0.05)), 0.0, True),
    ("adamw_decay_of_weights_only_clipped", torch.optim.AdamW,
     dict(betas=(f32(0.8), f32(0.95)), eps=f32(1e-8), weight_decay=0.5), 1.0, False),
    ("adam_l2", torch.optim.Adam, dict(betas=BETAS, eps=f32(1e-8), weight_decay=f32(0.1)), 0.0, True),
    ("adam_l2_of_weights_only", torch.optim.Adam, dict(betas=BETAS, eps=f32(1e-8), weight_decay=0.5), 0.0, False),
    ("sgd_plain", torch.optim.SGD, dict(momentum=0.0, weight_decay=f32(0.01)), 0.0, True),
    ("sgd_momentum", torch.optim.SGD, dict(momentum=f32(0.9), weight_decay=0.0), 0.0, True),
    ("sgd_nesterov_l2", torch.optim.SGD, dict(momentum=f32(0.9), nesterov=True, weight_decay=f32(5e-4)), 0.0, True),
    ("sgd_nesterov_l2_of_weights_only_clipped", torch.optim.SGD,
     dict(momentum=f32(0.9), nesterov=True, weight_decay=0.25), 0.5, False),
]


def run(make, options, clip, decay_all):
    parameters, i = [], 0
    for shape, _ in SHAPES:
        count = int(numpy.prod(shape))
        values = torch.tensor([start_value(i + k) for k in range(count)]).reshape(shape)
        parameters.append(torch.nn.Parameter(values))
        i += count
    groups = [dict(params=[p], weight_decay=options["weight_decay"] if decay_all or decayed else 0.0)
              for p, (_, decayed) in zip(parameters, SHAPES)]
    optimizer = make(groups, lr=1.0, **options)
    norms = []
    for step in range(STEPS):
        i = 0
        for parameter in parameters:
            count = parameter.numel()
            parameter.grad = torch.tensor([gradient_value(i + k, step) for k in range(count)]).reshape(parameter.shape)
            i += count
        norm = torch.nn.utils.clip_grad_norm_(parameters, clip if clip > 0 else float("inf"))
        norms.append(norm.item())
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step)
        optimizer.step()
    values = torch.cat([p.detach().flatten() for p in parameters]).tolist()
    state = []
    for key in ("exp_avg", "exp_avg_sq", "momentum_buffer"):
        tensors = [optimizer.state[p].get(key) for p in parameters]
        if tensors[0] is not None:
            state += torch.cat([t.flatten() for t in tensors]).tolist()
    return norms, values, state


def list_of(values):
    lines, line = [], ""
    for value in values:
        text = f"{numpy.float32(value)!s}"
        text = (text if "." in text or "e" in text else text + ".0") + "F"
        if len(line) + len(text) + 2 > 110:
            lines.append(line)
            line = ""
        line += (", " if line else "") + text
    return "{" + ",\n     ".join(lines + ([line] if line else [])) + "}"


def main():
    out = ["/// Written by make_expected.py with PyTorch " + torch.__version__.split("+")[0] + ".",
           "#pragma once", "", "#include <string>", "#include <vector>", "", "namespace convmixer {", "",
           "// clang-format off", "",
           "/// What an optimiser has made of the tiny network after five updates.",
           "struct Expected {", "  std::string name;",
           "  std::vector<float> norms;   ///< of the gradients, before clipping, at each update",
           "  std::vector<float> values;  ///< of all parameters in order",
           "  std::vector<float> state;   ///< all state tensors in order", "};", "",
           "inline const std::vector<Expected> kPyTorch = {"]
    for name, make, options, clip, decay_all in CASES:
        norms, values, state = run(make, options, clip, decay_all)
        out.append(f'    {{"{name}",\n     {list_of(norms)},\n     {list_of(values)},\n     {list_of(state)}}},')
    out += ["};", "", "// clang-format on", "", "}  // namespace convmixer", ""]
    pathlib.Path(__file__).with_name("pytorch_expected.hpp").write_text("\n".join(out))


if __name__ == "__main__":
    main()
