"""Every point at which a runner may die, found from outside: around each mutating verb, around each commit that writes.

Installed in a child before the command line begins. Each point that is passed is written down; at the one that the
child is armed for it sends itself a signal, SIGKILL by default.

Points are counted by what changes the world or the journal. How often a lease is renewed between two of these depends
on which thread is quicker, so renewals are counted from the point before them: "41+2" is the second one after point 41.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine.default import DefaultDialect

from rollout import ports
from rollout.adapters.aws import AwsAutoScaling
from rollout.adapters.kube import ApiKubernetes
from rollout.engine import send
from rollout.model.effects import Effect

#: Verbs of the ports that change nothing. All others do: one that is added is a crash point without our doing.
READS = frozenset(
    {
        *("active_instance_refresh", "attachments", "autoscaler", "budgets", "follow", "groups", "image", "in_touch"),
        *("jobs", "marker", "nodes", "pods", "pods_on", "silence", "states", "templates", "trouble"),
    }
)

#: The kind of a commit that changes nothing but how long a lease lasts.
RENEWAL = "renewal"

_ID = re.compile(r"\b\d{8}-\d{6}-[0-9a-f]{4}\b")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d[T ])?\d\d:\d\d:\d\d[\d.]*(Z| UTC)?")
_PORT = re.compile(r"(?<=127\.0\.0\.1:)\d+")


@dataclass(frozen=True, slots=True)
class Point:
    """A crash point. `what`: effect or commit; `kind`: which kind of it; `name`: itself, alike in all runs.

    `number`: of the points that change something, up to this one; `renewal`: of the renewals since then, or 0.
    """

    number: int
    when: str
    what: str
    kind: str
    name: str
    renewal: int = 0

    def __str__(self) -> str:
        return f"{self.when} the {self.what} {self.name}"

    @property
    def at(self) -> str:
        """Where it is, as a child is armed for it."""
        return f"{self.number}+{self.renewal}" if self.renewal else str(self.number)


def states(points: Sequence[Point]) -> list[list[Point]]:
    """Group points between which nothing leaves, and nothing is written but how long the lease lasts.

    Wherever in such a group a runner dies, the world and the journal are left in the same state.
    """
    groups: list[list[Point]] = [[]]
    for point in points:
        groups[-1].append(point)
        if point.when == "before" and point.kind != RENEWAL:
            groups.append([])
    return groups


def same_state(one: Point, other: Point) -> bool:
    """Tell whether a runner that dies at either leaves the same state, so far as their numbers and names tell."""
    if RENEWAL not in {one.kind, other.kind}:
        return one == other
    first, last = sorted((one, other), key=lambda point: (point.number, point.renewal))
    return first.number == last.number or (last.number == first.number + 1 and last.when == "before")


class Trail:
    """The points that a child passes, in a file. `at`: where it stops itself, "" for nowhere.

    Where that is a renewal that this run does not make, it stops at the next point: the same state.
    """

    def __init__(self, path: Path, at: str, number: int) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        point, _, renewal = at.partition("+")
        self._ahead = (int(point), int(renewal or 0)) if at else None
        self._signal = number
        self._passed = self._renewals = 0
        self._lock = threading.Lock()

    def reach(self, when: str, what: str, kind: str, name: str) -> None:
        """Write a point down, and end there if it is ours."""
        with self._lock:
            self._passed += kind != RENEWAL
            self._renewals = self._renewals + 1 if kind == RENEWAL else 0
            point = Point(self._passed, when, what, kind, name, self._renewals)
            os.write(self._file, json.dumps(asdict(point)).encode() + b"\n")
            if self._ahead and (self._passed, self._renewals) >= self._ahead:
                self._ahead = None
                os.kill(os.getpid(), self._signal)


def install(path: str, at: str = "", number: int = signal.SIGKILL) -> None:
    """Watch this process's effects and commits from now on."""
    watch(Trail(Path(path), at, number))


def watch(trail: Trail) -> None:
    """Have the trail told of this process's effects and commits from now on."""
    _Effects(trail).install()
    _Commits(trail).install()


def passed(path: Path) -> tuple[Point, ...]:
    """Return the points that a child passed."""
    return tuple(Point(**json.loads(line)) for line in path.read_text().splitlines())


def verbs(port: type) -> list[str]:
    """Return the names of a port's mutating verbs."""
    return [name for name, _ in inspect.getmembers(port, inspect.isfunction) if name[0] != "_" and name not in READS]


class _Effects:
    """The mutating verbs of both ports; an effect's name is what the journal calls it."""

    def __init__(self, trail: Trail) -> None:
        self._trail = trail
        self._under_way = threading.local()

    def install(self) -> None:
        for port, adapter in ((ports.AutoScaling, AwsAutoScaling), (ports.Kubernetes, ApiKubernetes)):
            for verb in verbs(port):
                setattr(adapter, verb, self._watched(verb, getattr(adapter, verb)))
        send.call = self._named(send.call)

    def _named(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def named(effect: Effect, *ports: Any) -> Any:
            self._under_way.effect = effect
            return call(effect, *ports)

        return named

    def _watched(self, verb: str, send: Callable[..., Any]) -> Callable[..., Any]:
        def watched(adapter: Any, *arguments: Any, **named: Any) -> Any:
            effect = getattr(self._under_way, "effect", None)
            kind, name = (effect.kind, effect.key) if effect else (verb, verb)
            self._trail.reach("before", "effect", kind, name)
            try:
                return send(adapter, *arguments, **named)
            finally:
                self._trail.reach("after", "effect", kind, name)

        return watched


class _Commits:
    """The transactions that write something, each named by the events that it writes."""

    def __init__(self, trail: Trail) -> None:
        self._trail = trail
        self._under_way = threading.local()

    def install(self) -> None:
        event.listen(Engine, "begin", self._begun)
        event.listen(Engine, "before_cursor_execute", self._executed)
        event.listen(Engine, "commit", self._about_to_commit)
        commit: Callable[..., None] = DefaultDialect.do_commit

        def committed(dialect: DefaultDialect, connection: Any) -> None:
            commit(dialect, connection)
            self._committed()

        DefaultDialect.do_commit = committed  # type: ignore[method-assign]

    def _begun(self, connection: Connection) -> None:
        connection.info["written"] = []

    def _executed(self, connection: Connection, _cursor: Any, statement: str, *rest: Any) -> None:
        context = rest[1]
        verb, *words = statement.split(None, 3)
        if verb in {"INSERT", "UPDATE", "DELETE"}:
            table = words[1] if verb in {"INSERT", "DELETE"} else words[0]
            rows = [(one.get("kind"), one.get("text")) for one in context.compiled_parameters]
            connection.info["written"] += [(table, *row) for row in rows if table == "events"] or [
                (table, statement, "")
            ]

    def _about_to_commit(self, connection: Connection) -> None:
        written = connection.info["written"]
        self._under_way.point = _described(written) if written else None
        if written:
            self._trail.reach("before", "commit", *self._under_way.point)

    def _committed(self) -> None:
        point, self._under_way.point = getattr(self._under_way, "point", None), None
        if point:
            self._trail.reach("after", "commit", *point)


def _described(written: list[tuple[str, str, str]]) -> tuple[str, str]:
    """Return kind and name of a transaction that wrote these: (table, event's kind or else statement, event's text)."""
    told = [(kind, text) for table, kind, text in written if table == "events"]
    if any(table == "attempts" for table, _, _ in written):
        return "receipt", "receipt" + "".join(f"; {text}" for _, text in told)
    if not told:
        renewed = all(statement.startswith("UPDATE leases SET expires_at") for _, statement, _ in written)
        return (RENEWAL, "renewal of the lease") if renewed else ("lease", "lease, begun or ended")
    name = _PORT.sub("PORT", _MOMENT.sub("A MOMENT", _ID.sub("ROLLOUT", "; ".join(text for _, text in told))))
    return _kind({kind for kind, _ in told}, [text for _, text in told]), name


def _kind(kinds: set[str], texts: list[str]) -> str:
    if any(text.startswith(("intended: ", "sent again")) for text in texts):
        return "intent"
    if any(text.startswith(("done: ", "not applied: ")) for text in texts):
        return "settling"
    return next((kind for kind in ("phase", "begun", "halted", "resumed", "node") if kind in kinds), "note")
