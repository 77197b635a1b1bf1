"""What a report tells of one rollout: facts of its journal, in an order and in names that a reader needs.

All frozen; instants are aware UTC datetimes. Nothing here knows how it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from rollout.model.plan import Sizes
from rollout.ports import KilledJob

#: How a rollout stands: at an end, halted, paused by somebody, run by a process, or left by all of them.
Standing = Literal["done", "aborted", "halted", "paused", "running", "nobody"]

#: How a process ended that did not release its lease.
DIED = "died without a word"


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time; `end` None: it lasts."""

    begin: datetime
    end: datetime | None

    def length(self, until: datetime) -> timedelta:
        """Return how long it was, or is by that moment."""
        return (self.end or until) - self.begin


@dataclass(frozen=True, slots=True)
class PhaseTold:
    """One stay in a phase. `why`: what led out of it; `deadline`: until when Jobs might run, as it was moved last."""

    phase: str
    span: Span
    back: bool
    why: str = ""
    deadline: datetime | None = None


@dataclass(frozen=True, slots=True)
class HaltTold:
    """A halt. `ended_by`: who resumed or aborted the rollout, if anybody did."""

    span: Span
    reason: str | None
    why: str
    hint: str
    ended_by: str | None


@dataclass(frozen=True, slots=True)
class RunTold:
    """A process that worked the rollout. `ended`: how, in words; the end of one that died is when it last wrote."""

    span: Span
    host: str
    pid: int
    run_id: str
    build_url: str | None
    ended: str

    @property
    def name(self) -> str:
        """The process as people name it."""
        return f"process {self.pid} on {self.host}"

    @property
    def how(self) -> str:
        """How it ended, and what is not known of that."""
        return f"{self.ended} at some time after that" if self.ended == DIED else self.ended


@dataclass(frozen=True, slots=True)
class StageTold:
    """One stay of a node in a stage. `because`: why it came there, "" for the usual way."""

    stage: str
    span: Span
    because: str


@dataclass(frozen=True, slots=True)
class WaitTold:
    """What a node waited for, as the rollout said it, and the same in one word; None in older journals."""

    span: Span
    waits_for: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class NodeTold:
    """An instance that must go, or that an abort kept. `name`: of its Node, None if it never joined."""

    instance_id: str
    name: str | None
    group: str
    role: str
    stages: tuple[StageTold, ...]
    waits: tuple[WaitTold, ...]

    @property
    def stage(self) -> str:
        """Where it stands."""
        return self.stages[-1].stage

    @property
    def label(self) -> str:
        """By what people know it: the first label of its name, as `rollout why --node` takes it, or its instance."""
        return self.name.partition(".")[0] if self.name else self.instance_id

    @property
    def span(self) -> Span:
        """From when it was known that it must go, until it was out of the way."""
        last = self.stages[-1]
        over = last.stage in {"GONE", "KEPT"}
        return Span(self.stages[0].span.begin, last.span.begin if over else None)


@dataclass(frozen=True, slots=True)
class Step:
    """From this moment on a number is this."""

    at: datetime
    value: int


@dataclass(frozen=True, slots=True)
class TemplateTold:
    """A use of a launch template: the version that the group launched, and the one made of it; None before that."""

    name: str
    slot: str
    reference: str
    before: int
    after: int | None


@dataclass(frozen=True, slots=True)
class GroupTold:
    """A group. `baseline`: its sizes before the first change, None before they were committed.

    `desired`: DesiredCapacity as the rollout set it and saw it. `left`: by role, how many of the nodes that must go
    were there.
    """

    name: str
    templates: tuple[TemplateTold, ...]
    baseline: Sizes | None
    desired: tuple[Step, ...]
    left: Mapping[str, tuple[Step, ...]]


@dataclass(frozen=True, slots=True)
class OtherTold:
    """What somebody else changed, or what is not as it was. `kind`: how the rollout came to know of it."""

    at: datetime
    kind: Literal["halt", "undone", "node", "replicas", "left"]
    text: str


@dataclass(frozen=True, slots=True)
class CallsTold:
    """All changes of one kind. `states`: how many effects are in each; `answers`: how many requests got each.

    `requests`: how many were sent; `slowest`: the longest time from the first intent until it was seen.
    """

    kind: str
    effects: int
    requests: int
    states: Mapping[str, int]
    answers: Mapping[str, int]
    slowest: timedelta | None


@dataclass(frozen=True, slots=True)
class OpenTold:
    """A change that is not seen yet."""

    key: str
    state: str
    sent: int
    detail: str


@dataclass(frozen=True, slots=True)
class CommandTold:
    """What somebody asked for. `details`: what else was said; `obeyed`: when the rollout did it, None if not yet.

    `reason`: why, where somebody said so.
    """

    kind: str
    at: datetime
    by: str
    reason: str | None
    details: tuple[str, ...]
    obeyed: datetime | None


@dataclass(frozen=True, slots=True)
class ChainTold:
    """The history: how many events, the hash of the newest, and what is wrong with it, one sentence each."""

    events: int
    head: str
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """One rollout. `written`: the last that its journal knows of, which is as far as the report goes.

    `headline`: how it stands, in a sentence. `now`: what is true until somebody goes on, and what that costs; `next`:
    the whole command, None where nobody must do anything; `or_back`: the one that goes back, where there is that way.
    `unknown`: what a reader may look for and the journal does not say.
    """

    id: str
    key: str | None
    cluster: str
    region: str
    ami: str
    description: str
    phase: str
    direction: str
    standing: Standing
    headline: str
    begun: datetime
    ended: datetime | None
    written: datetime
    now: tuple[str, ...]
    next: str | None
    or_back: str | None
    killed: tuple[KilledJob, ...]
    phases: tuple[PhaseTold, ...]
    halts: tuple[HaltTold, ...]
    runs: tuple[RunTold, ...]
    groups: tuple[GroupTold, ...]
    nodes: tuple[NodeTold, ...]
    others: tuple[OtherTold, ...]
    calls: tuple[CallsTold, ...]
    open: tuple[OpenTold, ...]
    commands: tuple[CommandTold, ...]
    chain: ChainTold
    unknown: tuple[str, ...]

    @property
    def span(self) -> Span:
        """From its begin to its end, or as far as is known."""
        return Span(self.begun, self.ended or self.written)
