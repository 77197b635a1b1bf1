"""As much of Prometheus as the example alerts need: it answers an expression from the samples of one moment.

https://prometheus.io/docs/prometheus/latest/querying/operators/ says what each operator does. What is not here raises.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import promql_parser as promql

#: The labels of a series, sorted, without its name; and its value.
Labels = tuple[tuple[str, str], ...]
Vector = dict[Labels, float]
#: By name.
Samples = Mapping[str, Vector]

_COMPARES: dict[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}


def answer(expression: str, samples: Samples, now: float) -> Vector:
    """Evaluate an expression that is a vector."""
    found = _evaluated(promql.parse(expression), samples, now)
    assert isinstance(found, dict)
    return found


def _evaluated(node: Any, samples: Samples, now: float) -> Vector | float:
    match node:
        case promql.NumberLiteral():
            return float(node.val)
        case promql.ParenExpr():
            return _evaluated(node.expr, samples, now)
        case promql.Call() if node.func.name == "time":
            return now
        case promql.VectorSelector():
            named = samples.get(str(node.name), {})
            return {labels: value for labels, value in named.items() if _selected(labels, node.matchers.matchers)}
        case promql.AggregateExpr() if str(node.op) == "max":
            assert node.modifier is not None
            return _greatest(_vector(node.expr, samples, now), node.modifier.labels)
        case promql.BinaryExpr():
            return _binary(node, _evaluated(node.lhs, samples, now), _evaluated(node.rhs, samples, now))
    raise NotImplementedError(node)


def _vector(node: Any, samples: Samples, now: float) -> Vector:
    found = _evaluated(node, samples, now)
    assert isinstance(found, dict)
    return found


def _selected(labels: Labels, matchers: Iterable[Any]) -> bool:
    for one in matchers:
        assert one.op in (promql.MatchOp.Equal, promql.MatchOp.Re)
        pattern = re.escape(one.value) if one.op == promql.MatchOp.Equal else one.value
        if not re.fullmatch(pattern, dict(labels).get(one.name, "")):
            return False
    return True


def _only(labels: Labels, names: Iterable[str]) -> Labels:
    return tuple((name, value) for name, value in labels if name in set(names))


def _greatest(vector: Vector, names: list[str]) -> Vector:
    found: Vector = {}
    for labels, value in vector.items():
        group = _only(labels, names)
        found[group] = max(value, found.get(group, value))
    return found


def _binary(node: Any, left: Vector | float, right: Vector | float) -> Vector | float:
    what = str(node.op)
    if isinstance(left, dict) and isinstance(right, dict):
        if what == "or":
            return right | left
        return _joined(what, left, right, node.modifier.matching.labels)
    if what == "-":
        if isinstance(left, dict):
            assert isinstance(right, float)
            return {labels: value - right for labels, value in left.items()}
        if isinstance(right, dict):
            return {labels: left - value for labels, value in right.items()}
        return left - right
    assert isinstance(left, dict)
    assert isinstance(right, float)
    return {labels: value for labels, value in left.items() if _COMPARES[what](value, right)}


def _joined(what: str, left: Vector, right: Vector, on: list[str]) -> Vector:
    """Match many series to at most one, by some of their labels."""
    others = {_only(labels, on): value for labels, value in right.items()}
    if what == "and":
        return {labels: value for labels, value in left.items() if _only(labels, on) in others}
    if what == "unless":
        return {labels: value for labels, value in left.items() if _only(labels, on) not in others}
    assert len(others) == len(right), "many series on both sides"
    compare = _COMPARES[what]
    return {
        labels: value
        for labels, value in left.items()
        if _only(labels, on) in others and compare(value, others[_only(labels, on)])
    }
