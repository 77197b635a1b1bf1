"""The only loop and the only wait: load, observe, settle, decide, write down, perform, write down.

Start and resume are the same code. Nothing is kept between two ticks but what the journal holds, what a look missed,
since when looks say what cannot be taken back, whether the cluster was steady and heard us (a process that has just
begun sees to that first), the groups of the last look, which are good enough to wait by for a minute, and its launch
templates, for as long as the phase says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import NoReturn

from rollout.commands import WEBHOOKS, kubectl, resume, then_resume
from rollout.engine.send import Patience, perform
from rollout.engine.settle import STALE_AFTER, settle
from rollout.engine.tick import Said, Ticked, decide_tick
from rollout.errors import RESUMABLE, Refused, Retry, Unknown, UserError
from rollout.model.decision import Act, Advance, Halt, NodeWait, Wait
from rollout.model.effects import Effect, OnGroup, Terminate
from rollout.model.machine import DRAINING, Phase, Stage, terminal
from rollout.model.observation import GroupSeen, Observation, TemplateSeen
from rollout.model.plan import duration
from rollout.model.reasons import Reason, tagged
from rollout.model.record import Record
from rollout.model.sight import Sight, sighted
from rollout.model.steering import Pause
from rollout.model.windows import may_end
from rollout.patience import OUTAGE, Noes
from rollout.phases import deadline, observe, renewed, with_groups_of_now
from rollout.phases.autoscaler_off import off_too_long
from rollout.phases.missing import missing
from rollout.ports import AutoScaling, Clock, Journal, Kubernetes, Receipt
from rollout.stages.newcomers import newcomers
from rollout.stages.pods import in_words
from rollout.stages.replicas import fewer
from rollout.stages.steadiness import BLIND_AFTER, Steadiness, unsteady

#: Seconds between two tries to look, while AWS or the API server does not answer.
BLIND_PAUSE = 10.0
#: Seconds for which a look at the groups is young enough to wait by: while AWS ends an instance, and while it does not.
LEAVING_AGE, IDLE_AGE = 30.0, 60.0
#: Seconds from when a rollout was paused in which a process waits with it; then it ends, and holds no agent for days.
WAITS_PAUSED = 3600.0
#: Requests of each worker of the pool between two commits, which renew the lease: a request takes ten seconds at most,
#: and what outlives the trust in the lease is not sent.
BATCH = 4


class Ended(Enum):
    """How a run ended."""

    DONE = "done"
    ABORTED = "aborted"
    HALTED = "halted"
    PAUSED = "paused"
    INTERRUPTED = "interrupted"

    @classmethod
    def at(cls, phase: Phase) -> Ended:
        """Return how a rollout ended that stands at this last phase."""
        return cls.ABORTED if phase is Phase.ABORTED else cls.DONE


@dataclass(frozen=True, slots=True)
class Progress:
    """What a spectator is told after each tick. `waiting`: in words, what is waited for."""

    record: Record
    waiting: str


@dataclass(frozen=True, slots=True)
class _Look:
    """What was seen, the rollout as that settles it, and what is done now."""

    seen: Observation
    record: Record
    ticked: Ticked

    @property
    def waits_on(self) -> bool:
        """Nothing is done: nothing new is written down, and no answer is about to be believed."""
        decision = self.ticked.decision
        return isinstance(decision, Wait) and self.ticked.said.what is None and not _news(decision.waits, self.record)


@dataclass
class Runner:
    """Works one rollout to its end. `stop`: asked before each tick and after each look; `report`: told after each."""

    journal: Journal
    kubernetes: Kubernetes
    autoscaling: AutoScaling
    clock: Clock
    rollout_id: str
    stop: Callable[[], bool] = lambda: False
    report: Callable[[Progress], None] = lambda progress: None  # noqa: ARG005 - a spectator that looks away
    _groups: tuple[datetime, tuple[GroupSeen, ...]] | None = field(default=None, init=False)
    _templates: tuple[datetime, tuple[TemplateSeen, ...]] | None = field(default=None, init=False)
    _blind: datetime | None = field(default=None, init=False)
    _unheard: bool = field(default=False, init=False)
    _denied: datetime | None = field(default=None, init=False)
    _refused: Noes = field(default_factory=Noes, init=False)
    _not_through: Noes = field(default_factory=Noes, init=False)
    _hopeless: Halt | None = field(default=None, init=False)
    _steadiness: Steadiness = field(default_factory=Steadiness, init=False)
    _missed: dict[str, datetime] = field(default_factory=dict, init=False)
    _said: Said = field(default_factory=Said, init=False)
    _begun: datetime | None = field(default=None, init=False)
    _greeted: bool = field(default=False, init=False)
    _warned: str = field(default="", init=False)
    _rests: Pause | None = field(default=None, init=False)

    def run(self) -> Ended:
        """Tick until the rollout is done, aborted or halted, is paused for long, or until somebody asks to stop.

        Raises `UserError`, `Lost` or `Bug`; what was intended is in the journal then, as after a crash.
        """
        while True:
            record = self.journal.load(self.rollout_id)
            if terminal(record.phase):
                return Ended.at(record.phase)
            if record.halted:
                return Ended.HALTED
            if record.pause and record.pause == self._rests:
                return Ended.PAUSED
            if self.stop():
                self.journal.note(
                    self.rollout_id, "interrupted", f"interrupted in {record.phase.value}", self.clock.now()
                )
                return Ended.INTERRUPTED
            self._tick(record)

    def unhalt(self) -> None:
        """Clear a halt, but not in a pause: the phase gets a new deadline and what was refused may be sent again."""
        record = self.journal.load(self.rollout_id)
        if record.halted and record.pause is None:
            now = self.clock.now()
            self.journal.resume(self.rollout_id, renewed(record.phase, record.plan.settings, now), now)

    def _tick(self, record: Record) -> None:
        if self._tell_asked(record):
            record = self.journal.load(record.id)
        groups = self._groups_to_wait_by(record)
        look = self._look(record, lambda: self._seen(record, groups))
        if look and groups and not look.waits_on:
            seen, record = look.seen, look.record
            look = self._look(record, lambda: with_groups_of_now(seen, record, self.autoscaling))
        if look is None:
            return
        now = self.clock.now()
        if look.record.phase in DRAINING and isinstance(look.ticked.decision, Advance | Halt):
            self._count_replicas(look.seen, look.record, now)
        self._carry_out(look, now)

    def _look(self, record: Record, observed: Callable[[], Observation]) -> _Look | None:
        """Observe, settle, and decide. Return None where that failed, or where nothing new may begin."""
        seen = self._observe(record, observed)
        if seen is None or self.stop():
            return None
        now = self.clock.now()
        self._greet(seen, record, now)
        self._warn(off_too_long(record, now), record, now)
        settled = settle(seen, record, now)
        if settled:
            self.journal.settle(record.id, settled, now)
            record = self.journal.load(record.id)
        ticked = decide_tick(seen, record, now, self._said)
        self._said = ticked.said
        return _Look(seen, record, ticked)

    def _tell_asked(self, record: Record) -> bool:
        """Write down what somebody asked for and the history does not say yet; tell whether there was anything."""
        now = self.clock.now()
        if record.extension:
            self.journal.extend(record.id, record.extension, now)
        if record.untold:
            self.journal.steer(record.id, record.untold, renewed(record.phase, record.plan.settings, now), now)
        for force in record.forces:
            self.journal.force(record.id, force, now)
        return bool(record.extension or record.untold or record.forces)

    def _count_replicas(self, seen: Observation, record: Record, now: datetime) -> None:
        """Say which services have fewer Ready replicas than before we evicted any, now that nothing more leaves."""
        for text in fewer(seen, self.journal.evicted(record.id)):
            self.journal.note(record.id, "replicas", text, now)

    def _greet(self, seen: Observation, record: Record, now: datetime) -> None:
        """Say once in a rollout that a pod has turned up which blocks its node though the settings do not name it."""
        if self._greeted or not newcomers(seen, record, self._begun):
            return
        if self._begun is None:
            events = self.journal.events(record.id)
            self._begun = events[0].at
            self._greeted = any(event.kind == "protected" for event in events)
        if not self._greeted and (pods := newcomers(seen, record, self._begun)):
            how = f"`protected` does not name it; unprotected: {record.plan.settings.unprotected}"
            text = f"{in_words(pods)} turned up, and the node waits for its end ({how})"
            self.journal.note(record.id, "protected", text, now)
            self._greeted = True

    def _warn(self, text: str, record: Record, now: datetime) -> None:
        """Write down a warning once in a rollout."""
        if text != self._warned:
            self._warned = text
            if text not in {"", *(event.text for event in self.journal.events(record.id))}:
                self.journal.note(record.id, "note", text, now)

    def _groups_to_wait_by(self, record: Record) -> tuple[GroupSeen, ...] | None:
        """Return the groups of a look before, while nothing is under way that AWS does; None: they are asked for now.

        What is lost shows on its node first. Nothing is done by an old look but to wait on.
        """
        if self._groups is None or record.phase not in DRAINING:
            return None
        if any(isinstance(row.effect, OnGroup) for row in record.unsettled):
            return None
        leaving = any(row.stage is Stage.TERMINATING for row in record.nodes)
        looked, groups = self._groups
        return groups if self.clock.now() < looked + timedelta(seconds=LEAVING_AGE if leaving else IDLE_AGE) else None

    def _seen(self, record: Record, groups: tuple[GroupSeen, ...] | None) -> Observation:
        """Return a look at what the phase needs, by the templates of a look before where those are young enough."""
        asked, known = self.clock.now(), self._templates
        seen = observe(record, self.kubernetes, self.autoscaling, groups, self._templates_within)
        if known is None or seen.templates is not known[1]:
            self._templates = (asked, seen.templates)
        return seen

    def _templates_within(self, seconds: float) -> tuple[TemplateSeen, ...] | None:
        """Return the templates of a look before that is so young, unless something is about to be believed."""
        if self._templates is None or self._missed or self._said.what is not None:
            return None
        looked, templates = self._templates
        return templates if self.clock.now() < looked + timedelta(seconds=seconds) else None

    def _observe(self, record: Record, look: Callable[[], Observation]) -> Observation | None:
        """Observe the world. Return None if that failed; the failure has then been recorded (wait or halt)."""
        asked, known = self.clock.now(), self._groups
        try:
            seen = look()
        except (Retry, Unknown) as error:
            self._denied = None
            self._observe_later(record, error.detail)
            return None
        except Refused as error:
            self._look_denied(record, error.detail)
            return None
        now = self.clock.now()
        self._groups = known if known and seen.groups is known[1] else (asked, seen.groups)
        blind = self._blind is not None or self._unheard
        silence = self.kubernetes.silence()
        self._steadiness = self._steadiness.after(seen, record, now, blind=blind, silence=silence)
        self._unheard = False
        self._look_again(record, now)
        if not self._all_there(seen, record, now):
            return None
        return replace(seen, unsteady=unsteady(self._steadiness, record, now))

    def _all_there(self, seen: Observation, record: Record, now: datetime) -> bool:
        """Believe that something of ours is gone only when no look has shown it for a while; look again until then."""
        self._missed = {thing: self._missed.get(thing, now) for thing in missing(seen, record)}
        until = max(self._missed.values(), default=now) + timedelta(seconds=STALE_AFTER)
        if not self._missed or now >= until:
            return True
        self._tell(record, f"not seen, and looked for again: {', '.join(sorted(self._missed))}")
        self.clock.wait(until)
        return False

    def _carry_out(self, look: _Look, now: datetime) -> None:
        record = look.record
        match look.ticked.decision:
            case Act() as decision:
                self._act(decision, record, now)
            case Advance() as decision:
                self._advance(decision, record, now)
            case Halt() as decision:
                self._halt(decision, record, now, sighted(look.seen, record))
            case Wait() as decision:
                self._wait(decision, record, now)

    def _act(self, act: Act, record: Record, now: datetime) -> None:
        """Intents in one commit, then the requests; receipts before the lease must be renewed, at the latest.

        A terminate leaves first: what is evicted after it cannot come to the node that it ends. Sizes come next, for
        somebody else may write them: the look that they rest on is to be young.
        """
        if act.tell and any(record.row(effect.key) is None for effect in act.effects):
            self.journal.note(record.id, "note", act.tell, now)
        self.journal.intend(record.id, act.effects, act.moves, _news(act.waits, record), act.nodes, now)
        alone, together = _in_order(act.effects)
        for effect in alone:
            self._receive(record, self._obeying([effect], record) or [self._perform(effect, record)])
        for some in _batches(together, BATCH * record.plan.settings.parallel):
            self._receive(record, self._side_by_side(some, record))
        self._tell(record, act.why)
        if self._hopeless:
            self._halt(self._hopeless, record, self.clock.now())
            self._hopeless = None

    def _obeying(self, effects: Sequence[Effect], record: Record) -> list[Receipt]:
        """Keep back what was decided before somebody asked for something else; nothing where nobody did."""
        if self.journal.asked(record.id) == record.asked:
            return []
        now = self.clock.now()
        return [_kept_back(effect, "somebody has asked for something: decides again first", now) for effect in effects]

    def _receive(self, record: Record, receipts: Sequence[Receipt]) -> None:
        self.journal.receive(record.id, receipts)
        for receipt in receipts:
            if receipt.outcome in {"not_sent", "not_applied", "unknown"}:
                self._missed_again(record, receipt)

    def _missed_again(self, record: Record, receipt: Receipt) -> None:
        """Give up what has not come through for too long; what was answered in between does not begin that time again.

        Where the API server's own words are that it goes wrong there, another process would hear them too: a halt.
        """
        effect = receipt.effect
        if self._not_through.lasts(effect.key, receipt.ended) < self._outage(record):
            return
        what = f"{effect.kind} of {effect.target} does not get through"
        if not receipt.failed:
            self._give_up(record, what, receipt.detail)
        why = f"{what} for {self._outage(record).total_seconds() / 60:.0f} min: {receipt.detail}"
        self._hopeless = Halt(Reason.EFFECT_FAILS, why, f"clear the cause that it names ({kubectl('get', WEBHOOKS)})")

    def _side_by_side(self, effects: Sequence[Effect], record: Record) -> list[Receipt]:
        workers, receipts = record.plan.settings.parallel, list[Receipt]()
        with ThreadPoolExecutor(max_workers=workers) as pool:
            for some in _batches(effects, workers):
                sent = self._obeying(some, record) or pool.map(lambda effect: self._perform(effect, record), some)
                receipts.extend(sent)
        return receipts

    def _perform(self, effect: Effect, record: Record) -> Receipt:
        row = record.row(effect.key)
        if kept := self._out_of_window(effect, record) or self._of_an_old_look(effect):
            return kept
        patience = Patience(record.plan.settings.patience_seconds, self._refused)
        receipt = perform(effect, self.kubernetes, self.autoscaling, self.clock.now, row.sent if row else 0, patience)
        if receipt.outcome in {"not_sent", "unknown"} and effect.harms and not isinstance(effect, Terminate):
            self._unheard = True  # Kubernetes may be away, or was: the next look tells whether that took long
        return receipt

    def _of_an_old_look(self, effect: Effect) -> Receipt | None:
        """Keep back what harms if the acts before it took long: the API server may have been away in between."""
        now, looked = self.clock.now(), self._steadiness.looked
        if looked is None or not effect.harms or now < looked + timedelta(seconds=BLIND_AFTER):
            return None
        seconds = (now - looked).total_seconds()
        return _kept_back(effect, f"looked {seconds:.0f} s ago: observes again first", now)

    def _out_of_window(self, effect: Effect, record: Record) -> Receipt | None:
        """Keep back what ends a Job if the window has closed since that was decided."""
        now = self.clock.now()
        if not effect.victims() or may_end(record.plan.settings.windows, now):
            return None
        return _kept_back(effect, "the maintenance window has closed: decides again first", now)

    def _advance(self, advance: Advance, record: Record, now: datetime) -> None:
        self.journal.advance(record.id, advance, deadline(advance.to, record.plan.settings, now), now)
        self._tell(record, advance.why)

    def _halt(self, halt: Halt, record: Record, now: datetime, sight: Sight | None = None) -> None:
        """Write down why a person must act; the command that goes on is added here, and only here.

        `sight`: what was seen at it, None where nothing was.
        """
        self.journal.halt(record.id, replace(halt, hint=then_resume(halt.hint, record.id)), now, sight)
        self._tell(record, halt.why)

    def _wait(self, wait: Wait, record: Record, now: datetime) -> None:
        news = _news(wait.waits, record)
        if news:
            self.journal.intend(record.id, (), (), news, (), now)
        self._tell(record, tagged(wait.why, wait.reason))
        if record.pause and wait.reason is Reason.PAUSED and now >= record.pause.at + timedelta(seconds=WAITS_PAUSED):
            self._rests = record.pause
            return
        self.clock.wait(wait.until, lambda: self.journal.asked(record.id) != record.asked)

    def _observe_later(self, record: Record, detail: str) -> None:
        """Say once that we are blind, not each later reason: a person cannot tell them apart."""
        if self.stop():  # then it was not asked at all: that is no trouble to be noted
            return
        now = self.clock.now()
        if self._blind is None:
            self._blind = now
            self.journal.note(record.id, "note", f"cannot observe, trying again: {detail}", now)
        if now >= self._blind + self._outage(record):
            self._give_up(record, "nothing could be observed", detail)
        self._tell(record, detail)
        self.clock.wait(now + timedelta(seconds=BLIND_PAUSE))

    def _outage(self, record: Record) -> timedelta:
        return max(OUTAGE, duration(record.plan.settings.patience_seconds))

    def _give_up(self, record: Record, what: str, detail: str) -> NoReturn:
        """End as one that can be continued: a person or a machine that starts it again may have more luck."""
        why = f"{what} for {self._outage(record).total_seconds() / 60:.0f} min in {record.phase.value}: {detail}"
        self.journal.note(record.id, "interrupted", why, self.clock.now())
        problem = f"{why}; nothing is lost, and what is protected stays protected"
        raise UserError(problem, hint=f"when it is there again: {resume(record.id)}", exit_code=RESUMABLE)

    def _look_denied(self, record: Record, detail: str) -> None:
        """Believe a no only when it lasts: an answer of a moment is not a fact."""
        now = self.clock.now()
        self._denied = self._denied or now
        if self.stop() or now < self._denied + duration(record.plan.settings.patience_seconds):
            self._observe_later(record, detail)
            return
        why = f"{record.phase.value} cannot observe: {detail}"
        halt = Halt(Reason.OBSERVATION_DENIED, why, "correct what it names (thing, rights or credentials)")
        self._halt(halt, record, now)

    def _look_again(self, record: Record, now: datetime) -> None:
        self._denied = None
        if self._blind is not None:
            minutes = (now - self._blind).total_seconds() / 60
            self.journal.note(record.id, "note", f"observes again, after {minutes:.0f} min", now)
            self._blind = None

    def _tell(self, record: Record, waiting: str) -> None:
        self.report(Progress(record, waiting))


def _kept_back(effect: Effect, why: str, now: datetime) -> Receipt:
    return Receipt(effect, "not_sent", now, now, why, retry_at=now)


def _in_order(effects: Sequence[Effect]) -> tuple[Sequence[Effect], Sequence[Effect]]:
    """Return what leaves one by one, terminates first, and what may leave side by side after it."""
    alone = sorted((one for one in effects if one.serial), key=lambda one: not isinstance(one, Terminate))
    return alone, [one for one in effects if not one.serial]


def _batches(effects: Sequence[Effect], size: int) -> Iterator[Sequence[Effect]]:
    for start in range(0, len(effects), size):
        yield effects[start : start + size]


def _news(waits: Sequence[NodeWait], record: Record) -> list[NodeWait]:
    """Return what the journal does not say yet of what nodes wait for."""
    told = {row.instance_id: row.waits_for for row in record.nodes}
    return [line for line in waits if told.get(line.instance_id) != line.waits_for]
