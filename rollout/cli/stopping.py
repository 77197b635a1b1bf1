"""A signal that asks us to stop is heard from the first line of our own code on: exit 75, and no traceback.

A command that runs a rollout asks by itself (`session.heard`), and ends where nothing is lost. Any other command ends
where it is: it changes nothing, or what it does is done once more by the same command.
Only what the interpreter has loaded by itself is imported here: `signal` and `typing` take longer than all before them.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # what `signal` is made of
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

#: A cancelled job, Ctrl-C, a terminal that was closed.
ASKED: tuple[int, ...] = (_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP)
_NAMES = dict(zip(ASKED, ("SIGTERM", "SIGINT", "SIGHUP"), strict=True))
_RESUMABLE = 75  # of errors, which loads more than this


class Stopped(BaseException):
    """We were asked to stop; `number`: by which signal."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def told(number: int) -> str:
    """Return what to say of a signal."""
    return f"rollout: interrupted by {_NAMES[number]}\n  next: run the same command again"


def leave_when_asked() -> None:
    """End at once from now on: nothing has begun yet, and an error could be lost in what loads libraries."""
    _hear(_leave)


def hear() -> None:
    """From now on raise `Stopped`, once: asked again, we leave at once."""
    sys.unraisablehook = _unraisable
    _hear(_raise)


def ignore() -> None:
    """From now on ignore signals: the process was asked to stop, and is on its way out."""
    for number in ASKED:
        _signal.signal(number, _signal.SIG_IGN)


def _hear(handler: object) -> None:
    """Set a handler. What is ignored stays so: nohup wants the hang-up of its terminal to be."""
    for number in ASKED:
        if _signal.getsignal(number) in {_signal.SIG_DFL, _signal.default_int_handler, _leave, _raise}:
            _signal.signal(number, handler)


def _leave(number: int, _frame: object) -> NoReturn:
    try:
        os.write(2, f"{told(number)}\n".encode())
    except OSError:
        pass  # nobody hears it; the exit code says it, too
    finally:
        os._exit(_RESUMABLE)


def _raise(number: int, _frame: object) -> NoReturn:
    _hear(_leave)
    raise Stopped(number)


def _unraisable(lost: sys.UnraisableHookArgs) -> None:
    """End at once where Python drops what a handler raises: in a destructor, or while it forgets a lock of imports."""
    if isinstance(lost.exc_value, Stopped):
        _leave(lost.exc_value.number, None)
    sys.__unraisablehook__(lost)
