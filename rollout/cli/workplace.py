"""What `start` and `resume` share: everything connected, the lease held, signals heard, the end put in words."""

from __future__ import annotations

import getpass
import os
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


@dataclass(frozen=True, slots=True)
class Workplace:
    """One process's hands: journal, AWS, Kubernetes and time."""

    journal: SqlJournal
    edge: Edge
    run_id: str
    cluster: str

    def new_id(self) -> str:
        """Return an id for a new rollout: it sorts by time and can be read out over the phone."""
        return f"{self.edge.clock.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"

    def work(self, rollout_id: str) -> int:
        """Work a rollout to its end, or until a signal; return the exit code.

        Raises `UserError` (exit 76) while another process works it.
        """
        from rollout.journal import lease
        from rollout.runner import Runner

        clock = self.edge.clock
        holder = lease.Holder(socket.gethostname(), os.getpid(), self.run_id, os.environ.get("BUILD_URL"))
        with lease.hold(self.journal, self.cluster, holder, clock.now), stopped_by_signals(clock.wake) as stop:
            with progress.spectator(self.journal, rollout_id, clock.now) as report:
                runner = Runner(self.journal, self.edge.cluster, self.edge.fleet, clock, rollout_id, stop, report)
                runner.unhalt()
                ended = runner.run()
            for line in ending.lines(ended, self.journal.load(rollout_id), self.journal):
                typer.echo(line)
            return ending.exit_code(ended)


@contextmanager
def opened(config: Config, journal: SqlJournal) -> Iterator[Workplace]:
    """Connect to AWS, Kubernetes and time under a fresh run id, and close all of it at the end."""
    from rollout.adapters import connect

    run_id = secrets.token_hex(6)
    with connect(config, run_id) as edge:
        yield Workplace(journal, edge, run_id, config.cluster)


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


@contextmanager
def stopped_by_signals(wake: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """Yield a question that is answered with yes once SIGTERM or SIGINT came; `wake` is called in the handler."""
    asked: list[int] = []

    def ask(number: int, _frame: object) -> None:
        asked.append(number)
        wake()

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
