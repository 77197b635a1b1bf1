"""Writes docs/halts.md: what each reason means, from the table below and from the rules of preflight.

Usage: python tools/halts_page.py FILE. A test holds that the page in the repository is what this writes.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from rollout.model.reasons import Reason
from rollout.preflight.blockers import REASONS
from rollout.preflight.warnings import WARNINGS, unidentified

HEAD = """\
# Why a rollout halts, waits, or does not begin

<!-- Written by `make docs` from tools/halts_page.py and rollout/preflight/. Change those, not this page. -->

A *reason* is one word in CamelCase, as in the conditions of Kubernetes. You find it in these places:

- in the text: `halted (NodesNotReady): …`, `node-1 waits for pod ci/build of Job ci/build (JobsRunning)`
- in `rollout status --json` and `rollout list --json`, as `halted_reason` and `waits_reason` ([json.md](json.md))
- in `rollout events --json`, and in the column `data` of the table `events` ([audit.md](audit.md)), as `reason`

Alerts can match on it, because a reason keeps its meaning. The words beside it may change from version to version.
Journals that an older version wrote have no reasons.

A halted rollout stays in its phase. It changes nothing more until `rollout resume`. `rollout start`, `rollout resume`
and `rollout status` show a halt in four lines. The last of them says what to do, with the whole commands. A fifth line
says how to go back, until RESTORE ([rolling-back.md](rolling-back.md)):

```text
halted (NodesNotReady): new nodes did not become Ready in time: ip-10-0-1-7 (not Ready)
  now: sizes: workers desires 4 (2 before); cluster-autoscaler is at 0 since …; …
  waiting: costs 2 more instances; nobody scales the groups (…); nothing gets worse, however long it takes
  next: clear the cause (kubectl describe node ip-10-0-1-7), …, then: rollout resume 20260105-080000-abcd
  or back to what was before: rollout abort 20260105-080000-abcd
```

`now` says what was seen at the halt, not what the rollout wrote before. Where nothing could be seen, it says so, and
tells what the rollout last wrote.

## Halts

A person must act.
"""
WAITS = """\
## Waits

These reasons never halt a rollout. For most reasons above a rollout also waits first, and halts at a deadline.
"""
BLOCKERS = """\
## Blockers of a start

Nothing was begun and nothing was changed. `rollout start` prints each blocker with the next step, and ends with
exit code 2. [refusals.md](refusals.md) has more about them.

| reason | what was found |
|---|---|
"""
WARNED = """\
## Warnings of a start

The rollout begins. Each line says what the warning leads to. A warning of a running rollout is an event
of the kind `note`.

| reason | what was found |
|---|---|
"""


class Meaning(NamedTuple):
    """What a person must know of a reason: what happened, what is true of the cluster then, what to do, what to type.

    `halts`: whether a rollout may halt for it; the others are only waited for.
    """

    happened: str
    true: str
    do: str
    command: str = ""
    halts: bool = True


_DRIFTED = "The rollout does not undo the change, and changes nothing else. Every protected pod keeps running."
_STILL = "The rollout changes nothing more. What it has done so far stays, and every protected pod keeps running."
_GOES_ON = "Nothing: it ends by itself."
_SURGED = "The surge is in place, so the extra instances are paid for. Old nodes keep their pods."
_PODS = "The node keeps its instance and its pods. Other nodes continue, each in its turn."
_STATUS = "rollout status"
_UPDATE = "aws autoscaling update-auto-scaling-group"

MEANINGS: Mapping[Reason, Meaning] = {
    Reason.DRIFT_LAUNCH_TEMPLATE: Meaning(
        "Somebody changed which launch template version a group launches.",
        _DRIFTED,
        "Find out who did it, put the version back, and resume.",
        f"{_UPDATE} --launch-template …",
    ),
    Reason.DRIFT_PROCESSES: Meaning(
        "Somebody resumed a scaling process that the rollout had suspended.",
        _DRIFTED,
        "Suspend the process again, and resume the rollout.",
        "aws autoscaling suspend-processes",
    ),
    Reason.DRIFT_SIZES: Meaning(
        "Somebody changed DesiredCapacity, MinSize or MaxSize of a group.",
        _DRIFTED,
        "Put back what was lowered, as the halt says. If a size was raised, resume: it stays, also after the rollout. "
        "Or end one idle instance for each that is too many. Never lower DesiredCapacity.",
        _UPDATE,
    ),
    Reason.EFFECT_REVERTED: Meaning(
        "The rollout saw its change, and now somebody has reverted it.",
        _DRIFTED,
        "Find out who reverted it. A resume applies it again.",
        _STATUS,
    ),
    Reason.GROUP_DELETED: Meaning(
        "Somebody deleted an Auto Scaling group of the rollout, or is deleting it with its instances.",
        "AWS ends the instances of that group. The rollout changes nothing more. Other groups keep their pods.",
        "Find out who did it. Resume: the rollout goes on without that group. Its nodes count as gone, nothing of it "
        "is restored, and the report says so. An abort goes back without it, too.",
        "aws autoscaling describe-auto-scaling-groups",
    ),
    Reason.SOURCE_VERSION_DELETED: Meaning(
        "Somebody deleted the template version that a group launched when the rollout began.",
        "The group launches what it launched, and the rollout changes nothing more. Every protected pod keeps running.",
        "Abort, and begin again. After an abort give the group a version with the image from before, and resume.",
        "aws ec2 create-launch-template-version",
    ),
    Reason.AUTOSCALER_SCALED_UP: Meaning(
        "Somebody scaled cluster-autoscaler up again, twice.",
        "cluster-autoscaler runs. Nodes of the groups still have scale-down-disabled, so it removes none of them.",
        "Stop what scales it up again, such as GitOps or an operator, and resume.",
        "kubectl get deployment",
    ),
    Reason.FOREIGN_TEMPLATE_VERSION: Meaning(
        "A template version has this rollout's description but another image.",
        "No group launches it yet.",
        "Find out who made the version, delete it, and resume.",
        "aws ec2 delete-launch-template-versions",
    ),
    Reason.SELECTOR_MISMATCH: Meaning(
        "The setting `node_selector` and the groups name different nodes.",
        "The groups launch the new version. No old node was tainted yet.",
        "Correct the labels of the nodes, and resume.",
        "kubectl get nodes --show-labels",
    ),
    Reason.FOREIGN_MARKER: Meaning(
        "The marker on the cluster belongs to another rollout.",
        "This rollout changes nothing while the marker is not its own.",
        "Finish the other rollout first, then resume this one.",
        "rollout resume OTHER",
    ),
    Reason.MARKER_DELETED: Meaning(
        "Somebody deleted the marker. The rollout created it again, and somebody deleted it again.",
        _DRIFTED,
        "Stop what deletes ConfigMap eks-rollout in kube-system, and resume.",
        "kubectl get configmap -n kube-system eks-rollout",
    ),
    Reason.MARKER_GONE: Meaning(
        "The marker is gone. The rollout may have ended from another copy of this journal.",
        "Nothing is changed until it is clear which journal is the newest.",
        "Resume with the newest journal. If it is this one, create the marker as the message says.",
        "rollout doctor",
    ),
    Reason.JOURNAL_OUTDATED: Meaning(
        "The marker knows more than this journal. An older copy of the database was probably restored.",
        "Nothing is changed until it is clear which journal is the newest.",
        "Resume with the database that the message names.",
        "rollout doctor",
    ),
    Reason.EFFECT_FAILS: Meaning(
        "A request was not applied for too long. The message has the answer to it.",
        _STILL,
        "Clear the cause that the answer names, such as a webhook that is down, and resume.",
        "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations",
    ),
    Reason.EFFECT_NOT_VISIBLE: Meaning(
        "A request was answered with yes several times, and its result never shows.",
        _STILL,
        "Find what removes the result, such as a mutating webhook or GitOps, and resume.",
        "kubectl get mutatingwebhookconfigurations",
    ),
    Reason.EFFECT_PENDING: Meaning(
        "A request was sent, or is about to be sent again, and its result does not show yet.",
        "Nothing that depends on it begins.",
        _GOES_ON,
        halts=False,
    ),
    Reason.EFFECT_REJECTED: Meaning(
        "AWS or Kubernetes rejected a request. Sending it again will not help.",
        _STILL,
        "Remove the cause that the answer names, such as a missing right, and resume.",
        _STATUS,
    ),
    Reason.EFFECT_UNCLEAR: Meaning(
        "For 15 minutes it has not been clear whether a request was applied.",
        _STILL,
        "Look at the object that the message names. When its state is clear, resume.",
        _STATUS,
    ),
    Reason.LATE_REQUESTS: Meaning(
        "A request of this rollout was not answered, and may still take effect.",
        "What it could undo is not written yet.",
        _GOES_ON,
        halts=False,
    ),
    Reason.TAKEOVER_DELAY: Meaning(
        "Another runner held the lease before. Its last requests may still take effect, for 5.5 minutes at most.",
        "No instance is terminated and no protected pod is ended until then.",
        "Nothing: it ends by itself. If you know that the previous runner is dead, use `--assume-dead`.",
        "rollout resume --assume-dead",
        halts=False,
    ),
    Reason.CLUSTER_NOT_STEADY: Meaning(
        "Many nodes turned not Ready, or the rollout could not observe the cluster for a while.",
        "Nothing is cordoned, evicted or terminated until the cluster has been steady for a while.",
        "See why nodes turn not Ready. Resume when they are Ready again.",
        "kubectl get nodes",
    ),
    Reason.LAUNCH_TEMPLATE_NOT_FOUND: Meaning(
        "Somebody deleted the launch template of a group, or the version that it launches.",
        "The nodes run on. The group can launch no instance, so it replaces none, and nobody can scale it.",
        "In LAUNCH_TEMPLATE abort, and begin again. Later give the group what exists, as the halt says, and resume.",
        "aws ec2 create-launch-template-version",
    ),
    Reason.INSTANCE_REFRESH_RUNNING: Meaning(
        "Somebody started an instance refresh while the rollout ran. AWS only paused it, and RESTORE found it.",
        "The rollout takes no protection from scale-in off, and InstanceRefresh stays suspended. So nothing ends.",
        "Cancel the refresh, and resume. Start it again when nothing runs there that must not end.",
        "aws autoscaling cancel-instance-refresh",
    ),
    Reason.OBSERVATION_DENIED: Meaning(
        "AWS or Kubernetes refuses a read, and has refused it for as long as `patience` says.",
        "The rollout sees nothing, so it changes nothing. Everything stays as it is.",
        "Correct the right, the credentials or the object that the message names, and resume.",
        "rollout doctor",
    ),
    Reason.OBSERVATION_UNCONFIRMED: Meaning(
        "One observation asks for a halt, or for a change that cannot be undone. AWS may have answered with old data.",
        "Nothing is changed until a second observation says the same.",
        _GOES_ON,
        halts=False,
    ),
    Reason.POD_LIST_STALE: Meaning(
        "The pods of the node were not listed directly from the API server yet.",
        _PODS,
        _GOES_ON,
        halts=False,
    ),
    Reason.PODS_UNKNOWN: Meaning(
        "It is not known which pods run on the instance. It has no Node object, or its Node was deleted.",
        "The instance is not terminated, because Jobs may run on it.",
        "If no pod that must finish runs there, reboot the instance. Its kubelet then registers.",
        "aws ec2 reboot-instances",
    ),
    Reason.PLAN_MOVED: Meaning(
        "After `rollout start --plan FILE` compared them with its plan, somebody changed groups or cluster-autoscaler.",
        "No group was changed. cluster-autoscaler is off, and the groups' nodes have scale-down-disabled.",
        "Resume to go on with what is there now, or abort and make a new plan.",
        "rollout abort",
    ),
    Reason.AUTOSCALER_PODS_RUNNING: Meaning(
        "cluster-autoscaler is scaled to 0, but its pod did not end before the deadline.",
        "No size was changed and no node was tainted yet.",
        "See why the pod does not end, delete it, and resume.",
        "kubectl describe pod",
    ),
    Reason.INSTANCES_NOT_IN_SERVICE: Meaning(
        "Instances are not InService: they do not launch, or a lifecycle hook holds them.",
        "Groups may have the sizes of the surge. The rollout takes no protection from scale-in off.",
        "See why: capacity, quota, or a hook. Correct it, and resume.",
        "aws autoscaling describe-scaling-activities",
    ),
    Reason.INSTANCE_IN_STANDBY: Meaning(
        "Somebody put an old instance into Standby. It does not leave Standby by itself.",
        _PODS,
        "Bring the instance back into service, and resume.",
        "aws autoscaling exit-standby",
    ),
    Reason.INSTANCE_RETAINED: Meaning(
        "A termination hook of the instance was abandoned, and the group's InstanceLifecyclePolicy then retains the "
        "instance (Terminating:Retained). AWS does nothing more to it.",
        "The instance runs on and is paid for. DesiredCapacity does not count it.",
        "When nothing runs there that must not end, terminate it, without lowering DesiredCapacity. Then resume.",
        "aws autoscaling terminate-instance-in-auto-scaling-group",
    ),
    Reason.INSTANCE_TERMINATING: Meaning(
        "AWS was asked to terminate the instance, and has not done so for hours.",
        "The instance is empty. DesiredCapacity is lower by one already.",
        "Complete the lifecycle hook that holds it, or resume the process Terminate of the group.",
        "aws autoscaling describe-lifecycle-hooks",
    ),
    Reason.NODES_NOT_READY: Meaning(
        "New nodes are missing, not Ready, not schedulable, or do not fit the pods of the old nodes. "
        "Or they all have a taint that the old ones have not.",
        f"{_SURGED} They still take new pods.",
        "Clear the cause on the node, or terminate its instance, and resume. The tool that set a taint removes it when "
        "the node is fit for work. Remove it yourself only if you know that tool.",
        "kubectl describe node",
    ),
    Reason.NO_OTHER_NODE: Meaning(
        "A pod on the node has an EBS volume, or requires a zone or an instance type. No other node can run it. "
        "A group with fewer instances than zones gets its new node in another zone.",
        _PODS,
        "Allow only that zone or type in the group for a while. Then terminate a new instance on which nothing runs, "
        "without lowering DesiredCapacity. Or delete the pod yourself: it stays Pending.",
        "kubectl get nodes -L topology.kubernetes.io/zone,node.kubernetes.io/instance-type",
    ),
    Reason.OLD_NODES_LEFT: Meaning(
        "Old nodes are left. Each of them has its own reason.",
        _SURGED,
        "See what each node waits for.",
        _STATUS,
        halts=False,
    ),
    Reason.TOO_FEW_NODES: Meaning(
        "Too few nodes of the group would serve without this one.",
        _PODS,
        "Let more nodes serve: uncordon them, or clear why they are not Ready, or why AWS launches none. Then resume.",
        "kubectl get nodes",
    ),
    Reason.TOO_MANY_INSTANCES: Meaning(
        "The group has more instances than it desires. AWS would choose which one to end.",
        "The rollout takes no protection from scale-in off. The other values are being restored.",
        "Raise DesiredCapacity as the halt says, or end one instance on which nothing runs.",
        _UPDATE,
    ),
    Reason.TURN: Meaning(
        "Other nodes of the group are drained or terminated first.",
        _PODS,
        "Nothing. The setting `drain.max_draining` says how many nodes drain at a time.",
        halts=False,
    ),
    Reason.PAUSED: Meaning(
        "Somebody has paused the rollout with `rollout pause`.",
        "Nothing is changed, also when the drain deadline passes. cluster-autoscaler stays off, and the groups keep "
        "their sizes.",
        "Resume it when you are ready. If the drain deadline is past, this asks for more time or `--kill-now`.",
        "rollout resume",
        halts=False,
    ),
    Reason.WINDOW_CLOSED: Meaning(
        "No maintenance window of the setting `windows` is open. The message says when the next one opens.",
        "Before AUTOSCALER_OFF nothing was changed. In DRAIN no further node is drained and no Job is ended; "
        "cluster-autoscaler stays off, and the groups keep their sizes.",
        "Nothing: it goes on by itself when the window opens. Jobs are ended 15 minutes after that at the earliest. "
        "If it cannot wait, `rollout abort` goes back at any time.",
        halts=False,
    ),
    Reason.VOLUMES_ATTACHED: Meaning(
        "Volumes of pods that left are still attached to the node, for six minutes at most.",
        "The node is empty. Its instance is not terminated yet.",
        _GOES_ON,
        halts=False,
    ),
    Reason.EVICTION_FAILS: Meaning(
        "An eviction is not applied: the API server or a webhook does not answer it.",
        _PODS,
        "Clear what blocks the eviction, such as a webhook, or delete the pod yourself. Then resume.",
        "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations",
    ),
    Reason.EVICTION_REJECTED: Meaning(
        "The API server rejects an eviction, and will not allow it later.",
        _PODS,
        "Change what rejects it, or delete the pod yourself. Then resume.",
        "kubectl delete pod",
    ),
    Reason.JOBS_RUNNING: Meaning(
        "Protected pods run on the node, such as those of a Job. With `on_deadline: halt` the rollout halts at the "
        "drain deadline. One halt names all such pods on all nodes.",
        "The pods keep running. The node takes no new pods, and its instance is protected from scale-in.",
        "Give the pods more time, or delete all of them yourself. Then resume.",
        "kubectl delete pod",
    ),
    Reason.KUBELET_SILENT: Meaning(
        "The kubelet of the node does not report, so pods that should end stay.",
        _PODS,
        "Reboot the instance. Only if the machine does not come back, delete the pod by force.",
        "aws ec2 reboot-instances",
    ),
    Reason.POD_COMES_BACK: Meaning(
        "A pod tolerates a cordon, and came back to it several times after its eviction. Or it is protected work that "
        "was made after the drain deadline: such work is not killed.",
        _PODS,
        "Remove the toleration of every taint from the workload. Scale a service to 0 until the node is gone; suspend "
        "what makes Jobs, such as a CronJob. Let the pods finish, or end them yourself.",
        "kubectl get cronjobs --all-namespaces",
    ),
    Reason.POD_DISRUPTION_BUDGET_BLOCKS: Meaning(
        "The API server refuses an eviction for now, usually because of a PodDisruptionBudget.",
        _PODS,
        "Make room in the budget, for example by more replicas. Or delete the pod yourself. Then resume.",
        "kubectl get poddisruptionbudgets --all-namespaces",
    ),
    Reason.POD_DOES_NOT_END: Meaning(
        "A pod should end and does not, because of a finalizer or its kubelet.",
        _PODS,
        "Let the controller that set the finalizer remove it, or remove it yourself. Then resume.",
        "kubectl describe pod",
    ),
    Reason.PODS_COMING: Meaning(
        "A pod may still come to the node, because it tolerates a cordon, or the scheduler had chosen the node.",
        "The node is empty. Its instance is not terminated yet.",
        "Nothing: it ends by itself. If a halt names the pod, let it finish or delete it.",
        "kubectl get pods --all-namespaces --field-selector spec.nodeName=NODE",
    ),
    Reason.PODS_LEAVING: Meaning(
        "Pods were evicted, and have not left the node yet.",
        _PODS,
        "Nothing: they have their grace period. If it lasts for more than an hour after the blocked deadline, a halt "
        "names the pods and the time. Resume when they have ended, or delete them with a shorter grace period.",
        "kubectl describe pod",
    ),
    Reason.REPLICAS_NOT_READY: Meaning(
        "Another replica of the same service is not Ready yet. Replicas leave one at a time.",
        _PODS,
        "Nothing: after five minutes the next one leaves, but the last Ready one only at the drain deadline.",
        halts=False,
    ),
}


def page() -> str:
    """Return the whole page."""
    halts, waits = ({name: one for name, one in MEANINGS.items() if one.halts is kind} for kind in (True, False))
    rules = {rule.reason: look for look, rule in REASONS.items()}
    warnings = {reason: look for look, reason in WARNINGS.items()} | {Reason.CLUSTER_UNIDENTIFIED: unidentified}
    return "\n".join(
        [HEAD, *_sections(halts), WAITS, *_sections(waits), BLOCKERS + _rows(rules), WARNED + _rows(warnings)]
    )


def _sections(meanings: Mapping[Reason, Meaning]) -> Iterator[str]:
    for reason, one in sorted(meanings.items()):
        typed = f"\n- Command: `{one.command}`" if one.command else ""
        yield f"### {reason}\n\n- What happened: {one.happened}\n- The cluster: {one.true}\n- To do: {one.do}{typed}\n"


def _rows(rules: Mapping[Reason, object]) -> str:
    said = ((reason, " ".join((inspect.getdoc(rule) or "").split())) for reason, rule in sorted(rules.items()))
    return "".join(f"| `{reason}` | {words} |\n" for reason, words in said)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
