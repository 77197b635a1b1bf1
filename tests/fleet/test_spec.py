"""The file of a fleet: what it may say, and what it becomes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rollout.errors import UserError
from rollout.fleet import spec
from rollout.fleet.model import FleetPlan

MEMBER = """\
cluster: {cluster}
region: {region}
groups: [workers]
database: sqlite:////tmp/fleet.db
"""
FLEET = """\
fleet: january
ami: ami-0123456789abcdef0
members:
  - {config: a.yaml, labels: {stage: dev}}
  - {config: b.yaml}
  - {config: c.yaml}
  - {config: d.yaml, name: last}
waves:
  - {name: canary, take: {labels: {stage: dev}}, soak: 1h}
  - {name: some, take: {share: 25%}}
  - {name: rest, gate: person}
database: sqlite:////tmp/fleet.db
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four members' configurations."""
    for name, region in {"a": "eu-west-1", "b": "eu-west-1", "c": "us-east-1", "d": "us-east-1"}.items():
        (tmp_path / f"{name}.yaml").write_text(MEMBER.format(cluster=f"eks-{name}", region=region), "utf-8")
    return tmp_path


def planned(folder: Path, text: str = FLEET) -> FleetPlan:
    file = folder / "fleet.yaml"
    file.write_text(text, "utf-8")
    return spec.plan(spec.load(file), folder)


def test_waves_take_what_is_left(folder: Path) -> None:
    """By labels, by a share, and all that are left; names are the files' where none is given."""
    found = planned(folder)
    assert [(one.name, one.wave, one.region) for one in found.members] == [
        ("a", 1, "eu-west-1"),
        ("b", 2, "eu-west-1"),
        ("c", 3, "us-east-1"),
        ("last", 3, "us-east-1"),
    ]
    assert [(one.name, one.soak, one.gate) for one in found.waves] == [
        ("canary", 3600.0, False),
        ("some", 0.0, False),
        ("rest", 0.0, True),
    ]
    assert found.stop_when.halted == 1


def test_images_by_region(folder: Path) -> None:
    """Each member gets its region's image."""
    images = "images: {eu-west-1: ami-0123456789abcdef1, us-east-1: ami-0123456789abcdef2}"
    found = planned(folder, FLEET.replace("ami: ami-0123456789abcdef0", images))
    assert [one.ami[-1] for one in found.members] == ["1", "1", "2", "2"]


@pytest.mark.parametrize(
    ("text", "halted", "share"), [("3", 3, None), ("10%", None, 0.1), ("100%", None, 1.0), ("1", 1, None)]
)
def test_stop_when_a_number_or_a_share(folder: Path, text: str, halted: int | None, share: float | None) -> None:
    """A percentage is a share of the wave, a number counts members."""
    when = planned(folder, f"{FLEET}stop_when: {{halted: {text}}}\n").stop_when
    assert (when.halted, when.halted_share) == (halted, share)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("config: b.yaml", "confg: b.yaml", 'fleet.yaml:5: unknown key "confg" in members[0]: did you mean "config"?'),
        ("gate: person", "gate: anybody", 'fleet.yaml:11: waves[2].gate: "anybody" is not one of person'),
        ("soak: 1h", "soak: 1", 'fleet.yaml:9: waves[0].soak: "1" is no duration'),
        ("share: 25%", "share: 3", "share is a percentage such as 10%"),
        ("share: 25%", "share: 25%, number: 1", "give number or share, not both"),
        ("fleet: january", "fleet: January", '"January" is not a name'),
        ("name: rest, gate: person", "name: rest, soak: 1h", "wave rest is the last one"),
        ("name: last", "name: a", "two members have the name a"),
        ("name: some", "name: rest", "two waves have the name rest"),
        ("ami: ami-0123456789abcdef0\n", "", "give ami, or images with one for each region"),
        (
            "ami: ami-0123456789abcdef0\n",
            "images: {eu-west-1: ami-0123456789abcdef0}\n",
            "images has none for us-east-1",
        ),
        ("config: b.yaml", "config: e.yaml", "member e: there is no configuration at"),
        ("stage: dev}}, soak", "stage: prod}}, soak", "wave canary takes no member"),
        ("{name: rest, gate: person}", "{name: rest, take: {number: 1}}", "member last is in no wave"),
        ("sqlite:////tmp/fleet.db", "sqlite:////tmp/other.db", "names another journal than this fleet"),
        ("database:", "limits: {per_account: 1}\ndatabase:", "needs `account` in its configuration"),
        ("config: b.yaml", "config: a.yaml, name: b", "two members are cluster eks-a in eu-west-1"),
    ],
)
def test_what_is_refused(folder: Path, old: str, new: str, says: str) -> None:
    """With its line where it stands in the file, and with the member that it is about."""
    with pytest.raises(UserError) as refused:
        planned(folder, FLEET.replace(old, new))
    said: Any = refused.value
    assert says.replace("members[0]", "members[1]") in said.problem
    assert said.exit_code == 2


def test_the_next_command_is_the_fleet_s(folder: Path) -> None:
    """A file with a problem is checked again by `rollout fleet plan`; one that is not there is named."""
    with pytest.raises(UserError) as refused:
        planned(folder, "fleet: x\n")
    assert refused.value.hint == f"correct it, then: rollout fleet plan --config {folder / 'fleet.yaml'}"
    with pytest.raises(UserError, match="there is no fleet at"):
        spec.load(folder / "nothing.yaml")
