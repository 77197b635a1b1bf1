"""What an estimate says: the original case to the dollar and the minute, and any other by the same formulas."""

from __future__ import annotations

from dataclasses import fields, replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.ami.estimate import ASSUMPTIONS, MONTH, ORIGINAL, Case, after, before, case_of, stated
from rollout.cli.commands.ami.estimate import dollars, span
from rollout.errors import UserError
from tests.cli.run import rollout


def test_the_original_case_comes_out_as_it_was_told() -> None:
    """160 → 10 $ a month of storage, 69 → 4 $ a day of transfer, an hour → 3 minutes of CI, 25 → 1 minutes to start."""
    old, new = before(ORIGINAL), after(ORIGINAL)
    assert (dollars(old.storage), dollars(new.storage)) == ("160 $", "10 $")
    assert (dollars(old.transfer), dollars(new.transfer)) == ("69 $", "4 $")
    assert (span(old.build), span(new.build)) == ("1h00m", "3m00s")
    assert (span(old.start), span(new.start)) == ("25m00s", "1m00s")


def test_before_rounding_the_original_case_is_exact() -> None:
    """Decimals, not floats: nothing is off by a cent before it is shown."""
    old, new = before(ORIGINAL), after(ORIGINAL)
    assert (old.storage, old.transfer) == (Decimal(160), Decimal("69.12"))
    assert (old.build, old.start) == (Decimal(60), Decimal(25))
    assert (new.storage, new.transfer) == (Decimal(10), Decimal("4.32"))
    assert (new.build, new.start) == (Decimal(3), Decimal(1))


def test_what_the_original_left_out_is_on_the_bill() -> None:
    """The snapshots of the AMIs, and the hours in which a rollout doubles the nodes, count in the month."""
    new = after(ORIGINAL)
    assert (new.snapshots, new.doubled) == (Decimal("4.5"), Decimal("30.72"))
    assert new.month == new.storage + MONTH * new.transfer + new.snapshots + new.doubled
    assert before(ORIGINAL).snapshots + before(ORIGINAL).doubled == 0


def test_each_number_is_stated_with_its_origin() -> None:
    """One line for each, in order; what the operator gave is told from what is assumed."""
    told = {one.name: origin for one, _, origin in stated(case_of({"model": "15", "pulls": "24"}))}
    assert list(told) == [one.name for one in fields(Case)]
    assert (told["model"], told["pulls"], told["storage_price"], told["nodes"]) == ("given", "case", "AWS", "assumed")


def test_no_pulls_and_no_model_cost_nothing() -> None:
    """Zero is a number: the transfer of no pulls is free, and without a model both ways cost the same in time."""
    case = case_of({"pulls": "0", "model": "0"})
    assert before(case).transfer == 0
    assert (before(case).build, before(case).start) == (after(case).build, after(case).start)


@pytest.mark.parametrize("text", ["-1", "1e3", "nan", "Infinity", "", "1.", ".5", "1,5", "1234567", "٣", "1\n"])
def test_what_is_no_number_is_refused(text: str) -> None:
    """Only plain numbers of at most six digits are taken, and the message names option, value and range."""
    with pytest.raises(UserError) as refused:
        case_of({"images": text})
    assert f'--images: "{text}" is no number from 0 to 999999' in refused.value.problem


def test_every_wrong_number_is_named_at_once() -> None:
    """A speed of zero, a negative price and a word: three lines."""
    with pytest.raises(UserError) as refused:
        case_of({"push_speed": "0", "storage_price": "-0.1", "model": "huge", "pulls": "3"})
    assert [line.split(":")[0].strip() for line in refused.value.problem.splitlines()] == [
        "--model",
        "--storage-price",
        "--push-speed",
    ]
    assert "from 0.01 to" in refused.value.problem


_NUMBERS = st.decimals("0", "999999", places=4)


@given(st.fixed_dictionaries({one.name: _NUMBERS for one in ASSUMPTIONS}))
def test_whatever_is_taken_can_be_shown(numbers: dict[str, Decimal]) -> None:
    """No number that is accepted overflows, and the images alone never cost more without the model than with it."""
    case = case_of({one.name: f"{max(numbers[one.name], one.least):f}" for one in ASSUMPTIONS})
    old, new = before(case), after(case)
    for bill in (old, new):
        assert dollars(bill.month).endswith(" $")
        assert span(bill.build)
        assert span(bill.start)
    assert new.storage <= old.storage
    assert new.transfer <= old.transfer
    assert new.build <= old.build
    assert new.start <= old.start


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("0", "0 $"),
        ("0.004", "0.00 $"),
        ("0.125", "0.13 $"),
        ("1.49", "1 $"),
        ("2.5", "3 $"),
        ("1234567.5", "1,234,568 $"),
    ],
)
def test_dollars_are_rounded_half_up(amount: str, shown: str) -> None:
    """Whole dollars, and cents below the first; a half always goes up."""
    assert dollars(Decimal(amount)) == shown


def test_a_case_of_its_own_is_not_the_original() -> None:
    """Numbers that are not given stay the original's."""
    assert case_of({}) == ORIGINAL
    assert case_of({"model": "15"}) == replace(ORIGINAL, model=Decimal(15))


def test_the_command_prints_the_case_and_what_it_is_made_from(tmp_path: Path) -> None:
    """Without options the page says that it is the original case, and each number stands there with its option."""
    page = rollout("ami", "estimate", cwd=tmp_path)
    lines = page.out.splitlines()
    assert page.code == 0
    assert lines[0] == "the original case: a model of 30 GB in every image, or in the AMI"
    assert any(line.split() == ["storage", "of", "images,", "a", "month", "160", "$", "10", "$"] for line in lines)
    for one in ASSUMPTIONS:
        assert any(line.startswith(f"--{one.name.replace('_', '-')} ") and line.endswith(one.origin) for line in lines)


def test_the_command_takes_numbers_and_refuses_others(tmp_path: Path) -> None:
    """What is given is used and said to be given; what is none is exit 2, with the option's name."""
    page = rollout("ami", "estimate", "--model", "15", "--transfer-price", "0.02", cwd=tmp_path)
    assert page.out.startswith("your case: a model of 15 GB")
    assert page.out.count("given\n") == 2
    refused = rollout("ami", "estimate", "--pulls", "many", cwd=tmp_path)
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith('rollout: --pulls: "many" is no number from 0 to 999999')


def test_the_documented_estimate_is_the_program_s(tmp_path: Path) -> None:
    """The worked example in docs/ami.md is what the command prints."""
    page = (Path(__file__).parents[2] / "docs/ami.md").read_text(encoding="utf-8")
    assert f"$ rollout ami estimate\n{rollout('ami', 'estimate', cwd=tmp_path).out}```\n" in page
