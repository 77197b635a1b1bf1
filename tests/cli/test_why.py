"""`rollout why` where the cluster cannot be asked: what the journal knows, and of when."""

from __future__ import annotations

import json
from pathlib import Path

from rollout.model.effects import Cordon
from rollout.ports import Receipt
from tests.cli import samples
from tests.cli.run import Result, rollout


def why(folder: Path, *arguments: str) -> Result:
    """Run `rollout why` with the journal in the folder."""
    return rollout("why", *arguments, "--database", samples.url(folder), cwd=folder)


def test_without_a_configuration_the_journal_is_told(tmp_path: Path) -> None:
    """Why there is no look, when the journal was last written, and each node with what it waited for then."""
    samples.draining(tmp_path)
    told = why(tmp_path)
    assert told.code == 0
    assert told.out.splitlines() == [
        f"rollout {samples.ID}: DRAIN since 2026-01-05T08:07:00Z",
        "  drain deadline 2026-01-05T10:07:00Z",
        f"  NOBODY runs rollout {samples.ID}, and nobody ever did",
        f"    next: rollout resume {samples.ID} --config FILE --database {samples.url(tmp_path)}",
        "  the cluster was not looked at: there is no configuration here (rollout.yaml):",
        "  --config FILE names it; this is what the journal says, last written",
        "  2026-01-05T08:08:00Z",
        "",
        "ip-10-0-0-1.eu-west-1.compute.internal of workers",
        "  WAITING since 2026-01-05T08:00:00Z",
        "  waits for pod demo/long of Job long (JobsRunning) since 2026-01-05T08:08:00Z",
        "  until 2026-01-05T10:07:00Z at the latest, then its protected pods are ended",
        "    (drain.on_deadline: pod)",
        "",
        "ip-10-0-0-2.eu-west-1.compute.internal of workers",
        "  DRAINING since 2026-01-05T08:08:00Z",
        "  nothing is known to keep it",
    ]


def test_a_configuration_of_another_cluster_is_no_reason_to_tell_nothing(tmp_path: Path) -> None:
    """Nor is one whose cluster does not answer: the journal is told, with the reason."""
    samples.draining(tmp_path)
    (tmp_path / "rollout.yaml").write_text("cluster: other\nregion: eu-west-1\ngroups: [workers]\n")
    told = why(tmp_path)
    assert told.code == 0
    assert "not looked at: rollout" in told.out
    assert "configuration is for other in eu-west-1" in " ".join(told.out.split())
    assert "waits for pod demo/long" in told.out


def test_one_node_by_any_of_its_names(tmp_path: Path) -> None:
    """Its name, the first label of it, or its instance; another name is refused with those that there are."""
    samples.draining(tmp_path)
    for name in ("ip-10-0-0-1", "ip-10-0-0-1.eu-west-1.compute.internal", "i-1"):
        told = why(tmp_path, "--node", name).out
        assert "ip-10-0-0-1." in told
        assert "ip-10-0-0-2." not in told
    refused = why(tmp_path, "--node", "ip-10")
    assert refused.code == 2
    assert refused.err == (
        f"rollout: rollout {samples.ID} has no node ip-10 that must go; it has: "
        "ip-10-0-0-1.eu-west-1.compute.internal, ip-10-0-0-2.eu-west-1.compute.internal\n"
        f"  next: rollout why {samples.ID} --database {samples.url(tmp_path)}\n"
    )


def test_what_was_never_sent_was_not_asked(tmp_path: Path) -> None:
    """A request that this process kept back counts as a try, and is not told as asked."""
    journal = samples.draining(tmp_path)
    cordon = Cordon(node="ip-10-0-0-2.eu-west-1.compute.internal", uid="uid-2", instance_id="i-2")
    journal.intend(samples.ID, (cordon,), (), (), (), samples.after(9))
    kept = Receipt(cordon, "not_sent", samples.after(9), samples.after(9), "this process was told to stop")
    journal.receive(samples.ID, [kept])
    told = " ".join(why(tmp_path).out.split())
    assert "not_sent, tried 1 time: this process was told to stop" in told


def test_a_halt_is_told_with_what_to_do(tmp_path: Path) -> None:
    """Once, with the one next command; not a resume before the cause is cleared."""
    samples.draining(tmp_path).halt(samples.ID, samples.HALT, samples.after(9))
    told = why(tmp_path).out
    assert "    next: rollout resume --config FILE --database" in told
    assert told.count("next: ") == 1
    assert "halted (PodDoesNotEnd): node x is stuck" in told


def test_before_drain_no_node_is_told_to_wait(tmp_path: Path) -> None:
    """Nothing is known of nodes when a rollout begins."""
    journal = samples.done(tmp_path)
    journal.begin("second", None, samples.PLAN, samples.after(200))
    told = why(tmp_path).out
    assert told.startswith("rollout second: PLANNED since")
    assert told.endswith("  it is not known yet which nodes must go\n")


def test_of_a_done_rollout(tmp_path: Path) -> None:
    """Nothing keeps a node; how one went is still told, and the cluster is not asked."""
    samples.done(tmp_path)
    assert why(tmp_path).out.splitlines() == [
        f"rollout {samples.ID}: DONE since 2026-01-05T10:05:00Z",
        "  nothing keeps a node: each that had to go is gone, or stays",
    ]
    one = why(tmp_path, "--node", "i-1").out.splitlines()[1:]
    assert one == ["  ip-10-0-0-1.eu-west-1.compute.internal is GONE since 2026-01-05T09:31:00Z: ended from outside"]


def test_programs_are_told_the_same(tmp_path: Path) -> None:
    """Words, reason, instants, and null for a look."""
    samples.draining(tmp_path)
    told = json.loads(why(tmp_path, "--json").out)
    assert (told["version"], told["looked"], told["journal_written"]) == (1, None, "2026-01-05T08:08:00Z")
    assert "no configuration" in told["not_looked"]
    first = told["nodes"][0]
    assert (first["waits_reason"], first["waits_since"], first["until"]) == (
        "JobsRunning",
        "2026-01-05T08:08:00Z",
        "2026-01-05T10:07:00Z",
    )
