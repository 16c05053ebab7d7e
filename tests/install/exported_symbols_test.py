"""exported_symbols_test.py LIBRARY HEADERS...: a shared library exports what its public headers declare, nothing else.

The names in an exported symbol, as the compiler mangles them (_ZN9convmixer6Engine8supportsE...), must all be words of the
headers, and none may belong to a namespace that headers only name to declare a class of it ahead (convmixer::kernels).
The members of a class's own Impl, which is as visible as the class, are left alone.
"""

import pathlib
import re
import subprocess
import sys

FEWEST = 200  # a library that exports fewer has lost some of its functions
PRIVATE = {"kernels"}
ANSWERED = "_ZN4dnnl4impl3cpu8platform23get_per_core_cache_sizeEi"  # oneDNN's question, src/kernels/onednn/onednn_caches


def names_in(symbol):
    """["convmixer", "Engine", "supports"]; None of what is no symbol of a namespace."""
    match = re.match(r"_Z(?:T[VIST]|T[hv]n?\d+_(?:n?\d+_)?)?N[VK]*", symbol)
    if not match:
        return None
    names, rest = [], symbol[match.end() :]
    while length := re.match(r"\d+", rest):
        end = length.end() + int(length[0])
        names.append(rest[length.end() : end])
        if names[-1] == "Impl":
            break
        rest = rest[end:]
    return names


def main(library, folder):
    output = subprocess.run(["nm", "-D", "--defined-only", library], check=True, capture_output=True, text=True).stdout
    symbols = [line.split()[-1] for line in output.splitlines()]
    text = "".join(path.read_text() for path in pathlib.Path(folder).rglob("*.hpp"))
    words = set(re.findall(r"\w+", re.sub(r"//.*", "", text)))
    wrong = []
    for symbol in symbols:
        names = names_in(symbol)
        known = names is not None and names[0] == "convmixer" and set(names) <= words and not set(names) & PRIVATE
        if not known and symbol != ANSWERED:
            wrong.append(symbol)
    print(f"{library}: {len(symbols)} symbols, {len(wrong)} that no public header declares", *wrong, sep="\n")
    return 1 if wrong or len(symbols) < FEWEST else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
