"""Scenarios are read as they are meant, and refused with the line and the likely word."""

from __future__ import annotations

from pathlib import Path

import pytest

from eks_simulator import scenario
from eks_simulator.fields import Range, parse_duration, parse_range
from eks_simulator.scenario import ScenarioError
from eks_simulator.world.world import build
from tests.simulator.worlds import small

SMALL = """
cluster: c
target_ami: ami-00000000000000bbb
images:
  - {id: ami-00000000000000bbb, name: new}
templates:
  - {name: lt, versions: [{image: ami-00000000000000bbb}]}
groups:
  - {name: workers, template: lt, desired: 1, max: 2}
"""

NEEDED = {
    "plain",
    "demo",
    "jobs",
    "budget",
    "overdue",
    "never-ready",
    "throttled",
    "lost-replies",
    "vanish",
    "autoscaler-back",
    "autoscaler-back-twice",
    "drift",
    "scale-20",
    "scale-100",
    "mixed",
    "shared-template",
    "size-zero",
    "multi-az",
    "capacity-rebalance-spot",
    "hooks",
    "surge-half",
    "default-moved",
    "latest-not-ours",
    "capacity-hour",
    "capacity-never",
    "subnet-full",
    "refused",
    "short",
    "terraform",
    "terraform-raises",
    "terraform-unpins",
    "node-deleted",
    "untainted",
    "untainted-twice",
    "processes-resumed",
    "marker-deleted",
    "minutes",
    "new-node-dies",
    "kube-away",
    "aws-away",
    "credentials-expire",
    "proof-plain",
    "proof-deadline",
    "proof-vanish",
    "proof-surplus",
}


@pytest.mark.parametrize("name", scenario.names())
def test_every_shipped_scenario_builds_a_cluster_in_which_all_nodes_are_ready(name: str) -> None:
    """At its start all nodes have joined, and no taint keeps pods off them."""
    world = build(scenario.load(name))
    nodes = world.store.list("nodes")
    assert len(nodes) == sum(len(group.instances) for group in world.cloud.groups.values())
    assert not any(node["spec"].get("taints") for node in nodes)


def test_the_scenarios_that_the_proofs_need_are_shipped() -> None:
    """None is missing, and none is shipped without being listed here."""
    assert set(scenario.names()) == NEEDED


def test_a_scenario_is_read_from_a_file_under_its_stem(tmp_path: Path) -> None:
    """A path does as well as a name."""
    path = tmp_path / "mine.yaml"
    path.write_text(SMALL, "utf-8")
    assert scenario.load(path).name == "mine"


def test_an_unknown_name_lists_the_shipped_ones() -> None:
    """The error says what there is."""
    with pytest.raises(ScenarioError, match=r"no scenario 'plane': neither a file nor one of .*plain"):
        scenario.load("plane")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (SMALL + "sede: 3\n", r"line 10: unknown key 'sede'; did you mean 'seed'\?"),
        (SMALL.replace("max: 2", "maxx: 2"), r"line 9: groups.0: unknown key 'maxx'; did you mean 'max'\?"),
        (SMALL.replace("desired: 1", "desired: 3"), r"line 9: groups.0: group workers: min 0, desired 3 and max 2"),
        (SMALL.replace("template: lt", "template: tl"), r"no template 'tl' in this scenario; did you mean 'lt'\?"),
        (SMALL + "warm_up: soon\n", r"line 10: warm_up: 'soon' is no duration; write seconds or a text such as 90s"),
        (SMALL + "account: 012345670123\n", r"line 10: account: Input should be a valid string"),
        (SMALL + "cluster: d\n", r"duplicate key \"cluster\""),
        (SMALL + "start: yesterday\n", r"line 10: start: Invalid isoformat string"),
        ("- a list\n", r"line 1: a mapping is wanted"),
        (SMALL + "base: plane\n", r"no shipped scenario 'plane'; did you mean 'plain'\?"),
        (SMALL + "events: [{at: 5m, do: terminate_instance, group: workerz}]\n", r"no group 'workerz'.*'workers'"),
        (SMALL + "events: [{at: 5m, do: explode}]\n", r"line 10: events.0.action: .*'explode'"),
        (SMALL + "world_faults: [{kind: never_ready}]\n", r"line 10: world_faults.0: never_ready needs 'group'"),
        (SMALL + "world_faults: [{kind: never_redy, group: workers}]\n", r"world_faults.0.kind: Input should be"),
        (SMALL + "request_faults: [{match: {nth: 1}}]\n", r"line 10: request_faults.0: a fault has exactly one of"),
        (
            SMALL + "workloads: {budgets: [{name: b, selector: {a: b}}]}\n",
            r"budget b: give either min_available or max_unavailable",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, fault: str) -> None:
    """One sentence per fault: where, what, and what would be right."""
    with pytest.raises(ScenarioError, match=fault):
        scenario.parse(text, "mine")


def test_a_base_is_merged_key_by_key_and_its_lists_are_replaced() -> None:
    """What is not said is as in the base."""
    found = scenario.parse("base: plain\nseed: 77\nworkloads: {jobs: []}\nexpect: {replaced: 1}\n", "mine")
    plain = scenario.load("plain")
    assert (found.name, found.seed, found.workloads.jobs) == ("mine", 77, ())
    assert found.workloads.deployments == plain.workloads.deployments
    assert found.expect == plain.expect.model_copy(update={"replaced": 1})


@pytest.mark.parametrize(
    ("written", "seconds"),
    [(90, 90.0), (1.5, 1.5), ("90s", 90.0), ("15m", 900.0), ("1h30m", 5400.0), ("-5m", -300.0), ("0.5h", 1800.0)],
)
def test_durations_are_seconds_or_a_text(written: object, seconds: float) -> None:
    """Hours, minutes and seconds, also together and negative."""
    assert parse_duration(written) == seconds


@pytest.mark.parametrize("written", ["2026-01-05T08:00:00Z", '"2026-01-05T08:00:00+00:00"', "2026-01-05 08:00:00"])
def test_the_start_is_a_moment_in_utc(written: str) -> None:
    """As YAML's own timestamp or as a text."""
    assert scenario.parse(f"base: plain\nstart: {written}\n", "mine").start == 1767600000.0


@pytest.mark.parametrize(("written", "meant"), [("40s..90s", (40, 90)), ("5m", (300, 300)), (7, (7, 7))])
def test_a_range_has_two_ends_or_one_value(written: object, meant: tuple[float, float]) -> None:
    """A fixed duration is a range of no width."""
    assert parse_range(written) == meant


@pytest.mark.parametrize("written", [True, "", "5", "5 m", "m", None, "5w"])
def test_anything_else_is_no_duration(written: object) -> None:
    """It is refused and not guessed at."""
    with pytest.raises(ValueError, match="is no duration"):
        parse_duration(written)


def test_a_draw_depends_on_seed_and_thing_only() -> None:
    """Two draws for one thing are equal, those for two things are not."""
    between = Range(0, 100)
    assert between.draw(1, "a", 2) == between.draw(1, "a", 2)
    assert len({between.draw(seed, what) for seed in (1, 2) for what in "ab"}) == 4


def test_an_unknown_group_has_no_place_in_a_scenario() -> None:
    """A `KeyError` says which name was asked for."""
    with pytest.raises(KeyError, match="nobody"):
        small().group("nobody")
