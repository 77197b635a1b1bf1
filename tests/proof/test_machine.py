"""Two runners, a world that moves, and everybody who meddles with it, in an order that nobody thought of."""

from __future__ import annotations

import json
import re
import signal
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, event, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, get_state_machine_test, initialize, precondition, rule

from rollout.errors import USAGE
from rollout.journal.lease_row import TTL_SECONDS
from rollout.model.record import LATE_SECONDS
from tests.e2e.proving import broken
from tests.e2e.simulated import Result
from tests.postgres import Server
from tests.proof.cases import PLAIN
from tests.proof.outcome import EACH_RUN, UNDISTURBED
from tests.proof.results import record
from tests.proof.runs import Site
from tests.proof.stop_at_points import ALL, Paced
from tests.proof.world import ProofWorld

#: Rules of one example, at most.
STEPS = 40
#: Examples of `make proof`, and of `make proof-all`: so many items of so many.
ITEMS, FILE_ITEMS, EXAMPLES = 10, 10, 10
ALL_ITEMS, ALL_EXAMPLES = 40, 250
#: Runs that a rollout may need when nobody meddles any more: a halt for each of those who did, and the last.
TRIES = 8

#: Simulated seconds within which it ends then: what it takes undisturbed at most, another lease's end, and late
#: requests in DRAIN and in RESTORE.
BOUND = UNDISTURBED + TTL_SECONDS + 2 * LATE_SECONDS

RUNNERS = st.sampled_from(["A", "B"])
POINTS = st.integers(1, 60)
GROUP_NAMES = ("workers", "batch")
_JOBS = "/apis/batch/v1/namespaces/demo/jobs"
GROUPS = st.sampled_from(GROUP_NAMES)
HALTED = 1

_PUT_BACK = re.compile(r"--auto-scaling-group-name (\S+)((?: --(?:min-size|desired-capacity) \d+)+)")
_SIZES = {"min-size": "MinSize", "desired-capacity": "DesiredCapacity"}
_NOT_OURS = re.compile(r"DesiredCapacity of (\S+) is \d+, not (\d+)")
_MARK_AGAIN = re.compile(
    r"kubectl (?:--\w+ \S+ )*create configmap eks-rollout -n kube-system --from-literal=rollout-id=([\w-]+)"
)
_GOING = "for an instance that was going already"
_ERRORS: list[dict[str, Any]] = [
    {"error": {"status": 429, "code": "Throttling"}},
    {"error": {"status": 500, "code": "InternalFailure"}},
    {"error": {"status": 500, "code": "InternalFailure", "applied": True}},
    {"drop": {"when": "before"}},
    {"drop": {"when": "after"}},
    {"late": {"seconds": 20}},
    {"garble": {}},
]


def _not_yet(what: str) -> Callable[[Rollout], bool]:
    return lambda self: what not in self._meddled


def _in_order(ended: Result) -> bool:
    """Tell whether a run ended as it may; one that begins when the marker is gone is refused, and told what to do."""
    return ended.code in {0, HALTED, 75, 76} or (ended.code == USAGE and bool(_MARK_AGAIN.search(ended.err)))


class Rollout(RuleBasedStateMachine):
    """One world. Runners go on only when a rule lets them, and stand still, stopped by SIGSTOP, in between.

    Each third party meddles at most once: who does it twice makes the rollout halt, for a person to find out why.
    """

    def __init__(self, site: Site, server: Server | None) -> None:
        super().__init__()
        self._server = server
        self._stack = ExitStack()
        self._world: ProofWorld = self._stack.enter_context(site.world(PLAIN))
        self._runners: dict[str, Paced] = {}
        self._runs = 0
        self._meddled: set[str] = set()
        self._cut = False

    # ---- the runners

    @initialize(points=st.integers(1, 300))
    def begin(self, points: int) -> None:
        """Somebody starts the rollout, and it gets somewhere."""
        self._start("A", points)

    @rule(who=RUNNERS, points=POINTS)
    def go(self, who: str, points: int) -> None:
        """A runner goes on; one that has ended, or never began, is started, where two can be at it."""
        self._cut = False
        if who in self._runners:
            self._runners[who].go(points)
            self._forget(who)
        elif self._server or not self._runners:
            self._start(who, points)

    @precondition(lambda self: self._runners)
    @rule(who=RUNNERS)
    def kill(self, who: str) -> None:
        """A runner dies where it stands."""
        if who in self._runners:
            self._runners[who].kill()
            self._forget(who)

    @precondition(lambda self: self._server and not self._cut)
    @rule()
    def cut(self) -> None:
        """The database's server drops all connections."""
        assert self._server
        self._cut = True
        name = self._world.url.rpartition("/")[2]
        of_ours = f"datname = '{name}'"
        self._server.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {of_ours}")  # noqa: S608

    def _start(self, who: str, points: int) -> None:
        self._runs += 1
        self._runners[who] = Paced(self._world, f"paced-{self._runs}", points)
        self._forget(who)

    def _forget(self, who: str) -> None:
        """Take a runner that has ended off the list; however it ended, it must have said so."""
        ended = self._runners[who].result
        if ended:
            assert ended.code == -signal.SIGKILL or _in_order(ended), ended
            del self._runners[who]

    # ---- the world

    @rule(seconds=st.sampled_from([5, 20, 61, 400]))
    def pass_time(self, seconds: float) -> None:
        """Time passes, and nobody works: Jobs go on, nodes come, leases end."""
        self._world.pass_time(seconds)

    @precondition(_not_yet("instance"))
    @rule(group=GROUPS, which=st.integers(0, 1), spot=st.booleans())
    def end_instance(self, group: str, which: int, spot: bool) -> None:  # noqa: FBT001  hypothesis gives it by name
        """One of the old instances dies."""
        self._meddle("instance", {"do": "terminate_instance", "group": group, "which": which, "spot": spot})

    @precondition(_not_yet("node"))
    @rule(group=GROUPS, which=st.integers(0, 1))
    def delete_node(self, group: str, which: int) -> None:
        """Somebody deletes an old node's object."""
        self._meddle("node", {"do": "delete_node", "group": group, "which": which})

    @precondition(_not_yet("taint"))
    @rule(group=GROUPS, which=st.integers(0, 1))
    def untaint(self, group: str, which: int) -> None:
        """Somebody takes our taint off an old node."""
        self._meddle("taint", {"do": "untaint", "group": group, "which": which, "key": "rollout/replace"})

    @precondition(_not_yet("autoscaler"))
    @rule()
    def scale_autoscaler(self) -> None:
        """GitOps scales the autoscaler back up."""
        where = {"namespace": "kube-system", "name": "cluster-autoscaler"}
        self._meddle("autoscaler", {"do": "scale_deployment", **where, "replicas": 1})

    @precondition(_not_yet("marker"))
    @rule()
    def delete_marker(self) -> None:
        """Somebody tidies the marker away."""
        self._meddle("marker", {"do": "delete_configmap", "namespace": "kube-system", "name": "eks-rollout"})

    @rule(number=st.integers(1, 3))
    def begin_job(self, number: int) -> None:
        """Somebody begins a Job."""
        pod = {"containers": [{"name": "main", "image": "job"}], "restartPolicy": "Never"}
        job = {"metadata": {"name": f"extra-{number}"}, "spec": {"template": {"spec": pod}}}
        self._kubernetes("POST", _JOBS, job)

    @rule(number=st.integers(1, 3))
    def delete_job(self, number: int) -> None:
        """Somebody deletes that Job."""
        self._kubernetes("DELETE", f"{_JOBS}/extra-{number}", {"propagationPolicy": "Background"})

    @rule(fault=st.sampled_from(_ERRORS))
    def fail(self, fault: dict[str, Any]) -> None:
        """The next request that changes something fails."""
        self._world.post("/faults", {"match": {"mutating": True, "times": 1}, **fault})

    @rule(seconds=st.sampled_from([1, 5, 60]))
    def answer_from_the_past(self, seconds: float) -> None:
        """For two minutes AWS answers from a moment ago."""
        self._world.post("/faults", {"match": {"service": "autoscaling"}, "lasts": "2m", "stale": {"seconds": seconds}})

    def _meddle(self, what: str, action: dict[str, Any]) -> None:
        self._meddled.add(what)
        with suppress(urllib.error.HTTPError):  # what it means is gone
            self._world.post("/world", action)

    def _kubernetes(self, method: str, path: str, body: dict[str, Any]) -> None:
        url = json.loads((self._world.directory / "endpoints.json").read_text())["kubernetes"]
        request = urllib.request.Request(  # noqa: S310  loopback
            f"{url}{path}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json", "Authorization": "Bearer simulator"},
            method=method,
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with suppress(OSError):  # what is gone, or there already, and a fault that was meant for a runner
            opener.open(request).close()

    # ---- the end

    def teardown(self) -> None:
        """Stopped runners go on and nobody interferes any more: the rollout ends, and every promise was kept."""
        with self._stack:
            self._world.release()
            quiet = self._now()
            for runner in self._runners.values():
                runner.go_on(ALL)
            for runner in self._runners.values():
                runner.rest()
                assert runner.result
                assert _in_order(runner.result), runner.result
            ended, runs = self._to_the_end()
            event(f"{runs} runs when nobody meddles any more")
            assert ended.code == 0, ended
            assert self._now() - quiet <= BOUND + runs * EACH_RUN
            assert self._broken() == {}
            assert self._world.get("/report")["nodes"]["old"] == 0

    def _broken(self) -> dict[int, list[str]]:
        """Return the violations of promises by their numbers, but for those that are the meddlers'."""
        found = broken(self._world, self._world.url)
        found.pop(10, None)  # what the world judges there is the time that all of it took
        if "instance" in self._meddled:
            # It may die in the seconds between the look and our one terminate, which lowers desired all the same.
            found[5] = [one for one in found.get(5, []) if not one.endswith(_GOING)]
        return {number: told for number, told in found.items() if told}

    def _now(self) -> float:
        return float(self._world.get("/time")["now"])

    def _to_the_end(self) -> tuple[Result, int]:
        runs = 1
        while (ended := self._world.fork(self._world.start_arguments).finish()).code and runs < TRIES:
            self._do_as_told(ended)
            runs += 1
        return ended, runs

    def _do_as_told(self, halted: Result) -> None:
        """Type what the halt says, where it says so: a person does."""
        for rollout_id in _MARK_AGAIN.findall(halted.err):
            marker = {"metadata": {"name": "eks-rollout"}, "data": {"rollout-id": rollout_id}}
            self._kubernetes("POST", "/api/v1/namespaces/kube-system/configmaps", marker)
        told = halted.out.rpartition("\nhalted")[2]
        said = [(group, re.findall(r"--(\S+) (\d+)", sizes)) for group, sizes in _PUT_BACK.findall(told)]
        said += [(group, [("desired-capacity", number)]) for group, number in _NOT_OURS.findall(told)]
        for group, sizes in said:
            fields = {_SIZES[name]: int(number) for name, number in sizes}
            self._world.post("/world", {"do": "update_group", "group": group, "fields": fields})
        for group, which in product(GROUP_NAMES, range(2)) if "reboot-instances" in told else ():
            with suppress(urllib.error.HTTPError):  # that one is gone already
                self._world.post("/world", {"do": "reboot_instance", "group": group, "which": which})


def play(site: Site, server: Server | None, item: int, examples: int) -> None:
    """Play this many examples, always the same for an item of a number."""
    limits = settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    seed(item)(get_state_machine_test(partial(Rollout, site, server), settings=limits))()  # type: ignore[arg-type]
    record("state machine", passed=True, engine=site.engine.name, examples=examples, steps=STEPS)


pytestmark = pytest.mark.timeout(6 * 3600)


@pytest.mark.proof(sample=1, among="orders")
@pytest.mark.parametrize("item", range(ITEMS))
def test_whatever_two_runners_and_the_world_do(item: int, sites: Callable[[str], Site], postgres: Server) -> None:
    """After crashes, stops, interference and faults in any order, the rollout ends and keeps its promises."""
    play(sites("postgres"), postgres, item, EXAMPLES)


@pytest.mark.proof(sample=1, among="orders")
@pytest.mark.parametrize("item", range(FILE_ITEMS))
def test_whatever_a_runner_with_a_file_and_the_world_do(item: int, sites: Callable[[str], Site]) -> None:
    """The same with a journal in a file, whose lock keeps a second runner out for as long as the first lives."""
    play(sites("sqlite"), None, item, EXAMPLES)


@pytest.mark.proof_all
@pytest.mark.parametrize("item", range(ITEMS, ITEMS + ALL_ITEMS))
def test_in_many_more_orders(item: int, sites: Callable[[str], Site], postgres: Server) -> None:
    """What the sample shows holds in orders that it has not."""
    play(sites("postgres"), postgres, item, ALL_EXAMPLES)
