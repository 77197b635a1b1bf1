from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eks_simulator.kube.errors import ApiError
from eks_simulator.kube.patch import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, apply_patch

JSON = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=3), JSON, max_size=4)

# The examples of RFC 7386, appendix A, whose target is an object.
MERGES: list[tuple[dict[str, Any], Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("target", "patch", "result"), MERGES)
def test_merge_patch(target: dict[str, Any], patch: Any, result: Any) -> None:
    """The examples of RFC 7386 hold."""
    assert apply_patch(MERGE_PATCH, target, patch) == result


DOCUMENT: dict[str, Any] = {"a": {"b": [1, 2]}, "x/y": 1, "m~n": 2}


@pytest.mark.parametrize(
    ("operation", "result"),
    [
        ({"op": "add", "path": "/c", "value": 1}, DOCUMENT | {"c": 1}),
        ({"op": "add", "path": "/a/b/1", "value": 9}, DOCUMENT | {"a": {"b": [1, 9, 2]}}),
        ({"op": "add", "path": "/a/b/-", "value": 9}, DOCUMENT | {"a": {"b": [1, 2, 9]}}),
        ({"op": "replace", "path": "/a/b/0", "value": 9}, DOCUMENT | {"a": {"b": [9, 2]}}),
        ({"op": "remove", "path": "/a/b/0"}, DOCUMENT | {"a": {"b": [2]}}),
        ({"op": "replace", "path": "/x~1y", "value": 9}, DOCUMENT | {"x/y": 9}),
        ({"op": "test", "path": "/m~0n", "value": 2}, DOCUMENT),
        ({"op": "test", "path": "/missing", "value": None}, DOCUMENT),
        ({"op": "copy", "from": "/x~1y", "path": "/c"}, DOCUMENT | {"c": 1}),
        ({"op": "move", "from": "/a", "path": "/c"}, {"x/y": 1, "m~n": 2, "c": {"b": [1, 2]}}),
        ({"op": "replace", "path": "", "value": {"all": "new"}}, {"all": "new"}),
    ],
)
def test_json_patch(operation: dict[str, Any], result: Any) -> None:
    """Each operation of RFC 6902 does what it says, and leaves the target alone."""
    before = {**DOCUMENT, "a": {"b": [1, 2]}}
    assert apply_patch(JSON_PATCH, DOCUMENT, [operation]) == result
    assert before == DOCUMENT


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/x~1y", "value": 2},
        {"op": "remove", "path": "/missing"},
        {"op": "replace", "path": "/missing", "value": 1},
        {"op": "add", "path": "/missing/deep", "value": 1},
        {"op": "add", "path": "/a/b/7", "value": 1},
        {"op": "add", "path": "/a/b/x", "value": 1},
        {"op": "add", "path": "/x~1y/deep", "value": 1},
        {"op": "add", "path": "no/slash", "value": 1},
        {"op": "add", "path": "/c"},
        {"op": "sing", "path": "/c"},
    ],
)
def test_json_patch_that_does_not_fit(operation: dict[str, Any]) -> None:
    """An operation that cannot be carried out is 422."""
    with pytest.raises(ApiError) as refused:
        apply_patch(JSON_PATCH, DOCUMENT, [operation])
    assert refused.value.code == 422


CONTAINERS = [{"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}]}, {"name": "b", "image": "2"}]


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"taints": [{"key": "a"}]}, {"taints": [{"key": "b"}]}, {"taints": [{"key": "b"}]}),
        ({"taints": [{"key": "a"}]}, {"taints": [{"key": "b", "$patch": "delete"}]}, {"taints": [{"key": "b"}]}),
        ({"tolerations": [1]}, {"tolerations": [2]}, {"tolerations": [2]}),
        (
            {"conditions": [{"type": "A", "status": "1", "reason": "r"}, {"type": "B", "status": "2"}]},
            {"conditions": [{"type": "A", "status": "9"}]},
            {"conditions": [{"type": "A", "status": "9", "reason": "r"}, {"type": "B", "status": "2"}]},
        ),
        (
            {"containers": CONTAINERS},
            {"containers": [{"name": "a", "env": [{"name": "Y", "value": "2"}]}]},
            {
                "containers": [
                    {"name": "a", "image": "1", "env": [{"name": "Y", "value": "2"}, {"name": "X", "value": "1"}]},
                    {"name": "b", "image": "2"},
                ]
            },
        ),
        (
            {"containers": CONTAINERS},
            {"containers": [{"name": "a", "$patch": "delete"}]},
            {"containers": CONTAINERS[1:]},
        ),
        (
            {"containers": CONTAINERS},
            {"containers": [{"$patch": "replace"}, {"name": "c"}]},
            {"containers": [{"name": "c"}]},
        ),
        (
            {"containers": CONTAINERS},
            {
                "containers": [{"name": "c"}],
                "$setElementOrder/containers": [{"name": "b"}, {"name": "c"}, {"name": "a"}],
            },
            {"containers": [CONTAINERS[1], {"name": "c"}, CONTAINERS[0]]},
        ),
        ({"finalizers": ["a", "b"]}, {"finalizers": ["c", "b"]}, {"finalizers": ["c", "a", "b"]}),
        ({"finalizers": ["a", "b"]}, {"$deleteFromPrimitiveList/finalizers": ["a"]}, {"finalizers": ["b"]}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"$patch": "replace", "d": 3}}, {"a": {"d": 3}}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"$patch": "delete"}}, {"a": {}}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"$retainKeys": ["c", "d"], "d": 3}}, {"a": {"c": 2, "d": 3}}),
        ({"a": 1, "b": 2}, {"a": None}, {"b": 2}),
        ({}, {"a": {"b": None, "c": 1}}, {"a": {"c": 1}}),
    ],
)
def test_strategic_patch(target: dict[str, Any], patch: Any, result: Any) -> None:
    """Lists with a merge key are merged by it, all others replaced; directives are obeyed where they have a meaning."""
    assert apply_patch(STRATEGIC_PATCH, target, patch) == result


def test_merge_key_is_needed() -> None:
    """An element without its merge key is refused."""
    with pytest.raises(ApiError, match="declared merge key: type"):
        apply_patch(STRATEGIC_PATCH, {}, {"conditions": [{"status": "True"}]})


@pytest.mark.parametrize(
    ("content_type", "patch"), [(JSON_PATCH, {}), (MERGE_PATCH, []), (STRATEGIC_PATCH, []), (STRATEGIC_PATCH, None)]
)
def test_patches_of_the_wrong_shape(content_type: str, patch: Any) -> None:
    """A patch that is no patch of its kind is 400."""
    with pytest.raises(ApiError) as refused:
        apply_patch(content_type, {}, patch)
    assert refused.value.code == 400


@given(OBJECTS, OBJECTS)
def test_merge_patches_can_be_repeated(target: dict[str, Any], patch: dict[str, Any]) -> None:
    """The same merge patch twice is the same as once: an absolute effect may be sent again."""
    once = apply_patch(MERGE_PATCH, target, patch)
    assert apply_patch(MERGE_PATCH, once, patch) == once
