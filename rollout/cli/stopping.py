"""A signal that asks us to stop is heard from the first line of our own code on: exit 75, and no traceback.

Whoever works hears for himself (`workplace.heard`), and ends where nothing is lost. Any other command is interrupted
where it is: it changes nothing, or what it does is done once more by the same command.
"""

from __future__ import annotations

import signal
from typing import NoReturn

#: A cancelled job, Ctrl-C, a terminal that was closed.
ASKED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Stopped(BaseException):
    """We were asked to stop; `number`: by which signal."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    @property
    def problem(self) -> str:
        """What to tell, in one line."""
        return f"interrupted by {signal.Signals(self.number).name}"


def hear() -> None:
    """From now on raise `Stopped`. What is ignored stays so: nohup wants the hang-up of its terminal to be."""
    for number in ASKED:
        if signal.getsignal(number) in {signal.SIG_DFL, signal.default_int_handler}:
            signal.signal(number, _raise)


def ignore() -> None:
    """From now on hear nothing more: whoever was asked to stop is on the way out."""
    for number in ASKED:
        signal.signal(number, signal.SIG_IGN)


def _raise(number: int, _frame: object) -> NoReturn:
    raise Stopped(number)
