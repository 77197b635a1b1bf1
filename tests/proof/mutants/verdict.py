"""A pytest plugin: writes down how each test ended, for who started this pytest on a shadow of the project.

Nothing is tested here unless the shadow's code is what is imported.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

import rollout

#: Names the file to which each test adds a line: its node id, and how it ended.
VERDICTS = "ROLLOUT_TEST_VERDICTS"

#: How a test ended. "broken": not by what it tests, but because the code cannot be run at all, or a fixture failed.
End = Literal["passed", "failed", "hung", "broken"]

_CANNOT_RUN = (ImportError, NameError, AttributeError, SyntaxError)


def pytest_configure() -> None:
    """Refuse to test what is installed in place of what lies here."""
    if Path(rollout.__file__).parent != Path.cwd() / "rollout":
        raise pytest.UsageError(f"this is not the shadow's code: {rollout.__file__}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Write how a test ended: by its body, or by a fixture that failed."""
    report = yield
    if call.when == "call" or call.excinfo:
        with Path(os.environ[VERDICTS]).open("a", encoding="utf-8") as file:
            file.write(json.dumps([item.nodeid, _end(call)]) + "\n")
    return report


def _end(call: pytest.CallInfo[None]) -> End:
    if call.excinfo is None:
        return "passed"
    if call.when != "call" or call.excinfo.errisinstance(_CANNOT_RUN):
        return "broken"
    return "hung" if "from pytest-timeout" in str(call.excinfo.value) else "failed"
