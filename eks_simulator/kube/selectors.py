"""Label and field selectors, with the grammar and the error texts of the Kubernetes API."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eks_simulator.kube.errors import bad_request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eks_simulator.kube.resources import Resource
    from eks_simulator.kube.store import Revision, Store

Term = Callable[["Mapping[str, str]"], bool]

_KEY = r"(?P<key>[A-Za-z0-9./_-]+)"
_FORMS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Term]], ...] = (
    (re.compile(rf"{_KEY}\s+in\s*\((?P<values>[^()]*)\)"), lambda m: _is_in(m["key"], _values(m))),
    (re.compile(rf"{_KEY}\s+notin\s*\((?P<values>[^()]*)\)"), lambda m: _is_not_in(m["key"], _values(m))),
    (re.compile(rf"{_KEY}\s*==?\s*(?P<value>[\w.-]*)"), lambda m: _is_in(m["key"], {m["value"]})),
    (re.compile(rf"{_KEY}\s*!=\s*(?P<value>[\w.-]*)"), lambda m: _is_not_in(m["key"], {m["value"]})),
    (re.compile(rf"{_KEY}\s*>\s*(?P<value>-?\d+)"), lambda m: _compares(m["key"], int(m["value"]), above=True)),
    (re.compile(rf"{_KEY}\s*<\s*(?P<value>-?\d+)"), lambda m: _compares(m["key"], int(m["value"]), above=False)),
    (re.compile(rf"!\s*{_KEY}"), lambda m: _is_there(m["key"], there=False)),
    (re.compile(_KEY), lambda m: _is_there(m["key"], there=True)),
)


def _values(match: re.Match[str]) -> set[str]:
    return {value.strip() for value in match["values"].split(",")}


def _is_in(key: str, values: set[str]) -> Term:
    return lambda labels: key in labels and labels[key] in values


def _is_not_in(key: str, values: set[str]) -> Term:
    return lambda labels: labels.get(key) not in values


def _is_there(key: str, *, there: bool) -> Term:
    return lambda labels: (key in labels) is there


def _compares(key: str, bound: int, *, above: bool) -> Term:
    def compare(labels: Mapping[str, str]) -> bool:
        value = labels.get(key, "")
        return re.fullmatch(r"-?\d+", value) is not None and (int(value) > bound if above else int(value) < bound)

    return compare


def parse_labels(text: str) -> list[Term]:
    """Return the requirements of a label selector: all of them must hold.

    Raises `ApiError`: 400, naming the requirement that cannot be read.
    """
    # A comma inside parentheses separates values, not requirements.
    return [_parse_term(part.strip()) for part in re.split(r",(?![^()]*\))", text) if text.strip()]


def _parse_term(text: str) -> Term:
    for pattern, build in _FORMS:
        if match := pattern.fullmatch(text):
            return build(match)
    raise bad_request(f"unable to parse requirement: found '{text}', expected: identifier and an operator")


def parse_label_selector(selector: Mapping[str, Any]) -> list[Term]:
    """Return the requirements of a `LabelSelector` object (matchLabels, matchExpressions)."""
    terms = [_is_in(key, {value}) for key, value in (selector.get("matchLabels") or {}).items()]
    return terms + [_parse_expression(one) for one in selector.get("matchExpressions") or ()]


def _parse_expression(expression: Mapping[str, Any]) -> Term:
    key, values = expression["key"], set(expression.get("values") or ())
    match expression["operator"]:
        case "In":
            return _is_in(key, values)
        case "NotIn":
            return _is_not_in(key, values)
        case "Exists":
            return _is_there(key, there=True)
        case "DoesNotExist":
            return _is_there(key, there=False)
        case operator:
            raise bad_request(f'"{operator}" is not a valid label selector operator')


_ALWAYS = ("metadata.name", "metadata.namespace")
_FIELDS: dict[str, tuple[str, ...]] = {
    "pods": (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
    "nodes": ("spec.unschedulable",),
    "jobs": ("status.successful",),
    "namespaces": ("status.phase",),
    "events": (
        *(f"involvedObject.{name}" for name in ("kind", "namespace", "name", "uid", "apiVersion", "fieldPath")),
        "involvedObject.resourceVersion",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
}
_FIELD_TERM = re.compile(r"(?P<field>[^=!]+?)(?P<operator>==|!=|=)(?P<value>.*)")


@dataclass(frozen=True, slots=True)
class FieldTerm:
    """One requirement of a field selector; the field's value is compared as text, a missing one is empty."""

    field: str
    value: str
    equal: bool

    def holds(self, obj: Mapping[str, Any]) -> bool:
        """Tell whether the object meets it."""
        return (_field(obj, self.field) == self.value) is self.equal


def _field(obj: Any, path: str) -> str:
    for name in path.split("."):
        obj = obj.get(name) if isinstance(obj, dict) else None
    if isinstance(obj, bool):
        return str(obj).lower()
    return "" if obj is None else str(obj)


def parse_fields(resource: Resource, text: str) -> list[FieldTerm]:
    """Return the requirements of a field selector: all of them must hold.

    Raises `ApiError`: 400 for bad syntax and for a field that this kind cannot be selected by.
    """
    return [_parse_field(resource, part) for part in text.split(",") if part]


def _parse_field(resource: Resource, text: str) -> FieldTerm:
    match = _FIELD_TERM.fullmatch(text)
    if match is None:
        raise bad_request(f"invalid selector: '{text}'; can't understand '{text}'")
    field = match["field"].strip()
    if field not in (*_ALWAYS, *_FIELDS.get(resource.plural, ())):
        if resource.plural in _FIELDS:
            raise bad_request(f"field label not supported: {field}")
        raise bad_request(f'"{field}" is not a known field selector: only "metadata.name", "metadata.namespace"')
    return FieldTerm(field, match["value"].strip(), match["operator"] != "!=")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects of a kind a list or a watch is about."""

    resource: Resource
    namespace: str | None
    labels: list[Term]
    fields: list[FieldTerm]

    @property
    def selects(self) -> bool:
        """Whether any selector was given."""
        return bool(self.labels or self.fields)

    def matches(self, revision: Revision) -> bool:
        """Tell whether the object, in that state, is meant; its kind is not looked at."""
        if self.namespace is not None and revision.key[0] != self.namespace:
            return False
        return all(term.holds(revision.object) for term in self.fields) and (
            not self.labels or self._has_labels(revision.object["metadata"].get("labels") or {})
        )

    def _has_labels(self, labels: Mapping[str, str]) -> bool:
        return all(term(labels) for term in self.labels)

    def of(self, store: Store) -> list[Revision]:
        """Return the objects that are meant, as they are now; the pods of one node without looking at all others."""
        candidates = self._candidates(store)
        if not self.selects and self.namespace in (None, ""):
            return candidates
        return [revision for revision in candidates if self.matches(revision)]

    def _candidates(self, store: Store) -> list[Revision]:
        if self.resource.plural == "pods":
            for term in self.fields:
                if term.field == "spec.nodeName" and term.equal and term.value:
                    return store.pod_revisions_on(term.value)
        return store.revisions(self.resource.plural, self.namespace)


def select(resource: Resource, namespace: str | None, query: Mapping[str, str]) -> Selection:
    """Return the selection that the query parameters of a list or watch ask for.

    Raises `ApiError`: 400 when a selector cannot be read.
    """
    labels = parse_labels(query.get("labelSelector", ""))
    return Selection(resource, namespace, labels, parse_fields(resource, query.get("fieldSelector", "")))
