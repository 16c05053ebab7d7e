"""Reads every include of the project and says which ones go against the order of its rooms.

A room is a folder of include/convmixer and src (both are one), of tools, perf or tests; `folder/{a,b}` are these files of
a folder apart from its others, with or without their extension; a `*` in them stands for anything. A room includes what
is in it and in the rows above its own; rooms of one row don't know each other. HACKING.md's first table has the same
rooms in the same order.
"""

import argparse
import fnmatch
import pathlib
import re
import sys

ORDER = (
    ("tools/cmake",),
    ("core",),
    ("io", "dist"),
    ("kernels/onednn", "kernels/image"),
    ("kernels/plain",),
    ("kernels/fused",),
    ("kernels",),
    ("graph",),
    ("plan/{plan.hpp,plan_*,dropout*,engine*,execution*,product_kernels,gradient*,*memory*}",),
    ("plan/plain", "plan/fused"),
    ("plan",),
    ("model",),
    ("optim",),
    ("checkpoint",),
    ("data/{dataset,dataset_names,dataset_options,normalisation,colour_statistics}",),
    ("data/augment", "data/decode"),
    ("data/sources",),
    ("data",),
    ("export", "figures"),
    ("train",),
    ("perf/peaks",),
    ("tools/http",),
    ("tools/convmixer", "perf"),
    ("perf/operations",),
    ("tests",),
)

# What of other libraries is seen in these rooms alone (and in tests).
LIBRARIES = {
    "dnnl*": ("kernels/onednn",),
    "oneapi/dnnl/*": ("kernels/onednn",),
    "hwy/*": ("kernels", "perf/peaks"),
    "tbb/*": ("core",),
    "oneapi/tbb/*": ("core",),
    "archive*.h": ("io",),
    "jpeglib.h": ("data/decode",),
    "png.h": ("data/decode", "figures"),
    "boost/asio*": ("tools/http",),
    "boost/beast*": ("tools/http",),
    "boost/program_options*": ("train",),
    "boost/uuid/*": ("data/sources",),
    "zlib.h": ("io",),
    "xxhash.h": ("checkpoint", "data"),
}

# What headers for users of the library may ask them to have.
PUBLIC_LIBRARIES = ("fmt/*",)

# Where a circle of files is left: Plan hands its calls on to an execution, and tests make plans with its options.
IN_A_CIRCLE = ("plan/plan",)

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')
SOURCES = (".hpp", ".cpp", ".h", ".hpp.in")
LIBRARY_FOLDERS = ("include/convmixer/", "src/")


def in_room_terms(path):
    """include/convmixer/plan/plan.hpp -> plan/plan.hpp; files outside the library as they are."""
    for folder in LIBRARY_FOLDERS:
        if path.startswith(folder):
            return path[len(folder) :]
    return path


def belongs(path, room):
    """How well a file (in room terms) fits a room: 0 not at all, more for the closer one."""
    folder, brace, names = room.partition("/{")
    if not path.startswith(folder + "/"):
        return 0
    if not brace:
        return len(folder)
    rest = path[len(folder) + 1 :]
    parts = names.rstrip("}").split(",")
    fits = any(fnmatch.fnmatch(rest, name) or fnmatch.fnmatch(rest.rpartition(".")[0], name) for name in parts)
    return 1000 if fits and "/" not in rest else 0


def rooms_of(order):
    return [room for row in order for room in row]


def room_of(path, order=ORDER):
    """The room a file is in, or None."""
    path = in_room_terms(path)
    best = max(rooms_of(order), key=lambda room: belongs(path, room))
    return best if belongs(path, best) else None


def files_of(root):
    """Every C++ file of the project, as paths from its top."""
    folders = ("include", "src", "tools", "perf", "tests")
    found = (path for folder in folders for path in (root / folder).rglob("*") if path.name.endswith(SOURCES))
    return sorted(path.relative_to(root).as_posix() for path in found)


def resolve(name, includer, files):
    """The file that an include in quotes means."""
    own_folder = includer.rpartition("/")[0]
    for folder in (own_folder, "include", "src", "perf", "tests", "tools", "tools/convmixer"):
        for candidate in (f"{folder}/{name}", f"{folder}/{name}.in"):
            if candidate in files:
                return candidate
    return None


def row_of(room, order):
    return next(number for number, row in enumerate(order) if room in row)


def complaint_about_file(path, target, order):
    """Why a file of the project may not include another; None if it may."""
    here, there = room_of(path, order), room_of(target, order)
    if there is None:
        return f"{target} is in no room: name its folder in tests/scripts/include_order.py and HACKING.md"
    if path.startswith("include/") and not target.startswith("include/"):
        return f"a header for users includes {target}, which isn't installed"
    if here == there:
        return None
    if row_of(here, order) == row_of(there, order):
        return f"`{here}` and `{there}` don't know each other"
    if row_of(here, order) < row_of(there, order):
        return f"`{there}` may use `{here}`, not the other way round"
    return None


def complaint_about_library(path, header):
    """Why a file may not include another library's header; None if it may."""
    if path.startswith("include/") and "/" in header and not any(fnmatch.fnmatch(header, p) for p in PUBLIC_LIBRARIES):
        return "a header for users asks them to have another library"
    if path.startswith("tests/"):
        return None
    for pattern, rooms in LIBRARIES.items():
        if fnmatch.fnmatch(header, pattern) and not any(in_room_terms(path).startswith(room + "/") for room in rooms):
            return f"only {' and '.join(f'`{room}`' for room in rooms)} may see it"
    return None


def read_includes(root, path):
    """Line number, name, and whether in quotes, of every include of a file."""
    for number, line in enumerate((root / path).read_text().splitlines(), 1):
        if match := INCLUDE.match(line):
            yield number, match[1] or match[2], match[1] is not None


def unit_of(path):
    """A header and its source are one: what two files call each other for."""
    return re.sub(r"(-inl)?\.\w+(\.in)?$", "", in_room_terms(path))


def find_cycle(graph):
    """A list of units, each of which includes the next and the last the first; empty if there is none."""
    done, path = set(), []

    def walk(unit):
        if unit in path:
            return path[path.index(unit) :]
        if unit in done:
            return []
        path.append(unit)
        for other in sorted(graph.get(unit, ())):
            if cycle := walk(other):
                return cycle
        path.pop()
        done.add(unit)
        return []

    for unit in sorted(graph):
        if cycle := walk(unit):
            return cycle
    return []


def complaints(root, order=ORDER):
    """A line for each include that goes against the order: file, line, what, why."""
    root = pathlib.Path(root)
    files = set(files_of(root))
    found, graph = [], {}
    for path in sorted(files):
        if room_of(path, order) is None:
            found.append(f"{path}: in no room: name its folder in tests/scripts/include_order.py and HACKING.md")
            continue
        for number, name, quoted in read_includes(root, path):
            target = resolve(name, path, files) if quoted else None
            if target is not None:
                graph.setdefault(unit_of(path), set()).add(unit_of(target))
                why = complaint_about_file(path, target, order)
            else:
                why = "no file of the project" if quoted else complaint_about_library(path, name)
            if why:
                found.append(f"{path}:{number}: includes {name}: {why}")
    graph = {unit: others - {unit} for unit, others in graph.items() if unit not in IN_A_CIRCLE}
    if cycle := find_cycle(graph):
        found.append(f"these include each other in a circle: {' -> '.join([*cycle, cycle[0]])}")
    return found


def rooms_in_table(text):
    """The rooms that a Markdown table names in its first column, in backquotes, in their order."""
    first_table = re.search(r"^\|.*\n(?:\|.*\n)+", text, re.MULTILINE)
    rows = first_table[0].splitlines()[2:] if first_table else []
    return [room for row in rows for room in re.findall(r"`([^`]+)`", row.split("|")[1])]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", nargs="?", default=pathlib.Path(__file__).parents[2], type=pathlib.Path)
    found = complaints(parser.parse_args().root)
    for line in found:
        print(line)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
