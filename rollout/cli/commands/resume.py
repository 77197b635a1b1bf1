"""`rollout resume`: continues an unfinished rollout, also one that another host began."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, NoReturn

from rollout import doctor
from rollout.cli import options, output, select_rollout
from rollout.cli.session import actor, go_on, opened
from rollout.engine.runner import Ended
from rollout.errors import EdgeError, UserError
from rollout.journal import open_journal

if TYPE_CHECKING:
    from rollout.cli.session import Session
    from rollout.config import Config
    from rollout.journal import SqlJournal
    from rollout.model.observation import MarkerSeen


def resume(
    rollout_id: options.RolloutId = None,
    *,
    config: options.ConfigFile = options.CONFIG,
    database: options.Database = None,
    assume_dead: options.AssumeDead = False,
    log_format: options.LogFormat = options.TEXT,  # noqa: ARG001  its callback has it
) -> None:
    """Continue a rollout; default: the only unfinished one.

    It may have been interrupted, have crashed or be halted: a halted one observes again. While another process
    runs it, this command follows it, and takes over when its lease ends.
    """
    output.works()
    loaded = options.loaded(config, database)
    with closing(open_journal(loaded.database, actor=actor())) as journal:
        try:
            found = select_rollout.to_resume(rollout_id, journal.summaries())
        except UserError as nothing:
            _explain(loaded, journal, nothing)
        # Who continues a way back wants it to end there.
        wanted = Ended.ABORTED if found.direction == "back" else Ended.DONE
        go_on(loaded, journal, found, assume_dead=assume_dead, wanted=wanted)


def _explain(config: Config, journal: SqlJournal, nothing: UserError) -> NoReturn:
    """Raise what to say where nothing is to be resumed: the cluster's marker may be that of a journal that is lost."""
    try:
        with opened(config, journal) as session:
            marker = _marker(session)
    except UserError as unseen:
        problem = f"{nothing.problem}; nor could the cluster be asked for its trace: {unseen.problem}"
        raise UserError(problem, hint=unseen.hint, exit_code=unseen.exit_code) from nothing
    if marker is None or any(one.id == marker.rollout_id for one in journal.summaries()):
        raise nothing
    finding = doctor.lost(marker, journal.database.backend.name)
    raise UserError(finding.what, hint=finding.then) from nothing


def _marker(session: Session) -> MarkerSeen | None:
    try:
        return session.edge.kubernetes.marker()
    except EdgeError:
        return None  # while nobody answers, what the journal says is all there is to say
