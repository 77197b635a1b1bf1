"""The simulator's process. A signal that asks it to stop is heard before the first library is loaded.

`rollout simulator` becomes this process, with these signals blocked, so that none is lost on the way here.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

#: A cancelled job, Ctrl-C, a terminal that was closed.
_ASKED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
#: The exit code of a command that was interrupted before it began.
_INTERRUPTED = 75


def _leave(number: int, _frame: object) -> NoReturn:
    name = signal.Signals(number).name
    try:
        os.write(2, f"rollout: interrupted by {name}\n  next: run the same command again\n".encode())
    except OSError:
        pass  # nobody hears it; the exit code says it, too
    finally:
        os._exit(_INTERRUPTED)


def _leave_when_asked() -> None:
    """End at once until the simulator hears signals itself. What is ignored stays so, as nohup wants it."""
    for number in _ASKED:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _leave)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ASKED)


def main() -> NoReturn:
    """Run the simulator."""
    _leave_when_asked()
    from eks_simulator import command  # noqa: PLC0415  after signals are heard

    sys.exit(command.run(sys.argv[1:]))


if __name__ == "__main__":
    main()
