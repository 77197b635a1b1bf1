"""Which rollout a command means, as functions of what the journal lists. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rollout.cli.screen import at_work
from rollout.commands import resume, rollout
from rollout.errors import ANOTHER_ACTIVE, UserError
from rollout.model.machine import RESTORING, Phase, terminal
from rollout.ports import Summary

#: What a rollout's id looks like: a key that does would be taken for one.
_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")


@dataclass(frozen=True, slots=True)
class Asked:
    """What `rollout start` was asked for. `scope`: the cluster's ARN, "" before anybody was asked."""

    cluster: str
    groups: tuple[str, ...]
    ami: str
    key: str | None
    scope: str = ""

    def same_cluster(self, one: Summary) -> bool:
        """Tell whether a rollout is of the cluster that is meant; one of an older format knows only its name."""
        return is_of(one, self.cluster, self.scope)


def over(rollout_id: str, phase: Phase) -> str:
    """Say why nothing can be asked of a rollout any more that stands in this phase; "" where it can."""
    if terminal(phase):
        return f"rollout {rollout_id} has ended ({phase.value})"
    if phase in RESTORING:
        return f"rollout {rollout_id} has emptied every node that must go, and restores what it found"
    return ""


def is_of(one: Summary, cluster: str, arn: str) -> bool:
    """Tell whether a rollout is of this cluster, "" for an ARN that is not known; an older format knows the name."""
    return one.cluster == cluster and (not arn or one.scope in {arn, cluster})


def of_key(asked: Asked, known: Sequence[Summary]) -> Summary | None:
    """Return the rollout of the key that was given, finished or not.

    Raises `UserError` if the key belongs to something else, or is an id: every other command would mean that rollout.
    """
    if asked.key is None:
        return None
    found = next((one for one in known if one.key == asked.key), None)
    if any(one.id == asked.key for one in known) or (found is None and _ID.fullmatch(asked.key)):
        raise _is_an_id(asked, asked.key)
    if found is not None:
        _same_or_refuse(asked, found)
    return found


def to_start(asked: Asked, known: Sequence[Summary]) -> Summary | None:
    """Return the rollout that `start` means, finished or not; None: a new one begins.

    Raises `UserError`: the key belongs to something else (exit 2), or another rollout is at work there (exit 76).
    """
    if same_key := of_key(asked, known):
        return same_key
    active = next((one for one in unfinished(known) if asked.same_cluster(one)), None)
    if active is None:
        return None
    if asked.key is None and (set(active.groups), active.ami) == (set(asked.groups), asked.ami):
        return active
    raise UserError(
        f"rollout {active.id} of {active.ami} is unfinished on cluster {active.cluster}, "
        f"groups {', '.join(active.groups)} ({active.phase.value})"
        + (f", {at_work.paused(active.pause)}" if active.pause else ""),
        hint=f"to lift the pause: {resume(active.id)}" if active.pause else resume(active.id),
        exit_code=ANOTHER_ACTIVE,
    )


def begun(asked: Asked, known: Sequence[Summary]) -> Summary | None:
    """Return the rollout that `start` goes on with where nobody can say its image any more; None: there is none.

    It is that of the key, finished or not; without a key, the only unfinished one of the cluster.
    """
    if asked.key is not None:
        found = [one for one in known if one.key == asked.key and asked.same_cluster(one)]
    else:
        found = [one for one in unfinished(known) if asked.same_cluster(one)]
    return found[0] if len(found) == 1 and set(found[0].groups) == set(asked.groups) else None


def _is_an_id(asked: Asked, key: str) -> UserError:
    another = f"{rollout('start', '--ami', asked.ami)} --key ANOTHER"
    return UserError(
        f'the key "{key}" is the id of a rollout, or looks like one: a key is a name of yours',
        hint=f"to continue that rollout: {resume(key)}; to begin another one: {another}",
    )


def _same_or_refuse(asked: Asked, found: Summary) -> None:
    if asked.same_cluster(found) and (found.ami, set(found.groups)) == (asked.ami, set(asked.groups)):
        return
    another = f"{rollout('start', '--ami', asked.ami)} --key ANOTHER"
    if not terminal(found.phase) and not asked.same_cluster(found):
        another = (
            f"continue it, with its own cluster's configuration: {resume(found.id)} --config FILE; here: {another}"
        )
    elif not terminal(found.phase):
        paused = f"it is {at_work.paused(found.pause)}; to lift the pause" if found.pause else "continue it"
        another = f"{paused}: {resume(found.id)}; when it is done: {another}"
    raise UserError(
        f'the key "{asked.key}" belongs to rollout {found.id}: {found.ami} on {found.cluster}, groups '
        f"{', '.join(found.groups)}; not {asked.ami} on {asked.cluster}, groups {', '.join(asked.groups)}",
        hint=another,
    )


def to_resume(wanted: str | None, known: Sequence[Summary], again: Callable[[str], str] = resume) -> Summary:
    """Return the rollout of that id or key, or the only unfinished one; `again`: the command as typed, for an id.

    Raises `UserError` if there is none, or if there are several to choose from.
    """
    if wanted is not None:
        return _named(wanted, known)
    candidates = unfinished(known)
    if not candidates:
        raise UserError("no rollout is unfinished in this journal", hint=rollout("list"))
    if len(candidates) > 1:
        listed = "\n  ".join(f"{one.id}  {one.cluster}  {one.ami}  {one.phase.value}" for one in candidates)
        raise UserError(f"several rollouts are unfinished:\n  {listed}", hint=again("ID"))
    return candidates[0]


def to_show(wanted: str | None, known: Sequence[Summary]) -> Summary:
    """Return the rollout of that id or key, or the newest unfinished one, or the newest.

    Raises `UserError` if there is none.
    """
    if wanted is not None:
        return _named(wanted, known)
    if not known:
        raise none_known()
    return (*unfinished(known), *known)[0]


def none_known() -> UserError:
    """Return the error for a journal without a rollout: whether one was ever started, only the cluster knows."""
    return UserError(
        "no rollout is in this journal: none was started with it, or it is not the one that was used",
        hint=f"to see whether the cluster knows of one: {rollout('doctor')}",
    )


def unfinished(known: Sequence[Summary]) -> tuple[Summary, ...]:
    """Return those that are not at their end, newest first."""
    return tuple(one for one in known if not terminal(one.phase))


def _named(wanted: str, known: Sequence[Summary]) -> Summary:
    """Return the rollout of an id, else of a key: what somebody calls a rollout hides no other one."""
    found = [one for one in known if one.id == wanted] or [one for one in known if one.key == wanted]
    if not found:
        raise UserError(f"there is no rollout {wanted} in this journal", hint=rollout("list"))
    return found[0]
