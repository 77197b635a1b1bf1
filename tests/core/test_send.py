"""Each effect is one port call, and each way in which a call can end is a receipt."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from rollout.engine.send import LONGEST_ASKED, LONGEST_BACKOFF, Patience, perform
from rollout.errors import Blocked, Bug, Conflict, Denied, EdgeError, Gone, Lost, Refused, Retry, Unknown
from rollout.model.effects import Effect
from rollout.model.observation import REPLICAS_BEFORE, ROLLOUT_ID, SCALE_DOWN_BEFORE_KEY, SCALE_DOWN_KEY, Taint
from rollout.model.plan import Autoscaler
from rollout.patience import Noes
from rollout.ports import GroupChange, NodeChange, Receipt
from tests import samples as e
from tests.core.build import ID, KEY, NOW, PROCESSES, at, use

Call = tuple[str, tuple[Any, ...], dict[str, Any]]


class Recorder:
    """Both ports at once: remembers what is asked of it, answers with a request id or with an error."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls: list[Call] = []
        self.error = error

    def __getattr__(self, verb: str) -> Callable[..., str]:
        """Every verb of every port."""

        def call(*arguments: Any, **named: Any) -> str:
            self.calls.append((verb, arguments, named))
            if self.error:
                raise self.error
            return "request-1"

        return call


def ticking() -> Callable[[], datetime]:
    """A clock that goes on by a second whenever it is read."""
    readings = iter(range(100))
    return lambda: at(next(readings))


def standing_at(seconds: float) -> Callable[[], datetime]:
    """A clock that stands still."""
    return lambda: at(seconds)


def done(effect: Effect, port: Any, sent: int = 0) -> Receipt:
    return perform(effect, port, port, ticking(), sent, Patience(600))


WHERE = Autoscaler("kube-system", "cluster-autoscaler")
O1 = tuple(e.ON_O1.values())


@pytest.mark.parametrize(
    ("effect", "verb", "arguments"),
    [
        (e.MARK, "write_marker", (e.MARK.mark, None)),
        (e.REMARK, "write_marker", (e.REMARK.mark, "uid-marker")),
        (e.UNMARK, "delete_marker", ("uid-marker",)),
        (e.STOP, "scale", (WHERE, 0, {REPLICAS_BEFORE: "1", ROLLOUT_ID: ID})),
        (e.START, "scale", (WHERE, 1, {REPLICAS_BEFORE: None, ROLLOUT_ID: None})),
        (
            e.DISABLE_SCALE_DOWN,
            "change_node",
            (*O1, NodeChange(annotations={SCALE_DOWN_KEY: "true", SCALE_DOWN_BEFORE_KEY: ""})),
        ),
        (
            e.RESTORE_SCALE_DOWN,
            "change_node",
            (*O1, NodeChange(annotations={SCALE_DOWN_KEY: None, SCALE_DOWN_BEFORE_KEY: None})),
        ),
        (e.TAINT, "change_node", (*O1, NodeChange(taint=Taint(KEY, ID, "NoSchedule")))),
        (e.UNTAINT, "change_node", (*O1, NodeChange(untaint=KEY))),
        (e.CORDON, "change_node", (*O1, NodeChange(unschedulable=True))),
        (e.UNCORDON, "change_node", (*O1, NodeChange(unschedulable=False))),
        (e.EVICT, "evict", ("ns", "job-1", "uid-job-1")),
        (e.DELETE, "delete_pod", ("ns", "job-1", "uid-job-1", None)),
        (e.AT_ONCE, "delete_pod", ("ns", "job-1", "uid-job-1", 0)),
        (e.END_JOB, "delete_job", ("ns", "job", "uid-Job-job")),
        (e.VERSION, "create_version", ("lt", 1, "ami-new", f"rollout {ID}", "t")),
        (e.DEFAULT, "set_default_version", ("lt", 2)),
        (e.REFERENCE, "update_group", ("g", GroupChange(uses=(use("2"),)))),
        (e.RESIZE, "update_group", ("g", GroupChange(desired=4, maximum=4, protect_new=True))),
        (e.REBALANCE, "update_group", ("g", GroupChange(capacity_rebalance=False))),
        (e.SUSPEND, "suspend", ("g", PROCESSES)),
        (e.RESUME, "resume", ("g", PROCESSES)),
        (e.PROTECT, "protect", ("g", ("i-o1", "i-o2"))),
        (e.UNPROTECT, "protect", ("g", ("i-o1",))),
        (e.END, "terminate", ("i-o1",)),
    ],
    ids=lambda value: value.key if hasattr(value, "key") else "",
)
def test_one_effect_is_one_call(effect: Effect, verb: str, arguments: tuple[Any, ...]) -> None:
    """Exactly one call leaves for an effect, with its values and nothing else."""
    port = Recorder()
    receipt = done(effect, port)
    named = {"protected": effect is e.PROTECT} if verb == "protect" else {}
    assert port.calls == [(verb, arguments, named)]
    assert (receipt.effect, receipt.outcome, receipt.started, receipt.ended) == (effect, "ok", NOW, at(1))


def test_every_kind_is_performed() -> None:
    """No kind of effect is left without a call."""
    for effect in e.ALL:
        port = Recorder()
        done(effect, port)
        assert len(port.calls) == 1


def test_the_value_before_is_noted_with_the_hold() -> None:
    """What stood in the annotation travels beside it, so that it can be given back without the journal."""
    port = Recorder()
    done(type(e.DISABLE_SCALE_DOWN)(**e.ON_O1, before="false"), port)
    assert port.calls[0][1][-1].annotations[SCALE_DOWN_BEFORE_KEY] == "false"


@pytest.mark.parametrize(("effect", "request_id"), [(e.END, "request-1"), (e.CORDON, None)], ids=["AWS", "Kubernetes"])
def test_a_yes_is_no_more_than_a_yes(effect: Effect, request_id: str | None) -> None:
    """The receipt says ok with AWS's request id; whether it is done is seen later."""
    receipt = done(effect, Recorder())
    assert (receipt.outcome, receipt.detail, receipt.request_id, receipt.retry_at) == ("ok", "", request_id, None)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Retry("throttled", request_id="r"), "not_sent"),
        (Conflict("another change is under way", request_id="r"), "not_applied"),
        (Blocked("budget web", request_id="r"), "blocked"),
        (Gone("no such pod"), "gone"),
        (Refused("no right", request_id="r"), "rejected"),
        (Unknown("timed out", request_id="r"), "unknown"),
    ],
    ids=str,
)
def test_each_failure_is_an_outcome(error: EdgeError, outcome: str) -> None:
    """What the other side answered goes into the receipt; only a retry has a time for the next try."""
    receipt = done(e.END, Recorder(error))
    assert (receipt.outcome, receipt.detail, receipt.request_id) == (outcome, error.detail, error.request_id)
    assert (receipt.started, receipt.ended) == (NOW, at(1))
    assert (receipt.retry_at is not None) is (outcome in {"not_sent", "not_applied", "blocked"})


@pytest.mark.parametrize(
    ("after", "sent", "pause"),
    [(None, 0, 1), (None, 1, 2), (None, 4, 16), (None, 5, LONGEST_BACKOFF), (None, 2000, LONGEST_BACKOFF), (10, 3, 10),
     (0, 3, 0), (90, 0, 90), (86400, 0, LONGEST_ASKED), (float("inf"), 0, LONGEST_ASKED)],
)  # fmt: skip
def test_pauses(after: float | None, sent: int, pause: float) -> None:
    """A pause is what the other side asks for within reason, else it doubles up to the longest."""
    assert done(e.END, Recorder(Retry("later", after=after)), sent).retry_at == at(1 + pause)


DENIED, THROTTLED = Denied("not authorized", request_id="r"), Retry("throttled")


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        pytest.param({0: DENIED}, "not_applied", id="the first"),
        pytest.param({0: DENIED, 300: DENIED, 599: DENIED}, "not_applied", id="within the patience"),
        pytest.param({0: DENIED, 300: DENIED, 600: DENIED}, "rejected", id="it lasts"),
        pytest.param({0: DENIED, 300: THROTTLED, 600: DENIED}, "rejected", id="throttling says nothing"),
        pytest.param({0: THROTTLED, 300: THROTTLED, 600: DENIED}, "not_applied", id="nor does it count"),
        pytest.param({0: DENIED, 300: None, 600: DENIED}, "not_applied", id="a yes in between"),
        pytest.param({0: DENIED, 9000: DENIED}, "not_applied", id="hours later it is another matter"),
    ],
)
def test_a_no_of_the_other_side_is_believed_when_it_lasts(answers: dict[float, Exception | None], outcome: str) -> None:
    """Time decides, from the first no on; not how often the effect was sent, or throttled."""
    noes = Noes()
    for seconds, answer in answers.items():
        port: Any = Recorder(answer)
        receipt = perform(e.END, port, port, standing_at(seconds), 50, Patience(600, noes))
    assert receipt.outcome == outcome
    assert (receipt.retry_at is None) is (outcome == "rejected")


@pytest.mark.parametrize("error", [Lost("taken over"), Bug("impossible")], ids=str)
def test_what_is_no_answer_about_the_effect_is_raised(error: EdgeError) -> None:
    """Who lost the rollout, or met a bug, writes no receipt."""
    with pytest.raises(type(error)):
        done(e.END, Recorder(error))
