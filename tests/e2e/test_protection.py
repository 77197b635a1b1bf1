"""Who is protected is said, and checked, through the real command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import Worlds
from tests.e2e.proving import is_proven

WORLDS = Path(__file__).parent / "worlds"


def test_slips_are_refused_with_what_was_meant(world: Worlds) -> None:
    """Exit 2 before anything is changed: the nearest kind that there is, and the autoscaler by its looks."""
    refused = world(str(WORLDS / "slips.yaml")).start()
    assert (refused.code, refused.out) == (2, ""), refused
    told = [line.strip() for line in refused.err.splitlines()]
    assert "`protected.kinds` names Jbo, a kind that the API server does not serve (KindNotServed)" in told, refused
    assert "next: write Job in `protected.kinds`" in told, refused
    name = "cluster-autoscaler-aws-cluster-autoscaler"
    assert f"by image or labels it may be kube-system/{name}" in refused.err, refused
    assert f"write `autoscaler: {{namespace: kube-system, name: {name}}}` in the configuration" in refused.err, refused


@pytest.mark.exhaustive  # a whole rollout
def test_a_cluster_with_the_rights_of_an_older_version_is_rolled(world: Worlds) -> None:
    """A missing optional right is a warning that says what is not checked; nothing else is different."""
    simulated = world(str(WORLDS / "older-rights.yaml"))
    result = simulated.start()
    assert result.code == 0, result
    warnings = result.err.splitlines()
    assert all(line.startswith("warning: it is not checked ") for line in warnings), result
    lacking = (
        "get namespaces kube-system",
        "list poddisruptionbudgets.policy",
        "list volumeattachments",
        "list configmaps eks-rollout in kube-system and",
        "get /api and",
        "get namespaces (",
        "list deployments.apps cluster-autoscaler in kube-system and",
    )
    assert [right for right, line in zip(lacking, warnings, strict=True) if f"we may not {right}" not in line] == [], (
        result
    )
    is_proven(simulated)
