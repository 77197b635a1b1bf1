from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.errors import UserError
from rollout.formats.codec import checkpoint_of, effect_of, effect_text, plan_of, plan_text
from rollout.model.effects import DisableScaleDown, Effect, Evict
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
    """Any text that AWS or Kubernetes puts into a name or an annotation is read as it was written."""
    for effect in (
        Evict(namespace=first, name=second, uid=third, node="n", kills=first),
        DisableScaleDown(node=first, uid=second, instance_id=third, before=third),
    ):
        assert effect_of(effect_text(effect)) == effect


@pytest.mark.parametrize("plan", [PLAN, WHOLE, replace(PLAN, autoscaler_replicas=None)], ids=["half", "whole", "bare"])
def test_plan_round_trip(plan: object) -> None:
    """A plan that is read equals the one that was written."""
    assert plan_of(plan_text(plan)) == plan  # type: ignore[arg-type]


def test_a_field_that_got_another_name_is_stored_under_its_first() -> None:
    """A journal or a marker that an older version wrote is read, and an older version reads ours."""
    stored = json.loads(plan_text(PLAN))["settings"]
    assert (stored["surge_seconds"], "in_service_seconds" in stored) == (PLAN.settings.in_service_seconds, False)
    with pytest.raises(UserError, match="in_service_seconds"):
        plan_of(plan_text(PLAN).replace("surge_seconds", "in_service_seconds"))


def test_incomplete_plan() -> None:
    """A plan that lacks fields is refused in words."""
    with pytest.raises(UserError, match="another version of this tool"):
        plan_of("{}")


def records(fields: Any) -> Iterator[dict[str, Any]]:
    """Every record in what was written, however deep."""
    inside = fields.values() if isinstance(fields, dict) else fields if isinstance(fields, list) else ()
    if isinstance(fields, dict) and fields:
        yield fields
    for one in inside:
        yield from records(one)


def test_unknown_field_of_a_plan() -> None:
    """A field that is not known, in any record of a plan, is refused and named: it may be a setting."""
    count = len(list(records(json.loads(plan_text(WHOLE)))))
    for number in range(count):
        fields = json.loads(plan_text(WHOLE))
        record = list(records(fields))[number]
        if all(isinstance(value, str) for value in record.values()) and "template_id" not in record:
            continue  # labels and records of texts are told apart by their names alone
        record["wait_for_moon"] = {"phase": 1}
        with pytest.raises(UserError, match="wait_for_moon"):
            plan_of(json.dumps(fields))


@pytest.mark.parametrize("effect", ALL, ids=lambda effect: effect.kind)
def test_unknown_field_of_an_effect(effect: Effect) -> None:
    """An effect with a field that is not known is refused: it may say how it is to be sent."""
    fields = json.loads(effect_text(effect)) | {"gently": True}
    with pytest.raises(UserError, match="does not know, or a field of one"):
        effect_of(json.dumps(fields))


def test_foreign_effect() -> None:
    """An effect of a kind that is not known is refused in words."""
    with pytest.raises(UserError, match="an effect that this tool does not know"):
        effect_of('{"kind": "paint-node"}')


@pytest.mark.parametrize("text", ["", "null", "7", "[]", '{"format": []}', '{"format": 3}', "[" * 100_000])
def test_what_is_no_mark(text: str) -> None:
    """Text that somebody else wrote into the marker is read as no mark, and nothing fails because of it."""
    assert checkpoint_of(text) is None
