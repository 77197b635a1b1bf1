from __future__ import annotations

from typing import Any

import pytest

from eks_simulator.kube.errors import ApiError
from eks_simulator.kube.resources import RESOURCES
from eks_simulator.kube.selectors import parse_fields, parse_label_selector, parse_labels

LABELS = {"app": "web", "tier": "front", "n": "5", "example.com/role": "x", "empty": ""}


@pytest.mark.parametrize(
    ("selector", "holds"),
    [
        ("", True),
        ("app=web", True),
        ("app = web", True),
        ("app==web,tier=front", True),
        ("app=web,tier=back", False),
        ("app!=web", False),
        ("missing!=web", True),
        ("app in (web,api)", True),
        ("app in ( api , web )", True),
        ("app in (api)", False),
        ("app notin (api)", True),
        ("missing notin (api)", True),
        ("missing in (api)", False),
        ("app", True),
        ("missing", False),
        ("!missing", True),
        ("! app", False),
        ("n>4", True),
        ("n > 5", False),
        ("n<6", True),
        ("app>4", False),
        ("missing<4", False),
        ("example.com/role=x", True),
        ("empty=", True),
        ("app=", False),
        ("app in (web),n notin (1,2),!missing", True),
    ],
)
def test_label_selectors(selector: str, holds: bool) -> None:  # noqa: FBT001
    """Every operator means what it means to the API server; a missing label is not equal to anything."""
    assert all(term(LABELS) for term in parse_labels(selector)) is holds


@pytest.mark.parametrize("selector", ["a b", "=x", "app in web", "app in (web", "n>x", "app=$", "a=b=c", "(a)"])
def test_unreadable_label_selectors(selector: str) -> None:
    """A selector that cannot be read is 400, never everything."""
    with pytest.raises(ApiError, match="unable to parse requirement") as refused:
        parse_labels(selector)
    assert refused.value.code == 400


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ({"key": "app", "operator": "In", "values": ["web"]}, True),
        ({"key": "app", "operator": "NotIn", "values": ["web"]}, False),
        ({"key": "app", "operator": "Exists"}, True),
        ({"key": "app", "operator": "DoesNotExist"}, False),
    ],
)
def test_selector_objects(expression: dict[str, Any], holds: bool) -> None:  # noqa: FBT001
    """The selectors inside objects know the same operators."""
    selector = {"matchLabels": {"tier": "front"}, "matchExpressions": [expression]}
    assert all(term(LABELS) for term in parse_label_selector(selector)) is holds


POD = {"metadata": {"name": "p"}, "spec": {"nodeName": "n", "hostNetwork": True}, "status": {"phase": "Running"}}


@pytest.mark.parametrize(
    ("selector", "holds"),
    [
        ("spec.nodeName=n", True),
        ("spec.nodeName==n,status.phase!=Failed", True),
        ("spec.nodeName!=n", False),
        ("status.podIP=", True),
        ("spec.hostNetwork=true", True),
        ("metadata.name=p,metadata.name=q", False),
    ],
)
def test_field_selectors(selector: str, holds: bool) -> None:  # noqa: FBT001
    """Fields are compared as text, a missing one as the empty text."""
    assert all(term.holds(POD) for term in parse_fields(RESOURCES["pods"], selector)) is holds


@pytest.mark.parametrize(
    ("plural", "selector", "text"),
    [
        ("pods", "spec.foo=x", "field label not supported: spec.foo"),
        ("configmaps", "data=x", 'is not a known field selector: only "metadata.name"'),
        ("pods", "metadata.name", "can't understand 'metadata.name'"),
    ],
)
def test_unknown_fields(plural: str, selector: str, text: str) -> None:
    """A field that objects of the kind cannot be selected by is 400."""
    with pytest.raises(ApiError, match=text):
        parse_fields(RESOURCES[plural], selector)
