"""The example alerts: Prometheus can read them, and each metric and label that they name is there.

There is no promtool here. A parser of Prometheus' language reads the expressions, what they select is looked up in what
a rollout publishes, and `promql` answers them for rollouts that stand in some way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
from ruamel.yaml import YAML
from typer.main import get_command

from rollout.cli import app
from rollout.cli.monitoring.metrics import PREFIX, Standing
from rollout.model.machine import Phase, Stage
from tests.cli import samples
from tests.deploy.promql import Samples, Vector, answer

FILE = Path(__file__).parents[2] / "deploy/prometheus/alerts.yaml"
RULES: list[dict[str, Any]] = YAML(typ="safe").load(FILE.read_text("utf-8"))["groups"][0]["rules"]
ALERTS = [rule for rule in RULES if "alert" in rule]
#: All that applies at some time or other.
WHOLE = Standing("c", "r", Phase.DRAIN, {Stage.WAITING: 1}, samples.NOW, 0, samples.NOW, "PodDoesNotEnd")


def published() -> dict[str, dict[str, set[str]]]:
    """The values that each label of each metric has; those that Prometheus adds have none."""
    found: dict[str, dict[str, set[str]]] = {}
    for family in WHOLE.families():
        labels: dict[str, set[str]] = {"instance": set(), "job": set()}
        for sample in family.samples:
            for name, text in sample.labels.items():
                labels.setdefault(name, set()).add(text)
        found[family.name] = labels
    for rule in RULES:
        if "record" in rule:
            found[rule["record"]] = {"cluster": set(), "rollout": set(), "instance": set(), "job": set()}
    return found


def nodes(expression: Any) -> Iterator[Any]:
    """An expression and all that it consists of."""
    yield expression
    for name in ("lhs", "rhs", "expr", "vector_selector"):
        inner = getattr(expression, name, None)
        if inner is not None and not isinstance(inner, str):
            yield from nodes(inner)
    for argument in getattr(expression, "args", None) or ():
        yield from nodes(argument)


def name(rule: dict[str, Any]) -> str:
    return str(rule.get("alert") or rule["record"])


@pytest.mark.parametrize("rule", RULES, ids=name)
def test_each_metric_that_a_rule_names_exists(rule: dict[str, Any]) -> None:
    """So does each label by which it selects, with that value, and each by which it joins."""
    known = published()
    selectors = [one for one in nodes(promql.parse(rule["expr"])) if isinstance(one, promql.VectorSelector)]
    assert selectors
    for one in selectors:
        assert one.name in known
        for matcher in one.matchers.matchers:
            there = known[str(one.name)][matcher.name]
            assert all(text in there for text in matcher.value.split("|")), matcher
    joined = re.findall(r"(?:by|on) \(([^)]*)\)", rule["expr"])
    labels = {label for one in joined for label in one.split(", ")}
    assert labels <= set().union(*(known[str(one.name)] for one in selectors))


def test_the_walk_finds_every_selector() -> None:
    """As many as a look at the text does, and at least one metric of each kind that is published is watched."""
    for rule in RULES:
        found = [one for one in nodes(promql.parse(rule["expr"])) if isinstance(one, promql.VectorSelector)]
        assert len(found) == len(re.findall(rf"\b{PREFIX[:-1]}[_:]", rule["expr"]))
    text = FILE.read_text("utf-8")
    assert [family.name for family in WHOLE.families() if family.name not in text] == []


NOW = samples.NOW.timestamp()


def host(instance: str, ago: float, phase: Phase = Phase.DRAIN, **changes: Any) -> Samples:
    """What a host has of a rollout whose process was last at work there so many seconds ago."""
    alive = samples.NOW - timedelta(seconds=ago)
    quiet = Standing("c", "r", phase, {Stage.WAITING: 1}, alive, 0, samples.NOW + timedelta(hours=1), None)
    found: dict[str, Vector] = {}
    for family in replace(quiet, **changes).families():
        for sample in family.samples:
            labels = tuple(sorted((sample.labels | {"instance": instance}).items()))
            found.setdefault(sample.name, {})[labels] = float(sample.value)
    return found


def firing(*hosts: Samples) -> list[str]:
    """The alerts that fire, each as often as it does, after the recording rules."""
    known: dict[str, Vector] = {}
    for one in hosts:
        for metric, vector in one.items():
            known[metric] = known.get(metric, {}) | vector
    for rule in RULES:
        if "record" in rule:
            known[rule["record"]] = answer(rule["expr"], known, NOW)
    return [alert["alert"] for alert in ALERTS for _ in answer(alert["expr"], known, NOW)]


def soon(seconds: float) -> datetime:
    return samples.NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("hosts", "alerts"),
    [
        ([host("a", 5)], []),
        ([host("a", 5, halted="Turn")], ["RolloutHalted"]),
        ([host("a", 9000, halted="Turn")], ["RolloutHalted"]),
        ([host("a", 301)], ["RolloutNotRunning"]),
        ([host("a", 9000, Phase.DONE)], []),
        ([host("a", 9000, Phase.ABORTED)], []),
        ([host("a", 5, drain_deadline=soon(901))], []),
        ([host("a", 5, drain_deadline=soon(899))], ["RolloutJobsAtRisk"]),
        ([host("a", 5, drain_deadline=soon(899), nodes={Stage.DRAINING: 1})], []),
        ([host("a", 5, Phase.RESTORE, drain_deadline=soon(-3700))], []),
        ([host("a", 5, drain_deadline=soon(-3700), nodes={Stage.DRAINING: 1})], ["RolloutLongPastDeadline"]),
        ([host("a", 5, killed=2)], ["RolloutKilledJobs"]),
        ([host("a", 5, Phase.PLANNED, drain_deadline=None)], []),
        # Continued on another host: what the first one had counts no more.
        ([host("a", 9000, halted="Turn"), host("b", 5)], []),
        ([host("a", 9000), host("b", 5)], []),
        ([host("a", 9000), host("b", 400, Phase.DONE)], []),
        ([host("a", 9000, Phase.READY), host("b", 400)], ["RolloutNotRunning"]),
        ([host("a", 9000, drain_deadline=soon(100)), host("b", 5, drain_deadline=soon(4000))], []),
        # The same from the file and from the listener.
        ([host("a", 5, halted="Turn"), host("a:9464", 5, halted="Turn")], ["RolloutHalted"]),
    ],
)
def test_what_fires(hosts: list[Samples], alerts: list[str]) -> None:
    """Each alert when it should, once for a rollout, and none for one that is well, was continued or has ended."""
    assert firing(*hosts) == alerts


@pytest.mark.parametrize("alert", ALERTS, ids=name)
def test_an_alert_says_what_happens_and_what_to_type(alert: dict[str, Any]) -> None:
    """Its labels exist after its expression, and its next command is one of ours."""
    told = alert["annotations"]
    used = set(re.findall(r"\$labels\.(\w+)", " ".join(told.values())))
    assert used <= {"cluster", "rollout", "reason"}
    assert "reason" not in used or "reason" in alert["expr"]
    commands = get_command(app.app).commands  # type: ignore[attr-defined]
    assert set(re.findall(r"(?:Next|time): rollout (\w+)", told["description"])) <= set(commands)
    assert told["description"].startswith("Next: rollout ")
    assert alert["labels"]["severity"]
