"""One case from its first to its last rollout, through the real command line, and what is wrong with it.

A run that was killed or interrupted is begun again by the same command. A halted one is resumed by a person, who first
waits, and later also sees to it that nothing goes wrong any more; after a few times the rollout is left halted. What an
operator pauses the same one resumes.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import HTTPError

from tests.e2e.simulated import Result
from tests.proof import cases as proof
from tests.proof.engines import Engine
from tests.proof.forkserver import Forkserver
from tests.proof.stop_at_points import _state
from tests.proof.world import Child, Prepared, ProofWorld, proof_world
from tests.swarm import judging, person
from tests.swarm.case import Act, Case
from tests.swarm.judging import ENDED, REFUSED, Finding, Rollout, typed
from tests.swarm.operating import COMMANDS, OF_A_NODE, Asked
from tests.swarm.person import Amend

DONE, HALTED, RESUMABLE, TAKEN = 0, 1, 75, 76
#: Runs of one rollout at most; halts after which a person gives up; starts that are refused.
_RUNS, _HALTS, _REFUSALS = 14, 6, 2
#: Simulated seconds between a run that did not end it and the next, by how often it halted; and between two rollouts.
_PAUSE, _PATIENCE, _BETWEEN = 30.0, 300.0, 900.0
#: Simulated seconds that Jobs get where the end of a pause would kill them.
_MORE = 600
#: Simulated seconds for which a runner is stopped while another one is at work.
_STOPPED = 150.0
#: Seconds of real time between two looks at a runner that is to stop, and how many of them.
_LOOK, _LOOKS = 0.01, 1500
#: Requests that go side by side, where a world says nothing of that.
_PARALLEL = 8
_TAINT = "eks-rollout/"
_HURRIED: Prepared = ("tests.swarm.child:hurried", {})
_HASTY: Prepared = ("tests.proof.journal_faults:hasty", {})


@dataclass(slots=True)
class Outcome:
    """What came of a case. `hours`: simulated ones; `endings`: of each rollout."""

    seed: int
    findings: list[Finding] = field(default_factory=list)
    endings: list[str] = field(default_factory=list)
    runs: int = 0
    kills: int = 0
    halts: list[str] = field(default_factory=list)
    hours: float = 0.0

    @property
    def kinds(self) -> set[str]:
        """The kinds of what is wrong."""
        return {one.kind for one in self.findings}


def run(case: Case, forkserver: Forkserver, engine: Engine, folder: Path) -> Outcome:
    """Run a case in a world of its own."""
    path = folder / f"swarm-{case.seed}.yaml"
    path.write_text(case.text(), "utf-8")
    outcome = Outcome(case.seed)
    with proof_world(proof.Case("swarm", str(path)), engine, forkserver, folder) as world:
        _Runs(case, world, outcome).all()
        world.kept = bool(outcome.findings)
    return outcome


class _Runs:
    def __init__(self, case: Case, world: ProofWorld, outcome: Outcome) -> None:
        self._case = case
        self._world = world
        self._outcome = outcome
        self._acts = list(case.acts)

    def all(self) -> None:
        began = self._now()
        for number, image in enumerate(self._case.images):
            if number:
                self._world.pass_time(_BETWEEN)
                self._world.post("/promises")
            before = self._world.get("/state")
            parallel = self._case.world["settings"].get("parallel", _PARALLEL)
            rollout = Rollout(image, f"swarm-{number}", parallel)
            ending = self._rollout(rollout)
            self._outcome.endings.append(ending)
            self._outcome.findings += judging.judge(self._world, before, rollout, ending)
            if ending not in ENDED:
                break
        self._outcome.hours = (self._now() - began) / 3600

    def _now(self) -> float:
        return float(self._world.get("/time")["now"])

    def _rollout(self, rollout: Rollout) -> str:
        """Run the command line until the rollout has ended, or a person gives up; tell how."""
        halts = refusals = 0
        for _ in range(_RUNS):
            result = self._run(rollout)
            rollout.results += result
            code = result[-1].code
            if code == DONE or person.BACK in result[-1].out:
                return "aborted" if person.BACK in result[-1].out else "done"
            if self._paused(rollout, result[-1]):
                continue
            if code == REFUSED:
                refusals += 1
                if refusals >= _REFUSALS:
                    return "refused"
                self._world.pass_time(_PATIENCE)
            elif code == HALTED:
                halts += 1
                rollout.command = ("resume",)
                if halts >= _HALTS:
                    return "halted"
                self._see_to_it(rollout, halts)
            elif code == RESUMABLE:
                self._world.pass_time(_PAUSE)
            elif code != -signal.SIGKILL:
                return f"exit {code}"
        return "unending"

    def _see_to_it(self, rollout: Rollout, halts: int) -> None:
        """Do as a person does before a resume: wait, do what the halt says, and later put an end to bad luck."""
        text = person.halt(rollout.results[-1].out)
        self._outcome.halts.append(text)
        state = self._world.get("/state")
        rollout.amends += [one for one in person.told(text, state) if self._amended(one)]
        if person.goes_back(text, state):
            rollout.command = ("abort",)
        self._world.pass_time(halts * _PATIENCE if halts > 1 else _PAUSE)
        if halts > 1:
            self._world.post("/world", {"do": "mend"})
            self._world.release()

    def _amended(self, amend: Amend) -> bool:
        try:
            if amend.action:
                self._world.post("/world", amend.action)
        except HTTPError as refused:
            self._outcome.findings.append(Finding("senseless hint", f"{amend.action}: {refused.read()!r}"))
            return False
        return True

    def _run(self, rollout: Rollout) -> list[Result]:
        """Run the command line once, or twice at a time, with its next act; the last result says how it stands."""
        self._lifts(rollout)
        arguments = rollout.arguments(self._world)
        self._outcome.runs += 1
        act = self._acts.pop(0) if self._acts else Act("nothing")
        if act.do in COMMANDS:
            return self._operated(rollout, arguments, act)
        match act.do:
            case "kill":
                result = self._bear(arguments, _armed(self._world, act, signal.SIGKILL)).finish()
                self._outcome.kills += result.code == -signal.SIGKILL
                return [result]
            case "stop":
                return self._stopped(arguments, act)
            case "two":
                children = [self._bear(arguments, _HASTY) for _ in range(2)]
                return _ordered(child.finish() for child in children)
            case _:
                return [self._bear(arguments).finish()]

    def _bear(self, arguments: list[str], *prepared: Prepared) -> Child:
        return self._world.fork(arguments, _HURRIED, *prepared)

    # ---- the operator

    def _operated(self, rollout: Rollout, arguments: list[str], act: Act) -> list[Result]:
        """Run the command line, and type the operator's command at its point, or when it has ended before."""
        door = self._world.directory / f"act-{self._world._runs + 1}.door"
        listens = {"path": str(door.with_suffix(".points")), "at": act.at, "door": str(door)}
        runner = self._bear(arguments, ("tests.swarm.child:operated", listens))
        code = self._stands(runner, door)
        ended = [] if code is None else [runner.result(code)]
        if ended and (code in (DONE, REFUSED) or person.BACK in ended[0].out):
            return ended
        if act.do == "abort":
            second = self._aborting(rollout, act)
            door.unlink(missing_ok=True)
            return _ordered((*(ended or [runner.finish()]), *([second.finish()] if second else [])))
        accepted = self._types(rollout, act)
        door.unlink(missing_ok=True)
        if not accepted or act.do != "pause" or ended:
            return ended or [runner.finish()]
        self._world.pass_time(act.lasts)
        rollout.command = ("resume",)
        resumed = self._resumes(rollout)
        return _ordered((runner.finish(), resumed))

    def _stands(self, runner: Child, door: Path) -> int | None:
        """Return when a run stands at its door, None then, or how it ended before."""
        for _ in range(_LOOKS * 4):
            code = self._world.forkserver.wait(runner.pid, _LOOK)
            if code is not None or door.exists():
                return code
        return runner.finish().code

    def _types(self, rollout: Rollout, act: Act) -> bool:
        """Type a command that only writes what it asks for; tell whether it was accepted."""
        options, node = ["--by", f"{act.lasts}s"] if act.do == "extend" else [], ""
        if act.do in OF_A_NODE:
            if not (node := self._going()):
                return False
            options = ["--node", node, *(["--yes"] if act.do == "force" else [])]
        asked = Asked(act.do, self._now(), self._requests(), seconds=act.lasts, node=node)
        rollout.typed.append(self._bear(typed(self._world, act.do, *options)).finish())
        accepted = rollout.typed[-1].code == DONE
        rollout.asked += [asked] * accepted
        rollout.then = act.then
        return accepted

    def _going(self) -> str:
        """Return a node that must go: one that carries the rollout's taint; "" for none."""
        nodes = self._world.get("/state")["nodes"].items()
        return next((name for name, node in nodes if _TAINT in str(node["spec"].get("taints", ""))), "")

    def _aborting(self, rollout: Rollout, act: Act) -> Child | None:
        """Begin the way back; return who follows it as soon as it is asked for, None where it is refused."""
        options = [act.then] if act.then else []
        asked = Asked("abort", self._now(), self._requests(), keeps=bool(act.then))
        abort = self._bear(typed(self._world, "abort", *options), _HASTY)
        self._outcome.runs += 1
        for _ in range(_LOOKS):
            if (code := self._world.forkserver.wait(abort.pid, _LOOK)) == REFUSED:
                rollout.typed.append(abort.result(REFUSED))
                return None
            if person.ASKED in abort.said() or code is not None:
                break
        rollout.asked.append(asked)
        return abort

    def _resumes(self, rollout: Rollout) -> Result:
        """End a pause as an operator does who may be asked whether Jobs may be killed."""
        self._lifts(rollout)
        self._outcome.runs += 1
        first = self._bear(rollout.arguments(self._world)).finish()
        if not person.asks_before_it_kills(first):
            return first
        rollout.typed.append(first)
        self._may_kill(rollout)
        self._lifts(rollout)
        return self._bear(rollout.arguments(self._world)).finish()

    def _paused(self, rollout: Rollout, result: Result) -> bool:
        """Tell whether a run ended because of a pause; what comes next ends that."""
        if person.asks_before_it_kills(result):
            self._may_kill(rollout)
            return True
        if result.code == HALTED and person.paused(result.out):
            rollout.command = ("resume",)
            return True
        return False

    def _may_kill(self, rollout: Rollout) -> None:
        """Give Jobs more time, or let them be killed, before a pause ends: as the refusal says."""
        if rollout.then == "extend":
            self._types(rollout, Act("extend", lasts=_MORE, then="--kill-now"))
        else:
            rollout.command = ("resume", "--kill-now")

    def _lifts(self, rollout: Rollout) -> None:
        """Write down that a pause, if there is one, ends from now on: a resume is typed."""
        if rollout.command[0] == "resume":
            for one in rollout.asked:
                one.lifted = min(one.lifted, self._requests())

    def _requests(self) -> int:
        """Return the number of the newest request."""
        return sum(one["reads"] + one["writes"] for one in self._world.get("/requests").values())

    # ---- runners beside each other

    def _stopped(self, arguments: list[str], act: Act) -> list[Result]:
        """Stop a run at its point, let another one be at it for a while, and wake the first."""
        first = self._bear(arguments, _armed(self._world, act, signal.SIGSTOP), _HASTY)
        for _ in range(_LOOKS):
            code = self._world.forkserver.wait(first.pid, _LOOK)
            if code is not None:
                return [first.result(code)]
            if _state(first.pid) == "T":
                break
        self._outcome.runs += 1
        self._world.absent()
        second = self._bear(arguments, _HASTY)
        ended = self._at_it(second)
        os.kill(first.pid, signal.SIGCONT)
        return _ordered((first.finish(), ended or second.finish()))

    def _at_it(self, child: Child) -> Result | None:
        """Let a run be at it for a while; return how it ended, None while it lives."""
        until = self._now() + _STOPPED
        for _ in range(_LOOKS // 3):
            code = self._world.forkserver.wait(child.pid, _LOOK)
            if code is not None:
                return child.result(code)
            if self._now() >= until:
                break
        return None


def _armed(world: ProofWorld, act: Act, number: int) -> Prepared:
    trail = str(world.directory / f"act-{world._runs + 1}.points")
    return "tests.proof.crash_points:install", {"path": trail, "at": str(act.at), "number": number}


def _ordered(results: Iterable[Result]) -> list[Result]:
    """Return both results, last the one that knows how the rollout stands: not one that gave way to the other."""
    return sorted(results, key=lambda one: one.code not in (RESUMABLE, TAKEN))
