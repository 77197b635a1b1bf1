"""What a run of the proof takes: a sample that its seed repeats, shards that are the whole, what has not passed yet."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.proof import results, selection

ROOT = Path(__file__).parents[2]
#: A proof of three cases, one of which fails until a file is there.
PROOF = """
from pathlib import Path
import pytest

@pytest.mark.proof
@pytest.mark.parametrize("case", range(3))
def test_each(case):
    assert case != 1 or Path("repaired").exists()

def test_of_every_day():
    pass
"""
CONFTEST = """
from pathlib import Path
from tests.proof import results

pytest_plugins = ["tests.proof.selection"]
results.FOLDER = Path(__file__).parent / "results"
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with that proof, whose results are its own."""
    (tmp_path / "test_it.py").write_text(PROOF)
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    proof\n    proof_all\n")
    return tmp_path


def run(place: Path, *options: str) -> tuple[int, set[str]]:
    """Return the exit code of a run of it, and the tests that it took."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV"))}
    plugins = ("-p", "xdist") if "-n1" in options else ()
    command = [sys.executable, "-m", "pytest", "-vv", "-p", "no:cacheprovider", *plugins, "-m", "proof", *options]
    ended = subprocess.run(
        command,
        cwd=place,
        env=ours | {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    told = [line for line in ended.stdout.splitlines() if "::" in line and ("PASSED" in line or "FAILED" in line)]
    lines = [word.partition("::")[2] for line in told for word in line.split() if "::" in word]
    return ended.returncode, set(lines)


class Item(SimpleNamespace):
    """A test of the proof; `facts`: what its mark says."""

    def get_closest_marker(self, name: str) -> SimpleNamespace | None:
        return SimpleNamespace(kwargs=self.facts) if name == "proof" else None


def taken(**options: object) -> set[str]:
    """Return which of ten cases of a test whose mark asks for two, and of two of another, are taken."""
    items = [Item(nodeid=f"many[{case}]", facts={"sample": 2}) for case in range(10)]
    items += [Item(nodeid=f"each[{case}]", facts={}) for case in range(2)]
    config: Any = SimpleNamespace(getoption=options.get, hook=SimpleNamespace(pytest_deselected=lambda **_: None))
    selection.pytest_collection_modifyitems(config, items)  # type: ignore[arg-type]
    return {item.nodeid for item in items}


def test_a_sample_is_repeated_by_its_seed() -> None:
    """Of a test that says how many, so many cases are taken, the same for the same seed; of others all are."""
    samples = [taken(sample=seed) for seed in "abcdefghi"]
    assert samples == [taken(sample=seed) for seed in "abcdefghi"]
    assert len(set.union(*samples)) > 8
    assert all(len(one) == 4 and one >= {"each[0]", "each[1]"} for one in samples)


def test_shards_are_the_whole() -> None:
    """Each test is in one shard, and in no other."""
    shards = [taken(shard=selection.shard(f"{which}/3")) for which in (1, 2, 3)]
    assert sum(map(len, shards)) == 12
    assert set.union(*shards) == taken()
    for text in ("4/3", "0/3", "3", "a/b"):
        with pytest.raises(pytest.UsageError, match="such as 3/20"):
            selection.shard(text)


def test_a_run_goes_on_where_another_stopped(place: Path) -> None:
    """What has passed on this code is not run again, what failed is; when nothing is left that is no failure."""
    assert run(place, "--go-on") == (1, {f"test_each[{case}]" for case in range(3)})
    (place / "repaired").touch()
    assert run(place, "--go-on", "-n1") == (0, {"test_each[1]"})
    assert run(place, "--go-on") == (0, set())


def test_what_a_failure_said_is_kept(place: Path) -> None:
    """A run of hours that is interrupted prints nothing of what failed before."""
    run(place)
    found = [line for file in (place / "results").rglob("*.jsonl") for line in results.recorded(file)]
    assert [line["test"] for line in found] == ["test_it.py::test_each[1]"]
    assert 'Path("repaired").exists()' in found[0]["said"]


def test_results_are_those_of_one_state_of_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a file has changed nothing has passed; who edits while a test runs has results of neither state."""
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    monkeypatch.setattr(results, "ROOT", tmp_path)
    source = tmp_path / "rollout/a.py"
    source.parent.mkdir()
    source.write_text("a = 1")
    with results.kept("test"):
        results.record("odd", passed=True)
    assert results.passed() == {results.name("test")}
    source.write_text("a = 2")
    assert results.passed() == set()
    with results.kept("test"):
        source.write_text("a = 3")
    assert results.passed() == set()


def test_what_was_interrupted_has_no_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that did not come to its end leaves no file, and one that failed has not passed."""
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    with pytest.raises(KeyboardInterrupt), results.kept("test"):
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())
    with results.kept("test"):
        results.record("odd", passed=False)
    assert results.passed() == set()


def test_a_sample_of_the_exhaustive_ones_is_a_sixth() -> None:
    """Always the same by a seed; with enough seeds each test has its turn."""
    names = [f"test_{number}" for number in range(10)]
    assert selection.unsampled(names, "a") == selection.unsampled(names[::-1], "a")
    assert len(selection.unsampled(names, "a")) == 8
    turns = [{*names} - selection.unsampled(names, str(seed)) for seed in range(60)]
    assert set().union(*turns) == {*names}
    assert selection.unsampled([], "a") == set()
