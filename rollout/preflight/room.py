"""Whether AWS has room for the surge: free addresses in the subnets, and vCPUs under EC2's quotas.

Only `rollout plan` looks. A launch that finds no room fails and is tried again, until a deadline halts the rollout: so
what is short is a warning. What AWS does not answer is told as not checked.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeVar

from rollout.errors import EdgeError
from rollout.model.plan import Plan, listed
from rollout.model.preflight_observation import GroupProbed
from rollout.ports import RoomProbe
from rollout.preflight import outline
from rollout.preflight.launching import launches
from rollout.preflight.survey import Survey

T = TypeVar("T")
#: Subnets that one line lists at most.
_LISTED = 4


class _Kind(NamedTuple):
    """Types whose families begin so share a quota: its name, its code for On-Demand, and for spot ("" for none)."""

    begins: tuple[str, ...]
    name: str
    on_demand: str
    spot: str


#: Quotas of EC2 on running vCPUs (EC2 user guide, "Amazon EC2 service quotas"). The first that fits counts.
_KINDS = (
    _Kind(("inf",), "Inf", "L-1945791B", "L-B5D1601B"),
    _Kind(("trn",), "Trn", "L-2C3B7624", "L-6B0D517C"),
    _Kind(("dl",), "DL", "L-6E869C2A", "L-85EED4F7"),
    _Kind(("hpc",), "HPC", "L-F7808C92", ""),
    _Kind(("vt", "g"), "G and VT", "L-DB2E81BA", "L-3819A6DF"),
    _Kind(("p",), "P", "L-417A185B", "L-7212CCBC"),
    _Kind(("f",), "F", "L-74FC7D96", "L-88CF9481"),
    _Kind(("x",), "X", "L-7295265B", "L-E3A00192"),
    _Kind(("u",), "High Memory", "L-43DA4232", ""),
    _Kind(tuple("acdhimrtz"), "Standard", "L-1216C47A", "L-34B43A08"),
)
_ADDRESSES_RIGHT, _RUNNING_RIGHT, _TYPES_RIGHT, _QUOTA_RIGHT = (
    "ec2:DescribeSubnets",
    "ec2:DescribeInstances",
    "ec2:DescribeInstanceTypes",
    "servicequotas:GetServiceQuota",
)
_NOTHING: Mapping[str, int] = {}


@dataclass(frozen=True, slots=True)
class Addresses:
    """A group that launches `more` instances at a time. `free`: by subnet; empty where it is not known."""

    group: str
    more: int
    free: Mapping[str, int]

    @property
    def short(self) -> bool:
        """There are fewer free addresses than instances are launched."""
        return bool(self.free) and sum(self.free.values()) < self.more


@dataclass(frozen=True, slots=True)
class Quota:
    """A quota of EC2 on vCPUs: `more` are launched at a time, `used` run now, `limit` are allowed; None: not known."""

    code: str
    name: str
    more: int
    used: int | None
    limit: float | None

    @property
    def short(self) -> bool:
        """Fewer vCPUs are allowed than would run."""
        return self.limit is not None and self.used is not None and self.used + self.more > self.limit


@dataclass(frozen=True, slots=True)
class Room:
    """What there is room for. `unchecked`: what AWS did not answer, in words."""

    addresses: tuple[Addresses, ...] = ()
    quotas: tuple[Quota, ...] = ()
    unchecked: tuple[str, ...] = ()


def look(found: Survey, plan: Plan, probe: RoomProbe) -> Room:
    """Ask AWS for what it has room, as far as it lets us."""
    asked = _Asked()
    more = {one.name: max(one.peak.desired - one.old, 0) for one in outline.groups(found, plan)}
    grown = tuple(found.probed[name] for name, number in more.items() if number and name in found.probed)
    subnets = sorted({subnet for group in grown for subnet in group.subnets})
    free = asked.ask("the free addresses of the subnets", _ADDRESSES_RIGHT, partial(probe.addresses, subnets), _NOTHING)
    addresses = (
        Addresses(one.name, more[one.name], {name: free[name] for name in one.subnets if name in free}) for one in grown
    )
    return Room(tuple(addresses), tuple(_quotas(found, grown, more, probe, asked)), tuple(asked.unchecked))


class _Asked:
    """Asks, and remembers what was not answered."""

    def __init__(self) -> None:
        self.unchecked: list[str] = []
        self._silent: set[str] = set()

    def ask(self, what: str, right: str, question: Callable[[], T], otherwise: T) -> T:
        """Return the answer; where there is none, note it, and ask no more of what is asked by that right."""
        if right in self._silent:
            return otherwise
        try:
            return question()
        except EdgeError as error:
            self._silent.add(right)
            self.unchecked.append(
                f"it is not checked whether {what} are enough for the surge: {error.detail} (deploy/iam/redeploy.json "
                f"has {right}, docs/rights.md says what it is for)"
            )
            return otherwise


def _quotas(
    found: Survey, groups: Sequence[GroupProbed], more: Mapping[str, int], probe: RoomProbe, asked: _Asked
) -> Iterator[Quota]:
    types = {group.name: {one.instance_type for one in launches(group, found.templates)} for group in groups}
    named = {one for kinds in types.values() for one in kinds if one}
    if not named:
        return
    what = "the vCPUs that EC2's quotas allow"
    running = asked.ask(what, _RUNNING_RIGHT, probe.running, None)
    known = sorted(named | {one for one, _ in running or ()})
    sizes = asked.ask(what, _TYPES_RIGHT, partial(probe.vcpus, known), _NOTHING)
    wanted: Counter[tuple[_Kind, bool]] = Counter()
    for group in groups:
        for kind, vcpus in _largest(types[group.name], sizes).items():
            for spot, instances in _markets(group, more[group.name]):
                wanted[kind, spot] += instances * vcpus
    for (kind, spot), vcpus in wanted.items():
        if code := kind.spot if spot else kind.on_demand:
            name = f"{kind.name} spot instances" if spot else f"{kind.name} On-Demand instances"
            limit = asked.ask("EC2's quotas on vCPUs", _QUOTA_RIGHT, partial(probe.quota, code), None)
            used = None if running is None or not sizes else _used(running, sizes, kind, spot=spot)
            yield Quota(code, name, vcpus, used, limit)


def _largest(types: Iterable[str | None], sizes: Mapping[str, int]) -> dict[_Kind, int]:
    """Return by kind the most vCPUs that one instance may have: AWS chooses among the types of a group."""
    largest: dict[_Kind, int] = {}
    for one in filter(None, types):
        kind = _kind(one)
        if kind and one in sizes:
            largest[kind] = max(largest.get(kind, 0), sizes[one])
    return largest


def _markets(group: GroupProbed, more: int) -> Iterator[tuple[bool, int]]:
    """Yield how many of the instances are On-Demand and how many spot, as far as the group itself says so."""
    on_demand = math.ceil(more * group.on_demand_percent / 100)
    yield from ((spot, number) for spot, number in ((False, on_demand), (True, more - on_demand)) if number)


def _used(running: Mapping[tuple[str, bool], int], sizes: Mapping[str, int], kind: _Kind, *, spot: bool) -> int:
    return sum(
        number * sizes.get(type_, 0)
        for (type_, is_spot), number in running.items()
        if is_spot is spot and _kind(type_) == kind
    )


def _kind(instance_type: str) -> _Kind | None:
    """Return the quota on vCPUs under which a type counts; a Mac is a whole host, and has none."""
    family = instance_type.partition(".")[0]
    if family.startswith("mac"):
        return None
    return next((kind for kind in _KINDS if family.startswith(kind.begins)), None)


# ---- in words -------------------------------------------------------------------------------------------------------


def lines(room: Room) -> Iterator[str]:
    """Say what there is."""
    for one in room.addresses:
        what = f"group {one.group}: {one.more} more at a time"
        if one.free:
            yield f"{what}, {sum(one.free.values())} free addresses ({_each(one.free)})"
        else:
            yield f"{what}, free addresses not known"
    for quota in room.quotas:
        used = "how many run now is not known" if quota.used is None else f"{quota.used} run now"
        limit = "how many are allowed is not known" if quota.limit is None else f"{quota.limit:g} are allowed"
        yield f"vCPUs of {quota.name}: {quota.more} more at a time, {used}, {limit} ({quota.code})"


def warnings(room: Room) -> Iterator[str]:
    """Say what is short, and what is not checked."""
    then = "launches fail until there is room, and the rollout halts when deadlines.in_service is over"
    for one in room.addresses:
        if one.short:
            free = sum(one.free.values())
            yield (
                f"group {one.group} launches {one.more} instances at a time, and its subnets have {free} free "
                f"addresses ({_each(one.free)}): {then}; free some, or lower `surge`"
            )
    for name, more, free in _shared(room):
        yield f"groups {name} launch {more} instances at a time together, and share {free} free addresses: {then}"
    for quota in room.quotas:
        if quota.short:
            yield (
                f"the quota on vCPUs of {quota.name} ({quota.code}) allows {quota.limit:g}, {quota.used} run now, and "
                f"{quota.more} more are launched at a time: {then}; ask AWS for more, or lower `surge`"
            )
    yield from room.unchecked


def _shared(room: Room) -> Iterator[tuple[str, int, int]]:
    """Yield the groups that launch into the same subnets, where these are enough for each and not for all."""
    by_subnets: dict[frozenset[str], list[Addresses]] = defaultdict(list)
    for one in room.addresses:
        if one.free and not one.short:
            by_subnets[frozenset(one.free)].append(one)
    for groups in by_subnets.values():
        more, free = sum(one.more for one in groups), sum(groups[0].free.values())
        if len(groups) > 1 and free < more:
            yield " and ".join(one.group for one in groups), more, free


def _each(free: Mapping[str, int]) -> str:
    return listed([f"{name} {number}" for name, number in free.items()], _LISTED)
