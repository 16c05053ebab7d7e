"""README's C++ is what the example says: nobody compiles README."""

import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def lines_of(text):
    return [line.strip() for line in text.splitlines() if line.strip()]


def first_missing(quoted, source):
    """The first of the quoted lines that doesn't follow the ones before it in the source; None if all do."""
    rest = iter(source)
    return next((line for line in quoted if line not in rest), None)


class Readme(unittest.TestCase):
    def test_its_cpp_is_in_the_example_in_that_order(self):
        blocks = re.findall(r"^```cpp\n(.*?)^```", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
        self.assertEqual(len(blocks), 1)
        example = lines_of((ROOT / "tests/examples/train_minimal.cpp").read_text())
        self.assertIsNone(first_missing(lines_of(blocks[0]), example))

    def test_a_line_that_is_not_there_or_out_of_order_is_found(self):
        self.assertIsNone(first_missing(["a", "c"], ["a", "b", "c"]))
        self.assertEqual(first_missing(["a", "d"], ["a", "b", "c"]), "d")
        self.assertEqual(first_missing(["c", "a"], ["a", "b", "c"]), "a")


if __name__ == "__main__":
    unittest.main()
