"""Tells monitoring of a rollout, after each tick. Only the process that runs the rollout does.

It rests on the record and the journal: AWS and Kubernetes are asked for nothing. Nothing that fails here stops a
rollout: it is a warning, once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from rollout.cli.monitoring.warning import warn

if TYPE_CHECKING:
    from rollout.config import Metrics, Notify
    from rollout.engine.runner import Progress
    from rollout.journal import SqlJournal
    from rollout.model.record import Record
    from rollout.ports import NodeEvent


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be told, as the configuration says it. `hurried`: whether somebody told this process to stop.

    `write`: writes an Event on a node, None where none is wanted.
    """

    metrics: Metrics
    notify: Notify
    hurried: Callable[[], bool] = lambda: False
    write: Callable[[NodeEvent], None] | None = None


def require(notify: Notify) -> None:
    """Raise `UserError` (exit 2) where messages are wanted and cannot be sent, as far as that is known beforehand."""
    if notify.wanted:
        from rollout.cli.monitoring.services import services  # noqa: PLC0415  only who wants messages loads their library

        services(notify)


@contextmanager
def told(
    wanted: Wanted,
    journal: SqlJournal,
    rollout_id: str,
    now: Callable[[], datetime],
    report: Callable[[Progress], None],
) -> Iterator[Callable[[Progress], None]]:
    """Yield what the runner calls after each tick: `report`, and then what tells monitoring.

    At the end of the block the last state is told, unless an error ends it: then the journal may be away.
    """
    with ExitStack() as stack:
        looks = list(_looks(wanted, journal, rollout_id, now, stack))

        def tell(progress: Progress) -> None:
            report(progress)
            for look in looks:
                look(progress.record)

        yield tell
        if looks:
            with suppress(Exception):  # what is wrong with the journal, the end of the run says
                last = journal.load(rollout_id)
                for look in looks:
                    look(last)


def _looks(
    wanted: Wanted, journal: SqlJournal, rollout_id: str, now: Callable[[], datetime], stack: ExitStack
) -> Iterator[Callable[[Record], None]]:
    """Yield who looks at a record; what they need is entered on the stack, and loaded only where it is wanted."""

    def metrics() -> Callable[[Record], None]:
        from rollout.cli.monitoring.metrics import published  # noqa: PLC0415  loads a library that others do without

        return stack.enter_context(published(wanted.metrics, journal, now))

    def messages() -> Callable[[Record], None]:
        from rollout.cli.monitoring.notifying import notified  # noqa: PLC0415  as above

        return stack.enter_context(notified(wanted.notify, journal, rollout_id, now, wanted.hurried))

    def node_events() -> Callable[[Record], None]:
        from rollout.cli.monitoring.node_events import written  # noqa: PLC0415  as above

        return stack.enter_context(written(wanted.write, journal, rollout_id, now)) if wanted.write else lambda _: None

    for is_wanted, made, what in (
        (wanted.metrics.wanted, metrics, "the metrics are not up to date"),
        (wanted.notify.wanted, messages, "a message is not sent"),
        (wanted.write is not None, node_events, "an Event on a node is not written"),
    ):
        if is_wanted:
            try:
                yield _harmless(made(), what)
            except Exception as error:  # noqa: BLE001  as in the look itself
                warn(what, error)


def _harmless(look: Callable[[Record], None], what: str) -> Callable[[Record], None]:
    """Return the same, but what it raises is a warning, once."""
    warned = False

    def looked(record: Record) -> None:
        nonlocal warned
        try:
            look(record)
        except Exception as error:  # noqa: BLE001  a rollout goes on without its monitoring
            if not warned:
                warned = True
                warn(what, error)

    return looked
