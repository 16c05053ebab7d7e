"""Reads the documents of the project: no line is too wide, and every path that they name exists."""

import pathlib
import re

DOCUMENTS = ("README.md", "HACKING.md", "perf/README.md", "docker/README.md")
MOST_COLUMNS = 130

# Where a path of a document may begin; a source's two halves and its folder are one to a reader.
FOLDERS = ("", "include/", "include/convmixer/", "src/", "tests/", "perf/", "tools/")
SUFFIXES = ("", ".hpp", ".cpp", "-inl.h", ".py", ".sh")
MADE = ("build/", "runs/", "./runs", "./data", "/")  # what building and running make, and users have

PATH = re.compile(r"[\w.-]+(?:/[\w.{},*-]+)+/?")


def too_wide(text):
    """The numbers of lines of more than MOST_COLUMNS columns, and their widths."""
    lines = enumerate(text.splitlines(), 1)
    return [(number, len(line)) for number, line in lines if len(line) > MOST_COLUMNS]


def paths_named(text):
    """Line number and path of every `folder/file` in backquotes that is one as a whole."""
    for number, line in enumerate(text.splitlines(), 1):
        for quoted in re.findall(r"`([^`]+)`", line):
            if PATH.fullmatch(quoted):
                yield number, quoted


def with_braces_expanded(path):
    """a/{b,c}.md -> a/b.md, a/c.md; names in braces may be without their suffix."""
    match = re.search(r"\{([^}]*)\}", path)
    if not match:
        return [path]
    names = [f"{path[: match.start()]}{name}{path[match.end() :]}" for name in match[1].split(",")]
    return [path for name in names for path in with_braces_expanded(name)]


def exists(root, path):
    """True if the path, read from one of the FOLDERS, is a file or folder of the project."""
    candidates = (f"{folder}{path.rstrip('/')}{suffix}" for folder in FOLDERS for suffix in SUFFIXES)
    return any(any(root.glob(candidate)) for candidate in candidates)


def complaints(root, documents=DOCUMENTS):
    """A line for each line that is too wide and each path that isn't there."""
    root, found = pathlib.Path(root), []
    for document in documents:
        text = (root / document).read_text()
        found += [f"{document}:{number}: {width} columns, at most {MOST_COLUMNS}" for number, width in too_wide(text)]
        for number, named in paths_named(text):
            missing = [path for path in with_braces_expanded(named) if not exists(root, path)]
            found += [f"{document}:{number}: `{path}` does not exist" for path in missing if not path.startswith(MADE)]
    return found
