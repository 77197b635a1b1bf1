"""What the journal knows at one tick: the only thing, beside the observation, that decisions are made from.

All frozen; times are aware UTC datetimes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Literal

from rollout.model.accepted import Accepted, Deleted
from rollout.model.effects import Base, Departure, Effect, Written, kind_of
from rollout.model.machine import Phase, Stage, can_turn
from rollout.model.plan import Node, NodeGroup, Plan, duration
from rollout.model.steering import Force, Lift, Pause, Skip
from rollout.model.windows import within

#: `intended`: about to be sent, or answered and not seen yet; `unknown`: no answer that can be read. Certainly without
#: effect: `not_sent` (it did not come through: the fence, throttling), `not_applied` (it came through and was not
#: applied, or does not show), `blocked` (the API server said no for now: a budget), `rejected` (a no for good).
EffectState = Literal["intended", "unknown", "not_sent", "not_applied", "blocked", "rejected", "done"]

#: Seconds for which a request without an answer may still arrive: AWS takes a signed one for five minutes
#: (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html), and clocks differ a little. One to Kubernetes
#: is not signed, but lives for less: our client closes its connection after 10 s, and the API server ends what it has
#: begun after a minute (kube-apiserver's --request-timeout).
LATE_SECONDS = 330.0


@dataclass(frozen=True, slots=True)
class EffectRow:
    """An effect in the journal that is not settled yet.

    `intended`: when it was last about to be sent; `sent`: how often. `answered`: when the other side said yes (still
    not done: done means seen). `detail`: the last answer, in one line.
    `retry_at`: not to be sent before; a rejected row without it is sent again only after a person resumed the rollout.
    `blocked_since`: when the API server first said no for now, None if it never did.
    `yeses`: how often the other side said yes, `first_yes`: for the first time. `tried`: when the first of all tries
    ended, with any result.
    """

    effect: Effect
    state: EffectState
    intended: datetime
    sent: int
    answered: datetime | None
    retry_at: datetime | None
    detail: str
    blocked_since: datetime | None = None
    yeses: int = 0
    first_yes: datetime | None = None
    tried: datetime | None = None

    def in_vain(self, since: datetime, seconds: float) -> bool:
        """Tell whether it did not land for so long, with any answer, nor when it was sent past `since`.

        What was sent last before that is sent once more: a process may have been away for days.
        """
        if self.under_way or self.tried is None:
            return False
        return self.intended >= max(since, self.tried + timedelta(seconds=seconds))

    @property
    def under_way(self) -> bool:
        """It may have been applied: nothing else may be sent in its place."""
        return self.state in {"intended", "unknown"}


@dataclass(frozen=True, slots=True)
class Late:
    """A request of ours that was not answered: until then it may arrive, and write what it writes."""

    effect: Effect
    until: datetime


#: Seconds for which it is known which pods have left: longer than anybody waits for the successor of one.
LEFT_WITHIN = 900.0


@dataclass(frozen=True, slots=True)
class Left:
    """A pod that has left, or may have, because we asked for it; `at`: when that was sent, the last time."""

    effect: Departure
    at: datetime


@dataclass(frozen=True, slots=True)
class Abort:
    """What somebody asked for: that the rollout goes back.

    `drain_seconds`: for how long Jobs may run on new nodes from then on, None for as long as on old ones;
    `keep_jobs`: none is ever killed.
    """

    at: datetime
    by: str
    drain_seconds: float | None = None
    keep_jobs: bool = False


@dataclass(frozen=True, slots=True)
class Extension:
    """What somebody asked for: that Jobs may run until then, which is later than their drain deadline was."""

    at: datetime
    by: str
    until: datetime
    reason: str = ""


@dataclass(frozen=True)
class Record:
    """Plan, phase, deadlines, node rows and unsettled effects: what the journal knows at this tick.

    `deadline`: of the phase, None if it has none (DRAIN has one after a resume only). `drain_deadline`: stored when
    DRAIN is entered, and moved to later by an extension only; an abort has its own. `abort`: what was asked for and is
    not begun yet; `extension`: what was asked for, counts already, and is not told yet in an event. `pause`: while it
    stands nothing is changed; `untold`: that it stands, or stands no more, and is not told yet. `skips`: by instance,
    who asked that a node stays; `forces`: who asked that one goes now, and is not told yet in an event. `asked`: how
    often people have asked for something.
    `resume_count`: how many halts were resumed; part of the key of every effect that sets an absolute value.
    `done`: keys of settled effects; `written`: by group, what our settled effects left of it.
    `epoch`: of the lease that this was read under, None without one. `takeover_delay_until`: until then a request of a
    runner that
    was taken over may still be on its way; None if there is none. `late`: requests of this rollout that were not
    answered, and may arrive yet or might have until a while ago. `left`: the pods that left lately, oldest first, known
    in DRAIN only. `journal`: the database that it was read from. `autoscaler_off`: since when
    cluster-autoscaler is off by our hand, None while it is not. `accepted`: what a person agreed to by resuming.
    `lost`: the groups that a look has shown to be deleted; the journal does not know.
    """

    id: str
    key: str | None
    plan: Plan
    phase: Phase
    since: datetime
    deadline: datetime | None = None
    drain_deadline: datetime | None = None
    halted: str | None = None
    resume_count: int = 0
    nodes: tuple[Node, ...] = ()
    unsettled: tuple[EffectRow, ...] = ()
    done: frozenset[str] = frozenset()
    written: Mapping[str, Written] = field(default_factory=dict)
    epoch: int | None = None
    takeover_delay_until: datetime | None = None
    late: tuple[Late, ...] = ()
    left: tuple[Left, ...] = ()
    journal: str = ""
    autoscaler_off: datetime | None = None
    abort: Abort | None = None
    extension: Extension | None = None
    pause: Pause | None = None
    untold: Pause | Lift | None = None
    skips: Mapping[str, Skip] = field(default_factory=dict)
    forces: tuple[Force, ...] = ()
    asked: int = 0
    accepted: frozenset[Accepted] = frozenset()
    lost: frozenset[str] = frozenset()

    @property
    def groups(self) -> tuple[NodeGroup, ...]:
        """The groups of the plan that are there."""
        return tuple(group for group in self.plan.groups if group.name not in self.lost)

    @property
    def deleted(self) -> frozenset[str]:
        """The groups that somebody deleted, and without which a person let the rollout go on."""
        return frozenset(one.deleted for one in self.accepted if isinstance(one, Deleted))

    @property
    def may_turn(self) -> bool:
        """An abort that is asked for now would turn the rollout round."""
        return can_turn(self.phase) and not self.plan.goes_back

    @property
    def to_go(self) -> tuple[Node, ...]:
        """The nodes that must go, or are gone: all but the old ones that an abort lets stay."""
        if not self.plan.goes_back:
            return self.nodes
        return tuple(row for row in self.nodes if row.role != "old" or row.stage is not Stage.KEPT)

    @property
    def late_until(self) -> datetime | None:
        """Until when any request without an answer may still arrive; None if none may."""
        return max((late.until for late in self.late), default=None)

    def deadline_of(self, row: Node) -> datetime | None:
        """Return until when Jobs may run on a node: until the drain deadline, or until somebody asked that it goes."""
        return self.drain_deadline and (row.forced_at or self.drain_deadline)

    def blocked_deadline(self, row: Node) -> datetime | None:
        """Return until when what keeps a node is waited for in DRAIN; None while that has no deadline."""
        deadline = self.deadline_of(row)
        settings = self.plan.settings
        return deadline and within(settings.windows, deadline, duration(settings.blocked_seconds))

    def eviction_deadline(self, row: Node) -> datetime | None:
        """Return until when an eviction that is refused is tried again in DRAIN: as long again from each resume.

        A budget to which a person made room lets its pods go by and by. For all else one look tells.
        """
        over = self.blocked_deadline(row)
        return over and max(over, self.deadline or over)

    def row(self, key: str) -> EffectRow | None:
        """Return the unsettled effect of that key, None if there is none."""
        return self._rows.get(key)

    @cached_property
    def _rows(self) -> dict[str, EffectRow]:
        return {row.effect.key: row for row in self.unsettled}

    def did(self, kind: type[Base]) -> bool:
        """Tell whether an effect of that kind was done and seen."""
        return any(key.startswith(f"{kind_of(kind)}:") for key in self.done)
