"""What a command that goes on with a rollout opens: a journal that is there, or what the cluster's marker says of it.

No journal is made: an empty one would say that nothing was ever begun.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from rollout import doctor
from rollout.cli import select_rollout
from rollout.cli.session import actor, new_run
from rollout.errors import EdgeError, UserError
from rollout.journal import database, open_journal

if TYPE_CHECKING:
    from rollout.config import Config
    from rollout.journal import SqlJournal
    from rollout.model.observation import MarkerSeen
    from rollout.ports import Summary


@contextmanager
def unfinished(config: Config, wanted: str | None, again: Callable[[str], str]) -> Iterator[tuple[SqlJournal, Summary]]:
    """Open the journal and find the rollout that is meant; `again`: the command as it was typed, for an id.

    Raises `UserError` where there is none, or several to choose from; where the marker tells of one, it says so.
    """
    backend = database.backend_of(config.database)
    try:
        backend.find()
        journal = open_journal(config.database, actor=actor())
    except UserError as error:
        if error.problem != backend.missing().problem:
            raise
        raise _explained(config, backend.name, error, (), again) from None
    with closing(journal):
        known = journal.summaries()
        try:
            found = select_rollout.to_resume(wanted, known, again)
        except UserError as nothing:
            if wanted is None and select_rollout.unfinished(known):
                raise
            raise _explained(config, backend.name, nothing, known, again) from None
        yield journal, found


def _explained(
    config: Config, journal: str, nothing: UserError, known: Sequence[Summary], again: Callable[[str], str]
) -> UserError:
    """Return what to say where nothing is to be gone on with: the marker may be that of a journal that is lost."""
    try:
        marker = _marker(config)
    except UserError as unseen:
        problem = f"{nothing.problem}; nor could the cluster be asked for its trace: {unseen.problem}"
        return UserError(problem, hint=unseen.hint, exit_code=unseen.exit_code)
    if marker is None or any(one.id == marker.rollout_id for one in known):
        return nothing
    finding = doctor.lost(marker, journal, again)
    return UserError(finding.what, hint=finding.then)


def _marker(config: Config) -> MarkerSeen | None:
    from rollout.adapters import connect  # noqa: PLC0415  a second of libraries, which others need not wait for

    with connect(config, new_run()) as edge:
        try:
            return edge.kubernetes.marker()
        except EdgeError:
            return None  # while nobody answers, what the journal says is all there is to say
