"""The last part of an effect's key: it tells apart what is rightly done more than once to the same target.

They are stored: what one says may not change, or a resumed rollout would do again what is done. `resumes`: how often
the rollout was resumed after a halt, so that a person's word lets the same be done once more.
"""

from __future__ import annotations

from collections.abc import Iterable

from rollout.model.effects.base import digest

#: Of what a rebuilt journal takes for done, because it shows.
ADOPTED = "adopted"


def once(resumes: int) -> str:
    """Of what is done once, and once more after each resume."""
    return str(resumes)


def again(resumes: int) -> str:
    """Of what is done a second time because somebody undid it."""
    return f"{resumes}.again"


def marker(phase: str, node_uids: Iterable[str], resumes: int, *, cluster: bool, since: str) -> str:
    """Of what the marker says by then.

    `cluster`: an older rollout has learnt on which cluster it is; `since`: what happened within the phase, or "".
    """
    uids = tuple(node_uids)
    more = [*(["cluster"] if cluster else []), *([since] if since else [])]
    return ".".join((phase, str(len(uids)), digest(uids), str(resumes), *more))


def pin(resumes: int) -> str:
    """Of the versions that a group launches during the rollout."""
    return f"pin.{resumes}"


def surge(resumes: int) -> str:
    """Of the sizes that SURGE writes."""
    return f"surge.{resumes}"


def old(resumes: int) -> str:
    """Of the protection of old instances before the surge."""
    return f"old.{resumes}"


def everybody(resumes: int) -> str:
    """Of the protection of all instances after the surge."""
    return f"all.{resumes}"


def close(resumes: int) -> str:
    """Of the taint that closes old nodes."""
    return f"close.{resumes}"


def soften(resumes: int) -> str:
    """Of the taint that lets pods onto old nodes again, where new ones do not serve."""
    return f"soften.{resumes}"


def reopen(resumes: int) -> str:
    """Of the taint that old nodes lose when an abort gives them back."""
    return f"reopen.{resumes}"


def no_more(resumes: int) -> str:
    """Of the sizes by which an abort lets nothing more be launched of what is to go."""
    return f"no-more.{resumes}"


def copy(resumes: int) -> str:
    """Of the copy of a version from before, which an abort puts on top."""
    return f"copy.{resumes}"


def passage(resumes: int, drains: int) -> str:
    """Of one node's way through the stages; `drains`: how often it came back to WAITING."""
    return f"{resumes}.{drains}"


def closed_again(resumes: int, drains: int) -> str:
    """Of the taint that a node has lost while it waits."""
    return f"drain.{passage(resumes, drains)}"


def disable_scale_down(resumes: int) -> str:
    """Of the annotation that a node has lost, or never had, in DRAIN."""
    return f"drain.{resumes}"


def top_up(old_left: int, resumes: int, skipped: int = 0) -> str:
    """Of a surge that follows the old nodes that are gone; `skipped`: how many of those that are left stay."""
    return f"top-up.{old_left}.{resumes}" + (f".skipped-{skipped}" if skipped else "")


def from_standby(desired: int, resumes: int) -> str:
    """Of what a return from Standby added to desired, made ours."""
    return f"standby.{desired}.{resumes}"


def raised(minimum: int | None, desired: int | None, resumes: int) -> str:
    """Of sizes that somebody raised, made ours."""
    return f"{raised_to(minimum, desired)}.{resumes}"


def raised_to(minimum: int | None, desired: int | None) -> str:
    """Of the same, after any resume; None: that size is as it was."""
    return f"raised.{'-' if minimum is None else minimum}.{'-' if desired is None else desired}"


def floor(instance_id: str, resumes: int, drains: int) -> str:
    """Of the MinSize below which no second decrement leads, before an instance is terminated."""
    return f"floor.{instance_id}.{passage(resumes, drains)}"


def graceful(resumes: int) -> str:
    """Of a pod's deletion with its grace period."""
    return f"graceful.{resumes}"


def now(resumes: int) -> str:
    """Of a pod's deletion at once."""
    return f"now.{resumes}"


def restore(resumes: int) -> str:
    """Of what RESTORE gives back."""
    return f"restore.{resumes}"


def resume(processes: Iterable[str], resumes: int) -> str:
    """Of processes that RESTORE resumes: AZRebalance may follow later, once the zones are even."""
    return f"{restore(resumes)}.{'+'.join(processes)}"


def inherit(resumes: int) -> str:
    """Of the flag by which instances are born protected, given back."""
    return f"inherit.{resumes}"
