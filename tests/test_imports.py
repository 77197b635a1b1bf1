"""Who imports whom, in both packages: no circles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet

import grimp
import pytest

Arrows = Mapping[str, AbstractSet[str]]


def arrows(package: str, *, annotations: bool) -> Arrows:
    """Each module with those that it imports; `annotations`: also those that only type checkers import."""
    graph = grimp.build_graph(package, exclude_type_checking_imports=not annotations, cache_dir=None)
    return {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}


def reached(imports: Arrows, start: str) -> set[str]:
    """All modules that one imports, and what these import."""
    found: set[str] = set()
    left = [start]
    while left:
        new = imports.get(left.pop(), frozenset()) - found
        found |= new
        left += new
    return found


def circles(imports: Arrows) -> Iterator[set[str]]:
    """The modules that import each other, each set once."""
    below = {module: reached(imports, module) for module in imports}
    done: set[str] = set()
    for module in sorted(imports):
        if module in below[module] and module not in done:
            circle = {one for one in below[module] if module in below.get(one, ())}
            done |= circle
            yield circle


@pytest.mark.parametrize("package", ["rollout", "eks_simulator"])
def test_no_module_imports_itself_by_way_of_others(package: str) -> None:
    """At work there is no circle at all; type checkers may go round in one folder, and never through several."""
    assert list(circles(arrows(package, annotations=False))) == []
    wide = [one for one in circles(arrows(package, annotations=True)) if len({m.rpartition(".")[0] for m in one}) > 1]
    assert wide == []


def test_a_circle_is_found() -> None:
    """Of two and of three modules, and none where there is none."""
    assert list(circles({"a": {"b"}, "b": {"a"}, "c": {"a"}})) == [{"a", "b"}]
    assert list(circles({"a": {"b"}, "b": {"c"}, "c": {"a"}})) == [{"a", "b", "c"}]
    assert list(circles({"a": {"b"}, "b": {"c"}, "c": set()})) == []
