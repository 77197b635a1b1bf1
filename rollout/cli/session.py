"""What `start` and `resume` share: everything connected, the lease held, signals heard, the end put in words."""

from __future__ import annotations

import getpass
import os
import re
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from rollout.cli import cluster_checks, log, outcome, screen, stopping, why
from rollout.cli.follow import Following
from rollout.cli.monitoring.telling import Wanted, told
from rollout.cli.screen.spectator import spectator
from rollout.commands import resume
from rollout.engine.runner import Ended, Runner
from rollout.errors import RESUMABLE, Retry, UserError
from rollout.journal import lease_acquire, lease_row
from rollout.journal.lease_acquire import LeaseHeld
from rollout.model.machine import terminal
from rollout.model.reasons import Reason
from rollout.model.record import Abort

if TYPE_CHECKING:
    from rollout.adapters import Edge
    from rollout.config import Config
    from rollout.engine.runner import Progress
    from rollout.journal import SqlJournal
    from rollout.journal.lease_row import Time
    from rollout.journal.lease_session import LeaseSession
    from rollout.model.plan import ClusterId
    from rollout.ports import Summary

#: Between two tries to get the lease that another process holds.
FOLLOW_PAUSE = timedelta(seconds=5)
#: Between two tries to reach a journal that is away.
JOURNAL_PAUSE = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Session:
    """One process's hands: journal, AWS, Kubernetes and time; `simulated`: the time is a simulated world's.

    `report`: the file that gets a page about the rollout when it ends or halts, None for none. `monitoring`: what else
    is told. `gives_up`: a rollout whose new nodes do not become Ready goes back by itself.
    """

    journal: SqlJournal
    edge: Edge
    run_id: str
    cluster_id: ClusterId
    signals: Signals
    simulated: bool
    monitoring: Wanted
    report: Path | None = None
    gives_up: bool = False

    @property
    def scope(self) -> str:
        """By what leases know the cluster."""
        return self.cluster_id.arn

    def new_id(self) -> str:
        """Return an id for a new rollout: it sorts by time and can be read out over the phone."""
        return f"{self.edge.clock.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"

    def work(self, rollout_id: str, *, assume_dead: bool, wanted: Ended = Ended.DONE) -> int:
        """Work a rollout to its end, or until a signal; return the exit code, which is 0 where it ends as `wanted`.

        While another process works it, that one is followed, and taken over from when its lease ends. `assume_dead`:
        the operator says that the former holder of the lease is dead. Raises `UserError` (exit 75) for a signal.
        """
        with spectator(self.journal, rollout_id, self.edge.clock.now) as report:
            ended = self._turn(rollout_id, report, actor() if assume_dead else None)
        return self._tell(rollout_id, ended, wanted)

    def work_under(self, lease: LeaseSession, rollout_id: str) -> int:
        """Work a rollout under a lease that is held already; return the exit code."""
        with spectator(self.journal, rollout_id, self.edge.clock.now) as report:
            ended = self._run(rollout_id, lease, report)
        return self._tell(rollout_id, ended, Ended.DONE)

    def _tell(self, rollout_id: str, ended: Ended, wanted: Ended) -> int:
        """Say how it ended; return the exit code."""
        code = outcome.exit_code(ended, wanted)
        for line in outcome.lines(ended, self.journal.load(rollout_id), self.journal):
            screen.say(line, kind="end", exit_code=code)
        if self.report and ended is not Ended.INTERRUPTED:  # a signal leaves us seconds
            from rollout.cli.report import keeping  # noqa: PLC0415  what a page is made with: only its writer needs it

            keeping.keep(self.journal, rollout_id, self.report)
        return code

    def stand_by(self) -> bool:
        """Wait before the lease is asked for once more; False where somebody asked us to stop."""
        self.edge.clock.pause(self.edge.clock.now() + FOLLOW_PAUSE)
        return not self.signals.came()

    def _turn(self, rollout_id: str, report: Callable[[Progress], None], assume_dead: str | None) -> Ended:
        """Run the rollout as soon as no other process does; return how it ended, also under another process."""
        following = Following(self.journal, rollout_id, report)
        while True:
            try:
                with self.lease(assume_dead) as lease:
                    return following.over() or self._run(rollout_id, lease, report)
            except LeaseHeld as taken:
                ended = following.look(taken)
            if ended:
                return ended
            if not self.stand_by():
                raise following.left()

    @property
    def time(self) -> Time:
        """What leases go by."""
        # Connecting made sure that only a simulator on this machine, both its halves, gives the time.
        return lease_row.simulated_time(self.edge.clock.now) if self.simulated else lease_row.database_time

    def lease(self, assume_dead: str | None) -> AbstractContextManager[LeaseSession]:
        """Acquire the lease; `assume_dead`: who says that its last holder is dead. `LeaseHeld` if another has it."""
        holder = lease_row.Holder(socket.gethostname(), os.getpid(), self.run_id, _build_url())
        now, fence = self.edge.clock.now, self.edge.fence
        return lease_acquire.acquire(
            self.journal, self.scope, holder, now, fence, self._retry_journal, self.time, assume_dead
        )

    def _retry_journal(self) -> bool:
        """Wait for a journal that is away, and say so once; tell whether it is worth while to try again."""
        if news := self.journal.database.news():
            screen.say(f"waiting for the journal: {news}", err=True)
        self.edge.clock.pause(self.edge.clock.now() + JOURNAL_PAUSE)
        return self.edge.fence.trusted() and not self.signals.came()

    def _run(self, rollout_id: str, lease: LeaseSession, report: Callable[[Progress], None]) -> Ended:
        clock = self.edge.clock
        self.journal.adopt(rollout_id, self.cluster_id, clock.now())
        self.journal.acquired(rollout_id, clock.now())
        if lease.predecessor:
            self.journal.note(rollout_id, "note", lease.predecessor, clock.now())
            if sys.stdout.isatty() and not log.on():  # elsewhere the note is a line of its own
                screen.say(lease.predecessor)
        with told(self.monitoring, self.journal, rollout_id, clock.now, report) as tell:
            runner = Runner(
                self.journal, self.edge.kubernetes, self.edge.autoscaling, clock, rollout_id, self.signals.came, tell
            )
            runner.unhalt()
            ended = runner.run()
            if ended is Ended.HALTED and self._goes_back(rollout_id):
                runner.unhalt()
                ended = runner.run()
            return ended

    def _goes_back(self, rollout_id: str) -> bool:
        """Ask that a rollout goes back whose new nodes are not Ready, where that is set; tell whether it does."""
        if not self.gives_up or self.journal.load(rollout_id).plan.goes_back:
            return False
        if why.halted(self.journal.events(rollout_id)) != Reason.NODES_NOT_READY:
            return False
        self.journal.ask_abort(rollout_id, Abort(self.edge.clock.now(), "the setting on_not_ready"))
        return True


class Interrupted(Exception):
    """Somebody asked us to stop before any work began; `told` puts it in words."""

    def told(self, what: str, again: str, but: str = "") -> UserError:
        """Return the error (exit 75) that says what was not begun, and the whole command; `but`: what is true still."""
        return UserError(f"interrupted before {what}: nothing was changed{but}", hint=again, exit_code=RESUMABLE)


@contextmanager
def looking() -> Iterator[None]:
    """Raise `Interrupted` for a signal inside the block, at once."""
    try:
        yield
    except stopping.Stopped:
        stopping.ignore()
        raise Interrupted from None


@contextmanager
def opened(config: Config, journal: SqlJournal, *, under_way: bool = False) -> Iterator[Session]:
    """Connect to AWS, Kubernetes and time under a fresh run id, and close all of it at the end.

    `under_way`: whether a rollout is, for which an answer of a moment is asked for again, with patience.
    A signal inside the block is only remembered, from the first moment on: the code inside must ask for it.
    Raises `Interrupted` for one while we connect.
    """
    from rollout.adapters import Patience, connect  # noqa: PLC0415  a second of libraries, which a usage error need not wait for

    run_id = new_run()
    patience = Patience(config.patience, lambda text: screen.say(text, err=True)) if under_way else None
    with heard() as signals, ExitStack() as stack:
        with signals.interrupting():
            edge = stack.enter_context(connect(config, run_id, signals.came, patience))
            signals.wake = edge.clock.wake
            which = edge.cluster_id()
        wanted = Wanted(
            config.metrics, config.notify, signals.came, edge.node_events.write if config.node_events else None
        )
        yield Session(
            journal,
            edge,
            run_id,
            which,
            signals,
            config.simulator is not None,
            wanted,
            config.report,
            config.on_not_ready == "abort",
        )


def go_on(
    config: Config, journal: SqlJournal, found: Summary, *, assume_dead: bool, wanted: Ended = Ended.DONE
) -> NoReturn:
    """Print the rollout's id and work it to its end; one that is at its end already is left in peace.

    `wanted`: the end for which the exit code is 0.

    Raises `UserError` where the configuration is another cluster's or a signal came before any work, and `typer.Exit`
    with the exit code.
    """
    log.about(found.id)
    screen.say(found.id, kind="rollout")
    if terminal(found.phase):
        where = f"{found.ami} on {found.cluster}, groups {', '.join(found.groups)}"
        screen.say(f"rollout {found.id} {outcome.over(found.phase)}: {where}")
        raise typer.Exit(outcome.exit_code(Ended.at(found.phase), wanted))
    record = journal.load(found.id)
    plan = record.plan
    cluster_checks.same_cluster(plan, config, f"rollout {found.id} runs", f"rollout resume {found.id}")
    if note := cluster_checks.other_groups(plan, config, found.id):
        screen.say(note, err=True)
    try:
        with opened(config, journal, under_way=True) as session:
            with session.signals.interrupting():
                cluster_checks.same_identity(plan, session.cluster_id, found.id)
                cluster_checks.adoptable(session, plan, found.id)
                cluster_checks.require(session, found.id)
            raise typer.Exit(session.work(found.id, assume_dead=assume_dead, wanted=wanted))
    except Interrupted as interrupted:
        asked = ", and it is still asked to go back" if record.abort and not plan.goes_back else ""
        raise interrupted.told(f"rollout {found.id} was continued", resume(found.id), asked) from None


def new_run() -> str:
    """Return an id by which AWS, Kubernetes and the journal can tell this process's requests from others."""
    return secrets.token_hex(6)


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
    """Whether a signal asked us to stop. `wake` is called in the handler, to end a wait that is under way."""

    def __init__(self) -> None:
        self.wake: Callable[[], None] = lambda: None
        self._heard = False

    def came(self) -> bool:
        """Tell whether somebody asked us to stop."""
        return self._heard

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """Raise `Interrupted` in place of what a signal inside the block led to, and after it where one came."""
        try:
            yield
        except (Retry, UserError):
            if not self._heard:
                raise
        if self._heard:
            raise Interrupted

    def handle(self, _number: int, _frame: object) -> None:
        """Remember the signal; nothing is interrupted by it but a wait."""
        self._heard = True
        self.wake()


@contextmanager
def heard() -> Iterator[Signals]:
    """Hear signals inside the block instead of dying of them; after one came, further ones are ignored for good.

    A process that was asked to stop is on its way out, and must not be cut short there.
    """
    signals = Signals()
    # nohup wants the hang-up of its terminal to be ignored; who ends us by the others means it, also in the background.
    asked = [one for one in stopping.ASKED if one != signal.SIGHUP or signal.getsignal(one) != signal.SIG_IGN]
    before = {number: signal.signal(number, signals.handle) for number in asked}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if signals.came() else handler)
