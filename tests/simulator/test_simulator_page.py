"""The page about the simulator says what there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from eks_simulator import scenario
from eks_simulator.judging import promises
from eks_simulator.scenario import Scenario
from eks_simulator.world import actions
from tests.simulator.worlds import world

PAGE = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text("utf-8")


def table(title: str) -> dict[str, str]:
    """The rows of the first table after a heading: first cell → second cell."""
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", PAGE.split(f"{title}\n", 1)[1].split("\n#", 1)[0], re.MULTILINE)
    return dict(rows[1:])


def test_every_shipped_scenario_stands_there_with_its_own_description() -> None:
    """Name and description, none missing and none invented."""
    assert table("## Shipped scenarios") == {f"`{name}`": scenario.load(name).description for name in scenario.names()}


def test_every_key_of_a_scenario_stands_there() -> None:
    """None missing and none invented."""
    named = re.findall(r"`(\w+)`", " ".join(table("## Writing a scenario")))
    assert set(named) - {"key"} == set(Scenario.model_fields)


def test_every_action_stands_there_with_all_its_arguments() -> None:
    """A reader can write the action from its row."""
    told = table("### What somebody can do")
    rows = {name: row for names, row in told.items() for name in names.split(", ")}
    kinds = get_args(get_args(actions.Action)[0])
    assert set(rows) == {f"`{get_args(kind.model_fields['do'].annotation)[0]}`" for kind in kinds}
    for kind in kinds:
        row = rows[f"`{get_args(kind.model_fields['do'].annotation)[0]}`"]
        own = set(kind.model_fields) - {"do"}
        assert "world fault" in row or own <= set(re.findall(r"`(\w+)`", row))


def test_every_promise_stands_there_in_its_own_words() -> None:
    """Number and text."""
    assert table("## The promises") == {str(one.number): one.text for one in promises.check(world())}


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
def test_the_example_is_a_scenario(text: str) -> None:
    """It can be copied as it stands."""
    scenario.parse(text, "example")
