"""The project's includes follow the order of its rooms, and a tree with a wrong include is found out."""

import pathlib
import tempfile
import unittest

from include_order import ORDER, belongs, complaints, files_of, in_room_terms, room_of, rooms_in_table, rooms_of

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Project(unittest.TestCase):
    def test_includes_nothing_against_its_order(self):
        self.assertEqual(complaints(ROOT), [])

    def test_has_files_in_every_room_and_under_every_name(self):
        paths = [in_room_terms(path) for path in files_of(ROOT)]
        self.assertGreater(len(paths), 300)
        for room in rooms_of(ORDER):
            folder, brace, names = room.partition("/{")
            for name in names.rstrip("}").split(",") if brace else [""]:
                part = f"{folder}/{{{name}}}" if brace else folder
                self.assertTrue(any(belongs(path, part) for path in paths), f"nothing is in {part}")

    def test_has_the_order_in_hacking_too(self):
        self.assertEqual(rooms_in_table((ROOT / "HACKING.md").read_text()), rooms_of(ORDER))


class MadeUpTree(unittest.TestCase):
    ORDER = (("core",), ("shop/{shelf}",), ("shop/left", "shop/right"), ("shop",), ("tests",))

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.write("include/convmixer/core/error.hpp", "#include <string>", "#include <fmt/format.h>")
        self.write("include/convmixer/shop/shop.hpp", '#include "convmixer/core/error.hpp"')
        self.write("src/shop/shop.cpp", '#include "convmixer/shop/shop.hpp"', '#include "shop/left/left.hpp"')
        self.write("src/shop/shelf.hpp", '#include "convmixer/core/error.hpp"')
        self.write("src/shop/left/left.hpp", '#include "shop/shelf.hpp"')
        self.write("src/shop/right/right.hpp", '#include "shop/shelf.hpp"')
        self.write("tests/shop/shop_test.cpp", '#include "shop/right/right.hpp"', "#include <png.h>")

    def write(self, path, *lines):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text("\n".join(lines) + "\n")

    def complaints(self):
        return complaints(self.root, self.ORDER)

    def test_in_order_is_left_in_peace(self):
        self.assertEqual(self.complaints(), [])

    def test_with_an_include_that_points_up_is_found_out(self):
        self.write("src/core/error.cpp", "", '#include "convmixer/shop/shop.hpp"')
        self.assertEqual(
            self.complaints(),
            [
                "src/core/error.cpp:2: includes convmixer/shop/shop.hpp: `shop` may use `core`, not the other way round",
                "these include each other in a circle: core/error -> shop/shop -> core/error",
            ],
        )

    def test_with_an_include_from_a_part_of_a_room_to_the_whole_is_found_out(self):
        self.write("src/shop/shelf.hpp", '#include "convmixer/shop/shop.hpp"')
        self.assertIn("`shop` may use `shop/{shelf}`, not the other way round", self.complaints()[0])

    def test_with_an_include_beside_is_found_out(self):
        self.write("src/shop/left/left.hpp", '  #  include "shop/right/right.hpp"  // why')
        self.assertEqual(
            self.complaints(),
            [
                "src/shop/left/left.hpp:1: includes shop/right/right.hpp: "
                "`shop/left` and `shop/right` don't know each other"
            ],
        )

    def test_with_a_private_header_in_a_public_one_is_found_out(self):
        self.write("include/convmixer/shop/shop.hpp", '#include "shop/shelf.hpp"')
        self.assertIn("includes src/shop/shelf.hpp, which isn't installed", self.complaints()[0])

    def test_with_another_librarys_header_in_the_wrong_room_is_found_out(self):
        self.write("src/shop/shelf.hpp", "#include <hwy/highway.h>", "#include <vector>")
        self.assertEqual(
            self.complaints(),
            ["src/shop/shelf.hpp:1: includes hwy/highway.h: only `kernels` and `perf/peaks` may see it"],
        )

    def test_with_another_librarys_header_in_a_public_one_is_found_out(self):
        self.write("include/convmixer/core/error.hpp", "#include <tbb/task_arena.h>")
        self.assertIn("asks them to have another library", self.complaints()[0])

    def test_with_a_misspelt_include_is_found_out(self):
        self.write("src/core/error.cpp", '#include "convmixer/core/eror.hpp"')
        self.assertEqual(
            self.complaints(), ["src/core/error.cpp:1: includes convmixer/core/eror.hpp: no file of the project"]
        )

    def test_with_a_folder_that_no_room_names_is_found_out(self):
        self.write("src/cellar/wine.cpp", '#include "convmixer/core/error.hpp"')
        self.assertIn("src/cellar/wine.cpp: in no room", self.complaints()[0])

    def test_with_files_that_call_each_other_is_found_out(self):
        self.write("src/shop/left/left.cpp", '#include "shop/left/lamp.hpp"')
        self.write("src/shop/left/lamp.hpp", '#include "shop/left/left.hpp"')
        self.assertEqual(
            self.complaints(),
            ["these include each other in a circle: shop/left/lamp -> shop/left/left -> shop/left/lamp"],
        )


class Rooms(unittest.TestCase):
    def test_are_found_by_folder_and_by_name(self):
        order = MadeUpTree.ORDER
        self.assertEqual(room_of("include/convmixer/shop/shop.hpp", order), "shop")
        self.assertEqual(room_of("src/shop/shelf.cpp", order), "shop/{shelf}")
        self.assertEqual(room_of("src/shop/left/shelf.cpp", order), "shop/left")
        self.assertIsNone(room_of("src/workshop/shelf.cpp", order))

    def test_are_read_from_the_first_table_of_a_text(self):
        text = "# A\n\ntext with `core`\n\n| folder | what |\n| --- | --- |\n| `core` | `x` |\n| `a/{b,c}`, `d` | y |\n\n| `z` | |\n"
        self.assertEqual(rooms_in_table(text), ["core", "a/{b,c}", "d"])


if __name__ == "__main__":
    unittest.main()
