"""Metrics for Prometheus: how one rollout stands, as a file for the node exporter and on an address of our own.

There is one rollout in them, and its labels have values of fixed sets: phases, stages and reasons. A sign of life is
an instant and not an age: an age would stand still in the file of a process that died.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from rollout.cli import own_files, why
from rollout.cli.monitoring.warning import warn
from rollout.model.machine import Phase, Stage

if TYPE_CHECKING:
    from rollout.config import Metrics
    from rollout.journal import SqlJournal
    from rollout.model.record import Record

#: What each name begins with; Argo Rollouts has "rollout_" already.
PREFIX = "eks_rollout_"
#: The node exporter is another user's.
_READABLE = 0o644
FILE = own_files.Kind(
    "file of a rollout's metrics", re.compile(f"# HELP {PREFIX}".encode()), "metrics.textfile", _READABLE
)
_OF_ROLLOUT = ("cluster", "rollout")
#: Of a halt in a journal of versions that had no reasons.
_NO_REASON = "unknown"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a rollout stands at `alive`, when the process that runs it was last seen at work.

    `halted`: the reason of the halt that stands, None while none does. `nodes`: by stage, those that must go, and as
    KEPT the old ones that an abort lets stay. `killed`: entries of the ledger of killed Jobs.
    """

    cluster: str
    rollout: str
    phase: Phase
    nodes: Mapping[Stage, int]
    alive: datetime
    killed: int
    drain_deadline: datetime | None
    halted: str | None

    def families(self) -> Iterator[GaugeMetricFamily]:
        """Yield all metrics; one that does not apply is left out."""
        phases = {phase.value: phase is self.phase for phase in Phase}
        yield self._each("phase", "1 for the phase in which the rollout stands, 0 for all others.", "phase", phases)
        nodes = {stage.value: self.nodes.get(stage, 0) for stage in Stage}
        kept = "KEPT: those that stay, skipped, surplus, or old after an abort."
        yield self._each("nodes", f"Nodes that must go, by stage; {kept}", "stage", nodes)
        alive = "When the process that runs the rollout was last at work, as Unix time."
        yield self._one("last_sign_of_life_timestamp_seconds", alive, self.alive.timestamp())
        yield self._one("killed_jobs", "Pods of protected Jobs that were killed: the ledger's entries.", self.killed)
        if self.drain_deadline:
            until = "Until when Jobs may run on the nodes that must go, as Unix time; there from DRAIN on."
            yield self._one("drain_deadline_timestamp_seconds", until, self.drain_deadline.timestamp())
        halts = {self.halted or "": self.halted is not None}
        yield self._each("halted", "1 while the rollout is halted, with the halt's reason; 0 else.", "reason", halts)

    def _one(self, name: str, says: str, value: float) -> GaugeMetricFamily:
        family = GaugeMetricFamily(f"{PREFIX}{name}", says, labels=_OF_ROLLOUT)
        family.add_metric([self.cluster, self.rollout], value)
        return family

    def _each(self, name: str, says: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
        family = GaugeMetricFamily(f"{PREFIX}{name}", says, labels=[*_OF_ROLLOUT, label])
        for one, value in values.items():
            family.add_metric([self.cluster, self.rollout, one], value)
        return family


def standing(record: Record, journal: SqlJournal, now: datetime) -> Standing:
    """Return how a rollout stands, seen now by the process that runs it."""
    return Standing(
        cluster=record.plan.cluster,
        rollout=record.id,
        phase=record.phase,
        nodes=Counter(node.stage for node in record.nodes),
        alive=now,
        killed=len(journal.killed(record.id)),
        drain_deadline=record.drain_deadline,
        halted=why.halted(journal.events(record.id)) or _NO_REASON if record.halted else None,
    )


class Latest(Collector):
    """The last known state, as a registry asks for it: also from the listener's thread, so it is one value."""

    def __init__(self) -> None:
        self.standing: Standing | None = None
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield from self.standing.families() if self.standing else ()


@contextmanager
def published(
    settings: Metrics, journal: SqlJournal, now: Callable[[], datetime]
) -> Iterator[Callable[[Record], None]]:
    """Yield what publishes a record; the listener ends with the block, and the file stays."""
    latest = Latest()

    def publish(record: Record) -> None:
        latest.standing = standing(record, journal, now())
        if settings.textfile:
            text = generate_latest(latest.registry).decode()
            own_files.write(text, Path(settings.textfile), FILE, journal.database.backend.path)

    with ExitStack() as stack:
        if settings.listen:
            try:
                stack.enter_context(_listening(settings.listen, latest.registry))
            except Exception as error:  # noqa: BLE001  a rollout goes on without its metrics
                warn(f"nobody can read metrics on {settings.listen}", error)
        yield publish


@contextmanager
def _listening(address: str, registry: CollectorRegistry) -> Iterator[None]:
    """Answer on an address inside the block, from a thread that keeps no process alive."""
    host, _, port = address.rpartition(":")
    server, _ = start_http_server(int(port), host.strip("[]"), registry)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
