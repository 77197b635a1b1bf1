"""What a model costs in every image, and what it costs in the AMI: money and time, before and after. Pure.

Money is in US dollars, sizes in GB of 10⁹ bytes, speeds in GB an hour, and all of it decimal: what is rounded is
rounded once, on the screen. The defaults are the original case, which told its results and not what they came from:
160 → 10 $ a month of storage, 69 → 4 $ a day of transfer, an hour → 3 minutes of CI, 25 → 1 minutes to start.
Sizes, counts and speeds were worked back from these with AWS's public prices, and each says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from rollout.errors import UserError

#: Where a number comes from: worked back from the original case; AWS's public price; nobody told; the operator.
Origin = Literal["case", "AWS", "assumed", "given"]

#: Days that count as a month.
MONTH = Decimal(30)

_HOUR = Decimal(60)  # minutes
# Six digits are more than any registry has, and few enough that no product overflows.
_NUMBER = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")
# GB an hour: with less, a pull would take longer than a calendar has days.
_SLOWEST = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Assumption:
    """One number that an estimate is made from. `usual`: in the original case; `least`: what it may not be below."""

    name: str
    usual: Decimal
    unit: str
    meaning: str
    origin: Origin
    least: Decimal = Decimal(0)


def _case(name: str, usual: str, unit: str, meaning: str) -> Assumption:
    return Assumption(name, Decimal(usual), unit, meaning, "case")


def _speed(name: str, usual: str, meaning: str) -> Assumption:
    return Assumption(name, Decimal(usual), "GB an hour", meaning, "case", _SLOWEST)


def _price(name: str, usual: str, unit: str, meaning: str) -> Assumption:
    return Assumption(name, Decimal(usual), unit, meaning, "AWS")


def _assumed(name: str, usual: str, unit: str, meaning: str) -> Assumption:
    return Assumption(name, Decimal(usual), unit, meaning, "assumed")


#: Every number, in the order in which they are printed. Prices: aws.amazon.com/ecr/pricing, /ebs/pricing and
#: /ec2/pricing/on-demand.
ASSUMPTIONS = (
    _case("image", "2", "GB", "an image without the model"),
    _case("model", "30", "GB", "the model; a layer of its own in each image that carries it"),
    _case("pulls", "24", "a day", "pulls of an image by a node that has not got it"),
    _case("images", "50", "", "images that the registry keeps"),
    _price("storage_price", "0.10", "$ per GB-month", "storage in ECR"),
    _price("transfer_price", "0.09", "$ per GB", "transfer out of AWS; 0 where nodes are in ECR's region"),
    _speed("fetch_speed", "150", "a CI agent clones the model with Git LFS"),
    _speed("push_speed", "40", "a CI agent builds, packs and pushes an image"),
    _speed("pull_speed", "120", "a node pulls and unpacks layers, several at a time"),
    _speed("layer_speed", "75", "a node pulls and unpacks the model, which is one layer"),
    _assumed("amis", "3", "", "AMIs that are kept, each with a model of its own"),
    _price("snapshot_price", "0.05", "$ per GB-month", "storage of EBS snapshots"),
    _assumed("nodes", "10", "", "nodes that a rollout doubles"),
    _assumed("rollouts", "4", "a month", "rollouts of a new AMI"),
    _assumed("rollout_hours", "2", "hours", "at most from the doubling to the last old node's end"),
    _price("node_price", "0.384", "$ per hour", "a node, such as m5.2xlarge"),
)


@dataclass(frozen=True, slots=True)
class Case:
    """The numbers that one estimate is made from, as `ASSUMPTIONS` tell them."""

    image: Decimal
    model: Decimal
    pulls: Decimal
    images: Decimal
    storage_price: Decimal
    transfer_price: Decimal
    fetch_speed: Decimal
    push_speed: Decimal
    pull_speed: Decimal
    layer_speed: Decimal
    amis: Decimal
    snapshot_price: Decimal
    nodes: Decimal
    rollouts: Decimal
    rollout_hours: Decimal
    node_price: Decimal


ORIGINAL = Case(**{one.name: one.usual for one in ASSUMPTIONS})


@dataclass(frozen=True, slots=True)
class Bill:
    """What one way of carrying the model costs. Dollars; times in minutes.

    `storage`, `snapshots`, `doubled`: a month; `transfer`: a day; `build`: a run of CI; `start`: the first pod of an
    image on a node.
    """

    storage: Decimal
    transfer: Decimal
    build: Decimal
    start: Decimal
    snapshots: Decimal = Decimal(0)
    doubled: Decimal = Decimal(0)

    @property
    def month(self) -> Decimal:
        """All of it in a month, in dollars."""
        return self.storage + MONTH * self.transfer + self.snapshots + self.doubled


def before(case: Case) -> Bill:
    """Return what it costs to carry the model in every image."""
    carried = case.image + case.model
    return Bill(
        storage=case.images * carried * case.storage_price,
        transfer=case.pulls * carried * case.transfer_price,
        build=_HOUR * (case.model / case.fetch_speed + carried / case.push_speed),
        start=_HOUR * (case.image / case.pull_speed + case.model / case.layer_speed),
    )


def after(case: Case) -> Bill:
    """Return what it costs with the model in the AMI: images without it, and what AMIs bring with them."""
    return Bill(
        storage=case.images * case.image * case.storage_price,
        transfer=case.pulls * case.image * case.transfer_price,
        build=_HOUR * (case.image / case.push_speed),
        start=_HOUR * (case.image / case.pull_speed),
        snapshots=case.amis * case.model * case.snapshot_price,
        doubled=case.rollouts * case.nodes * case.rollout_hours * case.node_price,
    )


def stated(case: Case) -> Iterator[tuple[Assumption, Decimal, Origin]]:
    """Yield what each number of a case means, its value, and where that comes from."""
    for one in ASSUMPTIONS:
        value: Decimal = getattr(case, one.name)
        yield one, value, one.origin if value == one.usual else "given"


def case_of(given: Mapping[str, str]) -> Case:
    """Return the original case with these numbers, by name, in place of its own.

    Raises `UserError` that names each that is no number, too small or too large.
    """
    problems = [problem for one in ASSUMPTIONS if (problem := _problem(one, given.get(one.name)))]
    if problems:
        raise UserError("\n  ".join(problems), hint="rollout ami estimate --help")
    return replace(ORIGINAL, **{name: Decimal(text) for name, text in given.items()})


def _problem(one: Assumption, text: str | None) -> str:
    if text is None or (_NUMBER.fullmatch(text) and Decimal(text) >= one.least):
        return ""
    return f'--{one.name.replace("_", "-")}: "{text}" is no number from {one.least} to 999999, such as 30 or 0.09'
