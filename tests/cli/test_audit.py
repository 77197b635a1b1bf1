"""`rollout audit`: the chain checked, and handed out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli import samples
from tests.cli.run import Result, rollout
from tests.journal.samples import tamper


def audit(folder: Path, *arguments: str) -> Result:
    """Run `rollout audit` on the journal in a folder."""
    return rollout("audit", *arguments, "--database", samples.url(folder), cwd=folder)


def test_verified(tmp_path: Path) -> None:
    """A journal that nobody touched: the number of events and the head, exit 0."""
    journal = samples.draining(tmp_path)
    events = journal.events(samples.ID)
    for one in ((), (samples.ID,)):
        ended = audit(tmp_path, "verify", *one)
        said = ended.out.splitlines()
        assert (ended.code, said[0]) == (0, f"{samples.ID}: {len(events)} events, head {events[-1].hash}")
        assert said[1:] == ["nothing differs: every chain is whole, and all tables say what its events say"]


def test_nothing_to_verify(tmp_path: Path) -> None:
    """A journal without a rollout proves nothing: exit 2, and where to ask whether there was one; a head is missed."""
    samples.empty(tmp_path).close()
    ended = audit(tmp_path, "verify")
    assert (ended.code, ended.out) == (2, "")
    assert "no rollout is in this journal: none was started with it, or it is not the one that was used" in ended.err
    assert "rollout doctor --config FILE --database " in ended.err
    assert audit(tmp_path, "verify", "--head", "ab" * 32).code == 1


def test_earlier_head(tmp_path: Path) -> None:
    """A head from the log of an earlier phase's end is in the chain: which event it was is told."""
    events = samples.draining(tmp_path).events(samples.ID)
    ended = audit(tmp_path, "verify", "--head", events[3].hash)
    assert ended.code == 0
    assert ended.out.splitlines()[1:-1] == [f"  the head given is event 4 of {len(events)}"]


def test_unknown_head(tmp_path: Path) -> None:
    """A head that is in no chain says that the history was rewritten: exit 1."""
    samples.draining(tmp_path)
    ended = audit(tmp_path, "verify", samples.ID, "--head", "ab" * 32)
    assert ended.code == 1
    assert f"no event has hash {'ab' * 32}" in ended.out
    command = f"rollout audit export {samples.ID} --database {samples.url(tmp_path)}"
    assert ended.out.endswith(f"  next: keep what is there now, to compare it with a copy from before: {command}\n")


def test_head_of_another(tmp_path: Path) -> None:
    """A head of another rollout of the same journal is told as that one's: exit 2, and no alarm."""
    journal = samples.done(tmp_path)
    journal.begin("20260106-080000-ffff", None, samples.PLAN, samples.after(1440))
    ended = audit(tmp_path, "verify", "20260106-080000-ffff", "--head", journal.events(samples.ID)[2].hash)
    assert ended.code == 2
    assert f"it is event 3 of rollout {samples.ID} in the same journal" in ended.err
    assert "rewritten" not in ended.out


@pytest.mark.parametrize("head", ["  ", "abc123", "z" * 64])
def test_half_a_head(tmp_path: Path, head: str) -> None:
    """What is no head, such as a variable that nobody set, is refused: exit 2, and never taken for a proof."""
    samples.draining(tmp_path)
    ended = audit(tmp_path, "verify", "--head", head)
    assert (ended.code, ended.out) == (2, "")
    assert f'"{head}" is no head of a chain' in ended.err


def test_copied_head(tmp_path: Path) -> None:
    """Blanks around a head, and capitals, are no other head."""
    events = samples.draining(tmp_path).events(samples.ID)
    assert audit(tmp_path, "verify", "--head", f" {events[3].hash.upper()} ").code == 0


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE events SET text = 'all was well' WHERE seq = 3", "event 3 of {0} was changed after it was written"),
        ("DELETE FROM events WHERE seq = 3", "event 3 of {0} is missing"),
        ("DELETE FROM events WHERE seq > 3", "{0} had 12 events when it was last written, now it has 3"),
        ("UPDATE nodes SET stage = 'GONE' WHERE instance_id = 'i-1'", "node i-1 is in stage GONE, by its events in"),
    ],
)
def test_changed(tmp_path: Path, statement: str, says: str) -> None:
    """What was changed afterwards is said in words: exit 1."""
    journal = samples.draining(tmp_path)
    tamper(journal, statement)
    ended = audit(tmp_path, "verify")
    assert ended.code == 1
    assert says.format(samples.ID) in ended.out


def test_export(tmp_path: Path) -> None:
    """One JSON object a line, of one rollout or of all."""
    journal = samples.done(tmp_path)
    journal.begin("20260106-080000-ffff", None, samples.PLAN, samples.after(1440))
    every = [json.loads(line) for line in audit(tmp_path, "export").out.splitlines()]
    one = [json.loads(line) for line in audit(tmp_path, "export", samples.ID).out.splitlines()]
    assert [record["id"] for record in every if record["type"] == "rollout"] == [samples.ID, "20260106-080000-ffff"]
    assert one == [record for record in every if samples.ID in {record.get("id"), record.get("rollout_id")}]


def test_unknown_rollout(tmp_path: Path) -> None:
    """There is nothing to verify or to hand out of a rollout that is not there."""
    samples.draining(tmp_path)
    for verb in ("verify", "export"):
        ended = audit(tmp_path, verb, "nobody")
        assert (ended.code, ended.out) == (2, "")
        assert "there is no rollout nobody" in ended.err
