"""`rollout plan` with what cannot be meant: refused as `rollout start` refuses it, before anybody is asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rollout.cli import pace
from rollout.preflight.forecast import Took
from tests.cli import samples
from tests.cli.run import rollout


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
    assert refused.err == rollout("start", *typed, cwd=tmp_path).err
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
