from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.codec import effect_of, effect_text, plan_of, plan_text
from rollout.effects import Effect, Evict, HoldNode
from rollout.errors import UserError
from tests.journal.samples import PLAN, WHOLE
from tests.samples import ALL


@pytest.mark.parametrize("effect", ALL, ids=lambda effect: effect.kind)
def test_effect_round_trip(effect: Effect) -> None:
    """An effect that is read equals the one that was written, kind, key and all."""
    again = effect_of(effect_text(effect))
    assert again == effect
    assert again.key == effect.key


def test_samples_are_complete() -> None:
    """Every kind of effect that the core knows is among those that are tried."""
    assert {type(effect) for effect in ALL} == set(get_args(Effect))


@given(st.text(), st.text(), st.text())
def test_any_text_survives(first: str, second: str, third: str) -> None:
    """Whatever text AWS or Kubernetes puts into a name or an annotation is read as it was written."""
    for effect in (
        Evict(namespace=first, name=second, uid=third, node="n", kills=first),
        HoldNode(node=first, uid=second, instance_id=third, before=third),
    ):
        assert effect_of(effect_text(effect)) == effect


@pytest.mark.parametrize("plan", [PLAN, WHOLE, replace(PLAN, autoscaler_replicas=None)], ids=["half", "whole", "bare"])
def test_plan_round_trip(plan: object) -> None:
    """A plan that is read equals the one that was written."""
    assert plan_of(plan_text(plan)) == plan  # type: ignore[arg-type]


def test_foreign_plan() -> None:
    """A plan with fields that are not known is refused in words."""
    with pytest.raises(UserError, match="another version of this tool"):
        plan_of("{}")


def test_foreign_effect() -> None:
    """An effect of a kind that is not known is refused in words."""
    with pytest.raises(UserError, match="an effect that this tool does not know"):
        effect_of('{"kind": "paint-node"}')
