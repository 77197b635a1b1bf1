"""A program on a terminal of a given size: a pseudo-terminal, whose screen pyte keeps as any emulator does."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyte

#: Seconds after which a program that should have shown something is taken for stuck.
PATIENCE = 100.0


@dataclass(frozen=True)
class Terminal:
    """The terminal and the program on it. `screen.history.top` has the lines that went out of sight."""

    process: subprocess.Popen[bytes]
    screen: pyte.HistoryScreen
    stream: pyte.ByteStream
    hand: int

    @property
    def lines(self) -> list[str]:
        """What is to be seen, top down, without the empty lines at the end."""
        seen = [line.rstrip() for line in self.screen.display]
        while seen and not seen[-1]:
            seen.pop()
        return seen

    @property
    def scrolled(self) -> list[str]:
        """The lines that went out of sight at the top, oldest first."""
        rows = self.screen.history.top
        return ["".join(row[column].data for column in range(self.screen.columns)).rstrip() for row in rows]

    def until(self, seen: Callable[[list[str]], bool]) -> None:
        """Go on reading until this is to be seen, or the program has ended."""
        end = time.monotonic() + PATIENCE
        while not seen(self.lines):
            if not self._read(end - time.monotonic()):
                raise AssertionError("\n".join(["never seen; this is:", *self.lines]))

    def ended(self) -> int:
        """Go on reading until the program ends; return its exit code."""
        end = time.monotonic() + PATIENCE
        while self._read(end - time.monotonic()):
            pass
        return self.process.wait(PATIENCE)

    def _read(self, seconds: float) -> bool:
        """Show what comes next; False if nothing does: the program has closed its terminal, or time is over."""
        if seconds <= 0 or not select.select([self.hand], [], [], seconds)[0]:
            return False
        try:
            got = os.read(self.hand, 1 << 16)
        except OSError:  # Linux says so when the last who had the terminal open has closed it
            return False
        self.stream.feed(got)
        return bool(got)


@contextmanager
def terminal(
    command: Sequence[str], columns: int, lines: int, folder: Path, environment: Mapping[str, str]
) -> Iterator[Terminal]:
    """Run a program on a terminal of this size; it is killed at the end of the block if it still runs."""
    hand, end = os.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    screen = pyte.HistoryScreen(columns, lines, history=10_000)
    around = {"TERM": "xterm-256color", **environment}
    with subprocess.Popen(command, stdin=end, stdout=end, stderr=end, cwd=folder, env=around) as process:
        os.close(end)
        try:
            yield Terminal(process, screen, pyte.ByteStream(screen), hand)
        finally:
            process.kill()
            os.close(hand)
