"""Two clusters of one name in two accounts, on one journal; and credentials that lead to another cluster."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rollout.cli import cluster_checks, select_rollout
from rollout.cli.commands import doctor
from rollout.cli.select_rollout import Asked
from rollout.errors import ANOTHER_ACTIVE, RESUMABLE, USAGE, UserError
from rollout.journal import SqlJournal, open_journal
from rollout.model.observation import MarkerSeen
from rollout.model.plan import ClusterId
from tests.cli.samples import NOW, PLAN, url

ARN = "arn:{}:eks:{}:{}:cluster/eks-demo"
HERE = ClusterId(ARN.format("aws", "eu-west-1", "111111111111"), "uid-1")
#: The same name in another account, region and partition.
OTHERS = {
    "account": ClusterId(ARN.format("aws", "eu-west-1", "222222222222"), "uid-2"),
    "region": ClusterId(ARN.format("aws", "us-east-1", "111111111111"), "uid-3"),
    "partition": ClusterId(ARN.format("aws-cn", "eu-west-1", "111111111111"), "uid-4"),
}


def begun(folder: Path, **clusters: ClusterId | None) -> SqlJournal:
    """A journal with a rollout of each of these clusters, all of one name."""
    journal = open_journal(url(folder), actor="tester")
    for rollout_id, cluster in clusters.items():
        journal.begin(rollout_id, None, replace(PLAN, cluster_id=cluster), NOW)
    return journal


def asked(cluster: ClusterId) -> Asked:
    return Asked(PLAN.cluster, ("workers",), PLAN.ami, None, cluster.arn)


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
def test_clusters_of_one_name_do_not_know_each_other(tmp_path: Path, other: ClusterId) -> None:
    """Both have a rollout of their own; start and doctor each mean that of the cluster that they are on."""
    with closing(begun(tmp_path, mine=HERE, theirs=other)) as journal:
        for cluster, rollout_id in ((HERE, "mine"), (other, "theirs")):
            found = select_rollout.to_start(asked(cluster), journal.summaries())
            assert found is not None
            assert found.id == rollout_id
            read = doctor._of_cluster(journal, "journal", PLAN.cluster, cluster)
            assert read.active is not None
            assert (read.active.id, read.known) == (rollout_id, frozenset({rollout_id}))
        with pytest.raises(UserError) as refused:
            journal.begin("more", None, replace(PLAN, cluster_id=other), NOW)
        assert refused.value.exit_code == ANOTHER_ACTIVE


def test_doctor_tells_nothing_of_another_cluster_of_the_name(tmp_path: Path) -> None:
    """Where only the other one has a rollout there is nothing to tell, and no command that would touch it."""
    with closing(begun(tmp_path, theirs=OTHERS["account"])) as journal:
        read = doctor._of_cluster(journal, "journal", PLAN.cluster, HERE)
    assert (read.active, read.last, read.known) == (None, None, frozenset())


def test_a_marker_that_was_copied_to_another_cluster_makes_no_journal_old(tmp_path: Path) -> None:
    """The journal knows its rollout, as another cluster's: that is said, and nothing is rebuilt."""
    config: Any = SimpleNamespace(database=url(tmp_path), cluster=PLAN.cluster, region=PLAN.region)
    with closing(begun(tmp_path, theirs=OTHERS["account"])) as journal:
        known = journal.summaries()
    with pytest.raises(UserError, match=f"is of {OTHERS['account'].arn}, and its marker is on {HERE.arn}") as refused:
        doctor._lost(MarkerSeen("theirs", "uid"), known, config, HERE)
    assert refused.value.hint == "rollout status theirs"


def test_a_rollout_of_an_older_format_is_known_by_its_name(tmp_path: Path) -> None:
    """It does not say which cluster of the name it is on until it is gone on with."""
    with closing(begun(tmp_path, older=None)) as journal:
        read = doctor._of_cluster(journal, "journal", PLAN.cluster, HERE)
    assert read.known == {"older"}


@pytest.mark.parametrize(
    ("here", "code", "said"),
    [
        pytest.param(replace(HERE, uid="uid-9"), USAGE, "another cluster under the same name", id="created again"),
        pytest.param(OTHERS["account"], USAGE, "222222222222", id="another account"),
        pytest.param(replace(HERE, uid=""), RESUMABLE, "so this may not be the cluster", id="not readable"),
    ],
)
def test_a_kubeconfig_of_another_cluster_is_refused(here: ClusterId, code: int, said: str) -> None:
    """A rollout is not gone on with where kube-system or the ARN is another one, nor where that cannot be known."""
    plan = replace(PLAN, cluster_id=HERE)
    cluster_checks.same_identity(plan, HERE, "r1")
    with pytest.raises(UserError, match=said) as refused:
        cluster_checks.same_identity(plan, here, "r1")
    assert refused.value.exit_code == code
    assert "rollout resume r1" in refused.value.hint


def test_a_journal_is_not_gone_on_with_while_nobody_can_tell_whether_it_is_current(tmp_path: Path) -> None:
    """Its marker may be gone because another copy of it ended the rollout: an API server that is away says neither."""

    def away() -> None:
        raise UserError("Kubernetes: HTTP 503", exit_code=RESUMABLE)

    with closing(begun(tmp_path, mine=HERE)) as journal:
        place: Any = SimpleNamespace(journal=journal, scope=HERE.arn, edge=SimpleNamespace(marker=away))
        with pytest.raises(UserError, match="503"):
            cluster_checks.require(place, "mine")
        place.edge.marker = lambda: None
        cluster_checks.require(place, "mine")
