"""Sizes that somebody raised in mid-run, and that a person lets stay by resuming after the halt that said so. Pure.

What was raised becomes ours by a resize, and is a part of what RESTORE gives back: it is his, and is reported. Nothing
is lowered for it, because AWS would choose which instances to end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from rollout.model.accepted import Raised
from rollout.model.effects import Resize, kind_of, occasions
from rollout.model.observation import GroupSeen
from rollout.model.plan import Plan, Sizes
from rollout.model.record import Record


def above(current: GroupSeen, ours: Sizes) -> Raised | None:
    """Return what of a group's sizes is higher than ours; None where nothing is, or where one is lower."""
    now = current.sizes
    minimum = now.minimum if now.minimum > ours.minimum else None
    desired = now.desired if now.desired > ours.desired else None
    lowered = now.minimum < ours.minimum or now.desired < ours.desired
    return None if lowered or (minimum is None and desired is None) else Raised(current.name, minimum, desired)


def adoption(record: Record, current: GroupSeen, ours: Sizes) -> Resize | None:
    """Return what makes ours what was raised, once a person has agreed to it; None where nobody has."""
    raised = above(current, ours)
    if raised is None or raised not in record.accepted:
        return None
    before = replace(current.sizes, minimum=ours.minimum, desired=ours.desired)
    occasion = occasions.raised(raised.minimum, raised.desired, record.resume_count)
    return Resize(group=current.name, before=before, sizes=current.sizes, occasion=occasion)


def kept(record: Record, group: str) -> Sizes:
    """Return the sizes that a group has after the rollout: the baseline's, or what was raised and made ours."""
    sizes = record.plan.baseline(group).sizes
    for one in record.accepted:
        if isinstance(one, Raised) and one.group == group and adopted(record, one):
            minimum, desired = one.minimum or 0, one.desired or 0
            sizes = replace(sizes, minimum=max(sizes.minimum, minimum), desired=max(sizes.desired, desired))
    return sizes


def adopted(record: Record, one: Raised) -> bool:
    """Tell whether what was raised has become ours: a person may agree, and take it back first."""
    key = f"{kind_of(Resize)}:{one.group}:{occasions.raised_to(one.minimum, one.desired)}."
    return any(done.startswith(key) for done in record.done)


def to_leave(plan: Plan, hint: str, raised: Iterable[Raised]) -> str:
    """Return what to do where something was raised that may stay, and what comes of it; `hint`: how it is put back."""
    raised = tuple(raised)
    told = "; ".join(map(_label, raised))
    leads_to = "; ".join(line for one in raised for line in _stays(one, plan.baseline(one.group).sizes))
    accepts = f"a resume accepts what was raised ({told}): {leads_to}"
    return f"{accepts}; where it is not to stay, {hint}" if told else hint


def _label(one: Raised) -> str:
    sizes = {"MinSize": one.minimum, "DesiredCapacity": one.desired}
    return f"{', '.join(f'{name} {value}' for name, value in sizes.items() if value is not None)} of {one.group}"


def _stays(one: Raised, before: Sizes) -> Iterator[str]:
    if one.desired is not None:
        yield f"{one.group} will keep {one.desired} instances after the rollout; it had {before.desired} before"
    if one.minimum is not None:
        yield f"MinSize of {one.group} will be {one.minimum} after the rollout; it was {before.minimum} before"
