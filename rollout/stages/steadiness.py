"""Whether the cluster has been steady for long enough that DRAIN may act on what it says of itself.

After an outage the API server says for some seconds that nobody is Ready, and budgets do not know it yet: a client
may evict any pod; the same where many nodes turn at once. So nothing is cordoned, evicted, killed or ended until
the cluster was seen, and steady, for a time, and budgets know their pods again. A process that has just begun has seen
nothing yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from rollout.commands import kubectl
from rollout.model.decision import Halt, StageDecision
from rollout.model.machine import Stage
from rollout.model.observation import NodeSeen, Observation, Unsteady
from rollout.model.plan import Steady, duration
from rollout.model.reasons import Reason
from rollout.model.record import Record
from rollout.stages.freshness import FRESH_WITHIN, Counted, counted, stale
from rollout.stages.node_view import NodeView

#: Seconds between two looks that came about after which those in between, which did not, count as an outage.
BLIND_AFTER = 30.0
#: The same where nobody tried to look: a process that stood still, or was busy.
AWAY_AFTER = 150.0


@dataclass(frozen=True)
class Steadiness:
    """What a process remembers from look to look, and nothing else does.

    `unsteady`: when it last was, and since when; None before the first look. `looked`: when that last came about.
    `ready`: by uid, the nodes that were Ready then, and since when; `known`: those that were so ever; `turned`: when
    each was last seen to have turned; `budgets`: by name, whether they agree with our own list of pods since then.
    """

    unsteady: Unsteady | None = None
    looked: datetime | None = None
    ready: Mapping[str, datetime | None] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    turned: Mapping[str, datetime] = field(default_factory=dict)
    budgets: Mapping[str, Counted] = field(default_factory=dict)

    def after(
        self, seen: Observation, record: Record, now: datetime, *, blind: bool, silence: float = 0.0
    ) -> Steadiness:
        """Take in one more look; `blind`: the one before it did not come about.

        `silence`: for how many seconds at most nothing was heard of the API server since then.
        """
        steady = record.plan.settings.steady
        ready = {node.uid: node.turned for node in seen.nodes if node.ready}
        moved = [uid for uid, since in self.ready.items() if uid not in ready or ready[uid] != since]
        oldest = now - duration(steady.within)
        recent = {uid: at for uid, at in self.turned.items() if at > oldest} | dict.fromkeys(moved, now)
        why = self._blind(now, silence, blind=blind) or self._storm(seen, record, recent)
        last = self._unsteady(why, steady, now)
        counts = counted(seen, record, self.budgets) if not why and _doubtful(last, steady, now) else {}
        return Steadiness(last, now, ready, self.known | ready.keys(), recent, counts)

    def _unsteady(self, why: str, steady: Steady, now: datetime) -> Unsteady | None:
        before = self.unsteady
        if not why:
            return before
        lasts = before is not None and now < before.last + duration(steady.seconds)
        began = before.began if before is not None and lasts else now
        return Unsteady(why, began, now)

    def _blind(self, now: datetime, silence: float, *, blind: bool) -> str:
        if self.looked is None:
            return "this process has only just started to observe"
        if silence >= BLIND_AFTER:
            return f"the API server was silent for {silence:.0f} s"
        away = now - self.looked
        if away >= timedelta(seconds=BLIND_AFTER if blind else AWAY_AFTER):
            return f"nothing could be observed for {away.total_seconds():.0f} s"
        return ""

    def _storm(self, seen: Observation, record: Record, turned: Mapping[str, datetime]) -> str:
        steady = record.plan.settings.steady
        for where, nodes in _scopes(seen, record, self.known):
            many = [node for node in nodes if node.uid in turned]
            if len(many) >= max(steady.nodes, steady.share * len(nodes)):
                return f"{len(many)} of {len(nodes)} nodes{where} turned not Ready"
        return ""


def unsteady(steadiness: Steadiness, record: Record, now: datetime) -> Unsteady | None:
    """Return why the cluster is not to be trusted at this moment, None where it is."""
    last, steady = steadiness.unsteady, record.plan.settings.steady
    if last is None or not _doubtful(last, steady, now):
        return None
    if now < last.last + duration(steady.seconds):
        return last
    late, until = stale(steadiness.budgets), last.last + duration(steady.seconds + FRESH_WITHIN)
    return replace(last, why=f"{late}, until {until:%H:%M:%S} UTC at most") if late else None


def _doubtful(last: Unsteady | None, steady: Steady, now: datetime) -> bool:
    """Tell whether the cluster may not be itself again; with no time to wait at all it always is."""
    return bool(steady.seconds and last and now < last.last + duration(steady.seconds + FRESH_WITHIN))


def _scopes(seen: Observation, record: Record, known: frozenset[str]) -> Iterable[tuple[str, list[NodeSeen]]]:
    """Yield the cluster and each group with the nodes that were Ready before and are not on their way out."""
    going = {row.instance_id for row in record.nodes if row.stage in {Stage.TERMINATING, Stage.GONE}}
    nodes = [node for node in seen.nodes if node.uid in known and not node.going]
    leaves = {one.id for group in seen.groups for one in group.instances if not one.living} | going
    there = [node for node in nodes if node.instance_id not in leaves]
    yield "", there
    for group in seen.groups:
        ids = {instance.id for instance in group.instances}
        yield f" of {group.name}", [node for node in there if node.instance_id in ids]


def steadied(step: StageDecision, view: NodeView) -> StageDecision:
    """Return the step without what a cluster that is not steady must not be asked for; a move that needs it waits."""
    why = view.unsteady
    rest = tuple(effect for effect in step.effects if not effect.harms)
    if why is None or (rest == step.effects and step.trigger != "drain"):
        return step
    seconds = view.record.plan.settings.steady.seconds
    text = f"the cluster to be steady for {seconds:.0f} s ({why.why})"
    late = view.past_blocked_deadline and view.now >= why.began + duration(view.record.plan.settings.blocked_seconds)
    hint = f"see why nodes turn not Ready ({kubectl('get', 'nodes')})"
    halt = Halt(Reason.CLUSTER_NOT_STEADY, f"{view.name} waits for {text}", hint) if late else None
    kept = replace(step, effects=rest, trigger=None, waits_for=text, reason=Reason.CLUSTER_NOT_STEADY)
    return replace(kept, halt=halt, kept_back=True)
