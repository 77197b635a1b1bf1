"""What is wrong with a rollout: how its runs ended, and the promises.

A rollout that was left halted, or refused, owes what never may happen; what must be at the end only one that is done.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from rollout.demo import journal_promises
from rollout.journal import read_journal
from tests.e2e.simulated import Result
from tests.proof.world import ProofWorld
from tests.swarm import person
from tests.swarm.comparing import Compared
from tests.swarm.jobs import ended
from tests.swarm.operating import Asked, Deadlines, while_paused
from tests.swarm.person import Amend

State = dict[str, Any]

#: Codes with which a run may end, of itself (README); and by our SIGKILL.
_CODES = {0, 1, 2, 75, 76, -9}
REFUSED = 2
#: What only the end of a rollout shows.
_AT_THE_END = {4, 10}
_LONGEST = 600
#: How an ending is called after which what was there before must be there, or what was wanted.
ENDED = frozenset({"done", "aborted"})


@dataclass(slots=True)
class Rollout:
    """One of the rollouts of a case. `parallel`: how many requests go side by side.

    `results`: of its runs so far; `amends`: what a person did because it said so. `typed`: results of commands that
    asked for something; `asked`: those that were accepted. `command`: what continues it, with its options;
    `then`: what the operator does where the end of a pause would kill Jobs.
    """

    image: str
    key: str
    parallel: int
    results: list[Result] = field(default_factory=list)
    amends: list[Amend] = field(default_factory=list)
    typed: list[Result] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    command: tuple[str, ...] = ("start",)
    then: str = "extend"

    @property
    def said(self) -> list[str]:
        """Each line of its output."""
        return [line for result in self.results for line in result.out.splitlines()]

    def arguments(self, world: ProofWorld) -> list[str]:
        """Return how the command line is begun for it."""
        wanted = ["--ami", self.image, "--key", self.key] if self.command == ("start",) else []
        return [*typed(world, *self.command), *wanted]


def typed(world: ProofWorld, command: str, *options: str) -> list[str]:
    """Return a command as it is typed on this world."""
    return [command, "--config", "rollout.yaml", "--database", world.url, *options]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong; `kind`: what makes it the same as another."""

    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text[:_LONGEST]}"


def judge(world: ProofWorld, before: State, rollout: Rollout, ending: str) -> list[Finding]:
    """Return what is wrong with a rollout that ended so; `before`: what there was at its start."""
    findings = [*_manners(rollout, ending), *_promises(world, ending), *_journalled(world, before["at"])]
    said = (world.directory / "simulator.err").read_text("utf-8")
    if "Traceback" in said:
        findings.append(Finding("the simulator failed", said[said.index("Traceback") :][-_LONGEST:]))
    changes, after = world.get("/log"), world.get("/state")
    findings += _refused(rollout.results, [one for one in changes if one["at"] >= before["at"]])
    deadlines = Deadlines(rollout.said, rollout.asked, rollout.parallel)
    findings += [Finding("Job ended", text) for text in ended(changes, before, after, deadlines)]
    paused = while_paused(changes, rollout.asked, rollout.parallel)
    findings += [Finding("changed while paused", text) for text in paused]
    if any(one.do == "abort" for one in rollout.asked) and ending == "done":
        findings.append(Finding("not aborted", str(rollout.results[-1])))
    if ending in ENDED:
        since = [one for one in changes if one["at"] >= before["at"]]
        findings += _compared(before, after, since, rollout, back=ending == "aborted")
    return findings


def _compared(
    before: State, after: State, changes: Sequence[dict[str, Any]], rollout: Rollout, *, back: bool
) -> Iterator[Finding]:
    report = [line for line in rollout.results[-1].out.splitlines() if line.startswith("left as it is: ")]
    amended = {touched for amend in rollout.amends for touched in amend.touched}
    compared = Compared(before, after, changes, report, amended, rollout.image, back)
    yield from (Finding(f"compared: {kind}", text) for kind, text in compared.differences())


def _manners(rollout: Rollout, ending: str) -> Iterator[Finding]:
    results = rollout.results
    for result in (*results, *rollout.typed):
        if result.code not in _CODES:
            yield Finding(f"exit {result.code}", str(result))
        if "Traceback" in result.out + result.err:
            yield Finding("traceback", str(result))
        over = person.BACK in result.out  # exit code 1 of who wanted the other end
        if result.code in {1, 2} and "next: " not in result.out + result.err and not over:
            yield Finding("no next step", str(result))
    if ending == "halted" and not _a_persons(last := person.halt(results[-1].out)):
        yield Finding("halted for good", last)
    if ending == "unending":
        yield Finding("unending", "\n".join(str(one) for one in results[-3:]))


def _refused(results: Sequence[Result], changes: Sequence[dict[str, Any]]) -> Iterator[Finding]:
    """What is refused from its first run on has changed nothing."""
    ours = [one for one in changes if one["actor"].startswith("client:")]
    if ours and all(result.code == REFUSED for result in results):
        yield Finding("changed though refused", str(ours[0]))


def _a_persons(halt: str) -> bool:
    """Tell whether a halt asks for what only a person knows: a policy that is put back is more than a command."""
    return "next: put it back, then: " in halt


def _promises(world: ProofWorld, ending: str) -> Iterator[Finding]:
    for one in world.get("/promises"):
        if one["checks"] and (ending in ENDED or one["number"] not in _AT_THE_END):
            yield from (Finding(f"promise {one['number']}", text) for text in one["violations"])


def _journalled(world: ProofWorld, since: float) -> Iterator[Finding]:
    """Judge from the journal, too; `since`: when the newest rollout began, of several on this cluster."""
    changes = world.get("/log?actor=client:")
    journal = read_journal(world.url)
    rollouts = journal.summaries()
    # What arrives late nobody can call back: it was sent when its request came.
    sent = sorted(changes, key=lambda one: one["request"])
    judged = [journal_promises.fenced(journal, sent), journal_promises.one_at_a_time(rollouts)]
    if rollouts:
        newest = max(rollouts, key=lambda one: one.begun).id
        judged.append(journal_promises.written_first(journal, newest, [one for one in changes if one["at"] >= since]))
    journal.close()
    for one in judged:
        yield from (Finding(f"promise {one.number}", text) for text in one.violations)
