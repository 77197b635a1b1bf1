"""Rollouts that another version of the tool began."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from rollout import __version__
from rollout.engine.runner import Ended
from rollout.errors import UserError
from rollout.formats import versions
from rollout.formats.codec import effect_of, effect_text, plan_of, plan_text
from rollout.journal import SqlJournal, open_journal, schema
from rollout.model.effects import Effect
from rollout.model.machine import Phase
from rollout.model.plan import Steady
from tests.core.build import ID
from tests.core.running import RESTORED, Killed, again, begin
from tests.core.toy import Asked, Toy
from tests.journal import older, samples
from tests.journal.samples import tamper
from tests.samples import ALL

#: For each journal that an older version left: the phase and the call after which it was killed.
LEFT_AFTER = {
    "version_1_planned": (Phase.PLANNED, "write_marker"),
    "version_1_drain": (Phase.DRAIN, "terminate"),
    "version_2_planned": (Phase.PLANNED, "write_marker"),
    "version_2_surge": (Phase.SURGE, "update_group"),
    "version_2_drain": (Phase.DRAIN, "terminate"),
    "version_2_restore": (Phase.RESTORE, "resume"),
}
#: By the version of the format: the schema that came with it.
SCHEMAS = {"version_1": "0002", "version_2": "0003"}


@pytest.fixture(params=LEFT_AFTER)
def left(request: pytest.FixtureRequest) -> str:
    """Which journal of an older version it is."""
    name: str = request.param
    return name


@pytest.fixture
def taken_up(left: str, url: str) -> Iterator[SqlJournal]:
    """The journal that an older version left, opened by this version."""
    older.make(url, SCHEMAS[left.rpartition("_")[0]], left)
    schema.upgrade(url)
    with closing(open_journal(url, actor="tester")) as journal:
        yield journal


@pytest.fixture
def world(left: str, taken_up: SqlJournal, tmp_path: Path) -> Toy:
    """The world that the older version left: as this version brings it about, but for what the marker says."""
    toy = Toy.in_use()
    phase, verb = LEFT_AFTER[left]

    with closing(open_journal(f"sqlite:///{tmp_path}/today.db", actor="tester")) as scratch:

        def kill(asked: Asked, apply: Callable[[], None]) -> None:
            apply()
            if asked[0] == verb and scratch.load(ID).phase is phase:
                raise Killed

        toy.disturb = kill
        with pytest.raises(Killed):
            begin(scratch, toy).run()
    assert toy.marker_
    assert toy.marker_.checkpoint
    plan = toy.marker_.checkpoint.plan
    # What the older version wrote into the marker knew none of these settings: both are lifted by one handler.
    lifted = replace(plan, settings=replace(plan.settings, unprotected="protect", steady=Steady()))
    said = replace(toy.marker_.checkpoint, key="build-17", plan=lifted, drain_deadline=taken_up.load(ID).drain_deadline)
    written = None if left.startswith("version_1") else said
    toy.marker_ = replace(toy.marker_, checkpoint=written)
    toy.disturb = Toy().disturb
    return toy


def test_gone_on_with(taken_up: SqlJournal, world: Toy) -> None:
    """A rollout that an older version began, and was killed in, is worked to its end: nothing is done twice."""
    assert again(taken_up, world).run() is Ended.DONE
    assert world.group_["g"] == RESTORED
    assert (world.marker_, world.autoscaler_) == (None, Toy().autoscaler_)
    verbs = [verb for verb, _ in world.applied]
    assert (verbs.count("create_version"), verbs.count("terminate")) == (1, 2)
    assert taken_up.verify(ID)[1] == ()
    assert len(taken_up.intents(ID)) == len(taken_up.load(ID).done)


@pytest.mark.parametrize("left", [*LEFT_AFTER, "version_2_refused"], indirect=True)
def test_every_row_is_read(taken_up: SqlJournal) -> None:
    """What older versions wrote is read: the plan, each effect, and each marker's record in one."""
    record = taken_up.load(ID)
    assert record.plan.ami == "ami-new"
    effects = [effect for _, effect in taken_up.intents(ID)]
    assert {row.effect for row in record.unsettled} <= set(effects)
    assert taken_up.verify(ID)[1] == ()


def test_the_marker_of_an_older_version_says_what_its_journal_says(taken_up: SqlJournal) -> None:
    """Both are lifted to the same plan: else the marker would be written once more, and that is taken for drift."""
    with taken_up.database.reading() as connection:
        text, version = connection.exec_driver_sql("SELECT plan, journal_version FROM rollouts").one()
    fields = json.loads(text)
    assert versions.checkpoint({"plan": fields}, 2)["plan"] == versions.plan(fields, max(version, 2))
    assert taken_up.load(ID).plan.settings.steady == Steady()


@pytest.mark.parametrize(
    ("begun_by", "told", "command"),
    [
        ("9.1.0", "rollout 9.1.0 (journal version 4)", "pip install eks-rollout==9.1.0"),
        (None, "rollout of an older version (journal version 4)", "pip install eks-rollout==VERSION"),
    ],
)
def test_begun_by_another_version(journal: SqlJournal, begun_by: str | None, told: str, command: str) -> None:
    """A rollout in a format without a handler is refused with exit 77: the message says which version goes on."""
    by = f"'{begun_by}'" if begun_by else "NULL"
    tamper(journal, f"UPDATE rollouts SET journal_version = 4, begun_by = {by}")  # noqa: S608  a literal of ours
    with pytest.raises(UserError) as refusal:
        journal.load(samples.ID)
    assert refusal.value.problem == (
        f"rollout {samples.ID} was begun by {told}; this is rollout {__version__}, which reads versions 1 to 3"
    )
    assert refusal.value.hint == f"{command}, then: rollout resume {samples.ID}"
    assert refusal.value.exit_code == 77


@pytest.mark.parametrize("left", ["version_1_drain"], indirect=True)
def test_without_a_handler(taken_up: SqlJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version whose handler was given up is refused too, and what needs no plan is still told."""
    monkeypatch.setattr(versions, "HANDLERS", {})
    with pytest.raises(UserError, match=r"of an older version \(journal version 1\).*, which reads version 3"):
        taken_up.load(ID)
    assert [one.id for one in taken_up.summaries()] == [ID]
    assert taken_up.verify(ID)[1] == ()


def test_what_began_it(journal: SqlJournal) -> None:
    """A rollout knows the version of the tool that began it, and the format."""
    with journal.database.reading() as connection:
        row = connection.exec_driver_sql("SELECT begun_by, journal_version FROM rollouts").one()
    assert tuple(row) == (__version__, versions.JOURNAL_VERSION)


@pytest.mark.parametrize("effect", ALL, ids=lambda effect: effect.kind)
def test_handlers_leave_alone(effect: Effect) -> None:
    """What is of today's format already passes every handler unchanged: one rollout may hold both."""
    for version in versions.HANDLERS:
        assert effect_of(effect_text(effect), version) == effect
        assert plan_of(plan_text(samples.WHOLE), version) == samples.WHOLE


@pytest.mark.parametrize("effect", ALL, ids=lambda effect: effect.kind)
def test_what_an_older_version_saved_keeps_its_key(effect: Effect) -> None:
    """The journal finds it by the key under which it was saved, before nodes and batches were told apart in it."""
    fields = json.loads(effect_text(effect))
    fields.pop("by", None)
    assert effect_of(json.dumps(fields), 2).key == f"{effect.kind}:{effect.target}:{effect.occasion}"
