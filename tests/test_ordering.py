"""The order of a run: long tests begin first, on all workers; nothing is left out."""

from __future__ import annotations

from itertools import chain

import pytest

from tests.ordering import shared


@pytest.mark.parametrize(
    ("workers", "shares"),
    [
        (1, ["ZYXabcdef"]),
        (2, ["ZXab", "Ycdef"]),
        (3, ["Zab", "Ycd", "Xef"]),
        (9, [*"ZYXabcdef"]),
    ],
)
def test_each_share_begins_with_long_ones(workers: int, shares: list[str]) -> None:
    """Capitals are long, Z the longest: each worker begins with some, and short ones stay beside each other."""
    order = shared([*"aXbcYdeZf"], lambda one: one.isupper() * ord(one), workers)
    assert order == [*chain(*shares)]


def test_where_all_are_long_none_is_left_out() -> None:
    """The first share is one shorter than the others: the longest of all still come first in each."""
    assert shared([*"ABCDE"], ord, 2) == [*"ECDBA"]
