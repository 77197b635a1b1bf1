"""Which rollout a command means, as a table of what the journal lists."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from rollout.cli import select_rollout
from rollout.cli.select_rollout import Asked
from rollout.errors import UserError
from rollout.model.machine import Phase
from rollout.model.steering import Pause
from rollout.ports import Summary

NOW = datetime(2026, 1, 5, 8, tzinfo=UTC)
ACTIVE = Summary("r1", "build-1", "prod", "ami-1", ("a", "b"), Phase.DRAIN, None, NOW, None)
DONE = replace(ACTIVE, id="r0", key="build-0", phase=Phase.DONE, ended=NOW)
ELSEWHERE = replace(ACTIVE, id="r2", key=None, cluster="test")
ANOTHER = "rollout start --ami ami-1 --key ANOTHER"
ASKED = Asked("prod", ("a", "b"), "ami-1", None)


@pytest.mark.parametrize(
    ("asked", "known", "found"),
    [
        (ASKED, [], None),
        (ASKED, [DONE], None),
        (ASKED, [ELSEWHERE], None),
        (ASKED, [ELSEWHERE, ACTIVE, DONE], "r1"),
        (replace(ASKED, groups=("b", "a")), [ACTIVE], "r1"),
        (replace(ASKED, key="build-1"), [ACTIVE], "r1"),
        (replace(ASKED, key="build-0"), [DONE], "r0"),
        (replace(ASKED, key="build-0"), [ACTIVE, DONE], "r0"),
        (replace(ASKED, key="build-2"), [DONE], None),
    ],
)
def test_start_goes_on_with_what_it_began(asked: Asked, known: list[Summary], found: str | None) -> None:
    """The same key, or without one the same cluster, groups and image, is the same rollout; else a new one begins."""
    chosen = select_rollout.to_start(asked, known)
    assert (chosen.id if chosen else None) == found


@pytest.mark.parametrize(
    ("asked", "known", "found"),
    [
        (ASKED, [], None),
        (ASKED, [DONE], None),
        (ASKED, [ELSEWHERE, ACTIVE, DONE], "r1"),
        (ASKED, [ACTIVE, replace(ACTIVE, id="r3")], None),
        (replace(ASKED, groups=("b", "a")), [ACTIVE], "r1"),
        (replace(ASKED, groups=("a",)), [ACTIVE], None),
        (replace(ASKED, key="build-1"), [ACTIVE, DONE], "r1"),
        (replace(ASKED, key="build-0"), [ACTIVE, DONE], "r0"),
        (replace(ASKED, key="build-2"), [ACTIVE], None),
        (replace(ASKED, key="build-1", groups=("a",)), [ACTIVE], None),
        (replace(ASKED, key="build-1", cluster="test"), [ACTIVE], None),
    ],
)
def test_a_start_whose_plan_is_lost_goes_on_with_what_it_began(
    asked: Asked, known: list[Summary], found: str | None
) -> None:
    """By its key, finished or not; without one, only where one alone can be meant. The image is not asked for."""
    chosen = select_rollout.begun(replace(asked, ami=""), known)
    assert (chosen.id if chosen else None) == found


@pytest.mark.parametrize(
    ("asked", "code", "named"),
    [
        (replace(ASKED, key="build-1", ami="ami-2"), 2, "r1"),
        (replace(ASKED, key="build-1", cluster="test"), 2, "r1"),
        (replace(ASKED, key="build-1", groups=("a",)), 2, "groups a, b; not ami-1 on prod, groups a"),
        (replace(ASKED, key="build-1", groups=("a", "b", "c")), 2, "groups a, b; not ami-1 on prod, groups a, b, c"),
        (replace(ASKED, groups=("c",)), 76, "groups a, b"),
        (replace(ASKED, ami="ami-2"), 76, "r1"),
        (replace(ASKED, groups=("a",)), 76, "r1"),
        (replace(ASKED, key="build-2"), 76, "r1"),
    ],
)
def test_start_refuses_what_is_taken(asked: Asked, code: int, named: str) -> None:
    """A key that means something else is exit 2; a cluster on which another rollout is unfinished is exit 76."""
    with pytest.raises(UserError) as refusal:
        select_rollout.to_start(asked, [ACTIVE])
    assert refusal.value.exit_code == code
    assert named in refusal.value.problem
    assert refusal.value.hint


def test_another_active_rollout_is_named_with_the_next_command() -> None:
    """The refused user can type what the hint says."""
    with pytest.raises(UserError) as refusal:
        select_rollout.to_start(replace(ASKED, ami="ami-2"), [ACTIVE])
    assert refusal.value.hint == "rollout resume r1"


@pytest.mark.parametrize("asked", [replace(ASKED, key="build-2"), replace(ASKED, key="build-1", ami="ami-2")])
def test_a_pause_of_what_is_taken_is_told(asked: Asked) -> None:
    """A resume would lift it."""
    paused = replace(ACTIVE, pause=Pause(datetime(2026, 1, 5, tzinfo=UTC), "alice", "an incident"))
    with pytest.raises(UserError) as refusal:
        select_rollout.to_start(asked, [paused])
    assert "paused since 2026-01-05T00:00:00Z by alice: an incident" in f"{refusal.value}{refusal.value.hint}"
    assert "to lift the pause: rollout resume r1" in (refusal.value.hint or "")


@pytest.mark.parametrize("known", [[DONE, replace(ACTIVE, key="r0")], [replace(ACTIVE, key="r0"), DONE]])
def test_an_id_is_never_hidden_by_another_rollouts_key(known: list[Summary]) -> None:
    """Who types an id means that rollout, also where another one has that key; a name that is no id is a key."""
    assert select_rollout.to_resume("r0", known) is DONE
    assert select_rollout.to_show("r0", known) is DONE
    assert select_rollout.to_show("r1", known).id == "r1"


@pytest.mark.parametrize("find", [select_rollout.to_start, select_rollout.of_key])
@pytest.mark.parametrize("known", [[DONE], [replace(ACTIVE, key="r0"), DONE]])
def test_no_rollout_begins_under_a_key_that_is_an_id(
    find: Callable[[Asked, list[Summary]], Summary | None], known: list[Summary]
) -> None:
    """Such a key is refused, also where an older version began one under it; the refusal names both ways on."""
    with pytest.raises(UserError) as refusal:
        find(replace(ASKED, key="r0"), known)
    assert refusal.value.exit_code == 2
    assert refusal.value.hint == (
        "to continue that rollout: rollout resume r0; to begin another one: rollout start --ami ami-1 --key ANOTHER"
    )


def test_a_key_that_looks_like_an_id_begins_nothing() -> None:
    """An id of another journal is not known here; one under which a rollout was begun already goes on."""
    asked = replace(ASKED, key="20260105-080000-abcd")
    with pytest.raises(UserError, match="is the id of a rollout, or looks like one"):
        select_rollout.to_start(asked, [DONE])
    begun = replace(ACTIVE, key=asked.key)
    assert select_rollout.to_start(asked, [begun]) is begun
    assert select_rollout.to_start(replace(ASKED, key="20260105-0800"), [DONE]) is None


def test_the_hint_is_the_command_that_was_typed() -> None:
    """Who wants a rollout to go back, and must choose, is not sent forward."""
    with pytest.raises(UserError) as refusal:
        select_rollout.to_resume(None, [ACTIVE, ELSEWHERE], lambda one: f"rollout abort --keep-jobs {one}")
    assert refusal.value.hint == "rollout abort --keep-jobs ID"


def test_resume_takes_the_only_unfinished_one() -> None:
    """Without an id the only unfinished rollout is meant; with an id or a key, that rollout, in any phase."""
    assert select_rollout.to_resume(None, [DONE, ACTIVE]) is ACTIVE
    assert select_rollout.to_resume("r0", [DONE, ACTIVE]) is DONE
    assert select_rollout.to_resume("build-0", [DONE, ACTIVE]) is DONE


@pytest.mark.parametrize(
    ("wanted", "known", "said"),
    [
        (None, [], "no rollout is unfinished"),
        (None, [DONE], "no rollout is unfinished"),
        (None, [ACTIVE, ELSEWHERE], "r2  test  ami-1  DRAIN"),
        ("r9", [ACTIVE], "there is no rollout r9 in this journal"),
    ],
)
def test_resume_does_not_guess(wanted: str | None, known: list[Summary], said: str) -> None:
    """None or several to choose from: exit 2, and several are listed."""
    with pytest.raises(UserError) as refusal:
        select_rollout.to_resume(wanted, known)
    assert said in refusal.value.problem
    assert refusal.value.exit_code == 2


@pytest.mark.parametrize(
    ("wanted", "known", "found"), [(None, [DONE], "r0"), (None, [DONE, ACTIVE], "r1"), ("r0", [ACTIVE, DONE], "r0")]
)
def test_what_is_shown_is_at_work_or_newest(wanted: str | None, known: list[Summary], found: str) -> None:
    """Without an id the newest unfinished rollout is shown, else the newest of all."""
    assert select_rollout.to_show(wanted, known).id == found


@pytest.mark.parametrize(
    ("known", "hint"),
    [
        (DONE, "rollout start --ami ami-1 --key ANOTHER"),
        (ACTIVE, "continue it: rollout resume r1; when it is done: rollout start --ami ami-1 --key ANOTHER"),
        (
            ELSEWHERE,
            f"continue it, with its own cluster's configuration: rollout resume r2 --config FILE; here: {ANOTHER}",
        ),
    ],
)
@pytest.mark.parametrize("find", [select_rollout.to_start, select_rollout.of_key])
def test_a_key_says_nothing_of_groups_that_were_never_touched(
    find: Callable[[Asked, list[Summary]], Summary | None], known: Summary, hint: str
) -> None:
    """The same key with other groups is no rollout that is done already, nor one to go on with."""
    with pytest.raises(UserError) as refusal:
        find(replace(ASKED, key="k", groups=("c",)), [replace(known, key="k")])
    assert (refusal.value.exit_code, refusal.value.hint) == (2, hint)
