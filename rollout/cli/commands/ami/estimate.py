"""`rollout ami estimate`: what it saves to bake a model into the AMI, and what that costs. Nobody is asked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Any

import typer

from rollout.ami import estimate as estimating
from rollout.cli import screen
from rollout.cli.screen.format import span as span_of
from rollout.cli.screen.format import table

# What the table leaves out, and what the words of its last column mean.
_NOTES = """\
not counted: the hours of CI agents and of Packer's instance; NAT gateways; tiers and discounts of prices; that
a new volume reads each block from its snapshot first, which is slower (EBS user guide, "Initialize Amazon EBS volumes")

case: worked back from the results that the original case told; AWS: its public price in us-east-1, on demand;
assumed: the case did not tell it; given: by you"""

_USUAL = {one.name: one for one in estimating.ASSUMPTIONS}


def _number(name: str) -> Any:
    """The option of one number."""
    one = _USUAL[name]
    meaning = one.meaning[0].upper() + one.meaning[1:]
    unit = f", {one.unit}" if one.unit else ""
    return typer.Option(metavar="NUMBER", help=f"{meaning}{unit}.", show_default=str(one.usual))


def estimate(  # noqa: PLR0913  each number that the estimate is made from can be given
    *,
    image: Annotated[str | None, _number("image")] = None,
    model: Annotated[str | None, _number("model")] = None,
    pulls: Annotated[str | None, _number("pulls")] = None,
    images: Annotated[str | None, _number("images")] = None,
    storage_price: Annotated[str | None, _number("storage_price")] = None,
    transfer_price: Annotated[str | None, _number("transfer_price")] = None,
    fetch_speed: Annotated[str | None, _number("fetch_speed")] = None,
    push_speed: Annotated[str | None, _number("push_speed")] = None,
    pull_speed: Annotated[str | None, _number("pull_speed")] = None,
    layer_speed: Annotated[str | None, _number("layer_speed")] = None,
    amis: Annotated[str | None, _number("amis")] = None,
    snapshot_price: Annotated[str | None, _number("snapshot_price")] = None,
    nodes: Annotated[str | None, _number("nodes")] = None,
    rollouts: Annotated[str | None, _number("rollouts")] = None,
    rollout_hours: Annotated[str | None, _number("rollout_hours")] = None,
    node_price: Annotated[str | None, _number("node_price")] = None,
) -> None:
    """Estimate what it saves to bake a model into the AMI.

    That is compared with a model in every image. Without options it is the original case, as a worked example. Every
    number that it is made from is printed, with its option and where it comes from.
    """
    case = estimating.case_of({name: text for name, text in locals().items() if text is not None})
    for line in _page(case):
        screen.say(line)


def _page(case: estimating.Case) -> Iterator[str]:
    whose = "the original case" if case == estimating.ORIGINAL else "your case"
    yield f"{whose}: a model of {_given(case.model, 'GB')} in every image, or in the AMI"
    yield ""
    yield from table(("", "IN EVERY IMAGE", "IN THE AMI"), list(_rows(case)))
    yield ""
    yield from table(("ASSUMPTION", "", "", "FROM"), list(_stated(case)))
    yield ""
    yield _NOTES


def _rows(case: estimating.Case) -> Iterator[tuple[str, str, str]]:
    old, new = estimating.before(case), estimating.after(case)
    yield "storage of images, a month", dollars(old.storage), dollars(new.storage)
    yield "transfer of pulls, a day", dollars(old.transfer), dollars(new.transfer)
    yield "CI, a run", span(old.build), span(new.build)
    yield "start of an image that a node has not got", span(old.start), span(new.start)
    yield "snapshots of AMIs, a month", dollars(old.snapshots), dollars(new.snapshots)
    yield "nodes doubled by rollouts, a month", dollars(old.doubled), dollars(new.doubled)
    yield f"all of it, a month of {estimating.MONTH} days", dollars(old.month), dollars(new.month)


def _stated(case: estimating.Case) -> Iterator[tuple[str, ...]]:
    for one, value, origin in estimating.stated(case):
        yield f"--{one.name.replace('_', '-')}", _given(value, one.unit), one.meaning, origin


def _given(value: Decimal, unit: str) -> str:
    return f"{value:f} {unit}".rstrip()


def dollars(amount: Decimal) -> str:
    """Return an amount in whole dollars, half a dollar upwards; below one dollar in cents."""
    places = Decimal(1) if amount >= 1 or not amount else Decimal("0.01")
    return f"{amount.quantize(places, ROUND_HALF_UP):,f} $"


def span(minutes: Decimal) -> str:
    """Return so many minutes as every other span of time is written, to the nearest second."""
    return span_of(timedelta(seconds=int((60 * minutes).quantize(Decimal(1), ROUND_HALF_UP))))
