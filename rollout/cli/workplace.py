"""What `start` and `resume` share: everything connected, the lease held, signals heard, the end put in words."""

from __future__ import annotations

import getpass
import math
import os
import re
import secrets
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import typer

from rollout.cli import ending, progress
from rollout.errors import UserError
from rollout.machine import terminal

if TYPE_CHECKING:
    from rollout.adapters import Edge
    from rollout.config import Config
    from rollout.journal import SqlJournal
    from rollout.ports import Summary

#: Exit code of what may be started again as it is: EX_TEMPFAIL of sysexits.h.
INTERRUPTED = 75


@dataclass(frozen=True, slots=True)
class Workplace:
    """One process's hands: journal, AWS, Kubernetes and time; `simulated`: the time is a simulated world's."""

    journal: SqlJournal
    edge: Edge
    run_id: str
    cluster: str
    signals: Signals
    simulated: bool

    def new_id(self) -> str:
        """Return an id for a new rollout: it sorts by time and can be read out over the phone."""
        return f"{self.edge.clock.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"

    def work(self, rollout_id: str) -> int:
        """Work a rollout to its end, or until a signal; return the exit code.

        Raises `UserError` (exit 76) while another process works it.
        """
        from rollout.journal import lease, term
        from rollout.runner import Runner

        clock = self.edge.clock
        # Connecting made sure that only a simulator on this machine, both its halves, gives the time.
        time = term.simulated_time(clock.now) if self.simulated else term.database_time
        holder = term.Holder(socket.gethostname(), os.getpid(), self.run_id, _build_url())
        stop = self.signals.came
        with lease.hold(self.journal, self.cluster, holder, clock.now, time):
            self.edge.gate.renewed(tuple(math.inf for _ in self.edge.gate.clocks()))  # until `hold` renews it
            with progress.spectator(self.journal, rollout_id, clock.now) as report:
                runner = Runner(self.journal, self.edge.cluster, self.edge.fleet, clock, rollout_id, stop, report)
                runner.unhalt()
                ended = runner.run()
            for line in ending.lines(ended, self.journal.load(rollout_id), self.journal):
                typer.echo(line)
            return ending.exit_code(ended)


@contextmanager
def opened(config: Config, journal: SqlJournal) -> Iterator[Workplace]:
    """Connect to AWS, Kubernetes and time under a fresh run id, and close all of it at the end.

    A signal inside the block is only remembered, from the first moment on: whoever works must ask for it.
    """
    from rollout.adapters import connect

    run_id = secrets.token_hex(6)
    with heard() as signals, connect(config, run_id, signals.came) as edge:
        signals.wake = edge.clock.wake
        yield Workplace(journal, edge, run_id, config.cluster, signals, simulated=config.simulator is not None)


def go_on(config: Config, journal: SqlJournal, found: Summary) -> NoReturn:
    """Print the rollout's id and work it to its end; one that is at its end already is left in peace.

    Raises `UserError` where the configuration is another cluster's, and `typer.Exit` with the exit code.
    """
    typer.echo(found.id)
    if terminal(found.phase):
        typer.echo(f"rollout {found.id} is done already: {found.ami} on {found.cluster}")
        raise typer.Exit
    plan = journal.load(found.id).plan
    if (plan.cluster, plan.region) != (config.cluster, config.region):
        raise UserError(
            f"rollout {found.id} works on {plan.cluster} in {plan.region}, "
            f"the configuration is for {config.cluster} in {config.region}",
            hint=f"rollout resume {found.id} --config FILE, with that cluster's configuration",
        )
    with opened(config, journal) as place:
        raise typer.Exit(place.work(found.id))


def actor() -> str:
    """Return who works, as the journal's events name it: user and host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container that was given a user id without a name
        user = f"uid-{os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def _build_url() -> str | None:
    """Return Jenkins' address of the build that we belong to, without a password that may stand in it."""
    url = os.environ.get("BUILD_URL")
    return re.sub(r"//[^/@]*@", "//", url) if url else None


class Signals:
    """Whether SIGTERM or SIGINT came. `wake` is called in the handler, to end a wait that is under way."""

    def __init__(self) -> None:
        self.wake: Callable[[], None] = lambda: None
        self._heard = False

    def came(self) -> bool:
        """Tell whether somebody asked us to stop."""
        return self._heard

    def handle(self, _number: int, _frame: object) -> None:
        """Remember the signal; nothing is interrupted by it but a wait."""
        self._heard = True
        self.wake()


@contextmanager
def heard() -> Iterator[Signals]:
    """Hear signals inside the block instead of dying of them."""
    signals = Signals()
    before = {number: signal.signal(number, signals.handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
