"""What is printed harms no work: no character, no full disk, no reader that left or reads no more ends a command.

A command that works (`works()`) ends with the code of its work. Words that one of its streams does not take go to the
other one; and it waits for a reader that is there and does not read for seconds only, since its journal has all of it.
A command that only shows something waits for its reader, ends in peace when that one leaves, and says that its output
is not whole, with another code than 0, where it was lost for another reason.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

from rollout.errors import RESUMABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Buffer

#: Seconds that work waits for a reader who does not read: far less than its lease lasts.
STALL_SECONDS = 5.0
#: Of all that is printed as JSON: another one where a key goes, or means something else (docs/json.md).
JSON_VERSION = 1
_STANDARD = (0, 1, 2)
#: Bytes of which a pipe takes all or none, where it says that it can be written.
_PIECE = select.PIPE_BUF
_LEFT_OUT = "rollout: nobody read the output, so lines are missing here; rollout events has all of them"


class _Descriptor(io.FileIO):
    """A file descriptor whose first error is kept, not raised; `other` gets what it does not take from then on."""

    lost: OSError | None = None
    other: _Descriptor | None = None
    _owed = b""  # what is left to say of the words that were left out

    def __init__(self, number: int, what: str, *, closed: bool) -> None:
        super().__init__(number, "w", closefd=False)
        self._what = what
        self._closed = closed
        self._to = number

    def write(self, data: Buffer) -> int:
        """Write what the system takes now; return how much of it is done with."""
        whole = memoryview(data).cast("B")
        if self.lost is None:
            try:
                return self._written(whole)
            except OSError as error:
                self.lost = error
                self._pass_on(_own(f"rollout: {self._what} is lost ({error.strerror}); its words follow here"))
        self._pass_on(whole)
        return whole.nbytes

    def _written(self, whole: memoryview) -> int:
        if self._closed:
            raise OSError(errno.EBADF, "it was closed")
        while self._ready():
            # One that is set not to block, by us or by who shares it with us, may take nothing all the same.
            with suppress(BlockingIOError):
                if not self._owed:
                    return os.write(self._to, whole[:_PIECE])
                self._owed = self._owed[os.write(self._to, self._owed) :]  # a terminal may have room for a part of it
        self._owed = self._owed or b"\n" + _own(_LEFT_OUT)
        return whole.nbytes

    def _ready(self) -> bool:
        """Wait for the reader: as long as it takes, or for seconds, once, while we work."""
        patience = (0.0 if self._owed else STALL_SECONDS) if _Printed.works else None
        return bool(select.select((), (self._to,), (), patience)[1])

    def never_block(self) -> None:
        """Take only what a terminal has room for; it is opened once more, for others share what we were given."""
        with suppress(OSError):
            self._to = os.open(os.ttyname(self.fileno()), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)

    def _pass_on(self, data: Buffer) -> None:
        if self.other and self.other.lost is None:
            rest = memoryview(data).cast("B")
            while rest:
                rest = rest[self.other.write(rest) :]


class _Printed:
    """Our standard streams, as far as they are ours, and whether this command works or only shows something."""

    out: _Descriptor | None = None
    err: _Descriptor | None = None
    works = False
    json = False


def _own(words: str) -> bytes:
    """Return a line about the streams themselves, in the form that all lines have."""
    line = as_json({"level": "warning", "kind": "stream", "message": words}) if _Printed.json else words
    return f"{line}\n".encode()


def in_json(wanted: bool) -> None:  # noqa: FBT001  a switch
    """Say what form lines have."""
    _Printed.json = wanted


def is_json() -> bool:
    """Tell whether lines are printed as JSON."""
    return _Printed.json


def prepare() -> None:
    """Put streams in place of stdout and stderr that never raise; characters that they cannot hold are escaped."""
    _Printed.works = False
    closed = [number for number in _STANDARD if _filled(number)]
    sys.stdout, _Printed.out = _tolerant(sys.stdout, 1, closed)
    sys.stderr, _Printed.err = _tolerant(sys.stderr, 2, closed)
    if _Printed.err:
        _Printed.err.other = _Printed.out  # an error that nobody hears is worse than one among other lines


def _filled(number: int) -> bool:
    """Open a standard descriptor that is closed, and say so: the next file, our journal for one, would get it."""
    try:
        os.fstat(number)
    except OSError:
        opened = os.open(os.devnull, os.O_RDWR)
        os.dup2(opened, number)
        if opened != number:
            os.close(opened)
        return True
    return False


def _tolerant(stream: TextIO | None, number: int, closed: list[int]) -> tuple[TextIO, _Descriptor | None]:
    ours = isinstance(stream, io.TextIOWrapper) and stream in {sys.__stdout__, sys.__stderr__}
    if stream is not None and not ours:  # a test's
        return stream, None
    if stream is not None:
        stream.flush()
    what = "standard output" if number == 1 else "standard error"
    descriptor = _Descriptor(number, what, closed=number in closed)
    encoding = stream.encoding if stream is not None else "utf-8"
    made = io.TextIOWrapper(io.BufferedWriter(descriptor), encoding, "backslashreplace", line_buffering=True)
    return made, descriptor


def works() -> None:
    """Say that this command changes something: its exit code tells of that, also if its output is lost."""
    _Printed.works = True
    if _Printed.out:
        _Printed.out.other = _Printed.err
    for descriptor in (_Printed.out, _Printed.err):
        if descriptor:
            descriptor.never_block()


def unread() -> bool:
    """Tell whether the reader of standard output has left: a command that only shows something may stop."""
    lost = _Printed.out.lost if _Printed.out else None
    return lost is not None and lost.errno == errno.EPIPE


def lost() -> bool:
    """Tell whether nothing that is printed on standard output reaches anybody."""
    return _Printed.out is not None and _Printed.out.lost is not None


def as_json(fields: Mapping[str, Any], *, indent: int | None = None) -> str:
    """Return JSON with its version; what the output's encoding cannot hold is escaped as JSON has it."""
    import json

    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "")
    return json.dumps({"version": JSON_VERSION} | dict(fields), indent=indent, ensure_ascii=encoding != "utf8")


def ended(code: int) -> int:
    """Write what is left; return the exit code: not 0 where what was to be shown could not be written."""
    if _Printed.out is None:
        return code
    sys.stdout.flush()
    if not lost() or _Printed.works or unread():
        return code
    print(f"rollout: what was printed is not whole: {_Printed.out.lost.strerror}", file=sys.stderr)  # type: ignore[union-attr]  # noqa: T201
    return code or RESUMABLE
