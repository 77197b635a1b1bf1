"""Faults of single requests: an error, a delay, a lost reply, one that never comes, is old, or cannot be read.

A fault only decides; `requests` carries it out. What hangs is kept here until it is released or its connection dies,
so that a client can be killed at an exact point: *before* means that nothing was applied, *after* that all of it was.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from eks_simulator.fields import Duration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """What a request is about, in the words of its API.

    `service` is "autoscaling", "ec2", "sts", … or "kube"; `operation` "UpdateAutoScalingGroup" or "PATCH nodes";
    `target` the thing it names: a group, a template, a node, "namespace/pod"; empty where it names none.
    """

    service: str
    operation: str
    mutating: bool
    target: str


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Match(_Model):
    """Which requests are meant. Every criterion that is given must hold; `target` is searched for as a regex.

    `nth` (1-based) and `every` count the requests that match the rest; `times` is how often the fault strikes.
    """

    service: str | None = None
    operation: str | None = None
    target: str | None = None
    client: str | None = None
    mutating: bool | None = None
    nth: int | None = Field(default=None, ge=1)
    every: int | None = Field(default=None, ge=1)
    times: int | None = Field(default=None, ge=1)

    @field_validator("target")
    @classmethod
    def _compiles(cls, target: str | None) -> str | None:
        try:
            re.compile(target or "")
        except re.error as error:
            raise ValueError(f"target is no regular expression: {error}") from error
        return target

    def fits(self, client: str, info: RequestInfo) -> bool:
        """Tell whether the request is one of those meant, with any number."""
        wanted = (
            (self.service, info.service),
            (self.operation, info.operation),
            (self.client, client),
            (self.mutating, info.mutating),
        )
        return all(want is None or want == found for want, found in wanted) and (
            self.target is None or re.search(self.target, info.target) is not None
        )


class Error(_Model):
    """Answer with an error; `applied`: after the change has been made all the same.

    `body`: this text (HTML, or nothing) in place of the API's own error, as a proxy or a load balancer answers.
    """

    status: int = Field(ge=400, le=599)
    code: str
    message: str = "injected by a fault"
    headers: dict[str, str] = Field(default_factory=dict)
    applied: bool = False
    body: str | None = None


class Delay(_Model):
    """Let that much virtual time pass before the request is looked at."""

    seconds: float = Field(gt=0)


class Drop(_Model):
    """Close the connection without an answer, before or after the request is applied."""

    when: Literal["before", "after"]


class Hang(_Model):
    """Stand still, and time with it, until released or until the client's connection dies."""

    when: Literal["before", "after"]


class Garble(_Model):
    """Apply the request, then answer with success and a body that cannot be parsed."""


class Late(_Model):
    """Close the connection without an answer, and apply the request that many virtual seconds later.

    It was on its way all the time, also if its client has ended. A signed request is accepted for about five minutes.
    """

    seconds: float = Field(gt=0, le=300)


class Stale(_Model):
    """Answer a read from the account as it was that many virtual seconds ago, or when the fault was put in force."""

    seconds: float = Field(gt=0)


class Strip(_Model):
    """Answer a write to Kubernetes with yes, and leave this field as it was: a webhook of admission takes it out.

    `field`: its path in the object, such as `spec.taints`.
    """

    field: str = Field(pattern=r"^[A-Za-z]+(\.[A-Za-z]+)*$")


Action = Error | Delay | Drop | Hang | Garble | Late | Stale | Strip


class Fault(_Model):
    """One rule: what is matched, and exactly one thing that is done to it.

    `since`: the moment of the scenario from which on it strikes (default: at once); `lasts`: for how long.
    """

    match: Match = Match()
    since: Duration | None = None
    lasts: Duration | None = None
    error: Error | None = None
    delay: Delay | None = None
    drop: Drop | None = None
    hang: Hang | None = None
    garble: Garble | None = None
    late: Late | None = None
    stale: Stale | None = None
    strip: Strip | None = None

    @model_validator(mode="after")
    def _one_action(self) -> Fault:
        if len(self._actions()) != 1:
            raise ValueError("a fault has exactly one of error, delay, drop, hang, garble, late, stale, strip")
        if self.stale and (self.match.service in {None, "kube"} or self.match.mutating):
            raise ValueError(
                "stale needs match.service, one of AWS's, and no mutating: what Kubernetes reads is never old"
            )
        if self.strip and self.match.service != "kube":
            raise ValueError("strip needs match.service kube: AWS has no webhooks")
        return self

    def _actions(self) -> list[Action]:
        given = (self.error, self.delay, self.drop, self.hang, self.garble, self.late, self.stale, self.strip)
        return [one for one in given if one is not None]

    @property
    def action(self) -> Action:
        """The one thing that it does."""
        return self._actions()[0]

    @property
    def outage(self) -> float | None:
        """For how long nobody reaches the API server by this fault, in seconds; None where it is no such thing."""
        error = self.error
        away = self.drop is not None or (error is not None and error.status >= SERVER_ERROR and not error.applied)
        return self.lasts if away and self.match == Match(service="kube") else None

    def concerns(self, client: str, info: RequestInfo) -> bool:
        """Tell whether the request is one of those meant, with any number: reads are stale, writes stripped."""
        wrong = (self.stale and info.mutating) or (self.strip and not info.mutating)
        return self.match.fits(client, info) and not wrong


class FaultError(ValueError):
    """A fault that does not say clearly what it wants."""


def parse(raw: Mapping[str, Any]) -> Fault:
    """Read a fault as scenarios and `POST /faults` write it: `{match: {…}, hang: {when: before}}`.

    Raises `FaultError`: naming each key that is wrong.
    """
    try:
        return Fault.model_validate(raw)
    except ValidationError as error:
        places = (f"{'.'.join(map(str, one['loc'])) or 'fault'}: {one['msg']}" for one in error.errors())
        raise FaultError("; ".join(places)) from error


@dataclass(slots=True)
class _Rule:
    fault: Fault
    begins: float
    seen: int = 0
    struck: int = 0

    def _lasts(self, now: float) -> bool:
        ends = math.inf if self.fault.lasts is None else self.begins + self.fault.lasts
        return self.begins <= now < ends

    def is_outage(self, now: float) -> bool:
        return self.fault.outage is not None and self._lasts(now)

    def strikes(self, client: str, info: RequestInfo, now: float) -> bool:
        match = self.fault.match
        if not (self._lasts(now) and self.fault.concerns(client, info)):
            return False
        self.seen += 1
        if match.nth is not None and self.seen != match.nth:
            return False
        if match.every is not None and self.seen % match.every:
            return False
        if match.times is not None and self.struck >= match.times:
            return False
        self.struck += 1
        return True


@dataclass(frozen=True, slots=True)
class Hung:
    """A request that stands still now."""

    number: int
    client: str
    info: RequestInfo
    when: str

    def as_json(self) -> dict[str, Any]:
        """Return the request as `GET /hung` shows it."""
        return {"request": self.number, "client": self.client, "when": self.when, **asdict(self.info)}


class Faults:
    """The rules in force, and the requests that they hold up. `now`: seconds since the scenario's start."""

    def __init__(self, now: Callable[[], float] = lambda: 0.0) -> None:
        self._now = now
        self._ids = itertools.count(1)
        self._rules: dict[int, _Rule] = {}
        self._hung: dict[Hung, asyncio.Future[None]] = {}
        self._hangs = asyncio.Event()

    def add(self, fault: Fault) -> int:
        """Put a fault in force; returns its id."""
        number = next(self._ids)
        self._rules[number] = _Rule(fault, self._now() if fault.since is None else fault.since)
        return number

    def clear(self) -> None:
        """Forget every fault and let everything go on that hangs."""
        self._rules.clear()
        for released in self._hung.values():
            if not released.done():
                released.set_result(None)

    def strike(self, client: str, info: RequestInfo) -> Action | None:
        """Return what happens to this request. All rules count it; the oldest that strikes decides."""
        now = self._now()
        striking = [rule.fault.action for rule in self._rules.values() if rule.strikes(client, info, now)]
        return striking[0] if striking else None

    def away(self) -> Action | None:
        """Return what happens to a request for a watch while nobody reaches the API server; None if it is reached."""
        now = self._now()
        striking = (rule.fault.action for rule in self._rules.values() if rule.is_outage(now))
        return next(striking, None)

    async def hang(self, hung: Hung) -> None:
        """Stand still until `clear`; cancelled when the client's connection dies."""
        released = self._hung[hung] = asyncio.get_running_loop().create_future()
        self._hangs.set()
        try:
            await released
        finally:
            del self._hung[hung]
            if not self._hung:
                self._hangs.clear()

    async def next_hung(self) -> Hung:
        """Return the request that hangs now; waits until there is one."""
        await self._hangs.wait()
        return next(iter(self._hung))
