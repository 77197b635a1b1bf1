"""The example alerts: Prometheus can read them, and each metric and label that they name is there.

There is no promtool here. A parser of its language reads the expressions; what they select is looked up in what a
rollout publishes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
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
