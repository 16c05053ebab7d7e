"""The builds that perf/regress measures: build folders, and commits that it builds itself."""

import dataclasses
import os
import pathlib
import subprocess
import sys

from programs import Failure, run

PROGRAMS = ("step_bench", "op_bench")


@dataclasses.dataclass(frozen=True)
class Build:
    folder: pathlib.Path  # whose bin/ has the programs
    name: str  # as the user said it


def resolve(name, root, like=None):
    """The build that `name` stands for: a build folder, or else a commit of the checkout `root`, built as the folder
    `like` was configured. Throws Failure if it is neither."""
    folder = pathlib.Path(name)
    if folder.is_dir():
        if not (folder / "bin" / "step_bench").is_file():
            raise Failure(f"{name}: expected a build folder, found no bin/step_bench in it")
        return Build(folder, name)
    commit = find_commit(name, root)
    return Build(build_commit(commit, root, like), name if commit.startswith(name) else f"{name} ({commit[:12]})")


def find_commit(name, root):
    """The full name of a commit. Throws Failure if there is none."""
    command = ["git", "-C", str(root), "rev-parse", "--verify", "--quiet", "--end-of-options", name + "^{commit}"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise Failure(f"git can't be run: {error.strerror}") from None
    if result.returncode != 0:
        raise Failure(f"{name}: expected a build folder, a recording (.json) or a commit of {root}, found none of them")
    return result.stdout.strip()


def build_commit(commit, root, like=None):
    """Builds the measuring programs of a commit in build/regress/<commit> below `root` and gives that build folder. It
    stays there for the next time."""
    place = root / "build" / "regress" / commit[:12]
    source, binary = place / "source", place / "build"
    if not (source / "CMakeLists.txt").is_file():
        # --force: the folder may have been deleted without telling git.
        run(["git", "-C", str(root), "worktree", "add", "--quiet", "--force", "--detach", str(source), commit])
    print(f"regress: building {commit[:12]} in {binary}", file=sys.stderr)
    options = ["-DCMAKE_BUILD_TYPE=Release", "-DCONVMIXER_BUILD_TESTS=OFF", *configuration(like)]
    run_build(["cmake", "-S", str(source), "-B", str(binary), "-G", "Ninja", *options], place / "configure.log")
    targets = run(["cmake", "--build", str(binary), "--target", "help"])
    for program in PROGRAMS:
        if f"{program}:" in targets:
            run_build(["cmake", "--build", str(binary), "--target", program], place / f"{program}.log")
    if not (binary / "bin" / "step_bench").is_file():
        raise Failure(f"commit {commit[:12]} has no step_bench to measure it with")
    return binary


def configuration(folder):
    """CMake options that make another build as `folder` is: what else differs would be taken for a change."""
    try:
        lines = (folder / "CMakeCache.txt").read_text().splitlines() if folder else []
    except OSError:
        return []
    kept = (
        "CMAKE_BUILD_TYPE",
        "CMAKE_CXX_COMPILER",
        "CMAKE_CXX_COMPILER_LAUNCHER",
        "CMAKE_CXX_FLAGS",
        "CMAKE_CXX_FLAGS_RELEASE",
    )
    return [f"-D{line}" for line in lines if line.split(":", 1)[0] in kept]


def run_build(command, log):
    """Runs a command whose output goes to a file, which the Failure names."""
    with open(log, "w") as output:
        try:
            status = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False).returncode
        except OSError as error:
            raise Failure(f"{command[0]} can't be run: {error.strerror}") from None
    if status != 0:
        raise Failure(f"{' '.join(command[:3])}: failed with exit status {status}; see {os.path.relpath(log)}")
