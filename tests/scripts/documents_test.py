"""The project's documents have no line that is too wide and name nothing that isn't there; made-up ones are found out."""

import pathlib
import tempfile
import unittest

from documents import MOST_COLUMNS, complaints, exists, paths_named, with_braces_expanded

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Project(unittest.TestCase):
    def test_has_narrow_documents_that_name_what_is_there(self):
        self.assertEqual(complaints(ROOT), [])

    def test_names_paths_in_its_documents(self):
        self.assertGreater(len(list(paths_named((ROOT / "HACKING.md").read_text()))), 50)


class MadeUpDocument(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        for path in ("src/plan/plan.cpp", "include/convmixer/plan/plan.hpp", "perf/regress", "tools/test.sh"):
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).touch()

    def complaints(self, text):
        (self.root / "A.md").write_text(text)
        return complaints(self.root, ["A.md"])

    def test_with_a_wide_line_is_found_out(self):
        self.assertEqual(self.complaints("x" * MOST_COLUMNS + "\n"), [])
        self.assertEqual(self.complaints("\n" + "é" * (MOST_COLUMNS + 1)), ["A.md:2: 131 columns, at most 130"])

    def test_may_name_a_path_from_several_folders_and_without_its_suffix(self):
        paths = ("src/plan/plan.cpp", "plan/plan", "plan/plan.hpp", "convmixer/plan/plan.hpp", "plan/", "tools/test.sh")
        self.assertEqual(self.complaints(" ".join(f"`{path}`" for path in paths)), [])

    def test_that_names_what_is_not_there_is_found_out(self):
        self.assertEqual(self.complaints("a\n`plan/plan`, `plan/plot`\n"), ["A.md:2: `plan/plot` does not exist"])

    def test_with_names_in_braces_is_read_name_by_name(self):
        self.assertEqual(with_braces_expanded("a/{b,c}.md"), ["a/b.md", "a/c.md"])
        self.assertEqual(self.complaints("`plan/{plan,plot}`"), ["A.md:1: `plan/plot` does not exist"])

    def test_may_name_several_files_by_a_pattern(self):
        self.assertTrue(exists(self.root, "src/*/plan.cpp"))
        self.assertFalse(exists(self.root, "src/plan/*_test.cpp"))

    def test_may_name_what_a_build_makes(self):
        self.assertEqual(self.complaints("`build/release/bin/convmixer`, `tools/test.sh --preset asan`, `1/2 of it`"), [])


if __name__ == "__main__":
    unittest.main()
