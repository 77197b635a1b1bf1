"""When a rollout ends, by what is known before it begins: p10, p50 and p90, and what the instances beside cost. Pure.

It plays the rollout many times. In each play every Job ends at another point of what is thought possible for it, and
each step of the rollout takes another time. No chance is in it: the points are spread evenly, and the same each time,
so that one cluster always has one forecast. Those of one Job say nothing of another's. What it takes for possible:

- A Job with finished Jobs of the same controller, or of the same name but for its number: it lasts as long as one of
  those that lasted longer than it has run so far.
- Any other: half of those that have run for some time are taken to run for as long again. A Job that has just begun
  counts as one of ten minutes. Those of one name but for their numbers end at one rate, which nobody knows, and for
  which all the time counts that they have run.
- Jobs may begin on old nodes until the new ones are Ready: as many as in the last hour, as long as those that ended.
- activeDeadlineSeconds ends it in any case, and so does the drain deadline, unless the rollout halts there.

What people, budgets, shortages and failures add is not in it.
"""

from __future__ import annotations

import heapq
import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise
from random import Random
from statistics import median
from typing import Literal

from rollout.model.observation import Observation
from rollout.model.plan import FOR_EVER, Plan, duration
from rollout.ports import JobSeen
from rollout.preflight.launching import launches
from rollout.preflight.outline import GroupOutline, Workload
from rollout.preflight.survey import Survey

Basis = Literal["history", "age"]
#: How often the rollout is played.
PLAYS = 401
#: Seconds for which a Job counts as having run at least, where no other like it is known.
_YOUNGEST = 600.0
#: What a shell or a controller appends to a name to make it another one: numbers, and random letters.
_NUMBER = re.compile(r"(-(\d+|[a-z0-9]*\d[a-z0-9]*|[bcdfghjklmnpqrstvwxz]{5}))+$")
#: Seconds before now, in which as many Jobs began as will in as much time.
_LOOK_BACK = 3600.0
_LOW, _MIDDLE, _HIGH = 0.1, 0.5, 0.9
_ALMOST = 0.995
_SHARES = tuple((number + _MIDDLE) / PLAYS for number in range(PLAYS))


@dataclass(frozen=True, slots=True)
class Spread:
    """Seconds, or something else: one in ten is below `p10`, half below `p50`, nine in ten below `p90`."""

    p10: float
    p50: float
    p90: float

    @classmethod
    def of(cls, found: Sequence[float]) -> Spread:
        """Return the spread of some numbers."""
        return cls(*(_quantile(sorted(found), share) for share in (_LOW, _MIDDLE, _HIGH)))

    def times(self, factor: float) -> Spread:
        """Return all of it so many times as large."""
        return Spread(self.p10 * factor, self.p50 * factor, self.p90 * factor)

    def at(self, share: float) -> float:
        """Return the number below which this share is: in straight lines from point to point, and on beyond them."""
        least, most = self.p10 - (self.p50 - self.p10) / 4, self.p90 + (self.p90 - self.p50) / 4
        points = ((0.0, max(least, 0.0)), (_LOW, self.p10), (_MIDDLE, self.p50), (_HIGH, self.p90), (1.0, most))
        (left, low), (right, high) = next(pair for pair in pairwise(points) if share <= pair[1][0])
        return low + (high - low) * (share - left) / (right - left)


@dataclass(frozen=True, slots=True)
class Pace:
    """How many seconds the steps of a rollout take.

    `begin`: until DRAIN, new nodes Ready; `boot`: from a launch until the node is Ready; `drain`: until a node's other
    pods have left; `release`: until its instance is terminated; `gone`: from then on until it is gone.
    """

    begin: Spread = Spread(200, 300, 600)
    boot: Spread = Spread(100, 150, 260)
    drain: Spread = Spread(18, 30, 150)
    release: Spread = Spread(12, 18, 40)
    gone: Spread = Spread(75, 95, 180)
    restore: Spread = Spread(60, 120, 240)


@dataclass(frozen=True, slots=True)
class Took:
    """How many seconds an earlier rollout of the cluster took until DRAIN, and in RESTORE."""

    begin: float
    restore: float


#: Chosen by whole rollouts on the simulator, of which docs/running.md has the measure; by no real cluster.
_PACE = Pace()


def learnt(earlier: Sequence[Took], pace: Pace = _PACE) -> Pace:
    """Return the pace of a cluster whose earlier rollouts took so long; each step is as uncertain as before."""
    if not earlier:
        return pace
    begin = median(one.begin for one in earlier) / pace.begin.p50
    restore = median(one.restore for one in earlier) / pace.restore.p50
    return replace(
        pace, begin=pace.begin.times(begin), boot=pace.boot.times(begin), restore=pace.restore.times(restore)
    )


@dataclass(frozen=True, slots=True)
class Expected:
    """When a workload is expected to end, and by what: `history` of others like it, or its `age` alone.

    `late`: the share of plays in which it still runs at the drain deadline.
    """

    p50: datetime
    p90: datetime
    basis: Basis
    late: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """The whole rollout. `seconds`: from now to its end; `node_hours`: of the instances beside those desired.

    `cost`: None where an instance type has no price; `unpriced`: those types, if any price was given.
    `late`: the share of plays in which protected work still runs at the drain deadline.
    `expected`: by namespace, kind and name of a workload.
    """

    seconds: Spread
    node_hours: Spread
    cost: Spread | None
    unpriced: tuple[str, ...]
    late: float
    expected: Mapping[tuple[str, str, str], Expected]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known before it begins. `workloads`: on the nodes that must go. `prices`: an hour's, by instance type."""

    found: Survey
    plan: Plan
    groups: tuple[GroupOutline, ...]
    workloads: tuple[Workload, ...]
    jobs: tuple[JobSeen, ...]
    now: datetime
    prices: Mapping[str, float] = field(default_factory=dict)


def forecast(known: Known, pace: Pace = _PACE) -> Forecast:
    """Play the rollout."""
    held = [one for one in known.workloads if one.protected]
    runs = _runs(held, known)
    nodes = _nodes(known, runs)
    arrivals = _arrivals(held, known)
    plays = [_Play(number, known, runs, arrivals, pace).play(nodes) for number in range(PLAYS)]
    prices = _dearest(known)
    costs = [sum(hours * prices[name] for name, hours in one.hours.items() if hours) for one in plays] if prices else []
    expected = {
        one.key: _expected(run, known.now, sum(play.late[index] for play in plays) / PLAYS)
        for index, (one, run) in enumerate(zip(held, runs, strict=True))
    }
    return Forecast(
        seconds=Spread.of([one.end for one in plays]),
        node_hours=Spread.of([sum(one.hours.values()) for one in plays]),
        cost=Spread.of(costs) if costs else None,
        unpriced=_unpriced(known),
        late=sum(any(one.late) for one in plays) / PLAYS,
        expected=expected,
    )


def _expected(run: _Runs, now: datetime, late: float) -> Expected:
    half, most = (now + duration(run.at(share)) for share in (_MIDDLE, _HIGH))
    return Expected(half, most, "history" if run.spans else "age", late)


# ---- how long Jobs may run ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Runs:
    """What holds nodes: for how many seconds more it may run, as `spans`, sorted; empty: by its age alone.

    `alike`: what has this in common with it lasts as long, where nobody knows how long that is.
    """

    nodes: tuple[str, ...]
    alike: tuple[str, str]
    age: float
    spans: tuple[float, ...]
    most: float

    def at(self, share: float) -> float:
        """Return the seconds below which this share of possible ends is."""
        if self.spans:
            # A few of them say little of what else is possible.
            wide = 1 + (share - _MIDDLE) * 0.6 / len(self.spans)
            return min(_quantile(self.spans, share) * wide, self.most)
        return min(self.age * share / (1 - min(share, _ALMOST)), self.most)

    def drawn(self, share: float, before: list[float]) -> float:
        """Return the seconds of one play. `before`: those drawn before it of what is alike; these are added.

        The first that ends at a rate which its age alone tells ends as `at` says. What is alike has one rate, and each
        that was drawn tells more of it, as if it had run so long and had ended then.
        """
        if self.spans:
            return self.at(share)
        known = self.age + sum(before)
        seconds: float = known * ((1 - min(share, _ALMOST)) ** (-1 / (1 + len(before))) - 1)
        before.append(seconds)
        return min(seconds, self.most)


def _runs(held: Sequence[Workload], known: Known) -> list[_Runs]:
    jobs = {(job.namespace, job.name): job for job in known.jobs}
    lasted: dict[tuple[str, str], list[float]] = defaultdict(list)
    for job in known.jobs:
        if job.started and job.completed:
            lasted[_alike(job)].append((job.completed - job.started).total_seconds())
    own = [jobs.get((one.namespace, one.name)) if one.kind == "Job" else None for one in held]
    ages = [_age(one, job, known.now) for one, job in zip(held, own, strict=True)]
    usual = _quantile(sorted(ages), _MIDDLE) if ages else 0.0
    kinds = [
        _alike(its) if its else _kind(one.namespace, one.kind, one.name) for one, its in zip(held, own, strict=True)
    ]
    together: dict[tuple[str, str], float] = defaultdict(float)
    for kind, age in zip(kinds, ages, strict=True):
        together[kind] += age
    found = []
    for one, its, age, kind in zip(held, own, ages, kinds, strict=True):
        spans = tuple(sorted(span - age for span in lasted[_alike(its)] if span > age)) if its else ()
        most = (one.ends - known.now).total_seconds() if one.ends else FOR_EVER
        # Three that have run for an hour each, and none has ended: that says as much as one that has run for three.
        found.append(_Runs(one.nodes, kind, max(together[kind], usual, _YOUNGEST), spans, max(most, 0.0)))
    return found


@dataclass(frozen=True, slots=True)
class _Arrivals:
    """Jobs that begin before the old nodes are closed: how many a second, and how long those before them lasted."""

    rate: float
    lasted: tuple[float, ...]

    def at(self, began: float, come: float, begins: float, lasts: float) -> float:
        """Return when the last of them ends, 0 if none comes; `began`: when no more can come; three shares."""
        number = self.rate * began
        if come >= 1 - math.exp(-number):
            return 0.0
        longest = min(lasts ** (1 / max(number, 1.0)), _ALMOST)
        length = _quantile(self.lasted, longest) if self.lasted else _YOUNGEST * longest / (1 - longest)
        return began * begins + length


def _arrivals(held: Sequence[Workload], known: Known) -> _Arrivals:
    """Take the last hour's Jobs of the namespaces in which protected work runs for what comes next."""
    namespaces = {one.namespace for one in held if one.kind == "Job"}
    jobs = [(job.started, job.completed) for job in known.jobs if job.started and job.namespace in namespaces]
    begun = sum(started > known.now - timedelta(seconds=_LOOK_BACK) for started, _ in jobs)
    lasted = sorted((completed - started).total_seconds() for started, completed in jobs if completed)
    return _Arrivals(begun / _LOOK_BACK, tuple(lasted))


def _age(one: Workload, job: JobSeen | None, now: datetime) -> float:
    """Return for how many seconds it runs: a Job since its start, also where its pods were made again."""
    began = (job.started if job else None) or one.created or now
    return max((now - began).total_seconds(), 0.0)


def _alike(job: JobSeen) -> tuple[str, str]:
    """Return what Jobs have in common that last as long: their controller, else the name but for its number."""
    return (job.namespace, job.owner) if job.owner else _kind(job.namespace, "Job", job.name)


def _kind(namespace: str, kind: str, name: str) -> tuple[str, str]:
    return namespace, f"{kind}/{_NUMBER.sub('', name)}"


def _quantile(numbers: Sequence[float], share: float) -> float:
    """Return the number below which this share of sorted numbers is, in straight lines between them."""
    place = min(max(share * len(numbers) - 0.5, 0.0), len(numbers) - 1.0)
    low = math.floor(place)
    high = min(low + 1, len(numbers) - 1)
    return numbers[low] + (numbers[high] - numbers[low]) * (place - low)


@cache
def shares(thing: int) -> tuple[float, ...]:
    """Return by play the share for one thing: each comes up once, in an order that says nothing of another thing's.

    A step over the plays for each thing would say much: two steps may be all but multiples of each other.
    """
    draw = Random(thing).random  # noqa: S311  for a seed it is the same in each version of Python
    return tuple(sorted(_SHARES, key=lambda _: draw()))


# ---- one play -------------------------------------------------------------------------------------------------------


def _nodes(known: Known, runs: Sequence[_Runs]) -> dict[str, list[tuple[int, ...]]]:
    """Return by group for each instance that goes which of the workloads hold it."""
    seen = Observation(groups=known.found.groups, nodes=known.found.nodes)
    holds: dict[str, list[int]] = defaultdict(list)
    for index, run in enumerate(runs):
        for name in run.nodes:
            holds[name].append(index)
    living = {group.name: group.living for group in known.found.groups}
    return {
        group.name: [
            tuple(index for node in seen.nodes_on(instance.id) for index in holds[node.name])
            for instance in living[group.name]
        ]
        for group in known.groups
    }


@dataclass(slots=True)
class _Play:
    """One play of many. `end`: its seconds; `hours`: of the instances beside those desired, by group.

    `slow`: the share of clusters that are faster: where one step takes long, the others do.
    """

    number: int
    known: Known
    runs: Sequence[_Runs]
    arrivals: _Arrivals
    pace: Pace
    end: float = 0.0
    hours: dict[str, float] = field(default_factory=dict)
    late: tuple[bool, ...] = ()
    slow: float = 0.0
    _drawn: int = 0

    def play(self, nodes: Mapping[str, Sequence[tuple[int, ...]]]) -> _Play:
        """Play it; `nodes`: by group, by which workloads each is held."""
        kinds: dict[tuple[str, str], list[float]] = defaultdict(list)
        ends = [run.drawn(self._share(), kinds[run.alike]) for run in self.runs]
        self.slow = self._share()
        began = self.pace.begin.at(self.slow)
        coming = self.arrivals.at(began, self._share(), self._share(), self._share())
        deadline = began + self.known.plan.settings.drain_seconds
        self.late = tuple(end > deadline for end in ends)
        last = began
        for group in self.known.groups:
            free = [max([began, *(min(ends[index], deadline) for index in held)]) for held in nodes[group.name]]
            if free and group is self.known.groups[0]:
                free[0] = max(free[0], min(coming, deadline))
            free.sort()
            gone = self._drained(group, free, began)
            self.hours[group.name] = self._beside(group, gone, began)
            last = max([last, *gone])
        self.end = last + self.pace.restore.at(self.slow)
        return self

    def _share(self) -> float:
        """Return the share of this play for one more thing."""
        self._drawn += 1
        return shares(self._drawn)[self.number]

    def _drained(self, group: GroupOutline, free: Sequence[float], began: float) -> list[float]:
        """Return when each instance is gone: by turns, and while as many nodes serve as must."""
        settings = self.known.plan.settings
        turns = [began] * settings.max_draining
        spare = [began] * max(group.peak.desired - group.old, 1)
        gone, next_release = [], began
        for moment in free:
            start = max(moment, heapq.heappop(turns), heapq.heappop(spare))
            drained = start + self.pace.drain.at(self.slow)
            heapq.heappush(turns, drained)
            next_release = max(drained, next_release) + self.pace.release.at(self.slow)
            heapq.heappush(spare, next_release + self.pace.boot.at(self.slow))
            gone.append(next_release + self.pace.gone.at(self.slow))
        return gone

    def _beside(self, group: GroupOutline, gone: Sequence[float], began: float) -> float:
        """Return the hours of instances beside those desired: while old ones are left, at most the surge."""
        most = group.peak.desired - group.old
        launched = began - min(self.pace.boot.at(self.slow), began)
        hours, since = 0.0, launched
        for left, moment in zip(range(len(gone), 0, -1), sorted(gone), strict=True):
            hours += min(left, most) * (moment - since) / 3600
            since = moment
        return hours


# ---- prices ---------------------------------------------------------------------------------------------------------


def _types(known: Known) -> dict[str, set[str]]:
    """Return what each group launches; a type that AWS chooses by requirements has no name."""
    probed = known.found.probed
    return {
        group.name: {one.instance_type or "" for one in launches(probed[group.name], known.found.templates)}
        for group in known.groups
        if group.name in probed and group.peak != group.before
    }


def _unpriced(known: Known) -> tuple[str, ...]:
    """Return the types without a price, where any price was given."""
    named = {one for types in _types(known).values() for one in types if one not in known.prices}
    return tuple(sorted(one or "chosen by requirements" for one in named)) if known.prices else ()


def _dearest(known: Known) -> dict[str, float]:
    """Return by group the price of its dearest type: AWS chooses. Nothing where one has no price."""
    if not known.prices or _unpriced(known):
        return {}
    return {group: max(known.prices[one] for one in types) for group, types in _types(known).items() if types}
