"""What a terminal shows of the bytes that a program writes to it, and programs on a pseudo-terminal."""

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

PART = re.compile(r"\x1b\[(\??)([0-9;]*)([A-Za-z])|[^\x00-\x1f\x7f]+|.", re.DOTALL)
BEGINNING = re.compile(r"\x1b(\[(\??[0-9;]*)?)?$")


class Screen:
    """Text in rows, with the control codes that live lines use; others are refused. When it is resized, rows that are
    too wide are wrapped anew if it `reflows`, as newer terminals do, or cut, as xterm does."""

    def __init__(self, columns, rows, reflows=True):
        self.columns, self.rows, self.reflows = columns, rows, reflows
        self.text = [""]  # of all rows, those that have scrolled off included
        self.wrapped = [False]  # whether a row goes on in the next
        self.row, self.column = 0, 0
        self.wraps = True
        self.rest = ""
        self.decoder = codecs.getincrementaldecoder("utf-8")()

    def lines(self, rows=None):
        """Without blanks at their ends, and without empty lines at the end; wrapped ones whole. Of the last rows, or of
        all."""
        first = 0 if rows is None else max(0, len(self.text) - rows)
        lines, line = [], ""
        for text, wrapped in zip(self.text[first:], self.wrapped[first:]):
            line += text
            if not wrapped:
                lines.append(line.rstrip())
                line = ""
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def feed(self, data):
        text = self.rest + self.decoder.decode(data)
        beginning = BEGINNING.search(text)
        self.rest = beginning.group() if beginning else ""
        for part in PART.finditer(text[: len(text) - len(self.rest)]):
            if part[3]:
                self.control(part[1], part[2], part[3])
            elif part[0] == "\r":
                self.column = 0
            elif part[0] in "\n\v":
                self.next_row()
            else:
                assert part[0].isprintable(), f"{part[0]!r} was not expected"
                self.put(part[0])

    def next_row(self):
        self.row += 1
        if self.row == len(self.text):
            self.text.append("")
            self.wrapped.append(False)

    def put(self, text):
        while text:
            if self.column == self.columns and self.wraps:
                self.wrapped[self.row] = True
                self.next_row()
                self.column = 0
            if not self.wraps:
                text = text[: max(self.columns - self.column, 0)]  # real ones keep the last character as well
            part, text = text[: self.columns - self.column], text[self.columns - self.column :]
            line = self.text[self.row].ljust(self.column)
            self.text[self.row] = line[: self.column] + part + line[self.column + len(part) :]
            self.column += len(part)

    def control(self, private, numbers, letter):
        code = private + numbers + letter
        if letter == "m" and not private:
            return
        if code == "J":
            self.text[self.row] = self.text[self.row][: self.column]
            del self.text[self.row + 1 :], self.wrapped[self.row + 1 :]
            self.wrapped[self.row] = False
        elif code in ("?7l", "?7h"):
            self.wraps = letter == "h"
            self.column = min(self.column, self.columns - 1)
        elif letter == "A" and not private:
            self.row = max(self.row - int(numbers or "1"), len(self.text) - self.rows, 0)
        else:
            raise AssertionError(f"the sequence ESC [ {code} was not expected")

    def resize(self, columns, rows):
        self.rows = rows
        if self.reflows:
            self.wrap_anew(columns)
        else:
            self.text = [line[:columns] for line in self.text]
            self.wrapped = [False] * len(self.text)
            self.column = min(self.column, columns - 1)
        self.columns = columns

    def wrap_anew(self, columns):
        text, wrapped, row, column = [], [], 0, 0
        line, place = "", None
        for i, part in enumerate(self.text):
            if i == self.row:
                place = len(line) + self.column
            line += part
            if self.wrapped[i]:
                continue
            if place is not None:
                row, column = len(text) + place // columns, place % columns
                place = None
            parts = [line[j : j + columns] for j in range(0, len(line), columns)] or [""]
            text += parts
            wrapped += [True] * (len(parts) - 1) + [False]
            line = ""
        while len(text) <= row:
            text.append("")
            wrapped.append(False)
        self.text, self.wrapped, self.row, self.column = text, wrapped, row, column


def run_as_shell(words, environment):
    """Runs a program in the foreground, as shells do. When it is stopped, says so and has it go on in the background;
    after a line of input, in the foreground. Returns its exit status."""
    program = os.fork()
    if program == 0:
        os.setpgid(0, 0)
        os.tcsetpgrp(0, os.getpid())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        os.execve(words[0], words, environment)
    status = os.waitpid(program, os.WUNTRACED)[1]
    if os.WIFSTOPPED(status):
        os.tcsetpgrp(0, os.getpgrp())
        os.write(1, b"[stopped]\n$ ")
        os.kill(program, signal.SIGCONT)
        os.read(0, 100)
        os.tcsetpgrp(0, program)
        status = os.waitpid(program, 0)[1]
    return os.waitstatus_to_exitcode(status)


class TerminalProgram:
    """A program whose controlling terminal is a screen of ours, under a shell or by itself."""

    def __init__(self, words, screen, environment, under_shell=False):
        self.screen = screen
        self.bytes = b""
        self.unread = []
        self.process, self.terminal = pty.fork()
        if self.process == 0:
            try:
                self.set_size(0)
                if under_shell:
                    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
                    os._exit(run_as_shell(words, environment))
                os.execve(words[0], words, environment)
            finally:
                os._exit(127)

    def set_size(self, terminal):
        size = struct.pack("HHHH", self.screen.rows, self.screen.columns, 0, 0)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, size)

    def resize(self, columns, rows):
        self.screen.resize(columns, rows)
        self.set_size(self.terminal)

    def type(self, keys):
        os.write(self.terminal, keys)

    def read(self):
        """Puts on the screen what the program has written, up to the end of a line or what is erased next; False at the
        end. So a condition sees everything that has been shown, however late the test gets to read."""
        if not self.unread:
            self.unread = [part for part in re.split(rb"(?<=\n)|(?=\r\x1b\[J)", self.read_bytes()) if part]
        if not self.unread:
            return False
        part = self.unread.pop(0)
        self.bytes += part
        self.screen.feed(part)
        return True

    def read_bytes(self):
        ready, _, _ = select.select([self.terminal], [], [], 250)
        assert ready, f"nothing for minutes after {self.screen.lines()[-5:]}"
        try:
            return os.read(self.terminal, 65536)
        except OSError:  # Linux: nobody has the terminal open any more
            return b""

    def read_until(self, condition, seconds=100):
        """Until the condition holds for the screen."""
        end = time.monotonic() + seconds
        while not condition(self.screen):
            assert time.monotonic() < end, f"it shows {self.screen.lines()[-5:]}"
            assert self.read(), f"it ended with {self.screen.lines()[-5:]}"

    def finish(self):
        """Reads to the end; returns the exit status, or less than 0: the signal's number that ended it."""
        while self.read():
            pass
        os.close(self.terminal)
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])
