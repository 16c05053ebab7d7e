#!/usr/bin/env python3
"""Makes and checks the golden files: convmixer_*.safetensors, what PyTorch computes for a small ConvMixer, likewise
resnet_* and those of the other models of golden_models.py, and augment*.safetensors, what torchvision and PIL make of
images.

    make_golden.py --check FILE...            recompute FILE from its own init.* and input.* or images; report deviations
    make_golden.py --out DIR --dim 20 ...     make a new case (see --help)
    make_golden.py --out DIR --model resnet --set layers=8 --set width=8 ...     the same of another model
    make_golden.py --out DIR --augment --image 33 --width 20 ...     the same of augment*

Needs PyTorch (2.6 made the committed files) and NumPy, for augment* torchvision (0.21) and PIL (11.1), which
augment_cases.py describes. Everything runs in float32 on the CPU.

A file of a model holds
    input.x (N, 3, S, S) f32, input.y (N) i64
    init.*        weights and running statistics before the first step, with timm's tensor names
    train.logits  of the first forward pass in training mode
    grad.*        gradients of the first step
    stats1.*      running statistics after the first forward pass
    eval.logits   in evaluation mode, with init.* weights and stats1.* statistics
    losses (5)    of five optimiser steps on the same batch, each before its step
    after5.*      weights and running statistics after the five steps
and the settings of the model and the optimiser, as strings, in the header's __metadata__.
"""

import argparse
import pathlib
import sys

import numpy as np
import torch
from golden_models import MODELS, make_model, spread_norms
from safetensors_file import read_safetensors, write_safetensors
from torch import nn

STEPS = 5
OF_EVERY_MODEL = ("image", "classes", "batch")


def make_optimizer(text, parameters):
    """`text` is a name, then key=value words; words without '=' other than nesterov are remarks."""
    name, *words = text.split()
    values = dict(word.split("=", 1) for word in words if "=" in word)
    known = {"lr", "weight_decay"} | ({"momentum"} if name == "sgd" else {"betas", "eps"})
    if name not in ("adam", "adamw", "sgd") or "lr" not in values or set(values) - known:
        raise SystemExit(f"make_golden.py: optimizer '{text}': expected adam, adamw or sgd, lr=, and of {sorted(known)}")
    settings = {key: float(value) for key, value in values.items() if key != "betas"}
    settings.setdefault("weight_decay", 0.0)
    if "betas" in values:
        settings["betas"] = tuple(float(beta) for beta in values["betas"].split(","))
    if name == "sgd":
        return torch.optim.SGD(parameters, nesterov="nesterov" in words, **settings)
    return {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[name](parameters, **settings)


def state_of(model, prefix):
    """Weights and running statistics; num_batches_tracked is no part of the files."""
    return {
        prefix + name: value.detach().numpy().copy()
        for name, value in model.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }


def compute(metadata, tensors):
    """Everything that follows from metadata, init.* and input.*: the other tensors of a golden file."""
    model = make_model(metadata)
    init = {name[5:]: torch.from_numpy(value.copy()) for name, value in tensors.items() if name.startswith("init.")}
    missing, unexpected = model.load_state_dict(init, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise SystemExit(f"make_golden.py: init.* lacks {missing} and has unknown {unexpected}")
    x, y = torch.from_numpy(tensors["input.x"].copy()), torch.from_numpy(tensors["input.y"].copy())
    criterion = nn.CrossEntropyLoss(label_smoothing=float(metadata["label_smoothing"]))
    optimizer = make_optimizer(metadata["optimizer"], model.parameters())

    result, losses = {}, []
    for step in range(STEPS):
        model.train()
        logits = model(x)
        loss = criterion(logits, y)
        optimizer.zero_grad()
        loss.backward()
        losses.append(loss.item())
        if step == 0:
            result["train.logits"] = logits.detach().numpy().copy()
            result |= {"grad." + name: value.grad.numpy().copy() for name, value in model.named_parameters()}
            result |= {name: value for name, value in state_of(model, "stats1.").items() if ".running_" in name}
            model.eval()
            with torch.no_grad():
                result["eval.logits"] = model(x).numpy().copy()
        optimizer.step()
    result["losses"] = np.array(losses, np.float32)
    return result | state_of(model, "after5.")


def make(arguments):
    """A new case: PyTorch's initialisation, but norms away from 1 and 0 so that their gradients are tested."""
    metadata = {} if arguments.model == "convmixer" else {"model": arguments.model}
    for key in MODELS[arguments.model][0]:
        if arguments.model == "convmixer" and hasattr(arguments, key):
            metadata[key] = str(getattr(arguments, key))
    metadata |= dict(text.split("=", 1) for text in arguments.set)
    metadata |= {key: str(getattr(arguments, key)) for key in OF_EVERY_MODEL}
    metadata |= {"label_smoothing": str(arguments.label_smoothing), "optimizer": arguments.optimizer}
    if arguments.model == "convmixer":
        usual_name = "convmixer_d{dim}x{depth}_k{kernel}_p{patch}".format(**metadata)
    else:
        usual_name = "_".join([arguments.model] + [text.replace("=", "") for text in arguments.set])
    metadata["case"] = arguments.name or usual_name
    torch.manual_seed(arguments.seed)
    model = make_model(metadata)
    spread_norms(model)
    tensors = state_of(model, "init.")
    tensors["input.x"] = torch.randn(arguments.batch, 3, arguments.image, arguments.image).numpy()
    tensors["input.y"] = torch.randint(arguments.classes, (arguments.batch,)).numpy()
    tensors |= compute(metadata, tensors)
    path = pathlib.Path(arguments.out) / (metadata["case"] + ".safetensors")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_safetensors(path, metadata, tensors)
    print(f"{path}: {len(tensors)} tensors, losses {' '.join(f'{loss:.4f}' for loss in tensors['losses'])}")


def make_augment(arguments):
    """A new file of images and what comes of them."""
    import augment_cases

    width = arguments.width or arguments.image
    bins = [int(part) for part in arguments.bins.split(",")] if arguments.bins else list(range(augment_cases.BINS))
    metadata, tensors = augment_cases.make(
        arguments.seed, arguments.batch, arguments.image, width, arguments.channels, bins
    )
    name = arguments.name or f"augment_{arguments.image}x{width}x{arguments.channels}"
    path = pathlib.Path(arguments.out) / (name + ".safetensors")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_safetensors(path, metadata, tensors)
    print(f"{path}: {len(tensors) - 1} operations on {arguments.batch} images")


def check_augment(path, metadata, stored):
    """Prints the operations whose images differ."""
    import augment_cases

    differing = augment_cases.differing(metadata, stored)
    print(f"{path}: {len(stored) - 1} operations, {len(differing)} with differing bytes")
    for name, count in differing.items():
        print(f"  {name} {count}")
    return not differing


def check(path, tolerance):
    """Prints, for each kind of tensor, the largest deviation relative to the tensor's largest magnitude."""
    metadata, stored = read_safetensors(path)
    if "images" in stored:
        return check_augment(path, metadata, stored)
    computed = compute(metadata, stored)
    given = {name for name in stored if name.startswith(("init.", "input."))}
    if set(stored) - given != set(computed):
        print(f"{path}: tensors differ: {sorted((set(stored) - given) ^ set(computed))}")
        return False
    worst = {}
    for name, value in computed.items():
        expected = stored[name].astype(np.float64)
        if value.shape != expected.shape:
            print(f"{path}: {name} is {expected.shape}, expected {value.shape}")
            return False
        deviation = float(np.abs(value - expected).max() / max(float(np.abs(expected).max()), 1e-30))
        kind = name if name == "losses" or name.endswith("logits") else name.split(".")[0] + ".*"
        worst[kind] = max(worst.get(kind, (0.0, name)), (deviation, name))
    print(f"{path}: {metadata['optimizer']}")
    for kind, (deviation, name) in sorted(worst.items()):
        print(f"  {kind:13} {deviation:.1e}  {'' if name == kind else name}")
    return all(deviation <= tolerance for deviation, _ in worst.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", nargs="+", metavar="FILE", help="recompute these files, write nothing")
    parser.add_argument("--tolerance", type=float, default=1e-3, help="with --check: exit 1 above it (default 1e-3)")
    parser.add_argument("--out", metavar="DIR", help="folder for the new case")
    parser.add_argument("--name", help="of the case and the file (default convmixer_d<dim>x<depth>_k<kernel>_p<patch>)")
    parser.add_argument("--model", default="convmixer", choices=list(MODELS))
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the model, as in its metadata"
    )
    parser.add_argument("--dim", type=int, default=32)
    parser.add_argument("--depth", type=int, default=2)
    parser.add_argument("--kernel", type=int, default=5)
    parser.add_argument("--patch", type=int, default=2)
    parser.add_argument("--image", type=int, default=32, help="height and width")
    parser.add_argument("--augment", action="store_true", help="make a file augment*: images of --image x --width")
    parser.add_argument("--width", type=int, help="augment: if it isn't the height")
    parser.add_argument("--channels", type=int, default=3, choices=(1, 3), help="augment")
    parser.add_argument("--bins", help="augment: magnitudes of RandAugment, 0 to 30, with commas between (default all)")
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--label-smoothing", type=float, default=0.0)
    parser.add_argument("--optimizer", default="adamw lr=0.01 betas=0.9,0.999 eps=1e-8 weight_decay=0.05")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.check:
        results = [check(path, arguments.tolerance) for path in arguments.check]
        sys.exit(0 if all(results) else 1)
    if not arguments.out:
        parser.error("one of --check and --out is needed")
    if arguments.augment:
        make_augment(arguments)
        return
    if arguments.batch < 2:
        # The mean over one image of its own batch norm is the norm's shift: every gradient before it is 0, so that
        # a file would hold rounding errors.
        parser.error("--batch 1 leaves nothing to compare, expected 2 or more")
    make(arguments)


if __name__ == "__main__":
    main()
