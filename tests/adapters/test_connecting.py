"""Connecting: everything is found and named, and what is wrong is said before a rollout begins."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from eks_simulator.handout import TOKEN
from rollout.adapters import Patience, clock, connect
from rollout.config import Config
from rollout.errors import UserError
from rollout.model.machine import Phase
from rollout.phases.cluster_lock import checkpoint
from tests.adapters.living import RUN, Living, trusting
from tests.core.build import record

ROLE = "arn:aws:iam::123456789012:role/redeploy_nodes-demo"
SECOND = "arn:aws:iam::123456789012:role/eks_admin_role-demo"
EKS = {"kubernetes": "eks", "kubeconfig": None}


def refused(config: Config) -> UserError:
    with pytest.raises(UserError) as caught:
        connect(config, RUN)
    return caught.value


def test_an_edge_says_who_and_where_it_is(world: Living) -> None:
    """Account, ARN and API server, for the first line of a log."""
    with connect(world.config(), RUN) as edge:
        assert (edge.account, edge.server) == ("123456789012", world.endpoints.kubernetes)
        assert edge.identity.endswith(":user/simulator")
        assert edge.kubernetes.nodes()


def test_roles_and_a_token_minted_in_process_open_the_cluster(world: Living) -> None:
    """The way of the real thing: assume a role, another one for Kubernetes, ask EKS where the API is."""
    access = EKS | {"assume_role": ROLE, "eks_role": SECOND}
    with connect(world.config(access=access), RUN) as edge:
        trusting(edge)
        assert "redeploy_nodes-demo" in edge.identity
        assert edge.server == world.endpoints.kubernetes
        assert edge.kubernetes.nodes()
        edge.kubernetes.write_marker(checkpoint(record(Phase.PLANNED)), None)
        found = edge.kubernetes.marker()
        assert found is not None
        edge.kubernetes.delete_marker(found.uid)


def test_requests_carry_the_run(world: Living) -> None:
    """AWS and Kubernetes can tell which run each request came from."""
    with connect(world.config(), "feedfacecafe"):
        tally = world.simulator.requests.tallies["feedfacecafe"]
        assert {"sts GetCallerIdentity", "kube GET nodes", "kube GET pods"} <= tally.operations.keys()
        assert "feedfacecafe" in world.do(lambda: world.simulator.sessions.registered)


def test_news_of_the_world_end_a_wait_in_real_time(world: Living, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a simulator in the configuration the wall clock counts, and the watches ring it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    monkeypatch.setattr(clock, "_MIN_WAIT", 0.01)
    with connect(world.config(simulator=None), RUN) as edge:
        edge.clock.wait(edge.clock.now() + timedelta(milliseconds=20))
        world.do(lambda: world.simulator.do({"do": "cordon", "group": "floor"}))
        edge.clock.wait(edge.clock.now() + timedelta(days=1))
        assert any(node.unschedulable for node in edge.kubernetes.nodes())


def test_another_account_is_refused(world: Living) -> None:
    """The configuration's account is looked at before anything else is asked."""
    error = refused(world.config(account="999999999999"))
    assert "123456789012" in error.problem
    assert "999999999999" in error.problem
    assert error.exit_code == 2


def test_simulated_time_is_only_for_a_cluster_on_this_machine(world: Living, tmp_path: Path) -> None:
    """A kubeconfig that leads elsewhere is refused before that server is asked anything."""
    elsewhere = tmp_path / "kubeconfig"
    text = world.endpoints.kubeconfig.read_text().replace(world.endpoints.kubernetes, "https://eks.example:443")
    elsewhere.write_text(text)
    error = refused(world.config(access={"kubeconfig": elsewhere}))
    assert "https://eks.example:443" in error.problem
    assert error.exit_code == 2


@pytest.mark.parametrize("text", [None, "", "{}", "nonsense: ["], ids=["missing", "empty", "no-context", "broken"])
def test_a_kubeconfig_that_cannot_be_used_is_named(world: Living, tmp_path: Path, text: str | None) -> None:
    """With the file's name and what is wrong."""
    file = tmp_path / "kubeconfig"
    if text is not None:
        file.write_text(text)
    error = refused(world.config(access={"kubeconfig": file}))
    assert str(file) in error.problem
    assert error.exit_code == 2


def test_outside_of_a_pod_there_is_no_service_account(world: Living) -> None:
    """`in-cluster` elsewhere says so."""
    assert "not in a pod" in refused(world.config(access={"kubernetes": "in-cluster", "kubeconfig": None})).problem


def test_a_cluster_that_does_not_exist_is_named(world: Living) -> None:
    """EKS's own words, with the cluster's name."""
    error = refused(world.config(access=EKS, cluster="eks-other"))
    assert "eks-other" in error.problem
    assert error.exit_code == 2


@pytest.mark.parametrize(
    ("status", "code", "exit_code"), [(403, "AccessDenied", 2), (400, "Throttling", 75), (500, "InternalFailure", 75)]
)
def test_what_passes_may_be_tried_again(world: Living, status: int, code: str, exit_code: int) -> None:
    """If AWS refuses, the operator must correct something (exit 2); a fault that passes needs another try (exit 75)."""
    world.fault({"error": {"status": status, "code": code}}, operation="GetCallerIdentity")
    error = refused(world.config())
    assert code in error.problem
    assert error.exit_code == exit_code


def test_the_clients_own_loggers_are_silent(world: Living, caplog: pytest.LogCaptureFixture) -> None:
    """Reads that are repeated and renewals that fail reach nobody's screen as warnings of a library."""
    with connect(world.config(), RUN) as edge, caplog.at_level("DEBUG"):
        world.fault({"drop": {"when": "before"}}, operation="GET pods", times=2)
        assert edge.kubernetes.pods_on(edge.kubernetes.nodes()[0].name)
        world.fault({"drop": {"when": "before"}}, operation="DescribeAutoScalingGroups", times=1)
        assert edge.autoscaling.groups(["workers"])
    assert caplog.messages == []


def test_missing_rights_in_kubernetes_show_at_once(world: Living) -> None:
    """The first list is answered before connecting is over."""
    world.fault({"error": {"status": 403, "code": "Forbidden"}}, operation="GET pods")
    error = refused(world.config())
    assert "HTTP 403 Forbidden" in error.problem
    assert error.exit_code == 2


def test_a_token_that_is_not_accepted_is_refused(world: Living, tmp_path: Path) -> None:
    """401 with a token as new as can be had is for a person; the token is not in the text."""
    wrong = tmp_path / "kubeconfig"
    text = world.endpoints.kubeconfig.read_text()
    wrong.write_text(text.replace(f"token: {TOKEN}", "token: s3cret"))
    error = refused(world.config(access={"kubeconfig": wrong}))
    assert "401" in error.problem
    assert "s3cret" not in error.problem


@pytest.mark.parametrize(
    ("status", "operation"),
    [(401, "GET nodes"), (403, "GET pods"), (503, "GET pods"), (403, "GetCallerIdentity"), (401, "GET namespaces")],
)
def test_who_goes_on_waits_until_it_is_let_in(world: Living, status: int, operation: str) -> None:
    """While a rollout is under way no answer of a moment ends the process; what is waited for is said once."""
    world.fault({"error": {"status": status, "code": "Unauthorized"}}, operation=operation, times=9)
    told: list[str] = []
    with connect(world.config(), RUN, patience=Patience(600, told.append)) as edge:
        assert edge.cluster_id().uid
        assert edge.kubernetes.nodes()
    assert len(told) == 1
    assert "waiting for" in told[0]


def test_the_marker_is_asked_for_until_somebody_answers(world: Living) -> None:
    """That there is none is believed only where the API server says so."""
    told: list[str] = []
    with connect(world.config(), RUN, patience=Patience(600, told.append)) as edge:
        world.fault({"error": {"status": 503, "code": "ServiceUnavailable"}}, operation="GET configmaps", times=9)
        assert edge.marker() is None
        assert len(told) == 1
        world.fault({"error": {"status": 503, "code": "ServiceUnavailable"}}, operation="GET configmaps")
        with pytest.raises(UserError, match="503") as error:
            edge.marker()
    assert error.value.exit_code == 75


def test_what_lasts_is_for_another_try(world: Living) -> None:
    """When the patience is over, it ends as resumable: a machine may try again, nothing is lost."""
    world.fault({"error": {"status": 401, "code": "Unauthorized"}}, operation="GET nodes")
    with pytest.raises(UserError, match="401") as error:
        connect(world.config(), RUN, patience=Patience(60, lambda _text: None))
    assert error.value.exit_code == 75


def test_who_is_told_to_stop_waits_no_more(world: Living) -> None:
    """A signal ends the wait, as resumable."""
    world.fault({"error": {"status": 401, "code": "Unauthorized"}}, operation="GET nodes")
    told: list[str] = []
    with pytest.raises(UserError) as error:
        connect(world.config(), RUN, lambda: bool(told), Patience(1e9, told.append))
    assert error.value.exit_code == 75


def test_what_is_configured_wrongly_is_not_waited_for(world: Living, tmp_path: Path) -> None:
    """Waiting does not correct a kubeconfig: exit 2 at once, also for a rollout that is under way."""
    config = world.config(access={"kubeconfig": tmp_path / "none"})
    with pytest.raises(UserError) as error:
        connect(config, RUN, patience=Patience(1e9, lambda _text: None))
    assert error.value.exit_code == 2


def test_a_moments_no_is_not_a_missing_right(world: Living) -> None:
    """That we may not know kube-system's uid is believed only where the API server says that we lack the right."""
    world.fault({"error": {"status": 403, "code": "Forbidden"}}, operation="GET namespaces")
    with connect(world.config(), RUN) as edge, pytest.raises(UserError, match="Forbidden"):
        edge.cluster_id()
