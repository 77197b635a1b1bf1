"""Who works a rollout, since when, and with which last sign of life; or that nobody does, and what to type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rollout.cli.screen.format import instant
from rollout.commands import resume
from rollout.journal import sqlite_file

if TYPE_CHECKING:
    from rollout.model.steering import Pause
    from rollout.ports import KilledJob, Worker


def lines(rollout_id: str, worker: Worker | None, then: str | None = None, *, pause: Pause | None) -> Iterator[str]:
    """Yield what to tell of an unfinished rollout. `then`: what to type in place of resume; "": it is told elsewhere.

    To resume a halted one before its cause is cleared only halts it again. `pause`: the one that stands, which a
    resume lifts; None also where it is told elsewhere.
    """
    working = worker is not None and worker.works
    yield from _who(rollout_id, worker)
    if pause:
        yield f"  {paused(pause)}"
    if then == "":
        return
    if pause and then is None:
        yield f"  next, to lift the pause: {resume(rollout_id)}"
    elif not working:
        yield f"  next: {then or resume(rollout_id)}"


def paused(pause: Pause) -> str:
    """Say since when a rollout is paused, by whom and why."""
    return f"paused since {instant(pause.at)} {pause.label}"


def _who(rollout_id: str, worker: Worker | None) -> Iterator[str]:
    last = _last(worker) if worker else ""
    if worker and worker.works:
        yield f"run by {worker.who}{last}"
        if wake := sqlite_file.to_wake(worker.host, worker.pid):
            yield f"  {wake}"
    elif worker is None:
        yield f"NOBODY runs rollout {rollout_id}, and nobody ever did"
    elif worker.ended:
        yield f"NOBODY runs rollout {rollout_id}: {worker.who}, stopped at {instant(worker.ended)}"
    else:
        yield f"NOBODY runs rollout {rollout_id}: {worker.who}, died without a word{last}"


def _last(worker: Worker) -> str:
    """Return when it was last seen at work; of one that writes nothing while it waits that says little."""
    if worker.last_sign is None:
        return ""
    if not worker.silent:
        return f"; last sign of life {instant(worker.last_sign)}"
    wrote = f"; it last wrote at {instant(worker.last_sign)}"
    return f"{wrote}, and lives" if worker.works else f"{wrote}, and died at some time after that"


def short(worker: Worker | None) -> str:
    """Return the cell of a table, for an unfinished rollout."""
    return f"{worker.pid}@{worker.host}" if worker and worker.works else "NOBODY"


def paused_fields(pause: Pause | None) -> dict[str, str] | None:
    """Return since when a rollout is paused, by whom and why, for programs; None where it is not."""
    return {"at": instant(pause.at), "by": pause.by, "reason": pause.reason} if pause else None


def killed_fields(job: KilledJob) -> dict[str, str | None]:
    """Return an entry of the ledger, for programs."""
    told = {"job": job.job, "pod": job.pod, "node": job.node, "at": instant(job.at)}
    return told | {"forced_by": job.forced_by or None}


def as_fields(worker: Worker | None) -> dict[str, Any] | None:
    """Return the same for programs: None where nobody ever worked the cluster."""
    if worker is None:
        return None
    return {
        "works": worker.works,
        "host": worker.host,
        "pid": worker.pid,
        "run": worker.run_id,
        "build_url": worker.build_url,
        "since": instant(worker.since),
        "last_sign_of_life": instant(worker.last_sign) if worker.last_sign else None,
        "ended": instant(worker.ended) if worker.ended else None,
    }
