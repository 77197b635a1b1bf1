"""A program on a terminal of a given size: a pseudo-terminal, whose screen pyte keeps as any emulator does."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import termios
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyte

#: Seconds after which a program that should have shown something is taken for stuck.
PATIENCE = 100.0


class Terminal:
    """The terminal and the program on it, which is read all the time, as a person's terminal does."""

    def __init__(self, process: subprocess.Popen[bytes], columns: int, lines: int, hand: int) -> None:
        self.process = process
        self._hand = hand
        self._screen = pyte.HistoryScreen(columns, lines, history=10_000)
        self._stream = pyte.ByteStream(self._screen)
        self._news = threading.Condition()
        self._over = False
        self._reader = threading.Thread(target=self._read, args=(hand,), daemon=True)
        self._reader.start()

    @property
    def lines(self) -> list[str]:
        """What is to be seen, top down, without the empty lines at the end."""
        with self._news:
            seen = [line.rstrip() for line in self._screen.display]
        while seen and not seen[-1]:
            seen.pop()
        return seen

    @property
    def scrolled(self) -> list[str]:
        """The lines that went out of sight at the top, oldest first."""
        with self._news:
            rows, width = list(self._screen.history.top), self._screen.columns
        return ["".join(row[column].data for column in range(width)).rstrip() for row in rows]

    def until(self, seen: Callable[[list[str]], bool]) -> None:
        """Wait until this is to be seen; it fails if the program ends without it."""
        with self._news:
            found = self._news.wait_for(lambda: seen(self.lines) or self._over, PATIENCE) and seen(self.lines)
        if not found:
            raise AssertionError("\n".join(["never seen; this is:", *self.lines]))

    def types(self, line: str) -> None:
        """Type a line, as a person does."""
        os.write(self._hand, f"{line}\n".encode())

    def ended(self) -> int:
        """Wait until the program has ended and all of it is to be seen; return its exit code."""
        self._reader.join(PATIENCE)
        return self.process.wait(PATIENCE)

    def _read(self, hand: int) -> None:
        while got := _given(hand):
            with self._news:
                self._stream.feed(got)
                self._news.notify_all()
        with self._news:
            self._over = True
            self._news.notify_all()


def _given(hand: int) -> bytes:
    """Return what the program has written; b"" at its end."""
    try:
        return os.read(hand, 1 << 16)
    except OSError:  # Linux says so when the last who had the terminal open has closed it
        return b""


@contextmanager
def terminal(
    command: Sequence[str], columns: int, lines: int, folder: Path, environment: Mapping[str, str]
) -> Iterator[Terminal]:
    """Run a program on a terminal of this size; it is killed at the end of the block if it still runs."""
    hand, end = os.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    around = {"TERM": "xterm-256color", **environment}
    with subprocess.Popen(command, stdin=end, stdout=end, stderr=end, cwd=folder, env=around) as process:
        os.close(end)
        shown = Terminal(process, columns, lines, hand)
        try:
            yield shown
        finally:
            process.kill()
            shown.ended()
            os.close(hand)
