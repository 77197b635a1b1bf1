"""Facts of the Kubernetes API, put to the simulated server and, where a kubeconfig is given, to a real one.

``ROLLOUT_TEST_KUBECONFIG=FILE pytest tests/simulator/test_kube_facts.py`` asks the real one too. It should have no
kubelet for the nodes that are made here (its node lifecycle controller is best switched off).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.simulator.clusters import CONTAINERS, JSON_PATCH, MERGE, STRATEGIC, Api, eventually

TEMPLATE = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": CONTAINERS}}
MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


@pytest.fixture
def api(fresh: Api) -> Api:
    """A client of each server in turn."""
    return fresh


def node(api: Api) -> str:
    return f"/api/v1/nodes/{api.node}"


def test_missing_object_is_named(api: Api) -> None:
    """A missing object is 404, named by its resource and group."""
    reply = api("GET", "/api/v1/nodes/nope")
    assert reply.refusal == (404, "NotFound", 'nodes "nope" not found')
    assert reply.body["details"] == {"name": "nope", "kind": "nodes"}
    deployment = api("GET", f"{api.of('apps/v1', 'deployments')}/nope")
    assert deployment.refusal == (404, "NotFound", 'deployments.apps "nope" not found')
    assert deployment.body["details"] == {"name": "nope", "group": "apps", "kind": "deployments"}


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/api/v1/foos", 404),
        ("GET", "/api/v1/nodes/x/foo", 404),
        ("GET", "/api/v1/pods/x", 404),
        ("GET", "/api/v1/namespaces/default/nodes", 404),
        ("POST", "/api/v1/pods", 405),
        ("PUT", "/api/v1/nodes", 405),
    ],
)
def test_paths_that_mean_nothing(api: Api, method: str, path: str, code: int) -> None:
    """A path that means nothing is 404 or 405, and a `Status`."""
    assert api(method, path, {}).refusal[0] == code


def test_existing_name_is_taken(api: Api) -> None:
    """Creating what exists is 409 AlreadyExists: creating is a compare-and-set."""
    marker = {"metadata": {"name": "marker"}, "data": {"id": "1"}}
    assert api("POST", api.configmaps, marker).code == 201
    reply = api("POST", api.configmaps, marker)
    assert reply.refusal == (409, "AlreadyExists", 'configmaps "marker" already exists')


@pytest.mark.parametrize(
    ("meta", "code", "field"),
    [
        ({}, 422, "metadata.name"),
        ({"name": "Bad_Name"}, 422, "metadata.name"),
        ({"name": "x", "labels": {"a b": "c"}}, 422, "metadata.labels"),
        ({"name": "x", "labels": {"a": "c d"}}, 422, "metadata.labels"),
    ],
)
def test_invalid_metadata(api: Api, meta: dict[str, Any], code: int, field: str) -> None:
    """Names and labels are checked; the answer names the field."""
    reply = api("POST", api.configmaps, {"metadata": meta})
    assert reply.code == code
    assert [cause["field"] for cause in reply.body["details"]["causes"]] == [field]


def test_annotations_are_texts(api: Api) -> None:
    """A number or a boolean as an annotation is refused: 400 in a new object, 422 in a patch."""
    assert api("POST", api.configmaps, {"metadata": {"name": "x", "annotations": {"a": 1}}}).code == 400
    assert api("PATCH", node(api), {"metadata": {"annotations": {"a": True}}}, MERGE).code == 422


def test_generated_names(api: Api) -> None:
    """`generateName` is given five characters more."""
    names = [api("POST", api.configmaps, {"metadata": {"generateName": "m-"}}).body["metadata"]["name"] for _ in "12"]
    assert len(set(names)) == 2
    assert all(len(name) == len("m-") + 5 for name in names)


def test_namespace_must_exist(api: Api) -> None:
    """Nothing is made in a namespace that is not there; a list of it is empty."""
    reply = api("POST", "/api/v1/namespaces/nope/configmaps", {"metadata": {"name": "x"}})
    assert reply.refusal == (404, "NotFound", 'namespaces "nope" not found')
    assert api.names("/api/v1/namespaces/nope/configmaps") == []


def test_new_node_is_tainted_not_ready(api: Api) -> None:
    """A node is born with the taint that keeps pods off until it is Ready."""
    reply = api("POST", "/api/v1/nodes", {"metadata": {"name": f"{api.node}-2"}})
    assert {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"} in reply.body["spec"]["taints"]


@pytest.mark.parametrize("content_type", [MERGE, STRATEGIC])
def test_patches_replace_taints(api: Api, content_type: str) -> None:
    """`spec.taints` has no merge key: a patch of either kind replaces the list."""
    for key in ("a", "b"):
        taints = [{"key": key, "effect": "PreferNoSchedule"}]
        assert api("PATCH", node(api), {"spec": {"taints": taints}}, content_type).body["spec"]["taints"] == taints


def test_directives_mean_nothing_among_taints(api: Api) -> None:
    """`$patch: delete` in the taints deletes nothing; without an effect the rest is 422."""
    patch = {"spec": {"taints": [{"$patch": "delete", "key": "a"}]}}
    reply = api("PATCH", node(api), patch, STRATEGIC)
    assert reply.refusal == (
        422,
        "Invalid",
        f'Node "{api.node}" is invalid: metadata.taints[0].effect: Required value',
    )


@pytest.mark.parametrize(
    "taints",
    [
        [{"key": "a", "effect": "Sometimes"}],
        [{"effect": "NoSchedule"}],
        [{"key": "a", "effect": "NoSchedule"}, {"key": "a", "effect": "NoSchedule", "value": "1"}],
        [{"key": "a b", "effect": "NoSchedule"}],
    ],
)
def test_invalid_taints(api: Api, taints: list[dict[str, str]]) -> None:
    """Taints have a key, a known effect, and no twin of the same key and effect."""
    assert api("PATCH", node(api), {"spec": {"taints": taints}}, MERGE).refusal[:2] == (422, "Invalid")


def test_emptied_lists_read_as_never_set(api: Api) -> None:
    """What was emptied or set to its zero is left out of the object, as Go's omitempty does it."""
    api("PATCH", node(api), {"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}], "unschedulable": True}}, MERGE)
    patch = {"spec": {"taints": [], "unschedulable": False}, "metadata": {"labels": {}, "finalizers": []}}
    body = api("PATCH", node(api), patch, MERGE).body
    assert not {"taints", "unschedulable"} & body["spec"].keys()
    assert "finalizers" not in body["metadata"]


def test_conditions_merge_by_type(api: Api) -> None:
    """Conditions have a merge key: a strategic merge patch touches the one of that type."""
    other = {"status": {"conditions": [{"type": "DiskPressure", "status": "False"}]}}
    api("PATCH", f"{node(api)}/status", other, STRATEGIC)
    patch = {"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}
    found = api("PATCH", f"{node(api)}/status", patch, STRATEGIC).body["status"]["conditions"]
    assert {one["type"]: one["status"] for one in found} == {"Ready": "Unknown", "DiskPressure": "False"}


def test_status_has_a_path_of_its_own(api: Api) -> None:
    """A write to the object leaves the status alone, a write to the status leaves the spec alone."""
    patch = {"status": {"conditions": []}, "spec": {"unschedulable": True}}
    main = api("PATCH", node(api), patch, MERGE).body
    assert main["spec"]["unschedulable"]
    assert main["status"]["conditions"]
    patch = {"status": {"conditions": []}, "spec": {"unschedulable": False}}
    status = api("PATCH", f"{node(api)}/status", patch, MERGE).body
    assert status["spec"]["unschedulable"]
    assert not status["status"].get("conditions")


@pytest.mark.parametrize("content_type", [MERGE, STRATEGIC])
def test_stale_patches_conflict(api: Api, content_type: str) -> None:
    """A patch with an old resourceVersion is 409 and changes nothing."""
    patch = {"metadata": {"resourceVersion": "1"}, "spec": {"unschedulable": True}}
    why = f'Operation cannot be fulfilled on nodes "{api.node}": {MODIFIED}'
    assert api("PATCH", node(api), patch, content_type).refusal == (409, "Conflict", why)
    assert "unschedulable" not in api("GET", node(api)).body["spec"]


def test_current_version_is_no_conflict(api: Api) -> None:
    """A patch with the present resourceVersion is applied, and gives another one."""
    version = api("POST", api.configmaps, {"metadata": {"name": "m"}}).body["metadata"]["resourceVersion"]
    patch = {"metadata": {"resourceVersion": version, "annotations": {"x/y": "1"}}}
    body = api("PATCH", f"{api.configmaps}/m", patch, MERGE).body
    assert body["metadata"]["annotations"]["x/y"] == "1"
    assert int(body["metadata"]["resourceVersion"]) > int(version)


def test_patch_that_changes_nothing(api: Api) -> None:
    """A patch that changes nothing gives no new resourceVersion."""
    first = api("POST", api.configmaps, mine("m")).body
    assert api("PATCH", f"{api.configmaps}/m", {"metadata": {"labels": {"of": "mine"}}}, MERGE).body == first


def test_json_patch_test_fails(api: Api) -> None:
    """A failed `test` of a JSON patch is 422 and nothing of the patch is applied."""
    patch = [
        {"op": "add", "path": "/metadata/labels/x~1y", "value": "1"},
        {"op": "test", "path": "/metadata/labels/a", "value": "z"},
    ]
    reply = api("PATCH", node(api), patch, JSON_PATCH)
    assert reply.refusal == (422, "Invalid", "the server rejected our request due to an error in our request")
    assert "x/y" not in api("GET", node(api)).body["metadata"]["labels"]


def test_json_patch_applies(api: Api) -> None:
    """A JSON patch whose tests hold is applied."""
    patch = [
        {"op": "test", "path": "/metadata/labels/a", "value": "b"},
        {"op": "add", "path": "/metadata/labels/x~1y", "value": "1"},
        {"op": "remove", "path": "/metadata/labels/a"},
    ]
    labels = api("PATCH", node(api), patch, JSON_PATCH).body["metadata"]["labels"]
    assert labels.get("x/y") == "1"
    assert "a" not in labels


def test_unknown_patch_type(api: Api) -> None:
    """A patch of an unknown type is 415."""
    assert api("PATCH", node(api), {}, "application/foo").refusal[:2] == (415, "UnsupportedMediaType")


def test_what_cannot_be_changed(api: Api) -> None:
    """An object's name, UID and a node's providerID stay what they are."""
    assert api("PATCH", node(api), {"metadata": {"name": "other"}}, MERGE).code == 400
    assert api("PATCH", node(api), {"metadata": {"uid": "other"}}, MERGE).code == 422
    assert api("PATCH", node(api), {"spec": {"providerID": "other"}}, MERGE).code == 422


def test_put_replaces(api: Api) -> None:
    """A PUT replaces everything but the server's own metadata; with an old version or another UID it is 409."""
    api("POST", api.configmaps, {"metadata": {"name": "m", "labels": {"a": "b"}}, "data": {"a": "1"}})
    path = f"{api.configmaps}/m"
    body = api("PUT", path, {"metadata": {"name": "m"}, "data": {"b": "2"}}).body
    assert body["data"] == {"b": "2"}
    assert "labels" not in body["metadata"]
    assert api("PUT", path, {"metadata": {"name": "m", "resourceVersion": "1"}}).refusal[:2] == (409, "Conflict")
    assert api("PUT", path, {"metadata": {"name": "m", "uid": "other"}}).refusal[:2] == (409, "Conflict")
    assert api("PUT", path, {"metadata": {"name": "other"}}).code == 400
    assert api("PUT", f"{path}-2", {"metadata": {"name": "m-2"}}).code == 404


def test_lease_is_put_with_a_version(api: Api) -> None:
    """A lease is replaced only by who says which state it knows; a PUT of none makes one."""
    leases = api.of("coordination.k8s.io/v1", "leases")
    made = api("PUT", f"{leases}/l", {"metadata": {"name": "l"}, "spec": {"holderIdentity": "a"}})
    assert made.code == 201
    refused = api("PUT", f"{leases}/l", {"metadata": {"name": "l"}, "spec": {"holderIdentity": "b"}})
    assert refused.code == 422
    assert "must be specified for an update" in refused.body["message"]
    meta = {"name": "l", "resourceVersion": made.body["metadata"]["resourceVersion"]}
    taken = api("PUT", f"{leases}/l", {"metadata": meta, "spec": {"holderIdentity": "b"}})
    assert taken.body["spec"] == {"holderIdentity": "b"}
    assert api("PUT", f"{leases}/l", {"metadata": meta}).refusal[:2] == (409, "Conflict")
    api("DELETE", f"{leases}/l")


def test_pod_stays_until_its_kubelet_is_done(api: Api) -> None:
    """DELETE of a pod on a node is 200 with the pod, which stays, marked; a second one changes nothing."""
    api.pod("p", phase="Running")
    first = api("DELETE", f"{api.pods}/p")
    assert (first.code, first.body["kind"]) == (200, "Pod")
    assert first.body["metadata"]["deletionGracePeriodSeconds"] == 30
    again = api("DELETE", f"{api.pods}/p")
    assert again.body["metadata"]["resourceVersion"] == first.body["metadata"]["resourceVersion"]
    assert api("GET", f"{api.pods}/p").body["metadata"]["deletionTimestamp"]


def test_grace_is_only_shortened(api: Api) -> None:
    """A second DELETE may shorten the grace period, in body or query, and never lengthen it; zero ends the pod."""
    api.pod("p", phase="Running")
    api("DELETE", f"{api.pods}/p")
    five = api("DELETE", f"{api.pods}/p", {"gracePeriodSeconds": 5}).body["metadata"]
    assert five["deletionGracePeriodSeconds"] == 5
    longer = api("DELETE", f"{api.pods}/p?gracePeriodSeconds=50").body["metadata"]
    assert longer["deletionGracePeriodSeconds"] == 5
    zero = api("DELETE", f"{api.pods}/p?gracePeriodSeconds=0")
    assert (zero.code, zero.body["metadata"]["deletionGracePeriodSeconds"]) == (200, 0)
    assert api("GET", f"{api.pods}/p").code == 404


@pytest.mark.parametrize(("phase", "bound"), [("Pending", False), ("Succeeded", True), ("Failed", True)])
def test_pods_without_a_kubelet_at_work_end_at_once(api: Api, phase: str, bound: bool) -> None:  # noqa: FBT001
    """A pod that is not on a node, or has finished, ends with the DELETE, no matter how long its grace period is."""
    api.pod("p", phase=phase, bound=bound, labels={"unschedulable": "true"})
    assert api("DELETE", f"{api.pods}/p", {"gracePeriodSeconds": 30}).code == 200
    assert api("GET", f"{api.pods}/p").code == 404


def test_finalizers_hold_a_pod(api: Api) -> None:
    """Even with no grace, a pod stays until its last finalizer is gone, and then it goes."""
    api.pod("p", phase="Running", finalizers=["example.com/hold"])
    assert api("DELETE", f"{api.pods}/p", {"gracePeriodSeconds": 0}).code == 200
    assert api("DELETE", f"{api.pods}/p").body["metadata"]["deletionGracePeriodSeconds"] == 0
    assert api("PATCH", f"{api.pods}/p", {"metadata": {"finalizers": None}}, MERGE).code == 200
    assert api("GET", f"{api.pods}/p").code == 404


def test_delete_preconditions(api: Api) -> None:
    """A DELETE for another UID or resourceVersion is 409 and leaves the object."""
    uid = api.pod("p", phase="Running")["metadata"]["uid"]
    path = f"{api.pods}/p"
    reply = api("DELETE", path, {"preconditions": {"uid": "other"}})
    why = f"the UID in the precondition (other) does not match the UID in record ({uid})"
    assert reply.refusal[:2] == (409, "Conflict")
    assert reply.body["message"] == (
        f'Operation cannot be fulfilled on Pod "p": {why}. The object might have been deleted and then recreated'
    )
    assert api("DELETE", path, {"preconditions": {"resourceVersion": "1"}}).refusal[:2] == (409, "Conflict")
    assert "deletionTimestamp" not in api("GET", path).body["metadata"]
    assert api("DELETE", path, {"preconditions": {"uid": uid}}).code == 200


def test_delete_answers_with_a_status(api: Api) -> None:
    """What is not a pod and goes at once is answered with a Status that names it."""
    uid = api("POST", api.configmaps, {"metadata": {"name": "m"}}).body["metadata"]["uid"]
    body = api("DELETE", f"{api.configmaps}/m").body
    assert (body["kind"], body["status"]) == ("Status", "Success")
    assert body["details"] == {"name": "m", "kind": "configmaps", "uid": uid}


def test_unknown_propagation(api: Api) -> None:
    """A propagation policy that there is not is 422."""
    api("POST", api.configmaps, {"metadata": {"name": "m"}})
    assert api("DELETE", f"{api.configmaps}/m", {"propagationPolicy": "Foo"}).refusal[:2] == (422, "Invalid")


def job(api: Api) -> dict[str, Any]:
    """A Job that makes no pods by itself, with one pod."""
    jobs = api.of("batch/v1", "jobs")
    spec = {"parallelism": 0, "template": {"spec": {"restartPolicy": "Never", "containers": CONTAINERS}}}
    made = dict(api("POST", jobs, {"metadata": {"name": "j"}, "spec": spec}).body)
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "j", "uid": made["metadata"]["uid"]}
    api.pod("j-1", phase="Running", ownerReferences=[owner])
    return made


def test_job_delete_orphans_by_default(api: Api) -> None:
    """A Job deleted without a policy leaves its pods, without an owner."""
    job(api)
    reply = api("DELETE", f"{api.of('batch/v1', 'jobs')}/j")
    assert reply.body["metadata"]["finalizers"] == ["orphan"]
    assert eventually(lambda: api("GET", f"{api.of('batch/v1', 'jobs')}/j").code == 404)
    pod = api("GET", f"{api.pods}/j-1").body
    assert not {"ownerReferences", "deletionTimestamp"} & pod["metadata"].keys()


def test_job_delete_in_the_background(api: Api) -> None:
    """A Job deleted in the background is gone at once, and its pods are deleted after it, with their grace."""
    uid = job(api)["metadata"]["uid"]
    reply = api("DELETE", f"{api.of('batch/v1', 'jobs')}/j", {"propagationPolicy": "Background"})
    assert reply.body["details"] == {"name": "j", "group": "batch", "kind": "jobs", "uid": uid}
    assert eventually(lambda: "deletionTimestamp" in api("GET", f"{api.pods}/j-1").body["metadata"])


def test_node_delete_leaves_pods(api: Api) -> None:
    """A node's pods are not deleted with it: that is for PodGC."""
    api.pod("p", phase="Running")
    assert api("DELETE", node(api)).body["status"] == "Success"
    assert api("GET", f"{api.pods}/p").code == 200


def deployment(api: Api, replicas: int) -> str:
    """The path of a new Deployment that is paused, so that its controller makes nothing."""
    path = api.of("apps/v1", "deployments")
    spec = {"replicas": replicas, "paused": True, "selector": {"matchLabels": {"app": "x"}}, "template": TEMPLATE}
    assert api("POST", path, {"metadata": {"name": "d"}, "spec": spec}).code == 201
    return f"{path}/d"


def test_scale_to_zero_answers_an_empty_spec(api: Api) -> None:
    """A scale of 0 has an empty spec, and an empty spec means 0."""
    path = deployment(api, 2)
    assert api("GET", f"{path}/scale").body["spec"] == {"replicas": 2}
    scale = api("PATCH", f"{path}/scale", {"spec": {"replicas": 0}}, MERGE)
    assert (scale.code, scale.body["kind"], scale.body["spec"]) == (200, "Scale", {})
    assert api("GET", path).body["spec"]["replicas"] == 0
    api("PATCH", f"{path}/scale", {"spec": {"replicas": 3}}, MERGE)
    meta = {"name": "d", "namespace": api.namespace}
    assert api("PUT", f"{path}/scale", {"metadata": meta, "spec": {}}).body["spec"] == {}
    assert api("GET", path).body["spec"]["replicas"] == 0


def test_stale_scale_conflicts(api: Api) -> None:
    """A scale with an old resourceVersion is 409, a negative one 422."""
    path = f"{deployment(api, 2)}/scale"
    meta = {"name": "d", "namespace": api.namespace}
    stale = {"metadata": meta | {"resourceVersion": "1"}, "spec": {"replicas": 0}}
    assert api("PUT", path, stale).refusal[:2] == (409, "Conflict")
    assert api("PUT", path, {"metadata": meta, "spec": {"replicas": -1}}).refusal[:2] == (422, "Invalid")


def test_one_patch_of_replicas_and_annotations(api: Api) -> None:
    """Replicas and an annotation change in one PATCH with a resourceVersion, or not at all."""
    path = deployment(api, 1)
    patch: dict[str, Any] = {"metadata": {"annotations": {"was": "1"}}, "spec": {"replicas": 0}}

    def patched() -> bool:
        patch["metadata"]["resourceVersion"] = api("GET", path).body["metadata"]["resourceVersion"]
        return api("PATCH", path, patch, MERGE).code == 200

    assert eventually(patched)  # a real controller may have written the status in between
    assert api("PATCH", path, patch, MERGE).refusal[:2] == (409, "Conflict")


def test_containers_merge_by_name(api: Api) -> None:
    """Containers and their variables merge by name, what the patch names first; tolerations are replaced."""
    path = deployment(api, 1)

    def patched(spec: dict[str, Any]) -> dict[str, Any]:
        body = api("PATCH", path, {"spec": {"template": {"spec": spec}}}, STRATEGIC).body
        return dict(body["spec"]["template"]["spec"])

    patched({"containers": [{"name": "main", "env": [{"name": "A", "value": "1"}]}]})
    spec = patched(
        {"containers": [{"name": "main", "env": [{"name": "B", "value": "2"}]}, {"name": "x", "image": "y"}]}
    )
    assert [one["name"] for one in spec["containers"]] == ["main", "x"]
    assert [one["name"] for one in spec["containers"][0]["env"]] == ["B", "A"]
    spec = patched({"containers": [{"name": "main", "$patch": "delete"}]})
    assert [one["name"] for one in spec["containers"]] == ["x"]
    for key in ("a", "b"):
        spec = patched({"tolerations": [{"key": key, "operator": "Exists"}]})
    assert spec["tolerations"] == [{"key": "b", "operator": "Exists"}]


def test_pod_spec_is_fixed(api: Api) -> None:
    """Of a pod's spec only images (and little else) can be changed."""
    api.pod("p")
    image = {"spec": {"containers": [{"name": "main", "image": "example.com/main:2"}]}}
    assert api("PATCH", f"{api.pods}/p", image, STRATEGIC).code == 200
    assert api("PATCH", f"{api.pods}/p", {"spec": {"nodeName": "other"}}, STRATEGIC).refusal[:2] == (422, "Invalid")


SELECTORS = {
    "app=x": "p0 p1",
    "app==x": "p0 p1",
    "app!=x": "p2 p3",
    "app in (x, y)": "p0 p1 p2",
    "app notin (x,y)": "p3",
    "app": "p0 p1 p2 p3",
    "!app": "",
    "!foo": "p0 p1 p2 p3",
    "app=x,n notin (1)": "p0",
    "n>1": "p2 p3",
    "n<2": "p0 p1",
    "app=": "",
}
FIELDS = {
    "metadata.name=p1": "p1",
    "spec.nodeName={node}": "p0 p1 p2 p3",
    "spec.nodeName!={node}": "",
    "status.phase=Running": "p0",
    "status.phase!=Failed,status.phase!=Succeeded": "p0 p3",
    "metadata.namespace={namespace}": "p0 p1 p2 p3",
}


def test_selectors(api: Api) -> None:
    """Each operator of label and field selectors selects what it should."""
    for number, (phase, app) in enumerate((("Running", "x"), ("Succeeded", "x"), ("Failed", "y"), ("Pending", "z"))):
        api.pod(f"p{number}", phase=phase, labels={"app": app, "n": str(number)})
    for text, names in SELECTORS.items():
        assert " ".join(api.names(f"{api.pods}?labelSelector={quote(text)}")) == names, text
    for text, names in FIELDS.items():
        selector = quote(text.format(node=api.node, namespace=api.namespace))
        assert " ".join(api.names(f"{api.pods}?fieldSelector={selector}")) == names, text


@pytest.mark.parametrize("query", ["labelSelector=a%20b", "labelSelector=a%20in%20x", "fieldSelector=spec.foo%3Dx"])
def test_selectors_that_cannot_be_read(api: Api, query: str) -> None:
    """A selector that cannot be read is 400."""
    assert api("GET", f"{api.pods}?{query}").refusal[:2] == (400, "BadRequest")


def test_pages_show_one_state(api: Api) -> None:
    """The pages of a list show the state at its first page, and say how much is left."""
    for number in range(5):
        api("POST", api.configmaps, mine(f"m{number}"))
    path = f"{api.configmaps}?labelSelector=of%3Dmine&limit=2"
    first = api("GET", path).body
    api("DELETE", f"{api.configmaps}/m3")
    second = api("GET", f"{path}&continue={quote(first['metadata']['continue'])}").body
    third = api("GET", f"{path}&continue={quote(second['metadata']['continue'])}").body
    names = [item["metadata"]["name"] for page in (first, second, third) for item in page["items"]]
    assert names == ["m0", "m1", "m2", "m3", "m4"]
    assert "continue" not in third["metadata"]
    assert {page["metadata"]["resourceVersion"] for page in (first, second, third)} == {
        first["metadata"]["resourceVersion"]
    }


def test_lists_out_of_the_cache_have_no_pages(api: Api) -> None:
    """With resourceVersion=0 a limit is not kept."""
    for number in range(3):
        api("POST", api.configmaps, {"metadata": {"name": f"m{number}"}})
    names = api.names(f"{api.configmaps}?limit=1&resourceVersion=0")
    assert {"m0", "m1", "m2"} <= set(names)


def test_bad_continue(api: Api) -> None:
    """A continue token that is none is 400."""
    assert api("GET", f"{api.pods}?limit=1&continue=foo").refusal[:2] == (400, "BadRequest")


def test_items_have_no_kind(api: Api) -> None:
    """The items of a list have no kind of their own; a single object and a watched one have."""
    api("POST", api.configmaps, {"metadata": {"name": "m"}})
    body = api("GET", f"{api.configmaps}?fieldSelector=metadata.name%3Dm").body
    assert (body["kind"], body["apiVersion"]) == ("ConfigMapList", "v1")
    assert not {"kind", "apiVersion"} & body["items"][0].keys()
    assert api("GET", f"{api.configmaps}/m").body["kind"] == "ConfigMap"


def test_future_version(api: Api) -> None:
    """A list of a state to come is 504 after a while, with a Retry-After."""
    reply = api("GET", f"{api.configmaps}?resourceVersion=99999999999")
    assert (reply.code, reply.headers["Retry-After"]) == (504, "1")


def watched(api: Api, query: str, count: int) -> list[tuple[str, str]]:
    """Type and name of the first events of a watch on our ConfigMaps."""
    events = api.watch(f"{api.configmaps}?watch=1&labelSelector=of%3Dmine&{query}", count)
    assert all(one["object"]["kind"] == "ConfigMap" for one in events)
    return [(one["type"], one["object"]["metadata"]["name"]) for one in events]


def mine(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": {"of": "mine"}}}


def test_watch_tells_what_happened_since(api: Api) -> None:
    """A watch from a version on tells each later event."""
    version = api("POST", api.configmaps, mine("m0")).body["metadata"]["resourceVersion"]
    api("POST", api.configmaps, mine("m1"))
    api("PATCH", f"{api.configmaps}/m0", {"data": {"a": "b"}}, MERGE)
    api("DELETE", f"{api.configmaps}/m1")
    events = watched(api, f"resourceVersion={version}", 3)
    assert events == [("ADDED", "m1"), ("MODIFIED", "m0"), ("DELETED", "m1")]


@pytest.mark.parametrize("query", ["", "resourceVersion=0"])
def test_watch_without_a_version_shows_what_is_there(api: Api, query: str) -> None:
    """A watch without a version begins with what is there."""
    api("POST", api.configmaps, mine("m0"))
    assert watched(api, query, 1) == [("ADDED", "m0")]


def test_watch_of_a_selection(api: Api) -> None:
    """What enters a watch's selection is ADDED for it, what leaves it is DELETED, as it was."""
    made = api("POST", api.configmaps, {"metadata": {"name": "m"}}).body["metadata"]
    for label in ("x", "y"):
        api("PATCH", f"{api.configmaps}/m", {"metadata": {"labels": {"app": label}}}, MERGE)
    query = f"watch=1&labelSelector=app%3Dx&resourceVersion={made['resourceVersion']}"
    events = api.watch(f"{api.configmaps}?{query}", 2)
    assert [one["type"] for one in events] == ["ADDED", "DELETED"]
    versions = [int(one["object"]["metadata"]["resourceVersion"]) for one in events]
    assert versions[0] < versions[1]
    assert events[1]["object"]["metadata"]["labels"] == {"app": "x"}


def test_access_review(api: Api) -> None:
    """A client that asks whether it may is told."""
    spec = {"resourceAttributes": {"verb": "patch", "resource": "nodes"}}
    reply = api("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {"spec": spec})
    assert (reply.code, reply.body["status"]["allowed"]) == (201, True)


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health(api: Api, path: str) -> None:
    """The server says that it is well."""
    assert api("GET", path).body == "ok"


@pytest.mark.parametrize("path", ["/version", "/api", "/apis", "/api/v1", "/apis/apps", "/apis/apps/v1"])
def test_discovery(api: Api, path: str) -> None:
    """A client finds its way from the root to the kinds."""
    assert api("GET", path).code == 200
