"""Build folders whose step_bench is fake_step_bench.sh, and op_bench fake_op_bench.sh."""

import pathlib
import random
import shutil

HERE = pathlib.Path(__file__).parent


def make_build(folder, ms=100.0, noise=0.0, **figures):
    """Writes a build folder whose steps take `ms` milliseconds, with a relative standard deviation of `noise`. What the
    stand-in says otherwise is in `figures`: its variables."""
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "fake_step_bench.sh", folder / "bin/step_bench")
    (folder / "figures").write_text("".join(f"{name}='{value}'\n" for name, value in figures.items()))
    rng = random.Random(str(folder.name))
    samples = [ms * (1.0 + rng.gauss(0.0, noise)) for _ in range(100)]
    (folder / "samples").write_text("".join(f"{sample:.6f}\n" for sample in samples))
    (folder / "samples.used").write_text("")


def add_op_bench(folder, **times):
    """Adds an op_bench to a build folder whose operations of these names take so many milliseconds."""
    shutil.copy(HERE / "fake_op_bench.sh", folder / "bin/op_bench")
    (folder / "operations").write_text("".join(f"{name} {ms}\n" for name, ms in times.items()))
