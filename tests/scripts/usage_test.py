"""Wrong arguments of tools/*.sh: one line that says so, and exit status 2."""

import os
import pathlib
import subprocess
import unittest

TOOLS = pathlib.Path(__file__).resolve().parent.parent.parent / "tools"

WRONG = {
    "check-format.sh": (["--all"], "check-format: unknown argument '--all'"),
    "check-style.sh": (["--all"], "check-style: unknown argument '--all'"),
    "download-cifar10.sh": (["--all"], "download-cifar10: unknown option '--all'"),
    "fuzz.sh": (["gif"], "fuzz: unknown reader 'gif'"),
    "install-deps.sh": (["all"], "install-deps: takes no arguments, found 'all'"),
    "test.sh": (["--preset", "fast"], "test: unknown preset 'fast'"),
}


class Usage(unittest.TestCase):
    def refused(self, script, words):
        environment = {name: value for name, value in os.environ.items() if name != "status"}
        result = subprocess.run([str(TOOLS / script), *words], capture_output=True, text=True, check=False,
                                stdin=subprocess.DEVNULL, env=environment)
        self.assertEqual((result.returncode, result.stdout), (2, ""), (script, words))
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        return result.stderr

    def test_wrong_arguments_are_refused_with_status_2(self):
        for script, (words, message) in WRONG.items():
            self.assertIn(message, self.refused(script, words))

    def test_every_script_is_here(self):
        self.assertEqual({each.name for each in TOOLS.glob("*.sh")} - {"quickstart.sh"}, set(WRONG))

    def test_quickstart_wants_values(self):
        for words in (["--data", ""], ["--data="], ["--data"], ["--out", ""], ["--out="], ["--out"]):
            self.assertEqual(self.refused("quickstart.sh", words), f"quickstart: {words[0].rstrip('=')} needs a value\n")


if __name__ == "__main__":
    unittest.main()
