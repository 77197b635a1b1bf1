"""Who we are: roles assumed under the run's name, tokens minted in process, nothing of it in any text."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.exceptions import ClientError

from rollout.adapters.access import Account, own_account, simulated_account
from rollout.adapters.aws import AwsAutoScaling
from rollout.adapters.aws_errors import translated
from rollout.adapters.eks_token import EksToken
from rollout.errors import Refused, Retry
from tests.adapters.living import RUN, Living, open_fence

ROLE = "arn:aws:iam::123456789012:role/redeploy_nodes-demo"
SECOND = "arn:aws:iam::123456789012:role/eks_admin_role-demo"


@pytest.fixture
def account(world: Living) -> Account:
    return simulated_account("eu-west-1", RUN, world.endpoints.aws, open_fence())


class Seconds:
    """A clock that a test sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


# ---- AWS


def test_a_role_is_assumed_under_the_name_of_the_run(account: Account) -> None:
    """CloudTrail shows which run it was; a second role is assumed from the first."""
    first = account.assume(ROLE)
    assert first.caller() == (
        "123456789012",
        f"arn:aws:sts::123456789012:assumed-role/redeploy_nodes-demo/rollout-{RUN}",
    )
    assert first.assume(SECOND).caller()[1].endswith(f"eks_admin_role-demo/rollout-{RUN}")


def test_credentials_are_renewed_before_they_end(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client made once works on with a new session when the old one comes to its end."""
    assumed = account.assume(ROLE)
    credentials = assumed.session.get_credentials()
    first = credentials.get_frozen_credentials().access_key
    assert credentials.get_frozen_credentials().access_key == first
    later = datetime.now(UTC) + timedelta(minutes=50)
    monkeypatch.setattr("botocore.credentials._local_now", lambda: later)
    monkeypatch.setattr(credentials, "_time_fetcher", lambda: later)
    assert credentials.get_frozen_credentials().access_key != first


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"error": {"status": 403, "code": "AccessDenied"}}, Refused),
        ({"error": {"status": 500, "code": "InternalFailure"}}, Retry),
    ],
    ids=str,
)
def test_a_role_that_cannot_be_assumed_means_that_nothing_was_sent(
    account: Account, world: Living, fault: dict[str, Any], kind: type[Exception]
) -> None:
    """A mutating call too was certainly not applied, no matter what AssumeRole answered."""
    autoscaling = AwsAutoScaling(account.assume(ROLE), lambda: datetime.now(UTC))
    world.fault(fault, operation="AssumeRole")
    with pytest.raises(kind, match="AssumeRole"):
        autoscaling.suspend("workers", ["AZRebalance"])


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "IDPCommunicationError", Retry),
        (500, "InternalFailure", Retry),
        (400, "InvalidIdentityToken", Refused),
    ],
)
def test_nor_was_anything_where_a_pods_role_cannot_be_assumed(status: int, code: str, kind: type[Exception]) -> None:
    """A service account's token is exchanged inside of a call too; STS may fail to reach the identity provider."""
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    with pytest.raises(kind, match=code), translated(mutating=True):
        raise ClientError(answer, "AssumeRoleWithWebIdentity")


def test_without_credentials_a_person_must_act(monkeypatch: pytest.MonkeyPatch, world: Living) -> None:
    """The default chain that finds nothing is a refusal, not an endless retry."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(Refused, match="credentials"):
        own_account("eu-west-1", RUN, world.endpoints.aws, open_fence()).caller()


def test_nobody_listens_means_that_nothing_was_sent(account: Account) -> None:
    """A refused connection is `Retry`, for reads and for mutating calls."""
    nowhere = AwsAutoScaling(replace(account, endpoint_url="http://127.0.0.1:1"), lambda: datetime.now(UTC))
    with pytest.raises(Retry):
        nowhere.groups(["workers"])
    with pytest.raises(Retry):
        nowhere.resume("workers", ["AZRebalance"])


# ---- the EKS token


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def token(account: Account, seconds: Seconds) -> EksToken:
    return EksToken(account, "eks-demo", seconds)


def test_a_token_is_a_presigned_question_who_am_i(token: EksToken) -> None:
    """Of the region's STS, with the cluster in a signed header, without padding."""
    prefix, _, encoded = token.current().rpartition(".")
    assert (prefix, encoded[-1:] != "=") == ("k8s-aws-v1", True)
    url = urlsplit(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode())
    query = parse_qs(url.query)
    assert url.netloc == "sts.eu-west-1.amazonaws.com"
    assert query["Action"] == ["GetCallerIdentity"]
    assert query["X-Amz-SignedHeaders"] == ["host;x-k8s-aws-id"]


def test_a_token_is_used_for_minutes_and_then_minted_anew(
    token: EksToken, seconds: Seconds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Well before the quarter of an hour is over in which the cluster accepts it."""
    urls = count()
    monkeypatch.setattr(token, "_presigned", lambda: f"url-{next(urls)}")
    first = token.current()
    seconds.now += 590
    assert token.current() == first
    seconds.now += 20
    assert token.current() != first


def test_a_token_that_is_not_accepted_is_minted_anew(token: EksToken, monkeypatch: pytest.MonkeyPatch) -> None:
    """However young it is: what an API server says in the moment in which it leaves is no fact."""
    urls = count()
    monkeypatch.setattr(token, "_presigned", lambda: f"url-{next(urls)}")
    first = token.current()
    token.drop()
    assert token.current() != first


def test_no_credentials_means_no_token(world: Living, account: Account) -> None:
    """What AssumeRole refuses is refused, before anything is asked of Kubernetes."""
    world.fault({"error": {"status": 403, "code": "AccessDenied"}}, operation="AssumeRole")
    with pytest.raises(Refused, match="AssumeRole"):
        EksToken(account.assume(SECOND), "eks-demo").current()
