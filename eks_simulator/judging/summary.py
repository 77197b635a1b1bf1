"""What people read of a report and of judged promises, line by line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


def lines(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield what has come of nodes, Jobs, template versions and baseline."""
    nodes, jobs = report["nodes"], report["jobs"]
    killed = jobs["killed_by_us"]
    yield f"nodes replaced: {nodes['replaced']}, still old: {nodes['old']}"
    yield f"Jobs killed: {len(killed)}{''.join(f', {job}' for job in killed)}; succeeded: {jobs['succeeded']}"
    versions = (f"{one['template']} version {one['version']} from {one['source']}" for one in report["versions"])
    yield f"template versions made: {', '.join(versions)}"
    yield from _baseline(report["baseline"])


def of_a_cluster(promises: Sequence[Mapping[str, Any]], report: Mapping[str, Any]) -> Iterator[str]:
    """Yield the verdict on what a real cluster's objects showed, and what they could not show."""
    judged = [one for one in promises if one["checks"]]
    if not judged:
        yield "nothing was changed by a rollout: there is nothing to judge"
        return
    yield "promises, by the API server's own objects:"
    for one in judged:
        yield from _promise(one)
    yield from report["summary"]
    untried = (f"{one['number']}. {one['text']}: never put to the test" for one in promises if not one["checks"])
    yield from (f"not judged: {one}" for one in (*untried, *report["not_judged"]))


def _promise(one: Mapping[str, Any]) -> Iterator[str]:
    held = "BROKEN" if one["violations"] else "held"
    yield f"  {held:<6}  {_count(one['checks'], 'check'):>10}  {one['number']:>2}. {one['text']}"
    yield from (f"            {violation}" for violation in one["violations"][:5])


def _baseline(fields: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield f"baseline, {_count(len(fields), 'field')} that the rollout changed:"
    for field in sorted(fields, key=lambda field: str(field["object"])):
        name = field["field"].removeprefix("metadata.annotations.")
        yield f"  {_state(field):<9}  {field['object']} {name}: {_value(field)}"


def _state(field: Mapping[str, Any]) -> str:
    if field["before"] == field["now"]:
        return "as it was"
    if field["restored"]:
        return "as meant"
    return "drift" if field["drift"] else "DIFFERS"


def _value(field: Mapping[str, Any]) -> str:
    if field["before"] == field["now"]:
        return _shown(field["now"])
    return f"{_shown(field['before'])} → {_shown(field['now'])}, {field['why']}"


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
