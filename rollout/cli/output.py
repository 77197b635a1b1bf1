"""What is printed harms no work: no character, no full disk and no reader that has left ends a command.

A rollout in mid-run goes on without a reader, since its journal has all that it says. A command that only shows
something says that its output is not whole, and ends with another code than 0.
"""

from __future__ import annotations

import errno
import io
import select
import sys
from typing import TYPE_CHECKING, TextIO

from rollout.errors import RESUMABLE

if TYPE_CHECKING:
    from typing_extensions import Buffer


class _Descriptor(io.FileIO):
    """A file descriptor whose first error is kept, not raised; what is written after it is dropped."""

    lost: OSError | None = None

    def write(self, data: Buffer) -> int:
        """Write what the system takes now; one that is set not to block, by who shares it with us, is waited for."""
        try:
            while self.lost is None:
                written = super().write(data)
                if written is not None:
                    return written
                select.select((), (self.fileno(),), ())
        except OSError as error:
            self.lost = error
        return memoryview(data).nbytes


class _Printed:
    """Standard output, as far as it is ours: where it was lost, and whether the journal has all that went there."""

    descriptor: _Descriptor | None = None
    journalled = False


def prepare() -> None:
    """Put streams in place of stdout and stderr that never raise; characters that they cannot hold are escaped."""
    _Printed.journalled = False
    sys.stdout, _Printed.descriptor = _tolerant(sys.stdout)
    sys.stderr, _ = _tolerant(sys.stderr)


def _tolerant(stream: TextIO) -> tuple[TextIO, _Descriptor | None]:
    if not isinstance(stream, io.TextIOWrapper) or stream not in {
        sys.__stdout__,
        sys.__stderr__,
    }:  # closed, or a test's
        return stream, None
    stream.flush()
    descriptor = _Descriptor(stream.fileno(), "w", closefd=False)
    made = io.TextIOWrapper(io.BufferedWriter(descriptor), stream.encoding, "backslashreplace", line_buffering=True)
    return made, descriptor


def is_journalled() -> None:
    """Say that a rollout is worked here: what is printed stands in its journal too."""
    _Printed.journalled = True


def unread() -> bool:
    """Tell whether whoever read standard output has left: who only shows something may stop."""
    lost = _Printed.descriptor.lost if _Printed.descriptor else None
    return lost is not None and lost.errno == errno.EPIPE


def ended(code: int) -> int:
    """Write what is left; return the exit code: not 0 where what was to be shown could not be written."""
    if _Printed.descriptor is None:
        return code
    sys.stdout.flush()
    lost = _Printed.descriptor.lost
    if lost is None or unread():
        return code
    print(f"rollout: what was printed is not whole: {lost.strerror}", file=sys.stderr)  # noqa: T201
    return code if code or _Printed.journalled else RESUMABLE
