"""What a fleet is: its plan, which is fixed when it begins, and where it and its members stand. Frozen, and pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from rollout.errors import DONE, FOR_A_PERSON
from rollout.model.machine import Phase, terminal


class State(StrEnum):
    """Where a fleet stands; the last two are its ends."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    DONE = "done"
    STOPPED = "stopped"

    @property
    def over(self) -> bool:
        """Whether nothing follows."""
        return self in {State.DONE, State.STOPPED}

    @property
    def begins_none(self) -> bool:
        """Whether no further member begins."""
        return self.over or self is State.STOPPING


class Kept(StrEnum):
    """What the fleet keeps of a member: whether it may begin, has begun, or its run has come to an end."""

    WAITING = "waiting"
    READY = "ready"
    BEGUN = "begun"
    ENDED = "ended"
    AGAIN = "again"  # it had ended, and is to be run once more as soon as there is room
    SKIPPED = "skipped"


class Standing(StrEnum):
    """Where a member stands, by what the fleet keeps and what its own rollout says."""

    WAITING = "waiting"
    READY = "ready"
    RUNNING = "running"
    HALTED = "halted"
    ABORTED = "aborted"
    REFUSED = "refused"
    DONE = "done"
    SKIPPED = "skipped"


FAILED = frozenset({Standing.HALTED, Standing.ABORTED, Standing.REFUSED})
OVER = frozenset({Standing.DONE, Standing.SKIPPED})
#: A member that counts for the limits.
OPEN = frozenset({Standing.READY, Standing.RUNNING})


@dataclass(frozen=True, slots=True)
class Wave:
    """Members that go together. `soak`: seconds after its end before the next wave; `gate`: a person lets it begin."""

    name: str
    soak: float = 0.0
    gate: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """How many members may be under way at once: in all, in one account, in one region. None: no limit."""

    at_once: int
    per_account: int | None = None
    per_region: int | None = None


@dataclass(frozen=True, slots=True)
class StopWhen:
    """When the fleet pauses by itself, counted in the open wave: failed members, their share, killed Jobs."""

    halted: int | None = None
    halted_share: float | None = None
    killed_jobs: int | None = None


@dataclass(frozen=True, slots=True)
class Fixed:
    """What is fixed of a member. `wave`: the number of its wave, from 1; `config`: its configuration, as written."""

    name: str
    wave: int
    config: str
    ami: str
    region: str
    account: str | None = None


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """What is fixed when a fleet begins."""

    waves: tuple[Wave, ...]
    limits: Limits
    stop_when: StopWhen
    members: tuple[Fixed, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asked for: pause, resume, approve, skip, retry or stop. `member`, `wave`: which one."""

    number: int
    kind: str
    by: str
    member: str = ""
    wave: int = 0


@dataclass(frozen=True, slots=True)
class Fleet:
    """Where a fleet stands. `requests`: those that were not obeyed yet, oldest first."""

    id: str
    plan: FleetPlan
    state: State = State.RUNNING
    why: str = ""
    wave: int = 0
    wave_ended_at: datetime | None = None
    approved: int = 0
    accepted_killed: int = 0
    obeyed: int = 0
    requests: tuple[Request, ...] = ()
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """One member: what is fixed, what the fleet keeps of it, and what its own rollout says.

    `worker`: who runs it now, "" for nobody. `rollout_id`: "" before its rollout began; `phase`, `halted`, `round` and
    `killed` (Jobs) are that rollout's; `paused`: a person paused it, which `halted` tells, too.
    """

    fixed: Fixed
    state: Kept = Kept.WAITING
    exit_code: int | None = None
    said: str = ""
    tries: int = 0
    not_before: datetime | None = None
    forgiven: int | None = None
    accepted: bool = False
    worker: str = ""
    rollout_id: str = ""
    phase: Phase | None = None
    halted: str | None = None
    paused: bool = False
    round: int = 0
    killed: int = 0

    @property
    def name(self) -> str:
        """Its name in the fleet."""
        return self.fixed.name

    @property
    def stands(self) -> Standing:
        """Where it stands."""
        ended = self.state is Kept.ENDED
        if self.state is Kept.SKIPPED:
            return Standing.SKIPPED
        if self.phase is Phase.DONE or (ended and self.exit_code == DONE):
            return Standing.DONE
        if self.phase is Phase.ABORTED:
            return Standing.ABORTED
        if self.halted and (ended or self.forgiven != self.round):
            return Standing.HALTED
        if ended and not self.resumed:
            return Standing.HALTED if self.exit_code == FOR_A_PERSON else Standing.REFUSED
        if self.state in {Kept.WAITING, Kept.AGAIN}:
            return Standing.WAITING
        return Standing.RUNNING if self.worker or self.resumed else Standing.READY

    @property
    def resumed(self) -> bool:
        """Whether its run ended with a halt that somebody has resumed since, outside of the fleet."""
        going_on = self.phase is not None and not terminal(self.phase) and not self.halted
        return self.state is Kept.ENDED and self.exit_code == FOR_A_PERSON and going_on

    @property
    def left(self) -> bool:
        """Whether its rollout is unfinished, and no worker of the fleet goes on with it by itself."""
        unfinished = self.phase is not None and not terminal(self.phase)
        return unfinished and not self.worker and not self.resumed and self.state is not Kept.BEGUN

    @property
    def fails(self) -> bool:
        """Whether it counts towards the stop condition."""
        return self.stands in FAILED and not self.accepted


@dataclass(frozen=True, slots=True)
class Move:
    """One step of a fleet, told by one event: columns of the fleet and of its members that change."""

    kind: str
    text: str
    fleet: Mapping[str, object] = field(default_factory=dict)
    members: Mapping[str, Mapping[str, object]] = field(default_factory=dict)


def key(fleet_id: str, member: str) -> str:
    """Return the key of a member's rollout."""
    return f"fleet/{fleet_id}/{member}"
