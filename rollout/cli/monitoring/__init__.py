"""What a run tells monitoring beside its screen (docs/signals.md). Only the process that runs a rollout tells it.

It rests on the record and the journal: AWS and Kubernetes are not asked for it. Nothing that fails here stops a
rollout: it is a warning, once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rollout.config import Metrics
    from rollout.engine.runner import Progress
    from rollout.journal import SqlJournal

Report = Callable[["Progress"], None]


@contextmanager
def told(
    settings: Metrics, journal: SqlJournal, rollout_id: str, now: Callable[[], datetime], report: Report
) -> Iterator[Report]:
    """Yield what the runner calls after each tick: `report`, and then what tells monitoring.

    At the end of the block the last state is told, unless an error ends it: then the journal may be away.
    """
    with ExitStack() as stack:
        if not (settings.textfile or settings.listen):
            yield report
            return
        from rollout.cli.monitoring.metrics import published  # noqa: PLC0415  only who wants metrics loads their library

        publish = stack.enter_context(published(settings, journal, now))

        def tell(progress: Progress) -> None:
            report(progress)
            publish(progress.record)

        yield tell
        with suppress(Exception):  # what is wrong with the journal, the end of the run says
            publish(journal.load(rollout_id))
