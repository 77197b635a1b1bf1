"""Which of the long tests a run takes: CI's sample by a seed, a shard, or those that have not passed on this code yet.

Hooks of pytest; tests/conftest.py makes them known. What is neither exhaustive nor a part of the proof is left alone;
of what is exhaustive only a sample is taken.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Generator
from typing import Any

import pytest

from tests.proof import results

#: Of what is marked exhaustive a sample takes one test of so many.
ONE_OF = 6


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the three ways to take a part."""
    group = parser.getgroup("proof", "the proof (make proof, make proof-sample)")
    told = "of each test marked proof(sample=N) take N cases, of all marked exhaustive a sixth, by this seed"
    group.addoption("--sample", metavar="SEED", help=told)
    group.addoption("--shard", metavar="K/N", type=shard, help="take the K-th of N parts")
    group.addoption("--go-on", action="store_true", help="leave out what has passed on this code already")


def shard(text: str) -> tuple[int, int]:
    """Read K/N."""
    which, _, of = text.partition("/")
    if not (which.isdecimal() and of.isdecimal() and 1 <= int(which) <= int(of)):
        raise pytest.UsageError(f"--shard {text}: K/N is asked for, such as 3/20")
    return int(which), int(of)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take what was asked for of those that -m and -k have left."""
    taken = [item for item in items if _mark(item)]
    if config.getoption("sample"):
        taken = sample(taken, config.getoption("sample"))
    if config.getoption("shard"):
        which, of = config.getoption("shard")
        taken = taken[which - 1 :: of]
    if config.getoption("go_on"):
        done = _done(config)
        taken = [item for item in taken if results.name(item.nodeid) not in done]
    left = {item.nodeid for item in items if _mark(item)} - {item.nodeid for item in taken}
    if config.getoption("sample"):
        left |= unsampled([item.nodeid for item in items if _exhaustive(item)], config.getoption("sample"))
    if left:
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid in left])
        items[:] = [item for item in items if item.nodeid not in left]


def sample(items: list[pytest.Item], seed: str) -> list[pytest.Item]:
    """Return as many cases of each test as its mark says, by this seed; all of a test whose mark says nothing."""
    cases: dict[tuple[str, int], list[str]] = defaultdict(list)
    for item in items:
        cases[_test(item)].append(item.nodeid)
    taken = {
        one
        for (test, number), ids in cases.items()
        for one in random.Random(f"{seed} {test}").sample(sorted(ids), min(number, len(ids)) or len(ids))  # noqa: S311
    }
    return [item for item in items if item.nodeid in taken]


def unsampled(names: list[str], seed: str) -> set[str]:
    """Return those exhaustive tests that a sample by this seed leaves out."""
    kept = random.Random(f"{seed} exhaustive").sample(sorted(names), -(-len(names) // ONE_OF))  # noqa: S311
    return {*names} - {*kept}


def _exhaustive(item: pytest.Item) -> bool:
    return item.get_closest_marker("exhaustive") is not None


def _test(item: pytest.Item) -> tuple[str, int]:
    """Return which cases this one is drawn with, and how many of them are to be: 0 for all."""
    facts = _mark(item).kwargs
    return facts.get("among", item.nodeid.partition("[")[0]), facts.get("sample", 0)


def _mark(item: pytest.Item) -> Any:
    return item.get_closest_marker("proof") or item.get_closest_marker("proof_all")


def _done(config: pytest.Config) -> list[str]:
    """Return the files of those that have passed; a worker was told by its controller, since all workers must agree."""
    return getattr(config, "workerinput", {}).get("proof-passed") or sorted(results.passed())


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker what has passed."""
    node.workerinput["proof-passed"] = sorted(results.passed())


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where all has passed before, nothing is left to run, and that is no failure."""
    if session.config.getoption("go_on") and session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        session.exitstatus = 0 if _done(session.config) else session.exitstatus


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what a complete run would be without."""
    if terminalreporter.config.getoption("go_on"):
        told = f"tests of the proof have passed on this code so far (build/proof/{results.code()})"
        terminalreporter.write_line(f"{len(results.passed())} {told}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, bool | None, bool | None]:
    """Keep what a test of the proof records."""
    if not _mark(item):
        return (yield)
    with results.kept(item.nodeid):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Record a test that failed, with what it said: pytest tells it at its end, which a run of hours may not see."""
    report = yield
    if not report.passed and _mark(item):
        results.record("failed test", passed=False, test=item.nodeid, said=report.longreprtext)
    return report
