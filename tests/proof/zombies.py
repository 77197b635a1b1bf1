"""Runners that are stopped, or cut off from their journal, while another one takes their place; and two at once.

A stopped runner continues later, in the middle of what the other does, and must find out before it changes anything.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

from sqlalchemy import text

from rollout.journal import read_journal
from tests.e2e.simulated import Result
from tests.journal.lossy import lossy
from tests.proof.crash_points import Point, passed
from tests.proof.outcome import Outcome, Reference
from tests.proof.runs import Site
from tests.proof.stop_at_points import ALL, Paced, _state
from tests.proof.world import Child, Prepared, ProofWorld

#: Exit codes: it may be started again; another runner works the cluster.
RESUMABLE, TAKEN = 75, 76
#: Simulated seconds that a request is on its way: less than AWS takes it for, and more than a lease lasts.
LATE = 200.0
#: Simulated seconds for which a runner is followed that does nothing: it has not renewed anything for as long.
LONG = 120.0
#: Simulated seconds for which a lease is believed, and those that a request takes at most.
TRUST = 45.0 + 10.0
#: Seconds of real time after which a woken runner waits for the other one's lock; between two looks at one.
_MOMENT, _LOOK = 10.0, 0.005
#: Starts of another runner, at most, until a stopped one's transaction is ended by the server.
_TRIES = 20
_WRITTEN = {
    "events": "SELECT epoch FROM events ORDER BY seq",
    "attempts": "SELECT epoch FROM attempts ORDER BY id",
}
_HASTY: Prepared = ("tests.proof.journal_faults:hasty", {})


def woken(site: Site, reference: Reference, at: str, further: int) -> Outcome:
    """Stop a runner at this point of its own; wake it when another one has gone so many points further."""
    with site.trial(reference.case) as (outcome, world):
        first = stopped(world, at, outcome)
        second = _follower(world, further)
        outcome.problems += _both_end(world, first, second, outcome.died[0])
        outcome.judge(world, _ended(second), reference)
        outcome.problems += _written_late(world)
    return outcome


def waited_for(site: Site, reference: Reference, at: str) -> Outcome:
    """Stop a runner whose journal is a file at this point of its own, and wake it when another one has waited long.

    Its lock is its own for as long as it lives: it goes on, and the other one only follows.
    """
    with site.trial(reference.case) as (outcome, world):
        first = stopped(world, at, outcome)
        stood = world.get("/time")["now"]
        second = world.fork(world.start_arguments)
        while world.get("/time")["now"] < stood + LONG:
            assert world.forkserver.wait(second.pid, _LOOK) is None
        os.kill(first.pid, signal.SIGCONT)
        outcome.judge(world, first.finish(), reference)
        ended = second.finish()
        if ended.code:
            outcome.problems.append(f"the other: {ended}")
    return outcome


def woken_in_request(site: Site, reference: Reference, number: int, further: int) -> Outcome:
    """Stop a runner while its mutating request of that number was applied and not answered; wake it as `woken` does."""
    with site.trial(reference.case) as (outcome, world):
        world.post("/faults", {"match": {"mutating": True, "nth": number}, "hang": {"when": "after"}})
        first = world.fork(world.start_arguments)
        hung = world.get("/hung")
        os.kill(first.pid, signal.SIGSTOP)
        outcome.died.append(Point(number, "after", "request", hung["operation"], hung["target"]))
        world.absent()
        second = _follower(world, further)
        world.release()
        outcome.problems += _both_end(world, first, second, outcome.died[0])
        outcome.judge(world, _ended(second), reference)
        outcome.problems += _written_late(world)
    return outcome


def arriving_late(site: Site, reference: Reference, point: Point) -> Outcome:
    """Kill a runner right after it sent an effect, which arrives when another one is at work already.

    Nobody can call it back: what it changes then is changed under a lease that has ended, and is all that may be.
    """
    sent = [one for one in reference.points if (one.when, one.what) == ("after", "effect")]
    with site.trial(reference.case) as (outcome, world):
        world.post("/faults", {"match": {"mutating": True, "nth": 1 + sent.index(point)}, "late": {"seconds": LATE}})
        child = world.watched(point.at)
        child.finish()
        outcome.died += child.points()[-1:]
        outcome.judge(world, world.fork(world.start_arguments).finish(), reference)
    outcome.excuse(7, "held epoch 1, while 2 was at work")
    return outcome


def cut_off(site: Site, reference: Reference, at: str, port: int) -> Outcome:
    """Take a runner's journal away at this point of its own, but not AWS; another one, which has both, begins.

    `port`: the journal's server's.
    """
    with site.trial(reference.case) as (outcome, world), lossy(port) as way:
        first = stopped(world, at, outcome, world.url.replace(f":{port}/", f":{way.port}/"))
        (client,) = world.get("/clients")
        cut = world.get("/time")["now"]
        way.away()
        os.kill(first.pid, signal.SIGCONT)
        second = world.fork(world.start_arguments)
        ended = first.finish()
        outcome.judge(world, second.finish(), reference)
        outcome.problems += _written_late(world)
        outcome.problems += _sent_after(world, client, cut + TRUST)
        if ended.code != RESUMABLE:
            outcome.problems.append(f"the one that was cut off ended so: {ended}")
    return outcome


def two_at_once(site: Site, reference: Reference) -> Outcome:
    """Start the same rollout twice in the same moment."""
    with site.trial(reference.case) as (outcome, world):
        results = [one.finish() for one in [world.fork(world.start_arguments) for _ in range(2)]]
        outcome.judge(world, results[0], reference)
        if results[1].code or results[0].rollout_id != results[1].rollout_id:
            outcome.problems.append(f"the other: {results[1]}")
    return outcome


def stopped(world: ProofWorld, at: str, outcome: Outcome, url: str | None = None) -> Child:
    """Start a runner that stops itself at this point of its own, and let time pass without it.

    `url`: the way that it goes to the journal.
    """
    trail = world.directory / "first.points"
    arguments = [url if url and one == world.url else one for one in world.start_arguments]
    watching = {"path": str(trail), "at": at, "number": signal.SIGSTOP}
    child = world.fork(arguments, ("tests.proof.crash_points:install", watching), _HASTY)
    while _state(child.pid) != "T":
        code = world.forkserver.wait(child.pid, _LOOK)
        assert code is None, child.result(code)
    outcome.died.append(passed(trail)[-1])
    world.absent()
    return child


def _follower(world: ProofWorld, further: int) -> Paced:
    """Start another runner, and once more while it finds the journal locked by the one that was stopped in a commit."""
    for number in range(_TRIES):
        follower = Paced(world, f"follower-{number}", further)
        if follower.result is None or follower.result.code != RESUMABLE:
            break
    return follower


def _both_end(world: ProofWorld, first: Child, second: Paced, at: Point) -> Iterator[str]:
    """Wake the first while the second stands still, then the second; tell what is wrong with how the first ended."""
    os.kill(first.pid, signal.SIGCONT)
    found = world.forkserver.wait(first.pid, _MOMENT)
    if second.result is None:
        second.go_on(ALL)
    ended = first.finish() if found is None else first.result(found)
    if second.result is None:
        second.rest()
    # Stopped with a transaction open it lost its connection, and may not have learnt yet who is at work.
    in_a_commit = (at.when, at.what) == ("before", "commit")
    if ended.code != TAKEN and not (in_a_commit and ended.code == RESUMABLE):
        yield f"the one that was stopped ended so: {ended}"
    if ended.code == TAKEN and "was taken over by" not in ended.err:
        yield f"it does not say by whom it was taken over: {ended.err}"


def _ended(second: Paced) -> Result:
    assert second.result
    return second.result


def _written_late(world: ProofWorld) -> Iterator[str]:
    """Tell if anything was written under a lease after one of the next was."""
    journal = read_journal(world.url)
    with journal.database.reading() as connection:
        for table, query in _WRITTEN.items():
            epochs = [row[0] for row in connection.execute(text(query)) if row[0] is not None]
            if epochs != sorted(epochs):
                yield f"{table} were written in this order of epochs: {epochs}"
    journal.close()


def _sent_after(world: ProofWorld, first: str, moment: float) -> Iterator[str]:
    """Tell what the first runner changed after a moment."""
    for change in world.get(f"/log?actor=client:{first}"):
        if change["at"] > moment:
            yield f"changed {change['at'] - moment:.0f} s too late: {change}"
