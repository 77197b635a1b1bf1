"""Faults at the edge: what leaves for AWS and Kubernetes, and how often."""

from __future__ import annotations

from tests.proof.mutants.mutant import Mutant

MUTANTS = (
    Mutant(
        name="aws-sdk-retries",
        breaks="The AWS client sends a mutating request again by itself, behind the journal's back.",
        file="rollout/adapters/access.py",
        old='"retries": {"total_max_attempts": 1, "mode": "standard"}',
        new='"retries": {"total_max_attempts": 3, "mode": "standard"}',
        killers=(
            "tests/adapters/test_aws.py::test_what_may_have_been_applied_is_unknown_and_sent_once[reply-lost-terminate]",
        ),
    ),
    Mutant(
        name="resume-all",
        breaks="ResumeProcesses leaves without a list: AWS resumes all that anybody suspended.",
        file="rollout/adapters/aws.py",
        old="return _send(self._write_groups.resume_processes, **_processes(group, processes))",
        new="return _send(self._write_groups.resume_processes, AutoScalingGroupName=group)",
        killers=("tests/adapters/test_others.py::test_only_the_processes_that_are_named_are_resumed",),
    ),
    Mutant(
        name="no-decrement",
        breaks="A terminate leaves desired as it is: AWS launches another instance in its place.",
        file="rollout/adapters/aws.py",
        old="ShouldDecrementDesiredCapacity=True",
        new="ShouldDecrementDesiredCapacity=False",
        killers=("tests/adapters/test_aws.py::test_a_verb_changes_what_it_names[terminate]",),
    ),
    Mutant(
        name="token-dropped",
        breaks="CreateLaunchTemplateVersion leaves without our ClientToken; botocore makes up a random one.",
        file="rollout/adapters/aws.py",
        old="            ClientToken=token,\n",
        new="",
        killers=("tests/adapters/test_others.py::test_one_token_makes_one_version",),
    ),
    Mutant(
        name="lost-reply-is-a-retry",
        breaks="A mutating request to AWS whose reply was lost counts as not applied.",
        file="rollout/adapters/aws_errors.py",
        old="    if mutating:\n        return Unknown(detail)\n",
        new="",
        killers=(
            "tests/adapters/test_aws.py::test_what_may_have_been_applied_is_unknown_and_sent_once[reply-lost-terminate]",
        ),
    ),
    Mutant(
        name="evicted-without-uid",
        breaks="An eviction names no uid: it hits a pod of the same name that came after ours.",
        file="rollout/adapters/kube.py",
        old='"deleteOptions": {"preconditions": {"uid": uid}},',
        new="",
        killers=("tests/adapters/test_kube.py::test_a_namesake_of_a_pod_is_left_alone[evict]",),
    ),
    Mutant(
        name="deleted-without-uid",
        breaks="A deletion names no uid: it hits a pod, or a marker, of the same name that came after ours.",
        file="rollout/adapters/kube.py",
        old='"kind": "DeleteOptions", "preconditions": {"uid": uid}}',
        new='"kind": "DeleteOptions"}',
        killers=("tests/adapters/test_kube.py::test_a_namesake_of_a_pod_is_left_alone[delete_pod]",),
    ),
    Mutant(
        name="node-by-name-alone",
        breaks="A node is changed by its name, though another instance may have it by now.",
        file="rollout/adapters/kube.py",
        old="        if found != (uid, instance_id):\n",
        new="        if not found:\n",
        killers=("tests/adapters/test_kube.py::test_a_node_that_is_another_one_is_left_alone",),
    ),
    Mutant(
        name="node-written-blindly",
        breaks="A node's taints are written without the resourceVersion that was read: others' changes get lost.",
        file="rollout/adapters/kube.py",
        old='            patch.setdefault("metadata", {})["resourceVersion"] = raw["metadata"]["resourceVersion"]\n',
        new="",
        killers=("tests/adapters/test_others.py::test_a_taint_that_came_in_between_is_not_overwritten",),
    ),
    Mutant(
        name="autoscaler-written-blindly",
        breaks="The autoscaler's replicas are written without the resourceVersion that was read.",
        file="rollout/adapters/kube.py",
        old='"metadata": {"resourceVersion": version, "annotations": dict(annotations)},',
        new='"metadata": {"annotations": dict(annotations)},',
        killers=("tests/adapters/test_others.py::test_replicas_that_came_in_between_are_not_overwritten",),
    ),
    Mutant(
        name="kubernetes-retries",
        breaks="The Kubernetes client sends a mutating request again by itself, behind the journal's back.",
        file="rollout/adapters/kube_api.py",
        old="once, watching = (_client(configuration, user_agent, retries=False)",
        new="once, watching = (_client(configuration, user_agent, urllib3.Retry(2, allowed_methods=None))",
        killers=("tests/adapters/test_kube.py::test_what_may_have_been_applied_is_unknown_and_sent_once[lost-evict]",),
    ),
)
