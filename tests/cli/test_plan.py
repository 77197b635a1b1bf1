"""`rollout plan` with what cannot be meant: refused as `rollout start` refuses it, before anybody is asked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rollout import preflight
from rollout.cli import pace
from rollout.cli.commands.plan import Preview, lines
from rollout.model.windows import window
from rollout.preflight.forecast import Expected, Forecast, Spread, Took
from rollout.preflight.outline import Workload
from rollout.preflight.room import Addresses, Quota, Room
from tests.cli import samples
from tests.cli.run import rollout
from tests.core import build


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        pytest.param((), "no AMI is given", id="no image"),
        pytest.param(("--ami", "web"), '"web" is not the id of an image', id="no id"),
        pytest.param(("--ami", ""), "what follows --ami is empty", id="an empty variable"),
        pytest.param(("--ami-from", "none.json"), "there is no manifest", id="no manifest"),
        pytest.param(("--ami", "ami-0123456789abcdef0", "--key", "--"), "begins with a dash", id="no key"),
        pytest.param(("--ami", "ami-0123456789abcdef0", "--config", "none.yaml"), "no configuration", id="nowhere"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, typed: tuple[str, ...], says: str) -> None:
    """Exit 2 with the reason, in the words of a start; nothing is written."""
    (tmp_path / "rollout.yaml").write_text("cluster: c\nregion: eu-west-1\ngroups: [workers]\n")
    refused = rollout("plan", *typed, cwd=tmp_path)
    assert (refused.code, refused.out) == (2, "")
    assert says in refused.err
    begun = rollout("start", *typed, cwd=tmp_path).err  # which takes a plan, too
    ways = "one of --ami, --ami-from packer/manifest.json or --plan FILE"
    assert refused.err == begun.replace(ways, "either --ami or --ami-from packer/manifest.json")
    assert [one.name for one in tmp_path.iterdir()] == ["rollout.yaml"]


def test_a_rollout_that_is_halted_is_not_just_continued(tmp_path: Path) -> None:
    """A start of its key would halt again at once: why, and where it is said what to do first."""
    samples.draining(tmp_path).halt(samples.ID, samples.HALT, samples.after(9))
    text = f"cluster: eks-demo\nregion: eu-west-1\ngroups: [workers]\ndatabase: {samples.url(tmp_path)}\n"
    (tmp_path / "rollout.yaml").write_text(text)
    typed = ("plan", "--ami", samples.PLAN.ami, "--key", "build-7")
    first, command = rollout(*typed, cwd=tmp_path).out.splitlines()
    assert first.endswith(f"continue rollout {samples.ID}, in DRAIN, where it is halted: node x is stuck")
    assert command.startswith(f"  next: rollout status {samples.ID}")
    assert command.endswith("says what to do before a resume")
    assert json.loads(rollout(*typed, "--json", cwd=tmp_path).out)["goes_on_with"]["halted"] == "node x is stuck"


def page(foretold: Forecast, there: Room = Room()) -> list[str]:  # noqa: B008  frozen
    """The page of a plan with one protected Job, as people see it."""
    request = preflight.Request("c", "r", ("g",), "ami-new", "", build.SETTINGS)
    job = Workload("ns", "Job", "train-3", 1, ("o1",), True, "named", build.NOW, None, None)
    return list(lines(Preview(request, build.NOW, (), workloads=(job,), forecast=foretold, room=there)))


def foretold(expected: Expected, **changes: Any) -> Forecast:
    hours = Spread(600, 4000, 90_000)
    made = Forecast(hours, Spread(0.5, 12.25, 1000), Spread(1, 2, 3), (), 0.0, {("ns", "Job", "train-3"): expected})
    return replace(made, **changes)


HISTORY = Expected(build.at(600), build.at(90_000), "history", 0.25)


def test_a_forecast_is_told_in_lines_that_fit() -> None:
    """Length, end, node-hours and cost, each three times; when a Job is expected to end, and that it may be late."""
    told = page(foretold(HISTORY, late=0.25))
    assert max(map(len, told)) <= 80
    text = " ".join(" ".join(told).split())
    assert "forecast p10 p50 p90 length 10m00s 1h06m 25h00m end, at UTC 06-01 12:10 06-01 13:06 06-02 13:00" in text
    assert "extra node-hours 0.5 12.2 1000.0 their cost 1.0 2.0 3.0 protected work still runs" in text
    assert "at the drain deadline in 25% of the plays" in text
    assert "expected to end at 12:10 (p90 06-02 13:00), 25% beyond the drain deadline (named)" in text
    assert "may end is not known" not in text


@pytest.mark.parametrize(
    ("begins", "said"),
    [("Sun 11:00-14:00 UTC", "now"), ("Sun 13:00-14:00 UTC", "at 2025-06-01T13:00:00Z")],
)
def test_a_plan_says_in_which_window_it_begins(begins: str, said: str) -> None:
    """The ends that are foretold count from then."""
    settings = replace(build.SETTINGS, windows=(window(begins),))
    request = preflight.Request("c", "r", ("g",), "ami-new", "", settings)
    told = " ".join(" ".join(lines(Preview(request, build.NOW, (), forecast=foretold(HISTORY)))).split())
    assert f"it begins {said}, in a maintenance window that closes at 2025-06-01T14:00:00Z" in told
    assert f"end, at UTC 06-01 {'12:10' if said == 'now' else '13:10'}" in told


def test_a_guess_by_age_is_not_told_as_an_end() -> None:
    """But that it may run too long is; a price that is missing is named, and a small risk is not worth a line."""
    told = " ".join(" ".join(page(foretold(replace(HISTORY, basis="age"), cost=None, unpriced=("m5.large",)))).split())
    assert "train-3: 1 pod, 0s old, 25% beyond the drain deadline (named)" in told
    assert "when 1 protected workload may end is not known" in told
    assert "their cost is not known: `prices` has none for m5.large" in told
    assert "of the plays" not in told
    assert "beyond the drain deadline" not in " ".join(page(foretold(replace(HISTORY, late=0.05))))


def test_the_room_for_the_surge_is_told_where_something_is_launched() -> None:
    """And there is no heading without a line."""
    there = Room((Addresses("g", 2, {}),), (Quota("L-1216C47A", "Standard On-Demand instances", 4, None, 64),))
    told = page(foretold(HISTORY), there)
    assert max(map(len, told)) <= 80
    at = told.index("room for the surge")
    assert told[at + 1] == "  group g: 2 more at a time, free addresses not known"
    assert "room for the surge" not in page(foretold(HISTORY))


def test_the_pace_is_that_of_rollouts_of_the_cluster_that_were_done(tmp_path: Path) -> None:
    """Until DRAIN, and in RESTORE; not of another cluster, nor of one that is under way or had halted."""
    journal = samples.draining(tmp_path)
    assert pace.earlier(journal, "eks-demo") == ()
    samples.finish(journal)
    assert pace.earlier(journal, "eks-demo") == (Took(420, 1500),)
    assert pace.earlier(journal, "other") == ()
    halted = samples.draining(tmp_path / "halted")
    halted.halt(samples.ID, samples.HALT, samples.after(9))
    halted.resume(samples.ID, None, samples.after(10))
    samples.finish(halted)
    assert pace.earlier(halted, "eks-demo") == ()
