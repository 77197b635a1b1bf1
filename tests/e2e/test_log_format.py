"""`--log-format json` through the real command line."""

from __future__ import annotations

import json

from tests.e2e.conftest import Worlds


def test_a_whole_rollout_is_told_as_json(world: Worlds) -> None:
    """Every line of both streams is an object; the first has the rollout's id, the last says what was done."""
    ended = world("proof-plain").start("--log-format", "json")
    assert ended.code == 0, ended
    told = [json.loads(line) for line in ended.out.splitlines()]
    assert [json.loads(line)["version"] for line in ended.err.splitlines()] == [1] * len(ended.err.splitlines())
    assert (told[0]["kind"], told[0]["message"]) == ("rollout", told[0]["rollout"])
    assert (told[-1]["kind"], told[-1]["message"][:5]) == ("end", "done:")
    assert {one["exit_code"] for one in told if one["kind"] == "end"} == {0}
    assert {one["rollout"] for one in told} == {told[0]["rollout"]}
    phases = [one["phase"] for one in told if one["kind"] == "phase"]
    assert (phases[0], phases[-1]) == ("AUTOSCALER_OFF", "DONE")
    waits = [one for one in told if one["kind"] == "wait" and one["reason"]]
    assert waits
    assert all(one["node"] and one["phase"] == "DRAIN" for one in waits)
