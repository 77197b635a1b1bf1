"""What Kubernetes and AWS let an object say, however odd, keeps nobody from reading the others."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from rollout.adapters import aws_records, probe_records
from rollout.adapters import kube_records as records
from rollout.adapters.cache import Watch
from rollout.adapters.understanding import each
from rollout.errors import Retry
from rollout.model.plan import FOR_EVER

INT32, INT64 = 2**31 - 1, 2**63 - 1
META: dict[str, Any] = {"namespace": "ns", "name": "p", "uid": "u"}
BEGUN = "2026-01-05T08:00:00Z"
START = datetime(2026, 1, 5, 8, tzinfo=UTC)
LONG = "x" * 262144


def pod(metadata: dict[str, Any] | None = None, spec: Any = None, status: Any = None) -> Any:
    """A pod that says this."""
    return records.pod({"metadata": META | (metadata or {}), "spec": spec or {}, "status": status or {}})


def node(metadata: dict[str, Any] | None = None, status: Any = None) -> Any:
    """A node that says this."""
    return records.node({"metadata": META | (metadata or {}), "spec": {}, "status": status or {}})


@pytest.mark.parametrize(
    ("seconds", "ends"),
    [
        pytest.param(0, START, id="none"),
        pytest.param(INT32, START + timedelta(seconds=INT32), id="the most that a pod may say"),
        pytest.param(3_153_600_000, START + timedelta(seconds=FOR_EVER), id="a century"),
        pytest.param(INT64, START + timedelta(seconds=FOR_EVER), id="the most that a Job may say"),
        pytest.param(-1, None, id="less than none"),
        pytest.param("90", None, id="a text"),
        pytest.param(True, None, id="a yes"),
    ],
)
@pytest.mark.parametrize("of_job", [False, True], ids=["pod", "Job"])
def test_a_deadline_of_any_length_is_read(seconds: object, ends: datetime | None, *, of_job: bool) -> None:
    """It only tells people when something ends at the latest: one that makes no sense is none."""
    raw = {"metadata": META, "spec": {"activeDeadlineSeconds": seconds}, "status": {"startTime": BEGUN}}
    assert (records.job(raw) if of_job else records.pod(raw)).ends == ends


@pytest.mark.parametrize("grace", [-(2**63), -1, 0, INT32, INT64])
def test_a_grace_of_any_length_is_read(grace: int) -> None:
    """A pod that ended long before its end was asked for has ended by itself, with a grace of less than a lifetime."""
    said = {"deletionTimestamp": "2026-01-05T08:00:00Z", "deletionGracePeriodSeconds": grace}
    ended = {"state": {"terminated": {"finishedAt": "2025-01-05T08:00:00Z"}}}
    found = pod(said, status={"phase": "Succeeded", "containerStatuses": [ended]})
    assert found.deleting == START
    assert found.stopped is (grace >= INT32)


@pytest.mark.parametrize(
    "said",
    ["0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "10000-01-01T00:00:00Z",
     "2026-01-05T08:00:00.123456789Z", "2026-01-05T08:00:00.1Z", "1970-01-01T00:00:00+14:00"],
)  # fmt: skip
def test_every_moment_is_read(said: str) -> None:
    """The beginning and the end of time are moments, and so are parts of a second: time can be added to each."""
    ready = {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": said}]}
    moments = [
        pod({"creationTimestamp": said}).created,
        pod({"deletionTimestamp": said}).deleting,
        pod(status=ready).turned,
        node(status=ready).turned,
        pod(spec={"activeDeadlineSeconds": INT32}, status={"startTime": said}).ends,
        pod({"annotations": {"karpenter.sh/do-not-disrupt": "4h"}}, status={"startTime": said}).pinned_until,
    ]
    for moment in moments:
        assert moment is not None
        assert moment - timedelta(days=365) < moment < moment + timedelta(days=365)


def test_what_is_no_moment_is_none_where_it_only_informs() -> None:
    """Not so where it says that a pod is being deleted: that decides whether it is evicted."""
    ready = {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "soon"}]}
    found = pod({"creationTimestamp": "soon"}, status=ready | {"startTime": "2026-01-05T08:00:00"})
    assert (found.created, found.turned, found.ready) == (None, None, True)
    with pytest.raises(ValueError, match="soon"):
        pod({"deletionTimestamp": "soon"})


@pytest.mark.parametrize(
    ("said", "amount"),
    [("1e3", 1e3), ("0.5Gi", 2**29), ("100m", 0.1), ("1k", 1e3), ("1E", 1e18), ("1Ei", 2**60), ("250u", 2.5e-4),
     ("5n", 5e-9), ("1e-3", 1e-3), (str(INT64), 2.0**63), ("9" * 4000, 2.0**63), ("1e999999", 2.0**63), ("-1", 0)],
)  # fmt: skip
def test_every_quantity_is_read(said: str, amount: float) -> None:
    """As far as Kubernetes itself goes, which cuts quantities at 2⁶³; less than nothing is nothing."""
    requests = {"cpu": said, "memory": said}
    asks = pod(spec={"containers": [{"resources": {"requests": requests}}]}).asks
    assert asks == node(status={"allocatable": requests}).room
    assert list(asks) == pytest.approx([amount, amount])


@pytest.mark.parametrize("count", [0, 1_000_000_001, INT32])
def test_every_count_of_a_budget_is_read(count: int) -> None:
    """`minAvailable: 2147483647` is how some say that nothing may ever be evicted."""
    status = dict.fromkeys(("expectedPods", "currentHealthy", "desiredHealthy", "disruptionsAllowed"), count)
    found = records.budget({"metadata": META, "spec": {}, "status": status})
    assert (found.expected, found.healthy, found.desired, found.allowed) == (count,) * 4


@pytest.mark.parametrize(
    "word", [LONG, "1" * 262144, "1." * 131072, "1h" * 131072, "[" * 262144, f'{{"ebs.csi.aws.com": {"1" * 5000}}}']
)
@pytest.mark.parametrize(
    "key", ["karpenter.sh/do-not-disrupt", "csi.volume.kubernetes.io/nodeid", "eks-rollout/scale-down-disabled-before"]
)
def test_an_annotation_of_any_length_is_read_at_once(key: str, word: str) -> None:
    """Annotations may have 256 KiB: what is in one is read in a moment, and is no error."""
    assert pod({"annotations": {key: word}}).pinned is (key == "karpenter.sh/do-not-disrupt")
    assert node({"annotations": {key: word}}).claims == frozenset()


def test_replicas_that_nobody_can_have_were_not_noted_by_us() -> None:
    """What somebody wrote into our annotation on the autoscaler's Deployment is no number of replicas."""
    for said, noted in (("2", 2), ("9" * 5000, None), ("٣", None)):
        annotations = {"eks-rollout/replicas-before": said}
        found = records.autoscaler({"metadata": META | {"annotations": annotations}, "spec": {"replicas": INT32}})
        assert (found.replicas, found.replicas_before) == (INT32, noted)


def test_what_makes_no_sense_is_named() -> None:
    """Of a thousand objects one is at fault: people must be told which."""
    good = {"metadata": META, "spec": {}}
    bad = {"metadata": META | {"name": "odd", "uid": ""}, "spec": {}}
    assert [one.name for one in each("/api/v1/pods", [good, good], records.pod)] == ["p", "p"]
    with pytest.raises(Retry, match=r"/api/v1/pods: ns/odd: the answer makes no sense \(ValueError: '' is no text\)"):
        list(each("/api/v1/pods", [good, bad], records.pod))
    with pytest.raises(Retry, match="/api/v1/pods: one without a name: the answer makes no sense"):
        list(each("/api/v1/pods", [{"metadata": None}], records.pod))
    with pytest.raises(Retry, match="nodes: n: the answer makes no sense"):
        list(each("nodes", [{"metadata": {"name": "n"}}], records.node))


def test_a_watch_names_what_makes_no_sense() -> None:
    """A list of all pods of the cluster fails for one of them: the message that people get has its name."""
    bad = {"metadata": META | {"name": "odd", "deletionTimestamp": "soon"}, "spec": {}}
    api: Any = SimpleNamespace(collect=lambda *_: ([{"metadata": META, "spec": {}}, bad], "7"))
    with pytest.raises(Retry, match="/api/v1/pods: ns/odd: the answer makes no sense"):
        Watch(api, "/api/v1/pods", records.pod, lambda: None).start()


def test_a_group_of_others_that_makes_no_sense_is_named() -> None:
    """All groups of the region are looked at, also those of others."""
    raw: dict[str, Any] = {"AutoScalingGroupName": "theirs", "LaunchTemplate": {"LaunchTemplateId": "", "Version": "1"}}
    with pytest.raises(Retry, match="Auto Scaling groups: theirs: the answer makes no sense"):
        list(each("Auto Scaling groups", [raw], probe_records.group))


def test_sizes_and_versions_of_any_number_are_read() -> None:
    """Versions of a template are numbered on for ever, and a group may allow more than anybody has."""
    versions = [{"VersionNumber": INT32, "LaunchTemplateData": {}}]
    raw = {"LaunchTemplateId": "lt", "LaunchTemplateName": "t", "DefaultVersionNumber": 1, "LatestVersionNumber": INT32}
    assert aws_records.template(raw, versions).latest == INT32
    group = {"AutoScalingGroupName": "g", "MinSize": 0, "DesiredCapacity": 0, "MaxSize": INT32, "Instances": []}
    assert aws_records.group(json.loads(json.dumps(group))).sizes.maximum == INT32
